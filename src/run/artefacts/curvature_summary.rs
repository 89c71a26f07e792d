//! What was measured of a Hessian beyond its eigenpairs: `curvature_summaries/NNNNNN.json`, of the
//! basis of this number.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::record::SCHEMA_VERSION;
use crate::run::file;
use crate::run::folder::RunFolder;
use crate::run::info::open_run;
use crate::run::integrity::{damaged, json_checksum};
use crate::run::places::{count_bases, make_place};
use crate::run::reader::Run;
use crate::run::storage::{Disk, Storage};
use crate::run::whole_file::write_whole;

const VERSION_KEY: &str = "schema_version";
const CHECKSUM_KEY: &str = "checksum";
/// Whose summary it is; those of version 1 do not say it.
const BASIS_KEY: &str = "basis";

/// A number and its standard error.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The number.
    pub value: f64,
    /// Its standard error; 0 where it is exact.
    pub standard_error: f64,
}

/// What is known of the Hessian of a basis besides its eigenpairs. Weight decay is in none of it.
///
/// `LossHessian::summary` (feature `torch`) measures it; whoever measures otherwise fills it in.
/// Handed over with the directions of a run
/// ([`Eigenvectors::with_summary`](crate::run::artefacts::eigenvectors::Eigenvectors::with_summary)),
/// or by [`save`](Self::save) where it is measured later, it is in the run's folder, where
/// `perrin fit` and `perrin report` find it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CurvatureSummary {
    /// tr(H).
    pub trace: Option<Measured>,
    /// Density of the eigenvalues that the basis does not have.
    pub density: Option<SpectralBulk>,
    /// The noise of gradients along the basis.
    pub gradient_noise: Option<GradientNoiseSummary>,
}

/// The eigenvalues of the directions beside a basis, as a density: `weights[i]` of them are about
/// `nodes[i]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SpectralBulk {
    /// Eigenvalues that stand for those around them; negative ones among them.
    pub nodes: Vec<f64>,
    /// How many, relative to each other; none is negative.
    pub weights: Vec<f64>,
    /// How many directions in all: m - K, for K eigenvectors of m elements.
    pub dimension: f64,
}

/// The covariance Sigma of the gradient of one example.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GradientNoiseSummary {
    /// q_i^T Sigma q_i, one a direction of the basis, gradient units squared.
    pub variances: Vec<Measured>,
    /// tr(Sigma), over all m directions.
    pub trace: Measured,
    /// sigma^2: sum of q_i^T Sigma q_i over sum of rho_i.
    pub noise_scale: Measured,
    /// Pearson's correlation of q_i^T Sigma q_i and rho_i; none where one of them does not vary.
    pub correlation: Option<Measured>,
    /// Frobenius norm of Sigma's part off the diagonal, seen along the basis, over that of all of
    /// it.
    pub off_diagonal: Option<Measured>,
    /// Batches whose gradients were compared.
    pub batches: u64,
    /// Examples in them.
    pub examples: u64,
}

impl CurvatureSummary {
    /// Keeps it in the folder of a run, as that of basis `basis`, written beside its place, synced
    /// and renamed; one that is there already is replaced. The run may be being observed meanwhile,
    /// along directions that were handed over without a summary. Basis 0 may come before its table,
    /// or without one in a run that has no directions.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for what is no measurement (a number that is not finite, a negative
    /// weight, lists that do not fit together), and for a basis that the run does not have;
    /// [`Error::NoSuchRun`]; [`Error::Io`].
    pub fn save(&self, run_folder: impl AsRef<Path>, basis: u64) -> Result<()> {
        self.check()?;
        let (folder, _) = open_run(run_folder)?;
        let bases = count_bases(&folder)?;
        if basis >= bases.max(1) {
            let reason = format!("the run has no basis {basis}; it has {bases}, counted from 0");
            return Err(Error::InvalidInput { field: "basis".to_owned(), reason });
        }
        self.write_on(&Disk, &folder, basis)
    }

    /// [`save`](Self::save) of what was checked.
    pub(crate) fn write_on(
        &self,
        storage: &dyn Storage,
        folder: &RunFolder,
        basis: u64,
    ) -> Result<()> {
        let path = folder.curvature_summary(basis);
        let mut value =
            serde_json::to_value(self).map_err(|error| Error::io("encode", &path)(error.into()))?;
        value[BASIS_KEY] = basis.into();
        value[CHECKSUM_KEY] = json_checksum(&value).into();
        value[VERSION_KEY] = SCHEMA_VERSION.into();
        let place = folder.summaries_folder();
        make_place(storage, folder, &place)?;
        write_whole(storage, &path, format!("{value:#}\n").as_bytes())?;
        storage.sync_dir(&place).map_err(Error::io("sync", &place))
    }

    /// Whether it is a measurement.
    ///
    /// # Errors
    /// [`Error::InvalidInput`].
    pub(crate) fn check(&self) -> Result<()> {
        let invalid = |field: &str, reason: String| {
            Err(Error::InvalidInput { field: field.to_owned(), reason })
        };
        if let Some(wrong) = self.trace.iter().find_map(Measured::wrong) {
            return invalid("trace", wrong);
        }
        if let Some(wrong) = self.density.iter().find_map(SpectralBulk::wrong) {
            return invalid("density", wrong);
        }
        self.gradient_noise
            .iter()
            .find_map(GradientNoiseSummary::wrong)
            .map_or(Ok(()), |wrong| invalid("gradient_noise", wrong))
    }
}

impl Measured {
    fn wrong(&self) -> Option<String> {
        let known =
            self.value.is_finite() && self.standard_error.is_finite() && self.standard_error >= 0.0;
        (!known).then(|| format!("{} +- {}", self.value, self.standard_error))
    }
}

impl SpectralBulk {
    fn wrong(&self) -> Option<String> {
        let SpectralBulk { nodes, weights, dimension } = self;
        if nodes.len() != weights.len() {
            return Some(format!("{} nodes and {} weights", nodes.len(), weights.len()));
        }
        if !nodes.iter().all(|node| node.is_finite()) {
            return Some("a node is not finite".to_owned());
        }
        let sum: f64 = weights.iter().sum();
        let is_weighted =
            weights.iter().all(|weight| *weight >= 0.0) && sum > 0.0 && sum.is_finite();
        if !is_weighted {
            return Some("weights must be 0 or more, and one above 0".to_owned());
        }
        let has_directions = *dimension > 0.0 && dimension.is_finite();
        (!has_directions).then(|| format!("the dimension is {dimension}, and must be above 0"))
    }

    /// Each node with the number of directions it stands for.
    pub fn counted(&self) -> impl Iterator<Item = (f64, f64)> {
        let scale = self.dimension / self.weights.iter().sum::<f64>();
        self.nodes.iter().zip(&self.weights).map(move |(&node, &weight)| (node, scale * weight))
    }
}

impl GradientNoiseSummary {
    fn wrong(&self) -> Option<String> {
        let others =
            [Some(self.trace), Some(self.noise_scale), self.correlation, self.off_diagonal];
        let negative =
            self.variances.iter().chain([&self.trace]).any(|variance| variance.value < 0.0);
        let negative = negative.then(|| "a variance is negative".to_owned());
        self.variances.iter().chain(others.iter().flatten()).find_map(Measured::wrong).or(negative)
    }
}

impl Run {
    /// What was measured of the Hessian of a basis beyond its eigenpairs; none where nothing was
    /// kept.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::NewerSchema`], [`Error::Io`].
    pub fn curvature_summary(&self, basis: u64) -> Result<Option<CurvatureSummary>> {
        let path = self.folder.curvature_summary(basis);
        let Some(bytes) = file::if_there(file::read(&path))? else { return Ok(None) };
        let mut value: Value =
            serde_json::from_slice(&bytes).map_err(|error| damaged(&path, error))?;
        let mut taken = |key: &str| value.as_object_mut().and_then(|all| all.remove(key)?.as_u64());
        let (version, stored) = (taken(VERSION_KEY), taken(CHECKSUM_KEY));
        match version {
            Some(version) if version > u64::from(SCHEMA_VERSION) => {
                let found = version.try_into().unwrap_or(u32::MAX);
                return Err(Error::NewerSchema { path, found, supported: SCHEMA_VERSION });
            }
            Some(_) => {}
            None => return Err(damaged(&path, "it has no schema version")),
        }
        if stored != Some(json_checksum(&value).into()) {
            return Err(damaged(&path, "its checksum does not fit"));
        }
        if let Some(other) = value[BASIS_KEY].as_u64().filter(|other| *other != basis) {
            return Err(damaged(&path, format!("it is of basis {other}")));
        }
        let summary: CurvatureSummary =
            serde_json::from_value(value).map_err(|error| damaged(&path, error))?;
        summary.check().map_err(|error| damaged(&path, error))?;
        Ok(Some(summary))
    }
}
