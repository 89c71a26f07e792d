//! A run's loss landscape, and the run's way through its plane.

use crate::error::Result;
use crate::log::{LossLandscape, Run};

/// Rows shown, and means that make the line.
const POINTS: u64 = 500;
const MEANS: u64 = 60;

/// What is shown of the last landscape that was written.
#[derive(Debug)]
pub struct Landscape {
    /// Losses.
    pub losses: LossLandscape,
    /// The rows' positions in its plane, or why there are none.
    pub way: std::result::Result<Way, String>,
}

/// Positions along the landscape's two directions.
#[derive(Debug, Default)]
pub struct Way {
    /// Rows along the landscape's basis.
    pub rows: u64,
    /// Of which so many lie over the grid.
    pub inside: u64,
    /// One row of each equal part of the run.
    pub points: Vec<[f64; 2]>,
    /// Means of each equal part.
    pub means: Vec<[f64; 2]>,
    /// Rows of such a part.
    pub rows_of_mean: u64,
}

impl Landscape {
    /// None where none was measured; `rows` are those of the run. `progress` is told the rows read.
    ///
    /// # Errors
    /// Those of reading.
    pub fn gather(run: &Run, rows: u64, progress: &mut dyn FnMut(u64)) -> Result<Option<Landscape>> {
        let Some(&number) = run.landscapes()?.last() else { return Ok(None) };
        let losses = run.landscape(number)?;
        let directions = run.info().layout.directions as u64;
        let way = if losses.step != 0 {
            Err("its origin is not the reference point, from which the run's positions count".to_owned())
        } else if losses.modes.iter().any(|mode| !(1..=directions).contains(mode)) {
            Err("the run has no positions along its directions".to_owned())
        } else if !run.columns().any(|column| column == "basis") {
            Err("the run's rows do not say along which directions their positions are".to_owned())
        } else {
            let way = Way::read(run, rows, &losses, progress)?;
            if way.points.is_empty() { Err("no row is along its directions".to_owned()) } else { Ok(way) }
        };
        Ok(Some(Landscape { losses, way }))
    }
}

impl Way {
    fn read(run: &Run, rows: u64, losses: &LossLandscape, progress: &mut dyn FnMut(u64)) -> Result<Way> {
        let [x, y] = losses.modes.map(|mode| format!("position_{mode}"));
        let inside = |axis: usize, position: f64| {
            let ends = losses.coordinates[axis].first().zip(losses.coordinates[axis].last());
            ends.is_some_and(|(first, last)| (*first..=*last).contains(&position))
        };
        let stride = rows.div_ceil(POINTS).max(1);
        let mut way = Way { rows_of_mean: rows.div_ceil(MEANS).max(1), ..Way::default() };
        let (mut seen, mut sum, mut count) = (0, [0.0; 2], 0);
        run.for_each_row(["basis", x.as_str(), y.as_str()], |[basis, x, y]| {
            seen += 1;
            if let (Some(x), Some(y)) = (x, y)
                && basis == Some(losses.basis as f64)
                && (x + y).is_finite()
            {
                way.rows += 1;
                way.inside += u64::from(inside(0, x) && inside(1, y));
                if seen % stride == 0 {
                    way.points.push([x, y]);
                }
                (sum, count) = ([sum[0] + x, sum[1] + y], count + 1);
            }
            if seen % way.rows_of_mean == 0 {
                way.means.extend((count > 0).then(|| sum.map(|sum| sum / f64::from(count))));
                (sum, count) = ([0.0; 2], 0);
            }
            if seen % 65_536 == 0 {
                progress(seen);
            }
        })?;
        Ok(way)
    }
}
