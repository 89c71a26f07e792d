//! What the log costs alone: rows a second, CPU and bytes a row with 30 projections, beside CSV,
//! JSON lines and pyarrow.
//!
//! ```sh
//! cargo bench --no-default-features --bench log_worker
//! PERRIN_PYTHON=/path/to/python cargo bench ... --bench log_worker          # with pyarrow's Parquet files beside it
//! cargo bench ... --bench log_worker -- --rows 20000000 [--folder DIR]      # one long run: memory, files, cost over time
//! ```
//!
//! The rows are those of SGD with momentum 0.9 along 30 directions of a quadratic loss:
//! displacements are f32, as the matrix product gives them, positions their f64 sums, velocities
//! displacement over learning rate.

#[path = "support/rows.rs"]
mod rows;

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use perrin::record::{Layout, RunInfo};
use perrin::recorder::{Block, QueueOptions, Recorder};
use perrin::run::{Run, RunWriter};
use rows::{DIRECTIONS, Motion};

/// Rows of the comparison.
const ROWS: u64 = 200_000;
/// The loop whose cost is to be under 5% of a core, and for how long it is watched.
const ROWS_A_SECOND: u64 = 1_000;
const WATCHED: Duration = Duration::from_secs(20);
/// Rows handed over together, as blocks of projections are.
const BLOCK_ROWS: u64 = 32;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let after = |name: &str| {
        arguments.iter().position(|argument| argument == name).map(|at| arguments[at + 1].clone())
    };
    match after("--rows") {
        Some(rows) => {
            let rows = rows.parse().expect("--rows is a number");
            let folder = after("--folder").map_or_else(std::env::temp_dir, PathBuf::from);
            long_run(
                rows,
                &tempfile::tempdir_in(folder)
                    .expect("the folder can be written")
                    .path()
                    .join("run"),
            );
        }
        None => comparison(),
    }
}

fn start(directory: &Path) -> Recorder<()> {
    let layout = Layout { parameter_groups: 1, directions: DIRECTIONS };
    let info = RunInfo { layout, ..RunInfo::default() };
    let writer = RunWriter::create(directory, &info, Vec::new()).expect("the folder is new");
    // As many rows as the usual queue: here it is always full, and it counts blocks.
    let capacity = QueueOptions::default().capacity / BLOCK_ROWS as usize;
    let options = QueueOptions { capacity, ..QueueOptions::default() };
    Recorder::start(writer, directory, Instant::now(), options, |_, _| Ok(())).expect("a thread")
}

fn comparison() {
    let directory = tempfile::tempdir().expect("a temporary folder");
    println!("{ROWS} rows with {DIRECTIONS} projections: {} columns\n", 11 + 2 * DIRECTIONS);
    println!("{:<28} {:>10} {:>12} {:>10}", "", "rows/s", "CPU us/row", "bytes/row");
    let report = |name: &str, seconds: f64, cpu: f64, bytes: u64| {
        let rows = ROWS as f64;
        println!(
            "{name:<28} {:>10.0} {:>12.2} {:>10.1}",
            rows / seconds,
            1e6 * cpu / rows,
            bytes as f64 / rows
        );
    };

    let run = directory.path().join("run");
    let mut recorder = start(&run);
    let (began, mut motion) = (Instant::now(), Motion::new());
    let cpu = other_threads_cpu_seconds();
    for _ in 0..ROWS / BLOCK_ROWS {
        recorder.block(&mut motion.block(BLOCK_ROWS));
    }
    let totals = recorder.finish().expect("the disk works");
    report(
        "perrin (journal and Parquet)",
        began.elapsed().as_secs_f64(),
        other_threads_cpu_seconds() - cpu,
        totals.bytes,
    );
    let of_perrin = totals.bytes;

    for (name, write) in [("CSV", write_csv as fn(&Path) -> u64), ("JSON lines", write_json)] {
        let (began, cpu) = (Instant::now(), thread_cpu_seconds());
        let bytes = write(&directory.path().join("text"));
        report(name, began.elapsed().as_secs_f64(), thread_cpu_seconds() - cpu, bytes);
    }

    match pyarrow(&run, &directory.path().join("pyarrow.parquet")) {
        Ok((seconds, cpu, bytes)) => {
            report("pyarrow, zstd", seconds, cpu, bytes);
            println!(
                "\nperrin's bytes over pyarrow's: {:.3} (bar: 0.7)",
                of_perrin as f64 / bytes as f64
            );
        }
        Err(reason) => println!("pyarrow: not measured: {reason}"),
    }
    paced();
}

/// CPU of the worker at a thousand rows a second.
fn paced() {
    let directory = tempfile::tempdir().expect("a temporary folder");
    let mut recorder = start(&directory.path().join("run"));
    let (began, mut motion) = (Instant::now(), Motion::new());
    let (cpu, mut rows) = (other_threads_cpu_seconds(), 0);
    while began.elapsed() < WATCHED {
        while rows < began.elapsed().as_millis() as u64 * ROWS_A_SECOND / 1_000 {
            recorder.block(&mut motion.block(BLOCK_ROWS));
            rows += BLOCK_ROWS;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    recorder.finish().expect("the disk works");
    let share = (other_threads_cpu_seconds() - cpu) / began.elapsed().as_secs_f64();
    println!(
        "at {ROWS_A_SECOND} rows/s: {:.2}% of one core over {} s (bar: 5%)",
        100.0 * share,
        WATCHED.as_secs()
    );
}

fn long_run(rows: u64, directory: &Path) {
    let mut recorder = start(directory);
    let mut motion = Motion::new();
    println!(
        "{:>12} {:>10} {:>12} {:>8} {:>10} {:>10}",
        "rows", "seconds", "CPU us/row", "files", "MB", "peak MB"
    );
    let (mut last_cpu, mut costs, mut memory) = (0.0, Vec::new(), Vec::new());
    let began = Instant::now();
    for tenth in 1..=10 {
        let until = rows * tenth / 10;
        let mut largest = 0.0_f64;
        while motion.rows() < until {
            recorder.block(&mut motion.block(BLOCK_ROWS.min(until - motion.rows())));
            if motion.rows().is_multiple_of(64 * BLOCK_ROWS) {
                largest = largest.max(resident_megabytes());
            }
        }
        while recorder.health().expect("the disk works").rows_written < until {
            std::thread::sleep(Duration::from_millis(1));
        }
        let cpu = worker_cpu_seconds();
        costs.push(1e6 * (cpu - last_cpu) / (rows as f64 / 10.0));
        last_cpu = cpu;
        memory.push(largest);
        let (files, bytes) = files(&directory.join("steps"));
        let (cost, resident) = (costs[costs.len() - 1], memory[memory.len() - 1]);
        let (seconds, megabytes) = (began.elapsed().as_secs_f64(), bytes as f64 / 1e6);
        println!(
            "{until:>12} {seconds:>10.1} {cost:>12.2} {files:>8} {megabytes:>10.0} {resident:>10.1}"
        );
    }
    let totals = recorder.finish().expect("the disk works");
    println!(
        "\nsegments {}, bytes/row {:.1}",
        totals.segments,
        totals.bytes as f64 / totals.rows as f64
    );
    println!("cost of a row, last tenth over first: {:.3} (bar: 1.05)", costs[9] / costs[0]);
    println!("peak memory, last tenth less the second: {:.1} MB", memory[9] - memory[1]);
    let mut step = 0.0;
    let reading = Instant::now();
    Run::open(directory)
        .and_then(|run| {
            run.for_each_row(["step"], |[found]| {
                step += 1.0;
                assert_eq!(found, Some(step), "a row is missing");
            })
        })
        .expect("the run is readable");
    assert_eq!(step, rows as f64);
    println!("all {rows} steps are there; read in {:.1} s", reading.elapsed().as_secs_f64());
}

fn files(folder: &Path) -> (usize, u64) {
    let entries = fs::read_dir(folder).expect("the run's folder").flatten();
    // A journal may go while it is looked at.
    let lengths: Vec<u64> =
        entries.map(|entry| entry.metadata().map_or(0, |metadata| metadata.len())).collect();
    (lengths.len(), lengths.iter().sum())
}

fn write_csv(path: &Path) -> u64 {
    write_text(path, |out, block| {
        for (row, projections) in
            block.rows.iter().zip(block.projections.chunks_exact(2 * DIRECTIONS))
        {
            let known = rows::known_values(&row.record);
            write!(out, "{}", row.record.step)?;
            known
                .iter()
                .map(|(_, value)| value)
                .chain(projections)
                .try_for_each(|value| write!(out, ",{value}"))?;
            writeln!(out)?;
        }
        Ok(())
    })
}

fn write_json(path: &Path) -> u64 {
    write_text(path, |out, block| {
        for (row, projections) in
            block.rows.iter().zip(block.projections.chunks_exact(2 * DIRECTIONS))
        {
            write!(out, "{{\"step\":{}", row.record.step)?;
            for (name, value) in rows::known_values(&row.record) {
                write!(out, ",\"{name}\":{value}")?;
            }
            for (index, value) in projections.iter().enumerate() {
                let name = if index < DIRECTIONS { "position" } else { "velocity" };
                write!(out, ",\"{name}_{}\":{value}", index % DIRECTIONS + 1)?;
            }
            writeln!(out, "}}")?;
        }
        Ok(())
    })
}

fn write_text(
    path: &Path,
    write: fn(&mut BufWriter<File>, &Block<()>) -> std::io::Result<()>,
) -> u64 {
    let mut out = BufWriter::new(File::create(path).expect("the folder can be written"));
    let mut motion = Motion::new();
    for _ in 0..ROWS / BLOCK_ROWS {
        write(&mut out, &motion.block(BLOCK_ROWS)).expect("the disk works");
    }
    out.flush().expect("the disk works");
    path.metadata().expect("the file").len()
}

/// Seconds, CPU seconds and bytes of pyarrow writing the run's table with `compression="zstd"` and
/// nothing else said.
fn pyarrow(run: &Path, out: &Path) -> Result<(f64, f64, u64), String> {
    const PROGRAM: &str = "
import sys, time, glob, os, pyarrow.parquet as pq, pyarrow as pa
table = pa.concat_tables([pq.read_table(f) for f in sorted(glob.glob(sys.argv[1] + '/steps/*.parquet'))])
began, cpu = time.perf_counter(), time.process_time()
pq.write_table(table, sys.argv[2], compression='zstd')
print(time.perf_counter() - began, time.process_time() - cpu, os.path.getsize(sys.argv[2]))
";
    let python = std::env::var("PERRIN_PYTHON")
        .map_err(|_| "PERRIN_PYTHON names no Python with pyarrow".to_owned())?;
    let output = Command::new(python)
        .args(["-c", PROGRAM])
        .arg(run)
        .arg(out)
        .output()
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let numbers: Vec<f64> =
        text.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    match numbers[..] {
        [seconds, cpu, bytes] => Ok((seconds, cpu, bytes as u64)),
        _ => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// CPU time of all threads there are and were, but for the calling one: of the log's (Linux).
fn other_threads_cpu_seconds() -> f64 {
    const TICKS_A_SECOND: f64 = 100.0;
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the name, which is in brackets, user and system time are the 12th and 13th field.
    let fields: Vec<&str> =
        stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |field: usize| {
        fields.get(field).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or(f64::NAN)
    };
    (ticks(11) + ticks(12)) / TICKS_A_SECOND - thread_cpu_seconds()
}

/// CPU time of the thread that writes the log, while it lives (Linux).
fn worker_cpu_seconds() -> f64 {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let nanoseconds = tasks.filter_map(|task| {
        let of_worker = fs::read_to_string(task.path().join("comm")).ok()?.trim() == "perrin-log";
        let times = fs::read_to_string(task.path().join("schedstat")).ok()?;
        of_worker.then(|| times.split(' ').next()?.parse::<f64>().ok()).flatten()
    });
    nanoseconds.sum::<f64>() / 1e9
}

/// CPU time of the calling thread.
fn thread_cpu_seconds() -> f64 {
    let times = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    times.split(' ').next().and_then(|time| time.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1e9
}

fn resident_megabytes() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok())
        .unwrap_or(f64::NAN)
        / 1024.0
}
