//! The latest row through the `metrics` facade, as a Prometheus exporter serves it.
#![cfg(feature = "metrics")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use perrin::Error;
use perrin::record::{Event, EventKind, Hyperparameters, RowBuffer, RunInfo, StepRecord};
use perrin::recorder::metrics::MetricsSink;
use perrin::recorder::{QueueOptions, Recorder, Row, Sink};
use perrin::run::{LogTotals, RunWriter};

fn record(step: u64) -> StepRecord {
    StepRecord {
        step,
        elapsed_seconds: step as f64 * 0.25,
        hyperparameters: Hyperparameters {
            learning_rate: Some(0.125),
            momentum: Some(0.5),
            weight_decay: None,
        },
        batch_size: Some(32),
        loss: Some(1.5),
        local_displacement_squared: Some(0.0625),
        global_displacement_squared: Some(step as f64),
        ..StepRecord::default()
    }
}

/// Serves one request as an exporter does, and asks for it: what is between is real TCP and HTTP.
fn scrape(exporter: &PrometheusHandle) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let (mut server, _) = listener.accept().unwrap();
    let mut request = [0; 25];
    server.read_exact(&mut request).unwrap();
    assert_eq!(&request, b"GET /metrics HTTP/1.0\r\n\r\n");
    server.write_all(b"HTTP/1.0 200 OK\r\n\r\n").unwrap();
    server.write_all(exporter.render().as_bytes()).unwrap();
    drop(server);
    let mut response = String::new();
    client.read_to_string(&mut response).unwrap();
    response
}

/// The value of a metric of a run.
fn value(scraped: &str, name: &str, run: &Path) -> Option<f64> {
    let start = format!("{name}{{run=\"{}\"}} ", run.display());
    scraped.lines().find_map(|line| line.strip_prefix(&start)).map(|value| value.parse().unwrap())
}

/// A log that does not take the second block, nor an event before the first one.
struct Full(u64);

impl Sink for Full {
    fn append(&mut self, _: &RowBuffer) -> perrin::Result<()> {
        self.0 += 1;
        if self.0 != 2 { Ok(()) } else { Err(Error::RunLocked { path: "full".into() }) }
    }

    fn event(&mut self, _: &Event) -> perrin::Result<()> {
        if self.0 > 0 { Ok(()) } else { Err(Error::RunLocked { path: "full".into() }) }
    }

    fn tick(&mut self, _: Duration) -> perrin::Result<()> {
        Ok(())
    }

    fn rows(&self) -> u64 {
        self.0
    }

    fn close(self: Box<Self>) -> perrin::Result<LogTotals> {
        Ok(LogTotals::default())
    }
}

#[test]
fn a_scrape_has_the_latest_row_of_every_run() {
    // The worker threads publish to the process's one recorder; this is the only test that installs
    // it.
    let exporter = PrometheusBuilder::new().install_recorder().unwrap();
    let root = tempfile::tempdir().unwrap();
    let folders = ["one", "two"].map(|name| root.path().join(name));
    for (folder, steps) in folders.iter().zip([700, 3]) {
        let sink = MetricsSink::new(
            RunWriter::create(folder, &RunInfo::default(), Vec::new()).unwrap(),
            folder,
        );
        let mut recorder =
            Recorder::<()>::start(sink, folder, Instant::now(), QueueOptions::default(), |_, _| {
                Ok(())
            })
            .unwrap();
        for step in 1..=steps {
            recorder.row(Row { record: record(step), groups: None, deferred: None });
        }
        assert_eq!(recorder.finish().unwrap().rows, steps);
    }
    let scraped = scrape(&exporter);
    for (folder, steps) in folders.iter().zip([700.0, 3.0]) {
        let value = |name| value(&scraped, name, folder);
        for (name, expected) in [
            ("perrin_step", steps),
            ("perrin_elapsed_seconds", 0.25 * steps),
            ("perrin_learning_rate", 0.125),
            ("perrin_momentum", 0.5),
            ("perrin_batch_size", 32.0),
            ("perrin_loss", 1.5),
            ("perrin_local_displacement_squared", 0.0625),
            ("perrin_global_displacement_squared", steps),
            ("perrin_rows_written", steps),
            ("perrin_rows_dropped", 0.0),
            ("perrin_failing", 0.0),
        ] {
            assert_eq!(value(name), Some(expected), "{name} in\n{scraped}");
        }
        // Not known.
        for name in ["perrin_epoch", "perrin_weight_decay", "perrin_gradient_norm_squared"] {
            assert!(value(name).unwrap().is_nan(), "{name} in\n{scraped}");
        }
    }
    assert!(
        scraped.contains("# TYPE perrin_rows_written counter")
            && scraped.contains("# HELP perrin_loss "),
        "{scraped}"
    );

    // Drops, and failures.
    let path = Path::new("full");
    let mut sink = MetricsSink::new(Full(0), path);
    let rows = RowBuffer { records: vec![record(1), record(2)], ..RowBuffer::default() };
    let dropped = EventKind::RowsDropped { count: 5, first_step: 3, last_step: 7 };
    let dropped = Event { step: 7, elapsed_seconds: 1.0, kind: dropped };
    // Told again later, and counted once.
    sink.event(&dropped).unwrap_err();
    sink.append(&rows).unwrap();
    sink.event(&dropped).unwrap();
    let scraped = scrape(&exporter);
    let found = ["perrin_rows_written", "perrin_rows_dropped", "perrin_failing"]
        .map(|name| value(&scraped, name, path));
    assert_eq!(found, [Some(2.0), Some(5.0), Some(0.0)]);
    // A failure, which may pass.
    for failing in [true, false] {
        assert_eq!(sink.append(&rows).is_err(), failing);
        assert_eq!(
            value(&scrape(&exporter), "perrin_failing", path),
            Some(f64::from(u8::from(failing)))
        );
    }
    assert_eq!(value(&scrape(&exporter), "perrin_rows_written", path), Some(4.0));
}
