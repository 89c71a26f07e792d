//! Whether, and from where on, the run is stationary, and how many independent values its modes are
//! worth.
//!
//! Local displacement, loss and the positions along the modes are each tested twice: the first
//! tenth against the last half (Geweke, Bayesian Statistics 4, 1992), and for a trend; both with
//! the variance of correlated means ([`long_run`](crate::stats::long_run)). The stationary part
//! begins at the first of 0, 1/64, 1/32, ..., 1/2 of the run after which no test fails; the level
//! is 5% for all tests of a beginning together (Bonferroni), so that 19 of 20 stationary runs are
//! said to be stationary from their first row. A quantity that remembers too long beside the run
//! cannot be tested and is named: a mode that has not yet relaxed is not stationary in any sense a
//! log could show. A beginning may also be given.
//!
//! The fluctuation-dissipation relation (Yaida, ICLR 2019, for SGD with momentum) <theta . g> = eta
//! (1+beta)/2 <||v||^2> needs no gradients here: g = beta v - v', and theta . v follows from
//! successive squared displacements. Summed over a window it says that ||Delta||^2 has not grown;
//! its ratio is 1 in a stationary state, 0 for a free walk with as much momentum, negative for
//! motion in one direction.

use serde::Serialize;

use super::Answer;
use super::change::{Change, Course};
pub use super::effective_samples::{EffectiveSamples, effective_samples};
use super::render_text::p_value;
use super::settings::PlainSgd;
use crate::stats::coarse_series::CoarseSeries;
use crate::stats::long_run::{contrast, trend};

/// Level of all tests of one beginning together.
const LEVEL: f64 = 0.05;
/// Beginnings that are tried, as fractions of the run.
const BEGINNINGS: [f64; 7] = [0.0, 1.0 / 64.0, 1.0 / 32.0, 1.0 / 16.0, 0.125, 0.25, 0.5];
/// The relation is taken to hold within this of 1.
const RELATION_TOLERANCE: f64 = 0.1;

/// What the run says of its stationarity.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stationarity {
    /// The verdict and its tests.
    pub beginning: Answer<Beginning>,
    /// The fluctuation-dissipation relation over the fit's window.
    pub fluctuation_dissipation: Answer<FluctuationDissipation>,
    /// Independent values of each mode's position, over all rows.
    pub modes: Vec<Answer<EffectiveSamples>>,
}

impl Stationarity {
    /// No answer, for this reason, of so many modes.
    pub(crate) fn nothing(reason: &str, modes: usize) -> Stationarity {
        Stationarity {
            beginning: Answer::cannot_say(reason),
            fluctuation_dissipation: Answer::cannot_say(reason),
            modes: vec![Answer::cannot_say(reason); modes],
        }
    }
}

/// From where on the run passes every test.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Beginning {
    /// The first step of the stationary part; none if no half of the run passes.
    pub first_step: Option<u64>,
    /// Whether that was given, and is not what the tests say.
    pub given: bool,
    /// The quantity that was most against it at the first row; of a beginning that was given, from
    /// there on.
    pub worst: String,
    /// By how much it changes; `None` where nothing was tested.
    pub change: Option<Change>,
    /// Its p-value, times the number of tests.
    pub p_value: f64,
    /// Quantities tested.
    pub tested: Vec<String>,
    /// Quantities that cannot be tested: constant, unknown, or remembering too long beside the run.
    pub untested: Vec<String>,
}

/// <theta . g> against eta (1+beta)/2 <||v||^2>.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FluctuationDissipation {
    /// <theta . g>, weight decay included in g.
    pub position_times_gradient: f64,
    /// eta (1+beta)/2 <||v||^2>.
    pub kinetic: f64,
    /// The first over the second.
    pub ratio: f64,
    /// Whether it is within 0.1 of 1.
    pub holds: bool,
}

/// A quantity by name.
pub type Named<'a> = (String, &'a CoarseSeries);

impl Beginning {
    /// Whether the tests, too, find the part stationary that begins at the first step.
    pub fn is_stationary(&self) -> bool {
        self.first_step.is_some() && !(self.given && self.p_value < LEVEL)
    }

    /// How the quantity that was most against it changes, size first: "loss falls by 12% (p =
    /// 0.01)".
    pub(crate) fn change_in_words(&self) -> String {
        let is_position = self.worst.starts_with("position");
        let change =
            self.change.map_or_else(|| "changes".to_owned(), |change| change.in_words(is_position));
        format!("{} {change} ({})", self.worst, p_value(self.p_value))
    }
}

/// The stationary part begins at `given`, somebody says: the rows up to `last_step` are tested from
/// there on. Also where nothing can be tested it is taken to begin there.
pub fn beginning_given(
    quantities: &[Named],
    given: u64,
    first_step: u64,
    last_step: u64,
) -> Beginning {
    let share = given.saturating_sub(first_step) as f64 / (last_step - first_step).max(1) as f64;
    let mut beginning = Beginning {
        first_step: Some(given),
        given: true,
        worst: "nothing".to_owned(),
        change: None,
        p_value: 1.0,
        tested: Vec::new(),
        untested: Vec::new(),
    };
    for (name, series) in quantities {
        let values = series.means();
        let from = ((values.len() as f64 * share) as usize).min(values.len());
        let Some((p_value, course)) = smallest_p(&values[from..]) else {
            beginning.untested.push(name.clone());
            continue;
        };
        beginning.tested.push(name.clone());
        if p_value < beginning.p_value {
            (beginning.p_value, beginning.worst) = (p_value, name.clone());
            beginning.change = Change::by(course, &values[from..], deviation(series));
        }
    }
    beginning.p_value = (beginning.p_value * 2.0 * beginning.tested.len().max(1) as f64).min(1.0);
    beginning
}

/// Steps at which the stationary part of a run may begin.
pub(crate) fn beginnings(first_step: u64, last_step: u64) -> [u64; BEGINNINGS.len()] {
    BEGINNINGS.map(|share| beginning_at(share, first_step, last_step))
}

fn beginning_at(share: f64, first_step: u64, last_step: u64) -> u64 {
    first_step + ((last_step - first_step) as f64 * share) as u64
}

/// Tests quantities of the rows from `first_step` to `last_step`.
pub fn beginning(quantities: &[Named], first_step: u64, last_step: u64) -> Answer<Beginning> {
    let series: Vec<(&str, Vec<f64>)> =
        quantities.iter().map(|(name, series)| (name.as_str(), series.means())).collect();
    let at_first: Vec<Option<(f64, Course)>> =
        series.iter().map(|(_, values)| smallest_p(values)).collect();
    let named = |testable: bool| {
        let these = series.iter().zip(&at_first).filter(move |(_, p)| p.is_some() == testable);
        these.map(|((name, _), _)| (*name).to_owned()).collect::<Vec<_>>()
    };
    let (tested, untested) = (named(true), named(false));
    let p_values = at_first.iter().enumerate().filter_map(|(index, p)| Some((index, (*p)?)));
    let Some((worst, (p_value, course))) = p_values.min_by(|a, b| a.1.0.total_cmp(&b.1.0)) else {
        return Answer::cannot_say(
            "no quantity is known, moves and forgets fast enough beside the run to be tested",
        );
    };
    // Two tests a quantity.
    let tests = 2.0 * tested.len() as f64;
    let passes = |share: &&f64| {
        if **share == 0.0 {
            return p_value * tests >= LEVEL;
        }
        let testable = series.iter().zip(&at_first).filter(|(_, p)| p.is_some());
        // What is left too short for a test has nothing against it.
        testable.into_iter().all(|((_, values), _)| {
            let from = (values.len() as f64 * **share) as usize;
            smallest_p(&values[from..]).is_none_or(|(p, _)| p * tests >= LEVEL)
        })
    };
    let first = BEGINNINGS.iter().find(passes);
    let first_step = first.map(|share| beginning_at(*share, first_step, last_step));
    Answer::Known(Beginning {
        first_step,
        given: false,
        worst: series[worst].0.to_owned(),
        change: Change::by(course, &series[worst].1, deviation(quantities[worst].1)),
        p_value: (p_value * tests).min(1.0),
        tested,
        untested,
    })
}

/// The smaller p-value of the tests that can be made, and which it is: beside a transient there is
/// no telling a trend, and the reverse.
fn smallest_p(values: &[f64]) -> Option<(f64, Course)> {
    let tests = [
        (contrast(values, values.len() / 10, values.len() / 2), Course::FirstTenthToLastHalf),
        (trend(values), Course::AlongLine),
    ];
    let known = tests.into_iter().filter_map(|(test, course)| Some((test.ok()?.p_value, course)));
    known.min_by(|a, b| a.0.total_cmp(&b.0))
}

/// Standard deviation of a row.
fn deviation(series: &CoarseSeries) -> f64 {
    series.values().variance().sqrt()
}

/// Sums for the fluctuation-dissipation relation: rows of successive steps.
#[derive(Debug, Clone, Copy, Default)]
pub struct RelationFit {
    previous: Option<(u64, f64)>,
    growth: f64,
    squared_steps: f64,
    pairs: u64,
    gaps: u64,
}

impl RelationFit {
    /// Takes a row: step, squared local and squared global displacement.
    pub fn push(&mut self, step: u64, local: Option<f64>, global: Option<f64>) {
        let known =
            local.zip(global).filter(|(local, global)| local.is_finite() && global.is_finite());
        if let (Some((before, from)), Some((local, global))) = (self.previous, known) {
            if step == before + 1 {
                self.growth += global - from;
                self.squared_steps += local;
                self.pairs += 1;
            } else {
                self.gaps += 1;
            }
        }
        self.previous = known.map(|(_, global)| (step, global));
    }

    /// The relation over the rows so far.
    pub fn answer(&self, sgd: Result<PlainSgd, String>) -> Answer<FluctuationDissipation> {
        let PlainSgd { learning_rate, momentum } = match sgd {
            Ok(sgd) => sgd,
            Err(reason) => return Answer::CannotSay { reason },
        };
        if self.pairs == 0 {
            return Answer::cannot_say(
                "it needs both displacements at successive steps, and there are none",
            );
        }
        let pairs = self.pairs as f64;
        let mean_square = self.squared_steps / pairs;
        // With y = ||Delta||^2: Delta . v' = (y' - y - ||delta'||^2) / (2 eta), Delta' . v' = that + ||delta'||^2 / eta, and
        // g = beta v - v'. Means of successive rows are the same but for the ends of the window.
        let before = (self.growth / pairs - mean_square) / (2.0 * learning_rate);
        let after = before + mean_square / learning_rate;
        let position_times_gradient = momentum * after - before;
        let kinetic = (1.0 + momentum) / 2.0 * mean_square / learning_rate;
        let ratio = position_times_gradient / kinetic;
        if !(ratio.is_finite() && position_times_gradient.is_finite()) {
            return Answer::cannot_say("nothing moves, or displacements are out of range");
        }
        let holds = (ratio - 1.0).abs() <= RELATION_TOLERANCE;
        Answer::Known(FluctuationDissipation { position_times_gradient, kinetic, ratio, holds })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, StandardNormal};

    use super::*;

    pub(in crate::analysis) fn series(values: impl IntoIterator<Item = f64>) -> CoarseSeries {
        let mut series = CoarseSeries::default();
        values.into_iter().for_each(|value| series.push(Some(value)));
        series
    }

    pub(in crate::analysis) fn noise(seed: u64, length: usize) -> impl Iterator<Item = f64> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        (0..length).map(move |_| StandardNormal.sample(&mut random))
    }

    #[test]
    fn a_transient_is_cut_off_and_a_lasting_trend_refused() {
        let begins = |values: CoarseSeries| {
            let answer = beginning(&[("loss".to_owned(), &values)], 1, 3000);
            answer.known().unwrap().first_step
        };
        assert_eq!(begins(series(noise(1, 3000))), Some(1));
        let decaying = noise(1, 3000)
            .enumerate()
            .map(|(row, noise)| noise + 20.0 * (-(row as f64) / 30.0).exp());
        let first = begins(series(decaying)).unwrap();
        assert!((90..400).contains(&first), "{first}");
        assert_eq!(
            begins(series(
                noise(1, 3000).enumerate().map(|(row, noise)| noise + 0.01 * row as f64)
            )),
            None
        );
    }

    #[test]
    fn a_beginning_that_is_given_is_tested_from_there_on() {
        let decaying = noise(1, 3000)
            .enumerate()
            .map(|(row, noise)| noise + 20.0 * (-(row as f64) / 30.0).exp());
        let values = series(decaying);
        let quantities = [("loss".to_owned(), &values)];
        let of = |step: u64| beginning_given(&quantities, step, 1, 3000);
        assert!(of(600).is_stationary() && of(600).first_step == Some(600) && of(600).given);
        assert!(!of(10).is_stationary() && of(10).worst == "loss");
        let late = beginning_given(&quantities, 5000, 1, 3000);
        assert!(late.is_stationary() && late.untested == ["loss"]);
        // No rows but one: nothing to divide by.
        assert!(beginning_given(&[], 1, 1, 1).is_stationary());
    }

    #[test]
    fn what_cannot_be_tested_is_named() {
        let (steady, constant) = (series(noise(1, 3000)), series([4.0; 3000]));
        let walk = series(noise(2, 3000).scan(0.0, |sum, noise| {
            *sum += noise;
            Some(*sum)
        }));
        let quantities =
            [("a".to_owned(), &steady), ("b".to_owned(), &constant), ("c".to_owned(), &walk)];
        let answer = beginning(&quantities, 1, 3000);
        assert_eq!(answer.known().unwrap().untested, ["b", "c"]);
        assert!(beginning(&quantities[1..], 1, 3000).reason().is_some());
        assert!(beginning(&[], 1, 1).reason().is_some());
    }

    #[test]
    fn the_relation_tells_a_free_walk_from_a_bound_one() {
        let sgd = PlainSgd { learning_rate: 0.1, momentum: 0.9 };
        // Forty coordinates: of a free walk the ratio scatters by sqrt(2 / 40) about 0.
        let relation = |pull: f64| {
            let (mut position, mut velocity, mut fit) =
                ([0.0; 40], [0.0; 40], RelationFit::default());
            let mut noise = noise(5, 40 * 3000);
            for step in 1..=3000 {
                for (position, velocity) in position.iter_mut().zip(&mut velocity) {
                    *velocity = 0.9 * *velocity - pull * *position + noise.next().unwrap();
                    *position += 0.1 * *velocity;
                }
                let squares = |of: &[f64]| of.iter().map(|x| x * x).sum::<f64>();
                fit.push(step, Some(0.01 * squares(&velocity)), Some(squares(&position)));
            }
            *fit.answer(Ok(sgd)).known().unwrap()
        };
        assert!((relation(1.0).ratio - 1.0).abs() < 0.02 && relation(1.0).holds);
        assert!(relation(0.0).ratio.abs() < 0.7 && !relation(0.0).holds);
        assert!(RelationFit::default().answer(Ok(sgd)).reason().is_some());
        assert!(RelationFit::default().answer(Err("unknown".to_owned())).reason().is_some());
    }
}
