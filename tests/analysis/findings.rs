//! What a fit says in words: sizes before significance, advice that knows the schedule, reasons
//! that name the remedy.

use std::path::Path;

use crate::synthetic::{SyntheticRun, USUAL_SGD};
use perrin::analysis::{Answer, FitOptions, Question, RunFit, RunState, Verdict};
use perrin::record::{Hyperparameters, Layout, OptimizerInfo, RunInfo, StepRecord};
use perrin::run::{Run, RunWriter};

const EIGENVALUES: [f64; 4] = [4.0, 1.5, 0.5, 0.2];

fn synthetic(rows: u64) -> SyntheticRun {
    SyntheticRun { parameters: USUAL_SGD, eigenvalues: EIGENVALUES.to_vec(), rows, seed: 3 }
}

fn fit(directory: &Path) -> RunFit {
    RunFit::of(&Run::open(directory).unwrap()).unwrap()
}

/// A run drawn and changed row by row.
fn changed(rows: u64, change: impl FnMut(&mut StepRecord, &mut [Option<f64>]) -> bool) -> RunFit {
    let directory = tempfile::tempdir().unwrap();
    synthetic(rows).write_with(directory.path(), change);
    fit(directory.path())
}

#[track_caller]
fn said(fit: &RunFit, question: Question) -> (Verdict, &str) {
    let finding = fit.finding(question).unwrap_or_else(|| panic!("{question} was not asked"));
    (finding.verdict, &finding.sentence)
}

#[test]
fn every_question_of_the_summary_is_answered_once_and_in_order() {
    let directory = tempfile::tempdir().unwrap();
    synthetic(6000).write_along(directory.path(), 4);
    let fit = fit(directory.path());
    let questions: Vec<Question> = fit.findings.iter().map(|finding| finding.question).collect();
    let mut once = questions.clone();
    once.dedup();
    assert_eq!(questions, once);
    let summary = fit.summary().to_string();
    let topics: Vec<&str> = summary
        .lines()
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| line.split("  ").next())
        .collect();
    let expected = [
        "run",
        "rows",
        "settings",
        "stationary",
        "exponent",
        "speed",
        "curvature",
        "oscillation",
        "positions",
        "energy",
        "noise",
        "stability",
        "advice",
        "more",
    ];
    assert_eq!(topics, expected, "{summary}");
    assert!(fit.to_string().starts_with(summary.split("more").next().unwrap()));
    let json = serde_json::to_value(&fit).unwrap();
    let energy = json["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|finding| finding["question"] == "energy")
        .unwrap();
    assert_eq!(energy["size"]["unit"], "% of kinetic energy");
    assert!(energy["sentence"].as_str().unwrap().starts_with("potential is "), "{energy}");
}

/// A p-value stands behind a number that tells how much.
#[test]
fn no_test_stands_without_its_size() {
    let drifting = changed(6000, |row, _| {
        row.loss = row.loss.map(|loss| loss + 1.0 - 5e-5 * row.step as f64);
        true
    });
    let (verdict, stationary) = said(&drifting, Question::Stationarity);
    assert!(
        verdict == Verdict::Fails && stationary.starts_with("nowhere: loss falls by "),
        "{stationary}"
    );
    let size = drifting.finding(Question::Stationarity).unwrap().size.unwrap();
    // From 0.98 and the mean loss to 0.77 and the mean loss, the first tenth's middle to the last
    // half's.
    assert!(size.unit == "%" && (-30.0..-10.0).contains(&size.value), "{size:?}");
    for finding in drifting.findings.iter().filter(|finding| finding.sentence.contains("(p ")) {
        let before = finding.sentence.split("(p ").next().unwrap();
        assert!(before.chars().any(|character| character.is_ascii_digit()), "{finding:?}");
        assert!(finding.size.is_some(), "{finding:?}");
    }
}

#[test]
fn advice_knows_the_schedule_and_whether_the_run_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    synthetic(6000).write(directory.path());
    let finished = fit(directory.path());
    let advice = finished.advice.learning_rate.known().unwrap();
    assert!(advice.stationary && advice.ended && !advice.lower_now, "{advice:?}");
    let (_, sentence) = said(&finished, Question::LearningRate);
    assert!(
        sentence.starts_with("the run has ended, stationary at learning rate 0.1"),
        "{sentence}"
    );

    std::fs::remove_file(directory.path().join("events.jsonl")).unwrap();
    let open = fit(directory.path());
    assert_eq!(open.state, RunState::Open);
    assert!(open.advice.learning_rate.known().unwrap().lower_now);
    assert_eq!(
        said(&open, Question::LearningRate).1,
        "if the run goes on, lower the learning rate now; it is 0.1"
    );

    // A cosine to 1.5e-6, not closed: what it gives is of the schedule.
    let rate =
        |step: u64| 1.5e-6 + 0.05 * (1.0 + (std::f64::consts::PI * step as f64 / 6000.0).cos());
    synthetic(6000).write_with(&directory.path().join("cosine"), |row, _| {
        row.hyperparameters.learning_rate = Some(rate(row.step));
        true
    });
    std::fs::remove_file(directory.path().join("cosine/events.jsonl")).unwrap();
    let cosine = fit(&directory.path().join("cosine"));
    let advice = cosine.advice.learning_rate.known().unwrap();
    assert!(!advice.lower_now && (advice.present / 1.5e-6 - 1.0).abs() < 1e-9, "{advice:?}");
    let (_, sentence) = said(&cosine, Question::LearningRate);
    assert!(
        sentence.starts_with("the learning rate fell from 0.07") && sentence.contains("0.1"),
        "{sentence}"
    );
    assert!(cosine.advice.averaging.reason().unwrap().contains("the learning rate changes"));
    assert!(cosine.summary().to_string().contains("at first)"), "{}", cosine.summary());
    // Stability is that of the rate in force.
    let stability = cosine.advice.stability.known();
    assert!(stability.is_none_or(|stability| stability.learning_rate < 2e-6), "{stability:?}");

    // A drop long before the window leaves one rate.
    let dropped = changed(6000, |row, _| {
        row.hyperparameters.learning_rate = Some(if row.step < 100 { 1.0 } else { 0.1 });
        true
    });
    let (_, sentence) = said(&dropped, Question::LearningRate);
    assert!(sentence.contains("at learning rate 0.1 (1 at most)"), "{sentence}");
}

#[test]
fn a_run_that_became_nan_has_no_exponents() {
    let broken = |from: u64| {
        changed(600, move |row, projections| {
            if row.step >= from {
                row.local_displacement_squared = Some(f64::NAN);
                row.global_displacement_squared = Some(f64::NAN);
                projections.fill(Some(f64::NAN));
            }
            true
        })
    };
    let fit = broken(205);
    let reason =
        "displacements are NaN or infinite from step 205 on; `--to 204` fits the rows before";
    assert_eq!(fit.displacement.reason(), Some(reason));
    assert_eq!(fit.displacement_all.reason(), Some(reason));
    assert_eq!(fit.displacement_projected.reason(), Some(reason));
    assert_eq!(fit.speed.reason(), Some(reason));
    assert_eq!(fit.stationarity.beginning.reason(), Some(reason));
    assert_eq!(fit.modes.window.reason(), Some(reason));
    assert!(fit.advice.learning_rate.known().is_none() && fit.advice.averaging.known().is_none());
    for question in [Question::Exponent, Question::Speed, Question::Energy, Question::LearningRate]
    {
        assert_eq!(said(&fit, question), (Verdict::Unanswered, reason));
    }
    let summary = fit.summary().to_string();
    assert_eq!(summary.matches("--to 204").count(), 1, "said once: {summary}");

    let directory = tempfile::tempdir().unwrap();
    synthetic(600).write_with(directory.path(), |row, _| {
        row.global_displacement_squared =
            row.global_displacement_squared.filter(|_| row.step < 205).or(Some(f64::NAN));
        true
    });
    let before = FitOptions { last_step: Some(204), ..FitOptions::default() };
    let before = RunFit::with(&Run::open(directory.path()).unwrap(), &before).unwrap();
    assert!(before.displacement.known().is_some() && before.speed.known().is_some());
}

#[test]
fn what_attach_does_not_log_is_answered_with_what_does() {
    let directory = tempfile::tempdir().unwrap();
    let drawn = synthetic(3000);
    let info = RunInfo { optimizer: OptimizerInfo::default(), batch_size: None, ..drawn.info() };
    drawn.draw(RunWriter::create(directory.path(), &info, Vec::new()).unwrap(), 4, |row, _| {
        (row.hyperparameters, row.batch_size) = (Hyperparameters::default(), None);
        true
    });
    let fit = fit(directory.path());
    let remedy = "the optimizer is not known: `Options::build` in place of `attach` logs it";
    let answers = [
        fit.gradient_noise.reason(),
        fit.stationarity.fluctuation_dissipation.reason(),
        fit.advice.stability.reason(),
        fit.modes.modes[0].recursion.reason(),
    ];
    assert_eq!(answers, [Some(remedy); 4]);
    assert!(
        fit.advice
            .learning_rate
            .reason()
            .unwrap()
            .ends_with("`Options::build` in place of `attach` logs it")
    );
    // Not known is not the same as not so.
    assert_eq!(said(&fit, Question::Settings), (Verdict::Unanswered, remedy));
    let text = fit.to_string();
    let without_remedy = text.lines().find(|line| line.ends_with("is not known"));
    assert_eq!(without_remedy, None);
}

#[test]
fn settings_are_those_of_every_group_at_the_last_row() {
    let directory = tempfile::tempdir().unwrap();
    let drawn = synthetic(50);
    let group =
        Hyperparameters { learning_rate: Some(0.1), momentum: Some(0.9), weight_decay: Some(0.0) };
    let info = RunInfo {
        hyperparameters: vec![group; 2],
        layout: Layout { parameter_groups: 2, directions: 0 },
        ..drawn.info()
    };
    let mut writer = RunWriter::create(directory.path(), &info, Vec::new()).unwrap();
    let mut rows = perrin::record::RowBuffer::default();
    for step in 1..=50 {
        let displacement = Some(step as f64);
        rows.records.push(StepRecord {
            step,
            hyperparameters: group,
            local_displacement_squared: Some(1.0),
            global_displacement_squared: displacement,
            ..StepRecord::default()
        });
        rows.group_hyperparameters.push(Hyperparameters { weight_decay: Some(0.1), ..group });
    }
    writer.append(&rows).unwrap();
    drop(writer);
    let summary = fit(directory.path()).summary().to_string();
    assert!(summary.contains("weight decay 0 and 0.1"), "{summary}");
    assert!(summary.contains("2 parameter groups"), "{summary}");
}

#[test]
fn an_exponent_without_an_interval_is_not_told_from_one() {
    let fit = changed(600, |row, projections| {
        row.global_displacement_squared = Some(3e-4 * (row.step as f64).powf(0.982));
        projections.fill(None);
        true
    });
    assert!(matches!(&fit.displacement, Answer::Known(law) if law.interval.reason().is_some()));
    let (verdict, sentence) = said(&fit, Question::Exponent);
    assert_eq!(verdict, Verdict::Measured);
    assert!(
        sentence.starts_with("c = 0.982 over steps 201 to 600, not told from 1: no interval"),
        "{sentence}"
    );
}
