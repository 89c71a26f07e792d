//! The screen of runs of all kinds, in a terminal that is only a buffer.

use std::fs;
use std::path::Path;
use std::time::Duration;

use perrin::record::{
    Event, EventKind, Hyperparameters, Layout, OptimizerInfo, ParameterInfo, RowBuffer, RunInfo,
    StepRecord,
};
use perrin::run::Eigenvectors;
use perrin::run::{ResumeFrom, Run, RunWriter};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::app::{App, View};
use super::screen;
use super::watched::{State, Watched};

fn writer(folder: &Path) -> RunWriter {
    let hyperparameters =
        Hyperparameters { learning_rate: Some(0.1), momentum: Some(0.9), weight_decay: Some(5e-4) };
    let info = RunInfo {
        optimizer: OptimizerInfo { name: Some("sgd".to_owned()), ..OptimizerInfo::default() },
        hyperparameters: vec![hyperparameters],
        layout: Layout { parameter_groups: 1, directions: 2 },
        ..RunInfo::default()
    };
    RunWriter::create(folder, &info, Vec::new()).unwrap()
}

/// 250 rows a second: ||Delta||^2 = 2e-3 k^1.1, a loss that decays, and two modes that circle
/// inwards.
fn rows(steps: std::ops::RangeInclusive<u64>) -> RowBuffer {
    let mut rows = RowBuffer::default();
    for step in steps {
        let k = step as f64;
        rows.records.push(StepRecord {
            step,
            epoch: Some(step / 400),
            elapsed_seconds: k * 0.004,
            hyperparameters: Hyperparameters {
                learning_rate: Some(0.1),
                momentum: Some(0.9),
                weight_decay: Some(5e-4),
            },
            batch_size: Some(128),
            loss: Some(0.3 + 2.0 * (-k / 700.0).exp()),
            gradient_norm_squared: None,
            local_displacement_squared: Some(1e-3 * (1.0 + 0.5 * (k / 300.0).cos())),
            global_displacement_squared: Some(2e-3 * k.powf(1.1)),
            basis: Some(0),
        });
        for phase in [0.0_f64, 0.05, 0.5 * std::f64::consts::PI, 0.55 * std::f64::consts::PI] {
            rows.projections.push(Some((-k / 900.0).exp() * (k * 0.02 + phase).sin()));
        }
    }
    rows
}

fn close(mut writer: RunWriter, step: u64) {
    let kind = EventKind::Finished { rows: step, dropped: 0 };
    writer.event(&Event { step, elapsed_seconds: 1.0, kind }).unwrap();
    writer.close().unwrap();
}

fn eigenvalues(writer: &mut RunWriter) {
    let parameter = ParameterInfo {
        name: "weight".to_owned(),
        shape: vec![1],
        kind: "f32".to_owned(),
        device: "cpu".to_owned(),
        group: None,
    };
    let values = Eigenvectors {
        parameters: vec![parameter],
        eigenvectors: vec![vec![1.0]; 3].into(),
        eigenvalues: vec![12.5, 6.25, -0.5],
        residuals: vec![1e-3, 2e-3, 0.25],
        converged: vec![true; 3],
        overlaps: vec![f64::NAN; 3],
        ..Eigenvectors::default()
    };
    writer.basis(0, 0, &values, true).unwrap();
}

/// What a terminal of this size shows. How long ago the last row came is left out: it is another
/// time at each test.
fn screen(watched: &mut Watched, app: &App, width: u16, height: u16) -> String {
    if let State::Open(open) = &mut watched.state {
        open.last_row_at = open.last_row_at.filter(|_| !open.finished());
    }
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| screen::draw(watched, app, frame.area(), frame.buffer_mut())).unwrap();
    screen::plain_text(terminal.backend().buffer())
}

fn overview(watched: &mut Watched) -> String {
    watched.refresh(Duration::MAX);
    screen(watched, &App::default(), 100, 30)
}

/// Compares with a file of `tests/data`; `PERRIN_WRITE_GOLDEN=1` writes it.
fn assert_golden(found: &str, name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    if std::env::var_os("PERRIN_WRITE_GOLDEN").is_some() {
        fs::write(&path, found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    assert!(found == expected, "{name} is not what is drawn:\n{found}");
}

#[test]
fn a_finished_run_as_drawn_before() {
    let folder = tempfile::tempdir().unwrap();
    // The path is shown: a short one that is the same everywhere.
    let place = folder.path().join("mnist");
    let mut writer = writer(&place);
    writer.append(&rows(1..=5000)).unwrap();
    let kind = EventKind::RowsDropped { count: 3, first_step: 700, last_step: 702 };
    writer.event(&Event { step: 702, elapsed_seconds: 2.8, kind }).unwrap();
    eigenvalues(&mut writer);
    close(writer, 5000);
    let mut watched = Watched::new(&place);
    assert!(watched.refresh(Duration::MAX));
    let shown = |text: String| text.replace(&place.display().to_string(), "runs/mnist");
    for (width, height, name) in [(80, 24, "watch_80x24.txt"), (140, 45, "watch_140x45.txt")] {
        let path_length = place.display().to_string().len();
        assert!(path_length < 60, "a temporary folder with a longer path would be cut off");
        assert_golden(&shown(screen(&mut watched, &App::default(), width, height)), name);
    }
}

#[test]
fn every_view_at_every_size() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(folder.path());
    writer.append(&rows(1..=300)).unwrap();
    eigenvalues(&mut writer);
    let mut open = Watched::new(folder.path());
    open.refresh(Duration::MAX);
    let mut waiting = Watched::new(&folder.path().join("none"));
    waiting.refresh(Duration::MAX);
    for watched in [&mut open, &mut waiting] {
        for view in View::ALL {
            for help in [false, true] {
                let app = App { view, help, ..App::default() };
                let sizes = (1..40).map(|size| (size, size)).chain([
                    (1, 50),
                    (200, 1),
                    (200, 60),
                    (30, 100),
                    (60, 9),
                ]);
                for (width, height) in sizes {
                    let text = screen(watched, &app, width, height);
                    assert_eq!(text.lines().count(), usize::from(height));
                }
            }
        }
    }
    // The keys are on the screen.
    assert!(screen(&mut open, &App::default(), 80, 24).contains("q quit"));
    assert!(
        screen(&mut open, &App { help: true, ..App::default() }, 80, 24).contains("another view")
    );
    assert!(
        screen(&mut open, &App { view: View::Eigenvalues, ..App::default() }, 80, 24)
            .contains("6.25 +- 0.002")
    );
}

#[test]
fn a_run_appears_grows_ends_and_another_takes_its_place() {
    let parent = tempfile::tempdir().unwrap();
    let place = parent.path().join("run");
    let mut watched = Watched::new(&place);
    assert!(overview(&mut watched).contains("waiting for it"));
    let mut first = writer(&place);
    assert!(overview(&mut watched).contains("no rows yet"));
    first.append(&rows(1..=1000)).unwrap();
    let text = overview(&mut watched);
    assert!(
        text.contains("running") && text.contains("step 1,000") && text.contains("250 rows/s"),
        "{text}"
    );
    assert!(text.contains("c 1.100 now  1.100 in all"), "{text}");
    first.append(&rows(1001..=2000)).unwrap();
    assert!(overview(&mut watched).contains("step 2,000"));
    close(first, 2000);
    assert!(overview(&mut watched).contains("finished"));
    fs::remove_dir_all(&place).unwrap();
    assert!(overview(&mut watched).contains("waiting for it"));
    let mut second = writer(&place);
    second.append(&rows(1..=10)).unwrap();
    let text = overview(&mut watched);
    assert!(text.contains("step 10 ") && text.contains("running"), "{text}");
}

#[test]
fn rows_discarded_by_a_resumed_run_are_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = writer(folder.path());
    let info = Run::open(folder.path()).unwrap().info().clone();
    first.append(&rows(1..=300)).unwrap();
    drop(first);
    let mut watched = Watched::new(folder.path());
    assert!(overview(&mut watched).contains("300 rows"));
    let from = ResumeFrom { step: Some(200), discard_later_rows: true };
    let (mut second, _) = RunWriter::resume(folder.path(), &info, from).unwrap();
    assert!(!watched.refresh(Duration::MAX), "it begins anew");
    assert!(overview(&mut watched).contains("200 rows"));
    second.append(&rows(201..=250)).unwrap();
    let text = overview(&mut watched);
    assert!(text.contains("250 rows") && text.contains("running"), "{text}");
}

#[test]
fn phase_portraits_do_not_mix_directions() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(folder.path());
    let mut followed = rows(1..=60);
    followed.records[40..].iter_mut().for_each(|record| record.basis = Some(1));
    writer.append(&followed).unwrap();
    let mut watched = Watched::new(folder.path());
    watched.refresh(Duration::MAX);
    let State::Open(open) = &watched.state else { panic!() };
    assert_eq!(open.tail.phase_path().len(), 20);
}

#[test]
fn what_is_wrong_with_a_run_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(folder.path());
    writer.append(&rows(1..=100)).unwrap();
    writer.roll_if_due(Duration::ZERO).unwrap();
    writer.roll_if_due(Duration::from_secs(9)).unwrap();
    let mut broken = rows(101..=102);
    broken.records[1].global_displacement_squared = Some(f64::NAN);
    writer.append(&broken).unwrap();
    let kind = EventKind::Stopped { reason: "the disk is full".to_owned() };
    writer.event(&Event { step: 102, elapsed_seconds: 1.0, kind }).unwrap();
    drop(writer);
    let segment = folder.path().join("steps/000000.parquet");
    let bytes = fs::read(&segment).unwrap();
    fs::write(&segment, &bytes[..bytes.len() - 9]).unwrap();
    let mut watched = Watched::new(folder.path());
    watched.refresh(Duration::MAX);
    let text = screen(&mut watched, &App { view: View::Events, ..App::default() }, 200, 30);
    for said in [
        "stopped: the disk is full",
        "000000.parquet is damaged",
        "2 rows",
        "step 102: stopped  reason",
        "2 more",
    ] {
        assert!(text.contains(said), "{said} is not in\n{text}");
    }
    fs::write(folder.path().join("run.json"), "{}").unwrap();
    assert!(overview(&mut watched).contains("damaged"));
}

#[test]
fn modes_follow_one_another() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(folder.path());
    writer.append(&rows(1..=50)).unwrap();
    let mut watched = Watched::new(folder.path());
    watched.refresh(Duration::MAX);
    let mut modes = Vec::new();
    for forwards in [true, true, false, false] {
        let State::Open(open) = &watched.state else { panic!() };
        let last = rows(50..=50).projections;
        assert_eq!(open.tail.phase_path()[49].0, last[watched.mode() - 1].unwrap());
        assert_eq!(open.tail.phase_path()[49].1, last[watched.mode() + 1].unwrap());
        watched.change_mode(forwards);
        modes.push(watched.mode());
    }
    assert_eq!(modes, [2, 1, 2, 1]);
}
