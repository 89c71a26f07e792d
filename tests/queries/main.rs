//! Every query of docs/queries.md, run by DuckDB, Polars and pyarrow, and its answers compared with
//! perrin's own.

mod folders;
mod live;
mod python;
mod runs;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use perrin::analysis::RunFit;
use perrin::run::Run;
use perrin::stats::regression::PowerLawFit;
use serde_json::{Value, json};

/// Sums of a few thousand numbers, added in another order, and differences of their logarithms.
const TOLERANCE: f64 = 1e-9;

type Rows = Vec<Vec<Option<f64>>>;

/// The blocks of the document: heading, language, text.
fn blocks() -> Vec<(String, String, String)> {
    let document =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/queries.md")).unwrap();
    let (mut blocks, mut heading, mut open): (Vec<(String, String, String)>, String, bool) =
        (Vec::new(), String::new(), false);
    for line in document.lines() {
        if open && line == "```" {
            open = false;
        } else if open {
            let (_, _, text) = blocks.last_mut().unwrap();
            text.push_str(line);
            text.push('\n');
        } else if let Some(language) = line.strip_prefix("```") {
            open = true;
            blocks.push((heading.clone(), language.to_owned(), String::new()));
        } else if let Some(text) = line.strip_prefix("## ") {
            heading = text.to_owned();
        }
    }
    blocks.retain(|(_, language, _)| ["sql", "python"].contains(&language.as_str()));
    blocks
}

/// Numbers as they are, texts as null: they are compared as JSON.
fn numbers(rows: &Value) -> Rows {
    let row = |row: &Value| row.as_array().unwrap().iter().map(Value::as_f64).collect();
    rows.as_array().unwrap().iter().map(row).collect()
}

fn assert_close(found: &Rows, expected: &Rows, what: &str) {
    let close = |found: Option<f64>, expected: Option<f64>| match (found, expected) {
        (Some(found), Some(expected)) => {
            (found - expected).abs() <= TOLERANCE * expected.abs().max(1e-3)
        }
        (found, expected) => found == expected,
    };
    let same = found.len() == expected.len()
        && found.iter().zip(expected).all(|(found, expected)| {
            found.len() == expected.len()
                && found.iter().zip(expected).all(|(&found, &expected)| close(found, expected))
        });
    assert!(same, "{what}: {found:?} is not {expected:?}");
}

/// perrin's own answers, by heading.
fn expected(root: &Path) -> BTreeMap<&'static str, Rows> {
    let run = Run::open(root.join("runs/mnist")).unwrap();
    let columns = [
        "step",
        "epoch",
        "learning_rate",
        "loss",
        "local_displacement_squared",
        "global_displacement_squared",
        "velocity_1",
    ];
    let mut rows = Vec::new();
    run.for_each_row(columns, |row| rows.push(row.map(Option::unwrap))).unwrap();
    let count = rows.len() as f64;
    let sum = |rows: &[[f64; 7]], value: fn(&[f64; 7]) -> f64| rows.iter().map(value).sum::<f64>();
    let known = |row: Vec<f64>| row.into_iter().map(Some).collect::<Vec<_>>();
    let exponent = |rows: &[[f64; 7]]| {
        let mut fit = PowerLawFit::default();
        rows.iter().for_each(|row| assert!(fit.push(row[0], row[5])));
        fit.power_law().unwrap().exponent
    };

    let mut expected = BTreeMap::new();
    let first_and_last = [rows[0][0], rows[rows.len() - 1][0]];
    let open = vec![
        count,
        first_and_last[0],
        first_and_last[1],
        sum(&rows, |row| row[4]),
        sum(&rows, |row| row[3]) / count,
    ];
    expected.insert("Open a run", vec![known(open)]);
    expected.insert("The folder at once", vec![known(vec![count, first_and_last[1]])]);
    expected.insert("Folders with brackets in their names", vec![known(vec![150.0, 150.0])]);
    expected.insert(
        "Runs with different columns",
        runs::MIXED.map(|directions| mixed(root, directions)).to_vec(),
    );
    let last =
        rows.iter().rev().take(5).map(|row| known(vec![row[0], row[1], row[3], row[5].sqrt()]));
    expected.insert("The last rows", last.collect());
    let fit = RunFit::of(&run).unwrap().displacement;
    let law = fit.known().unwrap();
    expected.insert("The diffusion exponent", vec![vec![Some(law.exponent), law.prefactor]]);
    let windows = rows.chunk_by(|one, next| (one[0] / 500.0).floor() == (next[0] / 500.0).floor());
    let windows = windows.filter(|window| window.len() >= 100);
    let over_time =
        windows.map(|window| known(vec![(window[0][0] / 500.0).floor() * 500.0, exponent(window)]));
    expected.insert("The exponent over time", over_time.collect());
    let epochs = rows.chunk_by(|one, next| one[1] == next[1]).map(|epoch| {
        let mean = |value| sum(epoch, value) / epoch.len() as f64;
        known(vec![
            epoch[0][1],
            mean(|row| row[4]),
            mean(|row| row[4].sqrt() / row[2]),
            mean(|row| row[3]),
        ])
    });
    expected.insert("Speed over epochs", epochs.collect());
    expected.insert(
        "What happened besides the steps",
        runs::EVENTS.map(|row| vec![None, Some(row.0), row.1]).to_vec(),
    );
    expected.insert("Rows that are missing", vec![known(vec![701.0, 703.0])]);
    expected.insert("The velocity autocorrelation of a mode", autocorrelation(&rows));

    let (mut count, mut last, mut loss) = (0.0, 0.0, 0.0);
    let live = Run::open(root.join("runs/live")).unwrap();
    live.for_each_row(["step", "loss"], |[step, row_loss]| {
        (count, last, loss) = (count + 1.0, step.unwrap(), loss + row_loss.unwrap());
    })
    .unwrap();
    expected.insert("A run that is still being written", vec![known(vec![count, last, loss])]);

    let (mut sweep, mut joined) = (Vec::new(), Vec::new());
    for (rate, number) in runs::SWEEP {
        let run = Run::open(runs::sweep_folder(root, rate, number)).unwrap();
        let (mut rows, mut last) = (Vec::new(), [0.0; 4]);
        let columns = ["step", "loss", "learning_rate", "local_displacement_squared"];
        run.for_each_row(columns, |row| {
            last = row.map(Option::unwrap);
            rows.push(last);
        })
        .unwrap();
        sweep.push(known(vec![rate, f64::from(number), last[0], last[1], last[2]]));
        joined.push((rate, rows));
    }
    expected.insert("The runs of a sweep", sweep);
    let longest =
        joined.iter().flat_map(|(_, rows)| rows.iter().map(|row| row[0])).fold(0.0, f64::max);
    let joined = joined.chunk_by(|one, next| one.0 == next.0).map(|runs| {
        let late =
            runs.iter().flat_map(|(_, rows)| rows.iter().filter(|row| row[0] > longest - 1000.0));
        let late: Vec<f64> = late.map(|row| row[3]).collect();
        known(vec![runs[0].0, 0.9, 128.0, late.iter().sum::<f64>() / late.len() as f64])
    });
    expected.insert("Joining a sweep on its hyperparameters", joined.collect());
    expected
}

/// Directions of a run, its mean square of `position_2` where it has one, and its rows.
fn mixed(root: &Path, directions: usize) -> Vec<Option<f64>> {
    let run = Run::open(runs::mixed_folder(root, directions)).unwrap();
    let (mut sum, mut count) = (0.0, 0.0);
    run.for_each_row(["step"], |_| count += 1.0).unwrap();
    let mean = (directions >= 2).then(|| {
        run.for_each_row(["position_2"], |[position]| sum += position.unwrap().powi(2)).unwrap();
        sum / count
    });
    vec![Some(directions as f64), mean, Some(count)]
}

/// <v_k v_{k+lag}> / <v^2> over the pairs of rows that are there.
fn autocorrelation(rows: &[[f64; 7]]) -> Rows {
    let velocities: BTreeMap<u64, f64> = rows.iter().map(|row| (row[0] as u64, row[6])).collect();
    let mean_square =
        velocities.values().map(|velocity| velocity * velocity).sum::<f64>() / rows.len() as f64;
    let lag = |lag: u64| {
        let pairs =
            velocities.iter().filter_map(|(step, now)| Some(now * velocities.get(&(step + lag))?));
        let products: Vec<f64> = pairs.collect();
        vec![
            Some(lag as f64),
            Some(products.iter().sum::<f64>() / products.len() as f64 / mean_square),
        ]
    };
    (0..=200).step_by(20).map(lag).collect()
}

#[test]
fn every_query_of_the_document_gives_perrins_numbers() {
    let root = tempfile::tempdir().unwrap();
    runs::write_all(root.path());
    let blocks = blocks();
    assert!(blocks.len() > 20, "the document's blocks are not seen");
    let input =
        json!(blocks.iter().map(|(_, language, text)| (language, text)).collect::<Vec<_>>());
    let answers =
        python::answer(python::script("queries/answers.py").current_dir(root.path()), &input);
    let expected = expected(root.path());
    let mut unasked: Vec<&str> = expected.keys().copied().collect();
    for ((heading, language, _), answer) in blocks.iter().zip(answers.as_array().unwrap()) {
        let expected =
            expected.get(heading.as_str()).unwrap_or_else(|| panic!("{heading} has no check here"));
        assert_close(&numbers(answer), expected, &format!("{heading}, {language}"));
        unasked.retain(|asked| asked != heading);
    }
    assert!(unasked.is_empty(), "{unasked:?} is not in the document");
}

#[test]
fn a_folder_named_as_a_column_hides_it_as_the_document_says() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("sweep/learning_rate=0.5/run=1");
    runs::write_run(&folder, 0.1, 100);
    let query = "SELECT DISTINCT learning_rate, typeof(learning_rate) = 'VARCHAR', run FROM \
                 read_parquet('sweep/*/*/steps/*.parquet', hive_partitioning = true)";
    let polars = "import polars as pl\nanswer = pl.scan_parquet('sweep/*/*/steps/*.parquet', hive_partitioning=True)\
                  .select('learning_rate', 'run').unique().collect()";
    let pyarrow = "from glob import glob\nimport polars as pl, pyarrow as pa, pyarrow.dataset as ds\ntry:\n  \
                   ds.dataset(glob('sweep/*/*/steps/*.parquet'), partitioning='hive', partition_base_dir='sweep')\n  \
                   refused = False\nexcept pa.ArrowTypeError:\n  refused = True\nanswer = pl.DataFrame({'refused': [refused]})";
    let without = "SELECT DISTINCT learning_rate FROM read_parquet('sweep/*/*/steps/*.parquet', hive_partitioning = false)";
    let input = json!([("sql", query), ("python", polars), ("python", pyarrow), ("sql", without)]);
    let answers =
        python::answer(python::script("queries/answers.py").current_dir(root.path()), &input);
    assert_eq!(answers, json!([[["0.5", true, 1]], [[0.5, 1]], [[true]], [[0.1]]]));
}
