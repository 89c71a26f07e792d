//! The folder `steps` of a run in any state, given to readers of folders.

use std::path::Path;

use serde_json::{Value, json};

use super::{python, runs};

/// Each gives the number of rows of the folder `steps` of a run, and the last step.
const READERS: [(&str, &str); 5] = [
    (
        "DuckDB",
        "import duckdb\nanswer = duckdb.sql(\"SELECT count(*), max(step) FROM read_parquet('FOLDER')\").pl()",
    ),
    (
        "Polars",
        "import polars as pl\nanswer = pl.read_parquet('FOLDER').select(pl.len(), pl.col('step').max())",
    ),
    (
        "Polars, lazily",
        "import polars as pl\nanswer = pl.scan_parquet('FOLDER/').select(pl.len(), pl.col('step').max()).collect()",
    ),
    (
        "pyarrow",
        "import pyarrow.parquet as pq\nanswer = pq.read_table('FOLDER').group_by([]).aggregate([([], 'count_all'), ('step', 'max')])",
    ),
    (
        "pyarrow's data set",
        "import pyarrow.dataset as ds\nanswer = ds.dataset('FOLDER').to_table().group_by([]).aggregate([([], 'count_all'), ('step', 'max')])",
    ),
];

fn assert_read(root: &Path, run: &str, rows: u64, last_step: u64) {
    let folder = format!("{run}/steps");
    let blocks: Vec<_> =
        READERS.iter().map(|(_, code)| ("python", code.replace("FOLDER", &folder))).collect();
    let answers =
        python::answer(python::script("queries/answers.py").current_dir(root), &json!(blocks));
    for ((reader, _), answer) in READERS.iter().zip(answers.as_array().unwrap()) {
        assert_eq!(answer, &json!([[rows, last_step]]), "{reader}, {run}");
    }
}

#[test]
fn finished_killed_and_live_runs_are_read_by_their_folder() {
    let root = tempfile::tempdir().unwrap();
    runs::write_all(root.path());
    assert_read(root.path(), "runs/mnist", 2997, 3000);
    let finished = |run: &str| -> u64 {
        let segments = std::fs::read_dir(root.path().join(run).join("steps")).unwrap();
        let names: Vec<_> =
            segments.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        assert!(names.iter().all(|name| name.ends_with(".parquet")), "{names:?}");
        names.len() as u64
    };
    // As a killed process left it, and then with a writer at work on it.
    let killed: Value = {
        let query = "SELECT count(*) FROM 'runs/live/steps/*.parquet'";
        python::answer(
            python::script("queries/answers.py").current_dir(root.path()),
            &json!([("sql", query)]),
        )
    };
    let rows = killed[0][0][0].as_u64().unwrap();
    assert!(
        rows > 0 && rows < 1050 && finished("runs/live") >= 2,
        "{rows} rows in finished segments"
    );
    assert_read(root.path(), "runs/live", rows, rows);

    let mut writer = runs::writer(&root.path().join("runs/now"), 0.1);
    for block in 0..21 {
        runs::append(&mut writer, block * 50 + 1..=block * 50 + 50, 0.1);
    }
    assert!(root.path().join("runs/now/open").read_dir().unwrap().count() == 1, "a journal");
    assert_read(root.path(), "runs/now", rows, rows);
    drop(writer);
}
