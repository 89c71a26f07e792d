//! The latest row of a run, served to Prometheus:
//! `cargo run --no-default-features --features metrics --example metrics`.
//!
//! What is trained here is a line through noisy points, so that no libtorch is needed; it goes to
//! the log by the same recorder as that of `perrin::attach`, which publishes by itself when perrin
//! is built with the feature `metrics`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Instant;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use perrin::record::{Hyperparameters, RunInfo, StepRecord};
use perrin::recorder::metrics::MetricsSink;
use perrin::recorder::{QueueOptions, Recorder, Row};
use perrin::run::RunWriter;

const LEARNING_RATE: f64 = 0.01;

fn main() -> anyhow::Result<()> {
    let exporter = PrometheusBuilder::new().install_recorder()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || serve(&listener, &exporter));

    let folder = tempfile::tempdir()?;
    train(&folder.path().join("line"))?;

    println!("http://{address}/metrics says:\n{}", scrape(address)?);
    Ok(())
}

/// Answers every request with the metrics as they are. A program with an HTTP server of its own
/// renders them there.
fn serve(listener: &TcpListener, exporter: &PrometheusHandle) {
    for stream in listener.incoming().flatten() {
        // A client that went away is no concern of the others.
        let _ = answer(stream, &exporter.render());
    }
}

fn answer(mut stream: TcpStream, metrics: &str) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut buffer = [0; 1024];
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read(&mut buffer)? {
            0 => break,
            length => request.extend_from_slice(&buffer[..length]),
        }
    }
    let length = metrics.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(metrics.as_bytes())
}

/// What Prometheus gets.
fn scrape(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes())?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    Ok(response.split_once("\r\n\r\n").map_or_else(String::new, |(_, body)| body.to_owned()))
}

/// Stochastic gradient descent on y = slope x + intercept.
fn train(folder: &std::path::Path) -> anyhow::Result<()> {
    let writer = RunWriter::create(folder, &RunInfo::default(), Vec::new())?;
    let sink = MetricsSink::new(writer, folder);
    let began = Instant::now();
    let mut recorder =
        Recorder::<()>::start(sink, folder, began, QueueOptions::default(), |_, _| Ok(()))?;
    let (mut slope, mut intercept) = (0.0, 0.0);
    for step in 1..=1000 {
        let x = (step as f64 * 0.7).sin();
        let error = slope * x + intercept - (2.0 * x + 0.5 + 0.1 * (step as f64 * 12.9).sin());
        let (slope_change, intercept_change) =
            (-2.0 * LEARNING_RATE * error * x, -2.0 * LEARNING_RATE * error);
        slope += slope_change;
        intercept += intercept_change;
        let record = StepRecord {
            step,
            elapsed_seconds: began.elapsed().as_secs_f64(),
            hyperparameters: Hyperparameters {
                learning_rate: Some(LEARNING_RATE),
                ..Hyperparameters::default()
            },
            loss: Some(error * error),
            local_displacement_squared: Some(
                slope_change * slope_change + intercept_change * intercept_change,
            ),
            global_displacement_squared: Some(slope * slope + intercept * intercept),
            ..StepRecord::default()
        };
        recorder.row(Row { record, groups: None, deferred: None });
    }
    recorder.finish()?;
    Ok(())
}
