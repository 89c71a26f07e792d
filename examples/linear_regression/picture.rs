//! Figure 2: position and velocity along the sharpest direction, measured and by eq. 5.

use super::figure::{MEASURED, PREDICTED, Panel};
use super::trajectory::Trajectory;

const KEY: &str = "step (black: measured, orange: eq. 5)";

/// A row of two panels.
pub fn row(momentum: f64, measured: &Trajectory, predicted: &Trajectory) -> Vec<Panel> {
    let panel = |title: &str, label: &str, measured: &[f64], predicted: &[f64]| {
        let all = || measured.iter().chain(predicted);
        let [low, high] =
            [all().copied().fold(f64::MAX, f64::min), all().copied().fold(f64::MIN, f64::max)];
        let margin = 0.05 * (high - low);
        let limits = [[0.0, measured.len() as f64], [low - margin, high + margin]];
        let mut panel =
            Panel::new(&format!("{title} along q_1, momentum {momentum}"), [KEY, label], limits);
        let points = |values: &[f64]| {
            values.iter().enumerate().map(|(step, &y)| [step as f64 + 1.0, y]).collect()
        };
        // The prediction is broad and below, to be seen where the two agree.
        panel.line(points(predicted), PREDICTED, 5.0);
        panel.line(points(measured), MEASURED, 1.2);
        panel
    };
    vec![
        panel("Position", "position", &measured.positions, &predicted.positions),
        panel("Velocity", "velocity", &measured.velocities, &predicted.velocities),
    ]
}
