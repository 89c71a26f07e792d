//! Files that are whole, and not where or what they were: another number's, another kind of thing,
//! lists and lines edited.

use crate::common;
use std::borrow::Cow;
use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::common::{compact_at_once, rows, writer};
use perrin::Error;
use perrin::record::{Event, EventKind, ParameterInfo};
use perrin::run::Eigenvectors;
use perrin::run::{
    CurvatureSummary, DeltaWriter, FullDelta, Measured, ReferenceTensor, Run, RunWriter, check,
    compact, recover,
};

fn damage(run: &Path) -> Vec<String> {
    check(run).unwrap().damage.iter().map(ToString::to_string).collect()
}

fn parameter(name: &str) -> ParameterInfo {
    let (kind, device) = ("f32".to_owned(), "cpu".to_owned());
    ParameterInfo { name: name.to_owned(), shape: vec![2], kind, device, group: None }
}

/// Two bases, each with its table, vectors and summary, that differ.
fn bases(run: &Path) {
    let mut writer = writer(run);
    for basis in 0..2 {
        let value = 1.0 + basis as f64;
        let trace = Some(Measured { value, standard_error: 0.0 });
        let directions = Eigenvectors {
            parameters: vec![parameter("weight"), parameter("bias")],
            eigenvalues: vec![value; 3],
            weight_decay: 0.125,
            ..Eigenvectors::from(vec![vec![0.5; 4]; 3])
        };
        let directions =
            directions.with_summary(CurvatureSummary { trace, ..CurvatureSummary::default() });
        writer.basis(basis, 10 * basis, &directions, true).unwrap();
    }
}

#[test]
fn a_file_of_another_basis_is_found() {
    for (folder, ending, said) in [
        ("curvature", "parquet", "it is the table of basis 0"),
        ("curvature_summaries", "json", "it is of basis 0"),
        ("eigenvectors", "safetensors", "its eigenvalues are not those of the curvature table"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        bases(directory.path());
        assert_eq!(damage(directory.path()), [""; 0]);
        let file =
            |number: u64| directory.path().join(folder).join(format!("{number:06}.{ending}"));
        fs::copy(file(0), file(1)).unwrap();
        let found = damage(directory.path());
        assert!(found[0].contains(said) && found.len() == 1, "{folder}: {found:?}");
        if folder != "curvature" {
            // Of a basis that there is not.
            fs::rename(file(1), file(2)).unwrap();
            let found = check(directory.path()).unwrap();
            assert_eq!((found.damage.len(), found.notes.len()), (0, 1), "{found:?}");
            assert!(
                found.notes[0].path == file(2)
                    && found.notes[0].what.starts_with("nothing reads it")
            );
        }
    }
}

#[test]
fn a_merged_segment_under_another_name_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = writer(directory.path());
    for segment in 0..3 {
        writer.append(&rows(10 * segment + 1..10 * segment + 11)).unwrap();
        writer.roll_if_due(Duration::from_secs(2_000 * segment)).unwrap();
        writer.roll_if_due(Duration::from_secs(2_000 * segment + 1_000)).unwrap();
    }
    writer.close().unwrap();
    compact_at_once(directory.path()).unwrap();
    let steps = directory.path().join("steps");
    let (named, other) = (steps.join("000000-000002.parquet"), steps.join("000000-000009.parquet"));
    fs::rename(&named, &other).unwrap();
    let found = damage(directory.path());
    assert!(
        found[0].contains("it holds segments 000000 to 000002, and is not named for them"),
        "{found:?}"
    );
    assert!(matches!(compact(directory.path()), Err(Error::Damaged { .. })));
}

#[test]
fn a_line_that_is_changed_moved_or_gone_is_found_at_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = writer(directory.path());
    log.append(&rows(1..11)).unwrap();
    let event =
        |step, basis| Event { step, elapsed_seconds: 0.5, kind: EventKind::BasisChanged { basis } };
    (1..=4).for_each(|number| log.event(&event(number, number)).unwrap());
    drop(log);
    let path = directory.path().join("events.jsonl");
    let whole = fs::read_to_string(&path).unwrap();
    // As docs/log-format.md has it.
    for (end, _) in whole.match_indices(",\"checksum\":") {
        let stored: u32 = whole[end + 12..].split('}').next().unwrap().parse().unwrap();
        assert_eq!(stored, crc32fast::hash(&whole.as_bytes()[..end]));
    }
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let run = Run::open(directory.path()).unwrap();
    assert_eq!(run.changed_event().unwrap(), None);
    let edited = lines[1].replace("\"basis\":2", "\"basis\":7");
    let without_checksum = lines[0].replace("\"checksum\"", "\"check_sum\"");
    for (lines, first_changed) in [
        (vec![&*without_checksum], Some(1)),
        (vec![&*without_checksum, lines[1]], Some(1)),
        (vec![lines[0], &edited, lines[2], lines[3]], Some(2)),
        (vec![lines[0], lines[2], lines[3]], Some(2)),
        (vec![lines[1], lines[2], lines[3]], Some(1)),
        (vec![lines[0], lines[2], lines[1], lines[3]], Some(2)),
        (vec![lines[0], lines[0], lines[1]], Some(2)),
        (
            vec![
                lines[0],
                "{\"step\":9,\"elapsed_seconds\":1.0,\"event\":\"stopped\",\"reason\":\"\"}\n",
            ],
            Some(2),
        ),
        // Of what was written last nothing is left that could tell.
        (vec![lines[0], lines[1]], None),
    ] {
        fs::write(&path, lines.concat()).unwrap();
        assert_eq!(run.changed_event().unwrap(), first_changed, "{lines:?}");
        let found = damage(directory.path());
        assert_eq!(
            found.iter().any(|finding| finding.contains("events.jsonl: line ")),
            first_changed.is_some()
        );
    }
    // Who goes on seals what there is, and hides nothing by it.
    fs::write(&path, [lines[0], &edited].concat()).unwrap();
    recover(directory.path()).unwrap();
    assert_eq!(run.events().unwrap().len(), 3);
    assert_eq!(run.changed_event().unwrap(), Some(2));
}

#[test]
fn lines_of_before_there_were_checksums_are_gone_on_with() {
    let directory = tempfile::tempdir().unwrap();
    drop(writer(directory.path()));
    // Version 1.
    let info = directory.path().join("run.json");
    let mut value: serde_json::Value = serde_json::from_slice(&fs::read(&info).unwrap()).unwrap();
    value.as_object_mut().unwrap().remove("checksum");
    value["schema_version"] = 1.into();
    fs::write(&info, value.to_string()).unwrap();
    let path = directory.path().join("events.jsonl");
    fs::write(
        &path,
        "{\"step\":1,\"elapsed_seconds\":1.0,\"event\":\"stopped\",\"reason\":\"\"}\n",
    )
    .unwrap();
    let mut log =
        RunWriter::resume(directory.path(), &common::info(), Default::default()).unwrap().0;
    log.event(&Event { step: 2, elapsed_seconds: 1.0, kind: EventKind::BasisChanged { basis: 0 } })
        .unwrap();
    drop(log);
    let run = Run::open(directory.path()).unwrap();
    assert_eq!((run.events().unwrap().len(), run.changed_event().unwrap()), (3, None));
    let edited = fs::read_to_string(&path).unwrap().replace("\"step\":1,", "\"step\":0,");
    fs::write(&path, edited).unwrap();
    assert_eq!(run.changed_event().unwrap(), Some(2), "the line before has no checksum of its own");
}

#[test]
fn lists_of_displacements_have_checksums_and_steps_that_rise() {
    let directory = tempfile::tempdir().unwrap();
    let _writer = writer(directory.path());
    let parameters = [parameter("weight"), parameter("bias")];
    for steps in [[10, 20], [30, 40]] {
        let mut deltas = DeltaWriter::create(directory.path(), &parameters).unwrap();
        for step in steps {
            let delta = FullDelta {
                step,
                learning_rate: None,
                delta: vec![0.0; 4],
                displacement: vec![0.0; 4],
            };
            deltas.append(delta).unwrap();
        }
    }
    assert_eq!(damage(directory.path()), [""; 0]);
    let file = |name: &str| directory.path().join("deltas").join(name);
    let parameters = fs::read_to_string(file("parameters.json")).unwrap();
    let swapped =
        parameters.replace("weight", "other").replace("bias", "weight").replace("other", "bias");
    fs::write(file("parameters.json"), swapped).unwrap();
    assert!(damage(directory.path())[0].contains("parameters.json: its checksum does not fit"));
    fs::write(file("parameters.json"), parameters).unwrap();
    fs::copy(file("000001.arrows"), file("000002.arrows")).unwrap();
    let found = damage(directory.path());
    assert!(found[0].contains("000002.arrows: row 0: step 30 comes after step 40"), "{found:?}");
}

#[test]
fn a_reference_point_has_its_checksums() {
    let directory = tempfile::tempdir().unwrap();
    let info = perrin::record::RunInfo { parameters: vec![parameter("weight")], ..common::info() };
    let bytes = Cow::Owned(vec![0; 8]);
    let tensor = ReferenceTensor { name: "weight", kind: "f32", shape: vec![2], bytes };
    drop(RunWriter::create(directory.path(), &info, vec![tensor]).unwrap());
    let path = directory.path().join("reference.safetensors");
    let whole = fs::read(&path).unwrap();
    let at = whole.windows(16).position(|window| window == b"perrin.checksums").unwrap();
    let renamed = [&whole[..at], b"perrin.checksumS", &whole[at + 16..]].concat();
    fs::write(&path, renamed).unwrap();
    assert!(damage(directory.path())[0].contains("weight does not have its checksum"));
}

/// Each file of a run becomes a pipe, a folder, a device by a link: nothing waits, and all else is
/// checked.
#[cfg(unix)]
#[test]
fn what_is_no_file_is_told_and_not_waited_for() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let pipe =
        |path: &Path| mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let folder = |path: &Path| fs::create_dir(path).unwrap();
    let device = |path: &Path| std::os::unix::fs::symlink("/dev/zero", path).unwrap();
    let makers: [&dyn Fn(&Path); 3] = [&pipe, &folder, &device];
    for make in makers {
        for file in [
            "run.json",
            "events.jsonl",
            "steps/000000.parquet",
            "open/000001.arrows",
            "curvature/000001.parquet",
            "curvature_summaries/000001.json",
            "eigenvectors/000001.safetensors",
            "deltas/parameters.json",
            "deltas/000000.arrows",
        ] {
            let directory = tempfile::tempdir().unwrap();
            bases(directory.path());
            let mut log =
                RunWriter::resume(directory.path(), &common::info(), Default::default()).unwrap().0;
            log.append(&rows(1..11)).unwrap();
            log.roll_if_due(Duration::ZERO).unwrap();
            log.roll_if_due(Duration::from_secs(1_000)).unwrap();
            log.append(&rows(11..21)).unwrap();
            let mut deltas = DeltaWriter::create(directory.path(), &[parameter("weight")]).unwrap();
            let step = FullDelta {
                step: 1,
                learning_rate: None,
                delta: vec![0.0; 2],
                displacement: vec![0.0; 2],
            };
            deltas.append(step).unwrap();
            drop(log);
            let path = directory.path().join(file);
            fs::remove_file(&path).unwrap();
            make(&path);
            match check(directory.path()) {
                Err(Error::Damaged { path: found, reason }) => {
                    assert_eq!(
                        (found, reason.as_str()),
                        (directory.path().join("run.json"), "it is no regular file")
                    );
                }
                found => {
                    let found: Vec<String> =
                        found.unwrap().damage.iter().map(ToString::to_string).collect();
                    let told = found.iter().any(|finding| {
                        finding.contains(file) && finding.contains("no regular file")
                    });
                    assert!(told, "{file}: {found:?}");
                }
            }
            let _ = recover(directory.path());
        }
    }
}
