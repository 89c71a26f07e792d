//! Is the motion the same in every direction: variances of positions and velocities, correlations
//! between modes.

use super::modes::no_mode;
use super::words::{around, short, spread, with_interval};
use super::{Finding, Question, Size, Verdict};
use crate::analysis::modes::{EigenvalueSource, Isotropy, ModesFit, Test};
use crate::analysis::render_text::p_value;

pub(super) fn findings(fit: &ModesFit) -> Vec<Finding> {
    let fitted = fit.modes.iter().any(|mode| mode.recursion.known().is_some());
    let Some(isotropy) = fit.isotropy.known().filter(|_| fitted) else {
        let reasons = fit.modes.iter().map(|mode| mode.recursion.reason());
        return vec![Finding::unanswered(Question::Positions, no_mode(fit, reasons))];
    };
    let mut found =
        vec![Finding::of(Question::Positions, &isotropy.against_modified_loss, |test| {
            positions(isotropy, test)
        })];
    found.extend(in_discrete_time(isotropy));
    found.extend(isotropy.velocity_slope.known().map(|slope| {
        let sentence =
            format!("variances grow as rho to the power {}; theory has 1", with_interval(slope));
        Finding::new(Question::Velocities, Verdict::holds(slope.covers(1.0)), sentence)
            .with_size(Size::of_estimate(slope, "power of rho"))
    }));
    found.extend(isotropy.correlation.known().map(|correlation| {
        let [first, second] = correlation.most_deviating_pair;
        let (largest, test) = (correlation.most_deviating_correlation, &correlation.against_none);
        let chance = if test.rejected { "" } else { ", as by chance" };
        let sentence = format!(
            "modes {first} and {second}, which deviate most from 0, have {largest:.3}{chance} ({})",
            p_value(test.probability)
        );
        Finding::new(Question::Correlation, Verdict::holds(!test.rejected), sentence)
            .with_size(Size::of(largest, "correlation"))
    }));
    found
}

fn positions(isotropy: &Isotropy, test: &Test) -> Finding {
    let ratios = spread(isotropy.modes.iter().filter_map(|mode| mode.position_over_modified_loss));
    let size = match (ratios, isotropy.position_spread) {
        (Some([lowest, middle, highest]), _) => {
            format!("variances are {} of theory's", around(lowest, middle, highest))
        }
        (None, Some(spread)) => {
            format!("variances over theory's differ by a factor {} between modes", short(spread))
        }
        (None, None) => "variances are out of range".to_owned(),
    };
    let same = if test.rejected { "not one ratio" } else { "one ratio but for chance" };
    let fitted =
        if isotropy.eigenvalues == EigenvalueSource::Fit { "; rho by the fit" } else { "" };
    let sentence = format!("{size}, {same} ({}){fitted}", p_value(test.probability));
    let size = isotropy.position_spread.map(|spread| Size::of(spread, "largest over smallest"));
    Finding { size, ..Finding::new(Question::Positions, Verdict::holds(!test.rejected), sentence) }
}

/// Where the modified loss fails: do the variances follow the theory that has the steps' finite
/// size?
fn in_discrete_time(isotropy: &Isotropy) -> Option<Finding> {
    isotropy.against_modified_loss.known().filter(|test| test.rejected)?;
    let test = isotropy.against_discrete_theory.known()?;
    let same = if test.rejected { "not one ratio either" } else { "one ratio but for chance" };
    let spread = isotropy.discrete_spread?;
    let sentence = format!(
        "position variances over those of the theory in discrete time differ by a factor {} between modes, {same} ({})",
        short(spread),
        p_value(test.probability)
    );
    let finding =
        Finding::new(Question::PositionsInDiscreteTime, Verdict::holds(!test.rejected), sentence);
    Some(finding.with_size(Size::of(spread, "largest over smallest")))
}
