//! The two potentials side by side, with the current and a path.

use anyhow::Result;
use nalgebra::{DMatrix, DVector, SymmetricEigen};
use perrin::theory::fokker_planck::FokkerPlanck;
use perrin::theory::ornstein_uhlenbeck::OrnsteinUhlenbeck;
use plotters::style::RGBColor;

use super::figure::{Layer, MEASURED, Panel};

const WINDOW: [f64; 2] = [-0.1, 0.1];
/// Level sets drawn, evenly spaced in the distance from the mean.
const LEVELS: usize = 10;
/// Arrows along each axis.
const ARROWS: usize = 13;
/// The longest arrow, in units of the window.
const LONGEST: f64 = 0.02;

/// Phi on the left, Psi with the current on the right, and the path over both.
pub fn panels(
    process: &OrnsteinUhlenbeck,
    modified: &FokkerPlanck,
    path: &DMatrix<f64>,
) -> Result<Vec<Panel>> {
    let mut original = panel("Original potential Phi");
    // A is symmetric here: Phi(x) = (x - mu)^T A (x - mu) / 2 and a constant.
    areas(&mut original, process.drift(), process.mean());
    let mut right = panel("Modified potential Psi, current");
    areas(&mut right, modified.curvature(), process.mean());
    for panel in [&mut original, &mut right] {
        panel.line(path.column_iter().map(|point| [point[0], point[1]]).collect(), MEASURED, 0.7);
    }
    currents(&mut right, modified)?;
    Ok(vec![original, right])
}

fn panel(title: &str) -> Panel {
    Panel::new(title, ["x_1", "x_2"], [WINDOW; 2])
}

/// The areas within level sets of (x - centre)^T M (x - centre), from the outermost, dark, to the
/// innermost, light.
fn areas(panel: &mut Panel, matrix: &DMatrix<f64>, centre: &DVector<f64>) {
    let eigen = SymmetricEigen::new(matrix.clone());
    let value = |x: f64, y: f64| {
        let deviation = DVector::from_vec(vec![x, y]) - centre;
        deviation.dot(&(matrix * &deviation))
    };
    let corners = [[0, 0], [0, 1], [1, 0], [1, 1]].map(|[i, j]| value(WINDOW[i], WINDOW[j]));
    let highest = corners.into_iter().fold(0.0, f64::max);
    for level in (1..=LEVELS).rev() {
        let share = level as f64 / LEVELS as f64;
        let outline = (0..90).map(|point| {
            let (sine, cosine) = (point as f64 / 90.0 * std::f64::consts::TAU).sin_cos();
            let along = |axis: usize, amount: f64| {
                eigen.eigenvectors.column(axis)
                    * (amount * share * (highest / eigen.eigenvalues[axis]).sqrt())
            };
            let point = centre + along(0, cosine) + along(1, sine);
            [point[0], point[1]]
        });
        let shade = |light: f64, dark: f64| (light + (dark - light) * share).round() as u8;
        let colour = RGBColor(shade(250.0, 60.0), shade(252.0, 130.0), shade(255.0, 180.0));
        panel.layers.push(Layer::Area { outline: outline.collect(), colour });
    }
}

/// Arrows of the stationary current, their middle at the point they are of.
fn currents(panel: &mut Panel, modified: &FokkerPlanck) -> Result<()> {
    let place =
        |index: usize| WINDOW[0] + (index as f64 + 0.5) / ARROWS as f64 * (WINDOW[1] - WINDOW[0]);
    let mut currents = Vec::new();
    for (i, j) in (0..ARROWS * ARROWS).map(|index| (index / ARROWS, index % ARROWS)) {
        let point = DVector::from_vec(vec![place(i), place(j)]);
        let current = modified.probability_current(&point)?;
        currents.push((point, current));
    }
    let strongest = currents.iter().map(|(_, current)| current.norm()).fold(0.0, f64::max);
    for (point, current) in currents {
        let relative = current.norm() / strongest;
        // By the square root, or only the strongest would be seen.
        let along = current * (LONGEST / (strongest * relative.sqrt()));
        if relative > 0.01 {
            let from = point - 0.5 * &along;
            panel
                .layers
                .push(Layer::Arrow { from: [from[0], from[1]], along: [along[0], along[1]] });
        }
    }
    Ok(())
}
