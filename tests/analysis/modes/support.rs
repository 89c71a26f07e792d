//! Logs of simulated runs.

use std::path::Path;

use perrin::record::{Hyperparameters, Layout, OptimizerInfo, RowBuffer, RunInfo, StepRecord};
use perrin::run::{Run, RunWriter};
use perrin::theory::parameters::SgdParameters;

pub const PARAMETERS: SgdParameters = SgdParameters {
    learning_rate: 0.1,
    momentum: 0.9,
    weight_decay: 1e-4,
    batch_size: 32.0,
    noise_scale: 2.0,
};

/// One step: positions, then velocities.
#[derive(Clone)]
pub struct Row {
    pub record: StepRecord,
    pub projections: Vec<Option<f64>>,
}

pub fn sgd() -> OptimizerInfo {
    OptimizerInfo {
        name: Some("sgd".to_owned()),
        dampening: Some(0.0),
        nesterov: Some(false),
        ..OptimizerInfo::default()
    }
}

pub fn row(step: u64, parameters: &SgdParameters, positions: &[f64], velocities: &[f64]) -> Row {
    let hyperparameters = Hyperparameters {
        learning_rate: Some(parameters.learning_rate),
        momentum: Some(parameters.momentum),
        weight_decay: Some(parameters.weight_decay),
    };
    let squared: f64 = velocities.iter().map(|v| (parameters.learning_rate * v).powi(2)).sum();
    let record = StepRecord {
        step,
        elapsed_seconds: step as f64,
        hyperparameters,
        batch_size: Some(parameters.batch_size as u64),
        local_displacement_squared: Some(squared),
        ..StepRecord::default()
    };
    Row { record, projections: positions.iter().chain(velocities).copied().map(Some).collect() }
}

pub fn write(directory: &Path, info: &RunInfo, rows: impl IntoIterator<Item = Row>) -> Run {
    let mut writer = RunWriter::create(directory, info, Vec::new()).unwrap();
    let mut block = RowBuffer::default();
    for row in rows {
        block.records.push(row.record);
        block.projections.extend(row.projections);
        if block.len() == 512 {
            writer.append(&block).unwrap();
            block.clear();
        }
    }
    if !block.is_empty() {
        writer.append(&block).unwrap();
    }
    writer.close().unwrap();
    Run::open(directory).unwrap()
}

pub fn info(directions: usize) -> RunInfo {
    RunInfo {
        optimizer: sgd(),
        layout: Layout { parameter_groups: 1, directions },
        ..RunInfo::default()
    }
}
