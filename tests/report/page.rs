//! What the page holds: well-formed, nothing of a run as markup, a sentence for what is missing.

use std::path::Path;

use perrin::analysis::curvatures::Curvatures;
use perrin::analysis::{FitOptions, RunFit};
use perrin::record::{EventKind, Hyperparameters, Layout, OptimizerInfo, RunInfo, StepRecord};
use perrin::report::{ReportOptions, write_report};
use perrin::run::Run;

use crate::markup::check;
use crate::support::{plain, report, rich, synthetic};

fn row(step: u64, value: f64) -> StepRecord {
    StepRecord {
        step,
        loss: Some(value),
        local_displacement_squared: Some(value),
        global_displacement_squared: Some(value),
        ..StepRecord::default()
    }
}

/// Of a run with these rows and events, under the name.
fn page_of(name: &str, info: &RunInfo, records: Vec<StepRecord>, events: Vec<EventKind>) -> String {
    let directory = tempfile::tempdir().unwrap();
    let run = directory.path().join(name);
    plain(&run, info, records, events);
    report(&[&run], None).0
}

#[test]
fn a_rich_run_has_every_figure_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let run = directory.path().join("rich");
    rich(&run, 12_000);
    let figures = directory.path().join("figures");
    let (page, written) = report(&[&run], Some(&figures));
    check(&page);
    let ids = [
        "description",
        "findings",
        "displacement",
        "phase-portraits",
        "spectra",
        "plane",
        "landscape",
        "isotropy",
    ];
    let ids = ids.iter().chain(&[
        "equipartition",
        "exponent",
        "eigenvalues",
        "noise",
        "training",
        "events",
    ]);
    let places: Vec<usize> =
        ids.map(|id| page.find(&format!("id=\"run-1-{id}\"")).expect(id)).collect();
    assert!(places.is_sorted(), "{places:?}");
    assert!(!page.contains("Not shown"), "a figure is missing");
    // Nothing from elsewhere: the one address names SVG.
    assert_eq!(page.matches("://").count(), page.matches("http://www.w3.org/2000/svg").count());
    for asked in ["<script", "src=", "@import", "url("] {
        assert!(!page.contains(asked), "{asked}");
    }
    assert_eq!(page.matches("<svg").count() * 2, written.figures.len());
    for path in &written.figures {
        let text = std::fs::read_to_string(path).unwrap();
        match path.extension().unwrap().to_str().unwrap() {
            "svg" => check(&text),
            _ => assert!(
                text.starts_with("series,") && text.lines().count() > 1,
                "{}",
                path.display()
            ),
        }
    }
}

#[test]
fn nothing_from_a_run_is_markup() {
    let name = "<img src=x onerror=alert(1)>&\"'";
    let info = RunInfo {
        optimizer: OptimizerInfo {
            name: Some("<b>sgd</b>".to_owned()),
            ..OptimizerInfo::default()
        },
        created: "</title><script>".to_owned(),
        ..RunInfo::default()
    };
    let events = vec![
        EventKind::Stopped { reason: "</td><script>alert('x')</script>\u{0}".to_owned() },
        EventKind::OutsideWrite {
            parameters: vec!["<i>".to_owned()],
            displacement_squared: None,
            count: 1,
        },
    ];
    let page = page_of(name, &info, (1..50).map(|step| row(step, step as f64)).collect(), events);
    check(&page);
    for raw in ["<img", "<b>", "<script", "<i>"] {
        assert!(!page.contains(raw), "{raw}");
    }
    assert!(page.contains("&lt;img src=x onerror=alert(1)&gt;&amp;&quot;&#39;"));
    assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;\u{FFFD}"));
}

#[test]
fn what_is_missing_is_a_sentence() {
    let empty = page_of("empty", &RunInfo::default(), vec![], vec![]);
    check(&empty);
    assert!(
        empty.contains("The run has no rows.")
            && empty.matches("Not shown: the run has no rows.").count() > 2
    );
    assert!(!empty.contains("<svg"));

    let one = page_of(
        "one",
        &RunInfo::default(),
        vec![StepRecord { step: 1, ..StepRecord::default() }],
        vec![],
    );
    check(&one);
    assert!(one.contains("The loss is not known.") && one.contains("The run was not closed"));
    assert!(!one.contains("<svg"));

    let single = page_of("single", &RunInfo::default(), vec![row(7, 2.0)], vec![]);
    check(&single);
    assert!(single.contains("<svg"));
}

#[test]
fn of_an_optimizer_outside_the_theory_the_page_says_so_first_and_predicts_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let page = |name: &str| {
        let drawn = synthetic(2000, &[2.0, 0.4]);
        let optimizer = OptimizerInfo { name: Some(name.to_owned()), ..drawn.info().optimizer };
        let (info, run) = (RunInfo { optimizer, ..drawn.info() }, directory.path().join(name));
        plain(
            &run,
            &info,
            (1..2000).map(|step| row(step, 1.0 + (step % 7) as f64)).collect(),
            vec![],
        );
        report(&[&run], None).0
    };
    for (name, why) in [
        ("adam", "divides each element of a step by the root"),
        ("lion", "know nothing of its steps"),
    ] {
        let page = page(name);
        check(&page);
        let first = page
            .split("Assumptions that do not hold")
            .nth(1)
            .unwrap()
            .split("<li>")
            .nth(1)
            .unwrap();
        assert!(
            first.starts_with(&format!(
                "The optimizer is {name}, which the theory does not describe"
            )),
            "{first}"
        );
        assert!(first.contains(why), "{first}");
        let reason = format!(": the theory is for sgd, and the optimizer is {name}.</li>");
        let unanswered = page.split(&reason).next().unwrap().rsplit("<li>").next().unwrap();
        assert!(
            unanswered.contains("gradient noise") && unanswered.contains("stability"),
            "{unanswered}"
        );
        assert!(
            page.contains("No predicted curve") && !page.contains(">predicted"),
            "nothing is predicted"
        );
    }
    assert!(!page("sgd").contains("the theory does not describe"));
}

#[test]
fn rows_that_are_no_numbers_leave_no_trace_in_pictures() {
    let values = [f64::NAN, f64::INFINITY, -1.7e308, 0.0, 1e-320, 1.7e308, f64::NEG_INFINITY];
    let info =
        RunInfo { layout: Layout { parameter_groups: 1, directions: 2 }, ..RunInfo::default() };
    let records = (1..400).map(|step| StepRecord {
        hyperparameters: Hyperparameters {
            learning_rate: Some(values[step as usize % 7]),
            ..Hyperparameters::default()
        },
        ..row(step * 3, values[step as usize % 7])
    });
    let page = page_of("strange", &info, records.collect(), vec![]);
    check(&page);
    for figure in page.split("<svg").skip(1) {
        let figure = figure.split("</svg>").next().unwrap();
        assert!(!figure.contains("NaN") && !figure.contains("inf"), "{figure}");
    }
}

#[test]
fn several_runs_are_compared_with_the_first() {
    let directory = tempfile::tempdir().unwrap();
    let runs: Vec<_> = [0.1, 0.05, 0.2]
        .iter()
        .map(|&learning_rate| {
            let mut run = synthetic(2000, &[2.0, 0.4]);
            run.parameters.learning_rate = learning_rate;
            let path = directory.path().join(format!("rate {learning_rate}"));
            run.write(&path);
            path
        })
        .collect();
    let figures = directory.path().join("figures");
    let (page, written) =
        report(&runs.iter().map(|run| run.as_path()).collect::<Vec<&Path>>(), Some(&figures));
    check(&page);
    assert!(page.contains("Speed by learning rate") && page.contains("R² of ln"));
    assert!(page.contains("id=\"run-3-displacement\""));
    for name in ["speed_by_learning_rate.svg", "run_2_local_displacement.csv"] {
        assert!(written.figures.contains(&figures.join(name)), "{name}");
    }
    let speeds = std::fs::read_to_string(figures.join("speed_by_learning_rate.csv")).unwrap();
    // A line and a cross for each prediction, and the measured ones.
    assert_eq!(speeds.lines().count(), 1 + 3 + 3 + 3);
}

#[test]
fn the_predicted_curve_is_that_of_the_fit() {
    let directory = tempfile::tempdir().unwrap();
    let (path, figures) = (directory.path().join("run"), directory.path().join("figures"));
    synthetic(3000, &[2.0, 0.4]).write(&path);
    let run = Run::open(&path).unwrap();
    for (density, name) in [
        ("", "\"predicted, directions\","),
        (r#", "density": {"nodes": [0.1], "weights": [1], "dimension": 9}"#, "predicted,"),
    ] {
        let curvatures =
            Curvatures::from_json(&format!(r#"{{"eigenvalues": [2.0, 0.4]{density}}}"#)).unwrap();
        let options = ReportOptions {
            output: Some(directory.path().join("page.html")),
            figures: Some(figures.clone()),
            curvatures: Some(curvatures.clone()),
            ..ReportOptions::default()
        };
        write_report(std::slice::from_ref(&run), &options, &mut |_| {}).unwrap();
        check(&std::fs::read_to_string(directory.path().join("page.html")).unwrap());
        let fit = RunFit::with(
            &run,
            &FitOptions { curvatures: Some(curvatures), ..FitOptions::default() },
        )
        .unwrap();
        let expected = fit.predicted.known().unwrap().curve.last().unwrap();
        let table = std::fs::read_to_string(figures.join("global_displacement.csv")).unwrap();
        let last =
            table.lines().rfind(|line| line.starts_with(name)).unwrap().strip_prefix(name).unwrap();
        let values: Vec<f64> =
            last.split(',').take(2).map(|value| value.parse().unwrap()).collect();
        assert_eq!(values[0] as u64, expected.step);
        // The same equation twice: rounding alone.
        assert!((values[1] / expected.exact - 1.0).abs() < 1e-9, "{values:?} {expected:?}");
        assert_eq!(figures.join("eigenvalue_density.svg").exists(), !density.is_empty());
    }
}

#[test]
fn very_many_events_make_no_large_page() {
    let directory = tempfile::tempdir().unwrap();
    let run = directory.path().join("run");
    let records = (1..3000).map(|step| row(step, step as f64)).collect();
    plain(&run, &RunInfo::default(), records, Vec::new());
    let kinds = [
        r#""event":"outside_write","parameters":["layer"],"displacement_squared":1e-7,"count":1"#,
        r#""event":"interrupted","reason":"No space left on device","seconds":0.5,"events_lost":0"#,
        r#""event":"basis_changed","basis":1"#,
    ];
    let line = |n: usize| {
        format!("{{\"step\":{},\"elapsed_seconds\":1.0,{}}}\n", 1 + n / 17, kinds[n % 3])
    };
    // One that nobody would read to its end.
    let long = format!(
        "{{\"step\":1,\"elapsed_seconds\":1.0,\"event\":\"parameters_added\",\"parameters\":[{}\"end\"]}}\n",
        format!("\"{}\",", "name".repeat(100)).repeat(3000)
    );
    let text = long + &(0..50_000).map(line).collect::<String>();
    std::fs::write(run.join("events.jsonl"), text).unwrap();
    let (page, _) = report(&[&run], None);
    check(&page);
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
    assert!(page.contains(
        "And 49,976 more; in all: 1 parameters added, 16,667 outside write, 16,667 log interrupted"
    ));
    assert!(
        page.contains("as wide as they are many: outside write, log interrupted, new directions.")
    );
    assert!(page.contains("and 2,993 more"));
}
