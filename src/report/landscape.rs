//! A run's loss landscape, and the run's way through its plane.

use crate::error::Result;
use crate::run::{LossLandscape, Run};

/// Rows shown, and means that make the line.
const POINTS: u64 = 500;
const MEANS: u64 = 60;
const NOT_MEASURED: &str = "no loss was measured in a plane; a program that has the data does so by curvature::loss_landscape";

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
    /// The first of every so many of these rows.
    pub points: Vec<[f64; 2]>,
    /// Means of each equal part.
    pub means: Vec<[f64; 2]>,
    /// Rows of such a part.
    pub rows_of_mean: u64,
}

impl Landscape {
    /// A reason where none was measured, or the last cannot be read; `rows` are those of the run.
    /// `progress` is told the rows read.
    ///
    /// # Errors
    /// Those of reading the rows.
    pub fn gather(
        run: &Run,
        rows: u64,
        progress: &mut dyn FnMut(u64),
    ) -> Result<std::result::Result<Landscape, String>> {
        let Some(&number) = run.kept_landscapes()?.last() else {
            return Ok(Err(NOT_MEASURED.to_owned()));
        };
        let losses = match run.landscape(number) {
            Ok(losses) => losses,
            Err(error) => {
                return Ok(Err(format!("the losses that were measured cannot be read: {error}")));
            }
        };
        let directions = run.info().layout.directions as u64;
        let way = if losses.step != 0 {
            Err("its origin is not the reference point, from which the run's positions count"
                .to_owned())
        } else if losses.modes.iter().any(|mode| !(1..=directions).contains(mode)) {
            Err("the run has no positions along its directions".to_owned())
        } else if !run.columns().any(|column| column == "basis") {
            Err("the run's rows do not say along which directions their positions are".to_owned())
        } else {
            let way = Way::read(run, rows, &losses, progress)?;
            if way.rows == 0 { Err("no row is along its directions".to_owned()) } else { Ok(way) }
        };
        Ok(Ok(Landscape { losses, way }))
    }
}

impl Way {
    fn read(
        run: &Run,
        rows: u64,
        losses: &LossLandscape,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Way> {
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
                if way.rows.is_multiple_of(stride) {
                    way.points.push([x, y]);
                }
                way.rows += 1;
                way.inside += u64::from(inside(0, x) && inside(1, y));
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
