//! What is known of the Hessian besides the log: from the run's own folder, or from a file given.
//!
//! A file is one of perrin's eigenvectors, or JSON, of which all but one may be left out:
//! `{"eigenvalues": [10.0, 4.0], "density": {"nodes": [0.1, 0.5], "weights": [2.0, 1.0], "dimension": 50000}, "trace": {"value": 3e4, "standard_error": 200}, "gradient_noise": {...}}`.
//! Eigenvalues fall; the density is of the directions beside them. Density, trace and gradient
//! noise are as [`CurvatureSummary`] has them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::eigenvalue_file::eigenvalues_of;
use crate::error::{Error, Result};
use crate::run::{CurvatureSummary, GradientNoiseSummary, Measured, Run, SpectralBulk};
use crate::theory::spectrum::Spectrum;

/// More nodes of a density than this are merged: those within a tenth of each other, their sum
/// kept, and those so small beside the largest that no run is long enough for them to relax.
const MOST_NODES: usize = 200;
const MERGED_RATIO: f64 = 1.1;
const SMALLEST_RATIO: f64 = 1e-8;

/// Measured eigenvalues, and what else is known of the Hessian.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Curvatures {
    /// Measured eigenvalues, those of the projections first and in their order. Some may be
    /// negative.
    pub eigenvalues: Vec<f64>,
    /// The other directions; none where nothing is known of them.
    pub density: Option<SpectralBulk>,
    /// tr(H).
    pub trace: Option<Measured>,
    /// The covariance of gradients along the projections.
    pub gradient_noise: Option<GradientNoiseSummary>,
    /// Which of a run's bases they are of; none where they were given.
    pub basis: Option<u64>,
}

/// Directions of negative curvature: there is no stationary state along them, and the theory goes
/// on without.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct NegativeCurvature {
    /// How many directions; not a whole number where they are a density's.
    pub directions: f64,
    /// Sum of their eigenvalues, in magnitude, over that of the positive ones.
    pub share_of_trace: f64,
}

impl Curvatures {
    /// Reads a `.safetensors` file of eigenvectors, or JSON.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Damaged`] for a damaged safetensors file; [`Error::InvalidInput`]
    /// for JSON without eigenvalues, or with numbers that are no spectrum.
    pub fn read(path: impl AsRef<Path>) -> Result<Curvatures> {
        let path = path.as_ref();
        if path.extension().is_some_and(|extension| extension == "safetensors") {
            return Ok(Curvatures { eigenvalues: eigenvalues_of(path)?, ..Curvatures::default() });
        }
        let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
        Curvatures::from_json(&text)
    }

    /// From JSON as above.
    ///
    /// # Errors
    /// [`Error::InvalidInput`].
    pub fn from_json(text: &str) -> Result<Curvatures> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Input {
            #[serde(default)]
            eigenvalues: Vec<f64>,
            density: Option<SpectralBulk>,
            trace: Option<Measured>,
            gradient_noise: Option<GradientNoiseSummary>,
        }
        let invalid =
            |reason: String| Error::InvalidInput { field: "eigenvalues".to_owned(), reason };
        let Input { eigenvalues, density, trace, gradient_noise } =
            serde_json::from_str(text).map_err(|error| invalid(error.to_string()))?;
        if eigenvalues.is_empty() && density.is_none() {
            return Err(invalid("there are none".to_owned()));
        }
        let curvatures =
            Curvatures::with(eigenvalues, CurvatureSummary { trace, density, gradient_noise });
        curvatures.check()?;
        Ok(curvatures)
    }

    /// Whether they are a measurement.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for numbers that are not finite, a density without weight, lists
    /// that do not fit together.
    pub(crate) fn check(&self) -> Result<()> {
        if !self.eigenvalues.iter().all(|eigenvalue| eigenvalue.is_finite()) {
            return Err(Error::InvalidInput {
                field: "eigenvalues".to_owned(),
                reason: "one is not finite".to_owned(),
            });
        }
        let Curvatures { density, trace, gradient_noise, .. } = self.clone();
        CurvatureSummary { trace, density, gradient_noise }.check()
    }

    /// Those in a run's folder: of the last basis that has a summary, or else of the last one;
    /// `None` where there are none. Bases of steps that were discarded by a resumption are left
    /// out. A summary that cannot be read counts as none; a note of the fit tells of it.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::NewerSchema`], [`Error::Io`], of the events and the tables of
    /// eigenvalues.
    pub fn of_run(run: &Run) -> Result<Option<Curvatures>> {
        let bases = run.kept_bases()?;
        for basis in with_first(&bases).rev() {
            if readable_summary(run, basis)?.is_some() {
                return Curvatures::of_basis(run, basis);
            }
        }
        Curvatures::of_basis(run, bases.last().copied().unwrap_or_default())
    }

    /// Those of one basis in a run's folder; none where nothing is known of it.
    ///
    /// # Errors
    /// As [`of_run`](Self::of_run).
    pub fn of_basis(run: &Run, basis: u64) -> Result<Option<Curvatures>> {
        let summary = readable_summary(run, basis)?.unwrap_or_default();
        let known = Curvatures {
            basis: Some(basis),
            ..Curvatures::with(eigenvalues_in(run, basis)?, summary)
        };
        Ok(Some(known).filter(|known| !known.eigenvalues.is_empty() || known.density.is_some()))
    }

    fn with(eigenvalues: Vec<f64>, summary: CurvatureSummary) -> Curvatures {
        let CurvatureSummary { trace, density, gradient_noise } = summary;
        Curvatures { eigenvalues, density, trace, gradient_noise, basis: None }
    }

    /// The spectrum the theory takes, which has no negative eigenvalues. With a density they are
    /// left out, as [`negative`](Self::negative) tells; where the eigenvalues are all there is, one
    /// of a few directions cannot be.
    ///
    /// # Errors
    /// As a reason: the first negative eigenvalue where there is no density; a density that has
    /// nothing else than negative ones, since what is left is not the spectrum of the whole.
    pub fn spectrum(&self) -> std::result::Result<Spectrum, String> {
        let negative = self.eigenvalues.iter().find(|eigenvalue| **eigenvalue < 0.0);
        if let Some(negative) = negative.filter(|_| self.density.is_none()) {
            return Err(format!(
                "eigenvalue {negative:.3e} is negative: the theory has no stationary state there"
            ));
        }
        let positive: Vec<f64> =
            self.eigenvalues.iter().copied().filter(|eigenvalue| *eigenvalue >= 0.0).collect();
        let measured = Spectrum::from_eigenvalues(&positive).map_err(|error| error.to_string())?;
        let bulk: Vec<(f64, f64)> = merged(self.density.iter().flat_map(SpectralBulk::counted));
        if bulk.is_empty() {
            return match self.density {
                None => Ok(measured),
                Some(_) => {
                    Err("nothing of the density is left without its negative eigenvalues"
                        .to_owned())
                }
            };
        }
        let (nodes, counts): (Vec<f64>, Vec<f64>) = bulk.into_iter().unzip();
        let dimension = counts.iter().sum();
        measured.with_density(&nodes, &counts, dimension).map_err(|error| error.to_string())
    }

    /// What of eigenvalues and density is negative; none where nothing is.
    pub fn negative(&self) -> Option<NegativeCurvature> {
        let [mut directions, mut below, mut above] = [0.0; 3];
        let measured = self.eigenvalues.iter().map(|&eigenvalue| (eigenvalue, 1.0));
        for (eigenvalue, count) in
            measured.chain(self.density.iter().flat_map(SpectralBulk::counted))
        {
            if eigenvalue < 0.0 {
                (directions, below) = (directions + count, below - count * eigenvalue);
            } else {
                above += count * eigenvalue;
            }
        }
        let share_of_trace = below / above;
        (directions > 0.0 && share_of_trace.is_finite())
            .then_some(NegativeCurvature { directions, share_of_trace })
    }

    /// The largest eigenvalue, measured or of the density.
    pub fn largest(&self) -> Option<f64> {
        let nodes = self.density.iter().flat_map(|density| &density.nodes);
        self.eigenvalues.iter().chain(nodes).copied().reduce(f64::max)
    }

    /// tr(H): as measured, or else the sum of eigenvalues and density; none where only the
    /// eigenvalues are known.
    pub fn trace(&self) -> Option<Measured> {
        let summed = || {
            let bulk: f64 =
                self.density.as_ref()?.counted().map(|(node, count)| node * count).sum();
            Some(Measured {
                value: self.eigenvalues.iter().sum::<f64>() + bulk,
                standard_error: 0.0,
            })
        };
        self.trace.or_else(summed)
    }
}

/// The bases that may have a summary: a run without directions may have one all the same.
fn with_first(bases: &[u64]) -> impl DoubleEndedIterator<Item = u64> {
    std::iter::once(0).filter(|_| bases.is_empty()).chain(bases.iter().copied())
}

/// Why summaries in a run's folder are left out, a sentence each: the rest of the run can be said
/// all the same.
///
/// # Errors
/// Those of [`Run::kept_bases`].
/// A summary that is damaged, or newer than this program, counts as none.
///
/// # Errors
/// [`Error::Io`].
fn readable_summary(run: &Run, basis: u64) -> Result<Option<CurvatureSummary>> {
    match run.curvature_summary(basis) {
        Err(error @ Error::Io { .. }) => Err(error),
        summary => Ok(summary.ok().flatten()),
    }
}

pub(crate) fn unread_summaries(run: &Run) -> Result<Vec<String>> {
    let unread = |basis| {
        let error = run.curvature_summary(basis).err()?;
        Some(format!(
            "what was measured of the Hessian of basis {basis} beside its eigenpairs is left out: {error}"
        ))
    };
    Ok(with_first(&run.kept_bases()?).filter_map(unread).collect())
}

/// The eigenvalues of a basis; none where its directions are no eigenvectors, or there is no table
/// of it.
fn eigenvalues_in(run: &Run, basis: u64) -> Result<Vec<f64>> {
    if !run.bases()?.contains(&basis) {
        return Ok(Vec::new());
    }
    let known: Option<Vec<f64>> = run.estimate(basis)?.iter().map(|row| row.eigenvalue).collect();
    Ok(known.unwrap_or_default())
}

/// Nodes that are not negative and how many directions each stands for; of many, neighbours
/// together.
fn merged(counted: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    let nodes: Vec<(f64, f64)> =
        counted.filter(|(node, count)| *node >= 0.0 && *count > 0.0).collect();
    if nodes.len() <= MOST_NODES {
        return nodes;
    }
    let largest = nodes.iter().map(|(node, _)| *node).fold(f64::MIN_POSITIVE, f64::max);
    let mut bins: BTreeMap<i64, [f64; 2]> = BTreeMap::new();
    for (node, count) in nodes {
        let logarithm = (node / largest).max(SMALLEST_RATIO).ln();
        let bin = bins.entry((logarithm / MERGED_RATIO.ln()).floor() as i64).or_default();
        (bin[0], bin[1]) = (bin[0] + count, bin[1] + count * node);
    }
    bins.into_values().rev().map(|[count, sum]| (sum / count, count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negative_directions_of_a_density_are_left_out_and_counted() {
        let text = r#"{"eigenvalues": [8, -1], "density": {"nodes": [0.5, 0, -0.2], "weights": [2, 7, 1], "dimension": 40}}"#;
        let curvatures = Curvatures::from_json(text).unwrap();
        // 8 and 8 nodes of 0.5: 12; -1 and 4 of -0.2: -1.8.
        let negative = curvatures.negative().unwrap();
        assert!(
            (negative.directions - 5.0).abs() < 1e-12
                && (negative.share_of_trace - 1.8 / 12.0).abs() < 1e-12
        );
        let spectrum = curvatures.spectrum().unwrap();
        assert!(
            (spectrum.trace() - 12.0).abs() < 1e-12 && (spectrum.dimension() - 37.0).abs() < 1e-12
        );
        assert!((curvatures.trace().unwrap().value - 10.2).abs() < 1e-12);
        let flat = Curvatures::from_json(
            r#"{"density": {"nodes": [-1], "weights": [1], "dimension": 3}}"#,
        )
        .unwrap();
        assert!(flat.negative().is_none() && flat.spectrum().unwrap_err().contains("negative"));
    }

    #[test]
    fn many_nodes_are_merged_and_keep_their_sum_and_number() {
        let nodes: Vec<f64> =
            (0..2000).map(|k| if k < 100 { 0.0 } else { 1e-9 * 1.01_f64.powi(k) }).collect();
        let density = SpectralBulk { weights: vec![1.0; nodes.len()], nodes, dimension: 4000.0 };
        let curvatures = Curvatures { density: Some(density), ..Curvatures::default() };
        let spectrum = curvatures.spectrum().unwrap();
        assert!(spectrum.modes().len() <= MOST_NODES + 1, "{}", spectrum.modes().len());
        assert!((spectrum.trace() / curvatures.trace().unwrap().value - 1.0).abs() < 1e-12);
        assert!((spectrum.dimension() / 4000.0 - 1.0).abs() < 1e-12);
    }

    #[test]
    fn json_is_read_and_what_is_no_spectrum_refused() {
        let text = r#"{"eigenvalues": [4, 2], "density": {"nodes": [0.1], "weights": [1], "dimension": 30}}"#;
        let curvatures = Curvatures::from_json(text).unwrap();
        assert_eq!(
            (curvatures.largest(), curvatures.spectrum().unwrap().trace()),
            (Some(4.0), 9.0)
        );
        let negative = Curvatures::from_json(r#"{"eigenvalues": [4, -2]}"#).unwrap();
        assert!(negative.spectrum().unwrap_err().contains("negative"));
        for text in [
            "",
            "[]",
            r#"{"eigenvalues": []}"#,
            r#"{"eigenvalues": [1e999]}"#,
            r#"{"eigenvalues": [1], "density": {"nodes": [1], "weights": [-1], "dimension": 30}}"#,
            r#"{"eigenvalues": [1], "density": {"nodes": [1, 2], "weights": [1], "dimension": 30}}"#,
            r#"{"eigenvalues": [1], "trace": {"value": 1, "standard_error": -1}}"#,
            r#"{"eigenvalue": [1]}"#,
        ] {
            assert!(Curvatures::from_json(text).is_err(), "{text}");
        }
        assert!(matches!(Curvatures::read("/nonexistent/curvatures.json"), Err(Error::Io { .. })));
    }
}
