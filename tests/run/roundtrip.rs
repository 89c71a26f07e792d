//! What goes into a log comes out of it, bit by bit, from finished segments and from the journal.

use std::fs;
use std::time::Duration;

use crate::common::{assert_rows_equal, layout, read_rows, rows, writer};
use perrin::Error;
use perrin::record::{Event, EventKind, RowBuffer, RunInfo};
use perrin::run::{ReferenceTensor, Run, RunWriter};
use proptest::prelude::*;

#[test]
fn segments_and_journal_are_read_in_step_order() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = writer(directory.path());
    for block in 0..7 {
        writer.append(&rows(block * 10 + 1..block * 10 + 11)).unwrap();
        writer.roll_if_due(Duration::from_secs(block)).unwrap();
    }
    let names = |folder: &str| file_names(&directory.path().join(folder));
    assert_eq!(names("steps"), ["000000.parquet", "000001.parquet"], "segments of 1 s and 2 s");
    assert_eq!(names("open"), ["000002.arrows"]);
    assert_rows_equal(&read_rows(directory.path()), &rows(1..71));

    let totals = writer.close().unwrap();
    assert_eq!((totals.rows, totals.segments), (70, 3));
    let sizes = file_names(&directory.path().join("steps"))
        .iter()
        .map(|name| fs::metadata(directory.path().join("steps").join(name)).unwrap().len())
        .sum::<u64>();
    assert_eq!(totals.bytes, sizes);
    assert_rows_equal(&read_rows(directory.path()), &rows(1..71));
}

#[test]
fn a_segment_of_several_row_groups_is_read_whole() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = writer(directory.path());
    // 16 MiB of 20 columns are 104,857 rows.
    for block in 0..25 {
        writer.append(&rows(block * 10_000 + 1..block * 10_000 + 10_001)).unwrap();
    }
    writer.close().unwrap();
    assert_rows_equal(&read_rows(directory.path()), &rows(1..250_001));
}

#[test]
fn only_the_columns_asked_for_come_in_the_order_asked() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = writer(directory.path());
    writer.append(&rows(1..4)).unwrap();
    for finished in [false, true] {
        let run = Run::open(directory.path()).unwrap();
        let columns = ["velocity_2", "step", "loss", "step"];
        let batch = run.steps(&columns).unwrap().next().unwrap().unwrap();
        let names: Vec<_> =
            batch.schema().fields().iter().map(|field| field.name().clone()).collect();
        assert_eq!(names, columns);
        let mut steps = Vec::new();
        run.for_each_row(["epoch", "step"], |[epoch, step]| steps.push((epoch, step.unwrap())))
            .unwrap();
        assert_eq!(
            steps,
            [(Some(0.0), 1.0), (None, 2.0), (Some(0.0), 3.0)],
            "finished: {finished}"
        );
        if !finished {
            writer.roll_if_due(Duration::ZERO).unwrap();
            writer.roll_if_due(Duration::from_secs(1)).unwrap();
        }
    }
    let error = Run::open(directory.path()).unwrap().steps(&["step", "speed"]).err().unwrap();
    assert!(matches!(&error, Error::NoSuchColumn { column, .. } if column == "speed"), "{error}");
}

#[test]
fn a_second_writer_and_a_second_run_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let first = writer(directory.path());
    let second =
        RunWriter::create(directory.path(), &RunInfo::default(), Vec::new()).err().unwrap();
    assert!(matches!(second, Error::RunLocked { .. }), "{second}");
    first.close().unwrap();
    let second =
        RunWriter::create(directory.path(), &RunInfo::default(), Vec::new()).err().unwrap();
    assert!(matches!(second, Error::RunExists { .. }), "{second}");
}

#[test]
fn what_was_run_and_what_happened_are_read_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("runs/of/mnist");
    let info = RunInfo { layout: layout(), batch_size: Some(128), ..RunInfo::default() };
    let mut writer = RunWriter::create(&path, &info, Vec::new()).unwrap();
    let events = [
        EventKind::ParametersAdded { parameters: vec!["head.weight".to_owned()] },
        EventKind::RowsDropped { count: 3, first_step: 4, last_step: 6 },
    ];
    let events = events.map(|kind| Event { step: 7, elapsed_seconds: 0.1, kind });
    events.iter().for_each(|event| writer.event(event).unwrap());

    let run = Run::open(&path).unwrap();
    assert_eq!(run.info(), &info);
    assert_eq!(run.events().unwrap(), events);
    assert!(run.steps(&["step"]).unwrap().next().is_none(), "no rows yet");
}

#[test]
fn rows_that_do_not_fit_the_layout_are_refused_and_leave_the_log_usable() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = writer(directory.path());
    let mut wrong = rows(1..3);
    wrong.projections.pop();
    assert!(matches!(writer.append(&wrong), Err(Error::ShapeMismatch { name: "projections", .. })));
    writer.append(&rows(1..3)).unwrap();
    writer.close().unwrap();
    assert_rows_equal(&read_rows(directory.path()), &rows(1..3));
}

#[test]
fn the_reference_point_is_a_safetensors_file() {
    let directory = tempfile::tempdir().unwrap();
    let weight: Vec<u8> = [1.5f32, -2.0].iter().flat_map(|value| value.to_le_bytes()).collect();
    let tensor = |kind| ReferenceTensor {
        name: "layer.weight",
        kind,
        shape: vec![2, 1],
        bytes: weight.as_slice().into(),
    };
    let create = |tensors| RunWriter::create(directory.path(), &RunInfo::default(), tensors);
    assert!(matches!(create(vec![tensor("f16")]), Err(Error::ShapeMismatch { .. })));
    assert!(matches!(create(vec![tensor("i8")]), Err(Error::Parameters { .. })));
    let twice = create(vec![tensor("f32"), tensor("f32")]).err().unwrap();
    assert!(twice.to_string().contains("layer.weight"), "{twice}");
    // A run that could not begin does not stand in the way of one that can.
    assert!(!directory.path().join("run.json").exists());
    create(vec![tensor("f32")]).unwrap();

    let bytes = fs::read(directory.path().join("reference.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let read = tensors.tensor("layer.weight").unwrap();
    assert_eq!(
        (read.dtype(), read.shape(), read.data()),
        (safetensors::Dtype::F32, &[2, 1][..], weight.as_slice())
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_floating_point_number_survives_bit_by_bit(
        bits in prop::collection::vec((any::<u64>(), any::<bool>()), 1..40),
        close in any::<bool>(),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let mut writer = writer(directory.path());
        let mut block: RowBuffer = rows(1..bits.len() as u64 + 1);
        for (row, (bits, known)) in block.records.iter_mut().zip(&bits) {
            row.loss = known.then(|| f64::from_bits(*bits));
            row.elapsed_seconds = f64::from_bits(bits.rotate_left(7));
            row.hyperparameters.learning_rate = row.loss;
            row.batch_size = known.then_some(*bits >> 1); // as large as a signed integer
        }
        writer.append(&block).unwrap();
        if close {
            writer.close().unwrap();
        }
        assert_rows_equal(&read_rows(directory.path()), &block);
    }
}

fn file_names(directory: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
