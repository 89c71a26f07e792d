//! How often something held.

use std::collections::BTreeMap;

/// Yes or no, by name: how often yes.
#[derive(Default)]
pub(super) struct Tally(BTreeMap<&'static str, [u64; 2]>);

impl Tally {
    pub(super) fn count(&mut self, name: &'static str, yes: bool) {
        let [hits, all] = self.0.entry(name).or_default();
        *hits += u64::from(yes);
        *all += 1;
    }

    /// The shares that do not lie between the bounds, allowing for 3.3 standard errors of a share
    /// at the bounds beyond the thousand runs that the bounds are meant for.
    pub(super) fn outside(&self, what: &str, low: f64, high: f64) -> Vec<String> {
        let mut wrong = Vec::new();
        for (name, &[hits, all]) in &self.0 {
            let share = hits as f64 / all as f64;
            println!("| {what} | {name} | {:.1}% | {all} |", 100.0 * share);
            let slack =
                if all < 1000 { 3.3 * (low * (1.0 - low) / all as f64).sqrt() } else { 0.0 };
            if share < low - slack || share > high + slack {
                wrong.push(format!("{what}, {name}: {share} of {all}"));
            }
        }
        wrong
    }
}
