//! What the worker thread does to a block of rows before it is written.

use tch::Tensor;

use super::device::{DeferredRow, read_all};
use crate::error::{Error, Result};
use crate::record::RowBuffer;

/// Completes a block of rows on the worker thread: all that lives on a device is read together, and
/// projected displacements become velocities.
pub(super) fn complete(
    rows: &mut RowBuffer,
    deferred: &mut Vec<(usize, DeferredRow)>,
) -> Result<()> {
    let per_row = rows.projections.len() / rows.len().max(1);
    let all = || deferred.iter().map(|(_, row)| row);
    let tensors: Vec<&Tensor> = all()
        .flat_map(|row| {
            let norms = row.local.iter().chain(&row.global).chain(&row.gradient);
            norms.chain(&row.positions).chain(&row.moved).chain(&row.loss)
        })
        .collect();
    let values = read_all(&tensors).map_err(|source| Error::Torch {
        action: "read displacements from their device",
        source,
    })?;
    let mut values = values.into_iter();
    for (index, row) in deferred.drain(..) {
        let record = &mut rows.records[index];
        let mut add = |sum: &mut Option<f64>, count: usize| {
            for norm in values.by_ref().take(count) {
                *sum = Some(sum.unwrap_or(0.0) + norm * norm);
            }
        };
        add(&mut record.local_displacement_squared, row.local.len());
        add(&mut record.global_displacement_squared, row.global.len());
        add(&mut record.gradient_norm_squared, row.gradient.len());
        let projections = &mut rows.projections[index * per_row..(index + 1) * per_row];
        let (positions, moved) = projections.split_at_mut(per_row / 2);
        for (sums, parts) in [(positions, row.positions.len()), (moved, row.moved.len())] {
            for _ in 0..parts {
                sums.iter_mut()
                    .zip(values.by_ref())
                    .for_each(|(sum, part)| *sum = sum.map(|sum| sum + part));
            }
        }
        if row.loss.is_some() {
            record.loss = values.next();
        }
    }
    velocities_from_displacements(rows, per_row);
    Ok(())
}

/// v_k = delta_k / eta_k, whatever the optimizer; not known where eta is not, or differs between
/// parameter groups.
fn velocities_from_displacements(rows: &mut RowBuffer, per_row: usize) {
    if per_row == 0 {
        return;
    }
    let groups = rows.group_hyperparameters.len() / rows.len();
    for (index, projections) in rows.projections.chunks_exact_mut(per_row).enumerate() {
        let learning_rate = rows.records[index].hyperparameters.learning_rate;
        let others = &rows.group_hyperparameters[index * groups..(index + 1) * groups];
        let one_rate = others.iter().all(|group| group.learning_rate == learning_rate);
        let learning_rate = learning_rate.filter(|rate| *rate != 0.0 && one_rate);
        for value in &mut projections[per_row / 2..] {
            *value = learning_rate.and_then(|rate| value.map(|moved| moved / rate));
        }
    }
}
