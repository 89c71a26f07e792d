//! Reading while a run is written: DuckDB and Polars all finished segments, pyarrow and Polars the
//! journal, again and again.
//!
//! `PERRIN_LIVE_SECONDS=60 cargo test --test queries live` does it for a minute.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use perrin::record::{Event, Layout, RowBuffer};
use perrin::recorder::{Block, QueueOptions, Recorder, Row, Sink};
use perrin::run::{LogTotals, Run, RunWriter};
use serde_json::json;

use super::{python, runs};

/// As the documents promise.
const MOST_SECONDS_BEHIND: f64 = 1.0;

/// A run's log whose time runs so fast that a segment is finished nearly at every look.
struct Hurried(RunWriter);

impl Sink for Hurried {
    fn append(&mut self, rows: &RowBuffer) -> perrin::Result<()> {
        self.0.append(rows)
    }

    fn event(&mut self, event: &Event) -> perrin::Result<()> {
        self.0.event(event)
    }

    fn tick(&mut self, now: Duration) -> perrin::Result<()> {
        self.0.roll_if_due(1000 * now)
    }

    fn layout(&self) -> Layout {
        self.0.layout()
    }

    fn rows(&self) -> u64 {
        self.0.totals().rows
    }

    fn close(self: Box<Self>) -> perrin::Result<LogTotals> {
        Box::new(self.0).close()
    }
}

/// Records about 1,000 rows a second for so many seconds; returns how many.
fn record(folder: &Path, seconds: f64, began: Instant) -> u64 {
    let sink = Hurried(runs::writer(folder, 0.1));
    let mut recorder =
        Recorder::<()>::start(sink, folder, began, QueueOptions::default(), |_, _| Ok(()))
            .expect("a worker thread");
    let (mut step, mut block) = (0, Block::default());
    while began.elapsed().as_secs_f64() < seconds {
        // A training loop does something else meanwhile; this one has nothing to do.
        std::thread::park_timeout(Duration::from_millis(20));
        while (step as f64) < began.elapsed().as_secs_f64() * 1000.0 {
            step += 1;
            let mut row = RowBuffer::default();
            runs::push_row(&mut row, step, began.elapsed().as_secs_f64(), 0.1);
            block.rows.push(Row { record: row.records[0], groups: None, deferred: None });
            block.projections.extend(row.projections.iter().map(|value| value.unwrap()));
        }
        recorder.block(&mut block);
    }
    recorder.finish().unwrap();
    step
}

#[test]
fn live_reading_meets_no_error_and_no_row_twice() {
    let seconds =
        std::env::var("PERRIN_LIVE_SECONDS").map_or(6.0, |seconds| seconds.parse().unwrap());
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("run");
    let (began, unix) =
        (Instant::now(), SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64());
    let (rows, seen) = std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            let rows = record(&folder, seconds, began);
            File::create(folder.join("done")).unwrap();
            rows
        });
        let input = json!({ "run": folder, "began": unix });
        let seen = python::answer(&mut python::script("queries/hammer.py"), &input);
        (writing.join().unwrap(), seen)
    });
    let mut own = 0;
    Run::open(&folder).unwrap().for_each_row(["step"], |_| own += 1).unwrap();
    assert_eq!((own, &seen["rows"]), (rows, &json!(rows)));
    let segments = fs::read_dir(folder.join("steps")).unwrap().count();
    assert!(segments > 5, "{segments} segments: too few to be read at their making");
    let mut behind: Vec<f64> =
        seen["behind_seconds"].as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect();
    behind.sort_by(f64::total_cmp);
    println!(
        "{rows} rows, {segments} segments; readings: DuckDB {}, Polars {}, all with pyarrow {}, journals with Polars {}; \
         behind: median {:.2} s, largest {:.2} s",
        seen["duckdb"],
        seen["polars"],
        seen["live"],
        seen["journals"],
        behind[behind.len() / 2],
        behind[behind.len() - 1]
    );
    // The worker writes every 0.4 s; a machine that is busy otherwise may once let it wait.
    assert!(behind[behind.len() * 9 / 10] <= MOST_SECONDS_BEHIND, "behind by {behind:?}");
    assert!(
        ["duckdb", "polars", "live", "journals", "folder_polars", "folder_pyarrow"]
            .iter()
            .all(|reader| seen[reader].as_u64() > Some(3)),
        "{seen}"
    );
}
