//! Projection afterwards: a run that kept whole displacements, along vectors that were found later.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::linalg::tall::inner_products;
use crate::record::{Event, EventKind, Layout, ParameterInfo, RowBuffer, RunInfo};
use crate::run::Eigenvectors;
use crate::run::{FullDelta, Run, RunWriter, rows_from_batch};

/// What [`project`] has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Projected {
    /// Rows, as many as the run has.
    pub rows: u64,
    /// Those of them with positions and velocities: those of the steps whose displacement was kept.
    pub projected: u64,
}

/// Writes the run anew into the folder `output`, with positions and velocities along `directions`
/// instead of those it has: as the observer would have logged them, in f64. Rows of steps whose
/// displacement was not kept have nulls there. `progress` is told now and then how many rows are
/// written.
///
/// # Errors
/// [`Error::NotEnoughData`] for a run without deltas, [`Error::ShapeMismatch`] for directions that
/// do not fit together (or, if they name no parameters, with those kept), [`Error::Parameters`]
/// where the directions are of parameters whose deltas were not kept, [`Error::RunExists`] for
/// `output`, and what reading and writing runs gives.
pub fn project(
    run: &Run,
    directions: &Eigenvectors,
    output: impl AsRef<Path>,
    progress: &mut dyn FnMut(u64),
) -> Result<Projected> {
    let mut deltas = run.deltas()?;
    let named;
    let directions = if directions.parameters.is_empty() {
        named = Eigenvectors { parameters: deltas.parameters().to_vec(), ..directions.clone() };
        &named
    } else {
        directions
    };
    let vectors = arranged(directions, deltas.parameters())?;
    let vectors: Vec<&[f32]> = vectors.iter().map(Vec::as_slice).collect();
    let layout = Layout { directions: vectors.len(), ..run.info().layout };
    let info = RunInfo { layout, ..run.info().clone() };
    let mut writer = RunWriter::create(output, &info, run.reference()?.tensors().collect())?;
    writer.basis(0, 0, directions, true)?;

    let mut done = Projected::default();
    let columns: Vec<&str> = run.columns().collect();
    for batch in run.steps(&columns)? {
        let mut rows = rows_from_batch(run.info().layout, &batch?)?;
        rows.projections.clear();
        for index in 0..rows.len() {
            let delta = deltas.at(rows.records[index].step)?;
            rows.records[index].basis = delta.as_ref().map(|_| 0);
            done.projected += u64::from(delta.is_some());
            match delta {
                Some(delta) => project_one(&vectors, &delta, &mut rows),
                None => rows.projections.resize(2 * vectors.len() * (index + 1), None),
            }
        }
        writer.append(&rows)?;
        // Segments by size: the time that passes here says nothing.
        writer.roll_if_due(Duration::ZERO)?;
        done.rows += rows.len() as u64;
        progress(done.rows);
    }
    // Those of directions that the new run does not have are left out.
    let of_directions = |event: &Event| {
        matches!(event.kind, EventKind::BasisChanged { .. } | EventKind::StabilityCrossed { .. })
    };
    for event in run.event_reader() {
        let event = event?;
        if !of_directions(&event) {
            writer.event(&event)?;
        }
    }
    writer.close()?;
    Ok(done)
}

fn project_one(vectors: &[&[f32]], delta: &FullDelta, rows: &mut RowBuffer) {
    let mut products = vec![0.0; vectors.len()];
    let mut along = |values: &[f32]| {
        let values: Vec<f64> = values.iter().copied().map(f64::from).collect();
        inner_products(vectors, &values, &mut products);
        products.clone()
    };
    rows.projections.extend(along(&delta.displacement).into_iter().map(Some));
    let learning_rate = delta.learning_rate.filter(|rate| *rate != 0.0);
    rows.projections.extend(
        along(&delta.delta).into_iter().map(|moved| learning_rate.map(|rate| moved / rate)),
    );
}

/// The directions with an element for each of the deltas': zero for parameters that they do not
/// have.
fn arranged(directions: &Eigenvectors, kept: &[ParameterInfo]) -> Result<Vec<Vec<f32>>> {
    directions.check()?;
    let elements = ranges(kept).last().map_or(0, |range| range.end);
    let mut copies: Vec<(Range<usize>, usize)> = Vec::new();
    for (parameter, from) in directions.parameters.iter().zip(ranges(&directions.parameters)) {
        let same =
            |other: &ParameterInfo| other.name == parameter.name && other.shape == parameter.shape;
        let Some(to) =
            kept.iter().zip(ranges(kept)).find(|(other, _)| same(other)).map(|(_, range)| range)
        else {
            let (name, shape) = (&parameter.name, &parameter.shape);
            let reason = format!(
                "the directions have `{name}` {shape:?}, whose displacements were not kept"
            );
            return Err(Error::Parameters { reason });
        };
        copies.push((from, to.start));
    }
    let arrange = |vector: &Vec<f32>| {
        let mut arranged = vec![0.0; elements];
        for (from, to) in &copies {
            arranged[*to..*to + from.len()].copy_from_slice(&vector[from.clone()]);
        }
        arranged
    };
    Ok(directions.eigenvectors.iter().map(arrange).collect())
}

/// Where the elements of each parameter are.
fn ranges(parameters: &[ParameterInfo]) -> impl Iterator<Item = Range<usize>> {
    parameters.iter().scan(0, |end, parameter| {
        let start = *end;
        *end += parameter.shape.iter().product::<i64>() as usize;
        Some(start..*end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(name: &str, shape: &[i64]) -> ParameterInfo {
        let (kind, device) = ("f32".to_owned(), "cpu".to_owned());
        ParameterInfo { name: name.to_owned(), shape: shape.to_vec(), kind, device, group: None }
    }

    #[test]
    fn directions_are_put_where_their_parameters_are() {
        let kept = [parameter("a", &[2]), parameter("b", &[]), parameter("c", &[1, 3])];
        let of = |parameters: Vec<ParameterInfo>| Eigenvectors {
            parameters,
            ..Eigenvectors::from(vec![vec![1.0, 2.0, 3.0, 4.0, 5.0]])
        };
        let swapped = of(vec![parameter("c", &[1, 3]), parameter("a", &[2])]);
        assert_eq!(arranged(&swapped, &kept).unwrap(), [[4.0, 5.0, 0.0, 1.0, 2.0, 3.0]]);
        let other_shape = of(vec![parameter("c", &[3]), parameter("a", &[2])]);
        assert!(arranged(&other_shape, &kept).unwrap_err().to_string().contains("`c` [3]"));
        let short = of(vec![parameter("a", &[2])]);
        assert!(matches!(arranged(&short, &kept), Err(Error::ShapeMismatch { .. })));
    }
}
