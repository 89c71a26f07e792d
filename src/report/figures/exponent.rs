//! Figure 7 of the paper: the exponent of the displacement against the length of the run, and
//! against the lag.

use super::figure::Figure;
use crate::analysis::Answer;
use crate::report::chart::{Axis, Chart, Ink, Mark, Point};
use crate::report::material::Material;

pub fn exponents(material: &Material) -> Figure {
    let (id, title) = ("exponent", "Diffusion exponent (fig. 7)");
    let Some(fit) = &material.fit else { return Figure::missing(id, title, "the run has no rows") };
    let ordinary = || [Point::new(0.0, 1.0)];
    let mut prefixes = Chart::new(
        "exponent_by_length",
        "Exponent c, by length of the run",
        Axis::counted("steps fitted, from the first on").including(&[0.0]),
        Axis::linear("c").including(&[1.0]),
    );
    let mut caption = Vec::new();
    if fit.prefixes.is_empty() {
        caption.push("No part of the run shows a power law.".to_owned());
    } else {
        prefixes.add("ordinary diffusion, c = 1", Ink::Predicted, Mark::Horizontals, ordinary());
        let points = || {
            fit.prefixes.iter().map(|prefix| Point::new(prefix.last_step as f64, prefix.exponent))
        };
        prefixes.add("", Ink::Faint, Mark::Line, points());
        prefixes.add("c over so many steps", Ink::Measured, Mark::Signs, points());
        caption.push(
            "The exponent of the squared distance from the reference point, fitted to the first tenth of the rows, the first two tenths, \
             and so on. One trajectory gives no intervals here; neighbouring points share most of their rows."
                .to_owned(),
        );
    }
    let mut lags = Chart::new(
        "exponent_by_lag",
        "Exponent c, by lag",
        Axis::logarithmic("lag, steps"),
        Axis::linear("c").including(&[1.0]),
    );
    match &fit.lags {
        Answer::Known(found) => {
            lags.add("ordinary diffusion, c = 1", Ink::Predicted, Mark::Horizontals, ordinary());
            lags.add(
                "measured",
                Ink::Measured,
                Mark::Signs,
                found.local.iter().map(|local| {
                    let exponent = local.exponent;
                    Point::with_interval(
                        local.lag_steps as f64,
                        exponent.value,
                        Some(exponent.low),
                        Some(exponent.high),
                    )
                }),
            );
            caption.push(
                "By lag: the slope of the mean squared displacement along the directions, over all origins, with 95% \
                 intervals. Above 1 the motion is faster than diffusion, below slower."
                    .to_owned(),
            );
        }
        Answer::CannotSay { reason } => caption.push(format!("By lag: not shown, {reason}.")),
    }
    if prefixes.is_empty() && lags.is_empty() {
        return Figure { id, title, charts: Vec::new(), caption };
    }
    Figure::new(id, title, vec![prefixes, lags], caption)
}
