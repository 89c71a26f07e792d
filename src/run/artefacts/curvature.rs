//! The `curvature` table: one row an eigenvalue, one small Parquet file an estimate.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use crate::error::{Error, Result};
use crate::record::RunInfo;
use crate::run::artefacts::eigenvectors::Eigenvectors;
use crate::run::folder::{RunFolder, partial};
use crate::run::integrity::damaged;
use crate::run::places::count_bases;
use crate::run::places::make_place;
use crate::run::reader::Run;
use crate::run::schema::{integer, value};
use crate::run::steps::segment::{Encoding, SegmentWriter};
use crate::run::steps::segment_reader::SegmentReader;
use crate::run::storage::Storage;

/// An eigenvalue of the Hessian, as estimated at one step.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CurvatureRow {
    /// Steps taken when it was estimated.
    pub step: u64,
    /// Number of the estimate, and of the basis that its eigenvectors are.
    pub basis: u64,
    /// Which eigenvalue, from 1, the largest: the number in `position_1`, `velocity_1`.
    pub mode: u64,
    /// rho, without weight decay. None where the basis are plain directions.
    pub eigenvalue: Option<f64>,
    /// ||H q - rho q||.
    pub residual: Option<f64>,
    /// Whether the residual was within the tolerance asked for.
    pub converged: bool,
    /// How much of the eigenvector lies in the span of the basis before, 0 to 1. None for the
    /// first.
    pub overlap: Option<f64>,
    /// Hessian-vector products spent on all of the estimate.
    pub products: Option<u64>,
}

fn schema() -> SchemaRef {
    let field = |name: &str, kind: DataType, nullable| Field::new(name, kind, nullable);
    Arc::new(Schema::new(vec![
        field("step", DataType::Int64, false),
        field("basis", DataType::Int64, false),
        field("mode", DataType::Int64, false),
        field("eigenvalue", DataType::Float64, true),
        field("residual", DataType::Float64, true),
        field("converged", DataType::Boolean, false),
        field("overlap", DataType::Float64, true),
        field("products", DataType::Int64, true),
    ]))
}

/// Writes an estimate: first its vectors (unless they are not to be kept, then there are none) and
/// its summary, then its rows. The rows being there says that it is complete.
pub(crate) fn write_basis(
    storage: &dyn Storage,
    folder: &RunFolder,
    info: &RunInfo,
    (basis, step): (u64, u64),
    eigenvectors: &Eigenvectors,
    keep_vectors: bool,
) -> Result<()> {
    eigenvectors.check_lists()?;
    eigenvectors.check_summary()?;
    let (curvature, vectors) = (folder.curvature_folder(), folder.eigenvectors_folder());
    for place in [Some(&curvature), keep_vectors.then_some(&vectors)].into_iter().flatten() {
        make_place(storage, folder, place)?;
    }
    let kept = folder.eigenvectors(basis);
    if keep_vectors {
        eigenvectors.write_on(storage, &kept).inspect_err(|_| {
            // Where the disk is full, what was written of them takes the room of all else.
            let _ = storage.remove(&partial(&kept));
        })?;
    } else if kept.exists() {
        // Of an attempt that ended before the rows were there.
        storage.remove(&kept).map_err(Error::io("remove", &kept))?;
    }
    let summary_path = folder.curvature_summary(basis);
    if let Some(summary) = &eigenvectors.summary {
        summary.write_on(storage, folder, basis)?;
    } else if basis > 0 && summary_path.exists() {
        // As of the vectors. That of basis 0 may have been saved before.
        storage.remove(&summary_path).map_err(Error::io("remove", &summary_path))?;
    }
    let path = folder.curvature(basis);
    let schema = schema();
    let batch = rows(&schema, basis, step, eigenvectors).map_err(Error::io("encode", &path))?;
    let mut writer = SegmentWriter::new(&partial(&path), &schema, info, Encoding::Portable)?;
    writer.write(storage, &batch)?;
    writer.finish(storage)?;
    storage.rename(&partial(&path), &path).map_err(Error::io("rename", &path))?;
    storage.sync_dir(&curvature).map_err(Error::io("sync", &curvature))
}

fn rows(
    schema: &SchemaRef,
    basis: u64,
    step: u64,
    eigenvectors: &Eigenvectors,
) -> std::result::Result<RecordBatch, std::io::Error> {
    let count = eigenvectors.eigenvalues.len();
    let same = |value: u64| -> ArrayRef { Arc::new(Int64Array::from(vec![integer(value); count])) };
    let known = |values: &[f64], less: f64| -> ArrayRef {
        Arc::new(
            values
                .iter()
                .map(|value| Some(value - less).filter(|value| !value.is_nan()))
                .collect::<Float64Array>(),
        )
    };
    let columns: Vec<ArrayRef> = vec![
        same(step),
        same(basis),
        Arc::new((1..=count as i64).collect::<Int64Array>()),
        known(&eigenvectors.eigenvalues, eigenvectors.weight_decay),
        known(&eigenvectors.residuals, 0.0),
        Arc::new(BooleanArray::from(eigenvectors.converged.clone())),
        known(&eigenvectors.overlaps, 0.0),
        Arc::new(Int64Array::from(vec![eigenvectors.products.map(integer); count])),
    ];
    RecordBatch::try_new(schema.clone(), columns).map_err(std::io::Error::other)
}

impl Run {
    /// The `curvature` table: every estimate of the eigenvalues, in the order in which they were
    /// made (a run resumed from an earlier step goes back). Empty for a run without directions.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::NewerSchema`], [`Error::Io`].
    pub fn curvature(&self) -> Result<Vec<CurvatureRow>> {
        self.bases()?
            .map(|basis| self.estimate(basis))
            .collect::<Result<Vec<_>>>()
            .map(|estimates| estimates.concat())
    }

    /// The rows of the `curvature` table of one estimate, the largest eigenvalue first.
    ///
    /// # Errors
    /// As [`curvature`](Run::curvature).
    pub fn estimate(&self, basis: u64) -> Result<Vec<CurvatureRow>> {
        let schema = schema();
        let columns: Vec<usize> = (0..schema.fields().len()).collect();
        let mut rows = Vec::new();
        for batch in SegmentReader::open(&self.folder.curvature(basis), &schema, &columns)? {
            rows.extend(rows_of(&batch?));
        }
        match rows.iter().find(|row| row.basis != basis) {
            Some(row) => Err(damaged(
                &self.folder.curvature(basis),
                format!("it is the table of basis {}", row.basis),
            )),
            None => Ok(rows),
        }
    }

    /// The directions of the rows with number `basis`, and what is known of them but the
    /// [`curvature_summary`](Run::curvature_summary).
    ///
    /// # Errors
    /// [`Error::Io`] (among it, that they were not kept), [`Error::Damaged`],
    /// [`Error::NewerSchema`].
    pub fn eigenvectors(&self, basis: u64) -> Result<Eigenvectors> {
        Eigenvectors::read(self.folder.eigenvectors(basis))
    }

    /// The numbers of the bases that the run has had, rising.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Damaged`] if one is missing.
    pub fn bases(&self) -> Result<std::ops::Range<u64>> {
        let count = count_bases(&self.folder)?;
        match (0..count).map(|basis| self.folder.curvature(basis)).find(|path| !path.exists()) {
            Some(missing) => Err(damaged(&missing, "it is missing, and later estimates are there")),
            None => Ok(0..count),
        }
    }
}

fn rows_of(batch: &RecordBatch) -> impl Iterator<Item = CurvatureRow> {
    let integers = |index: usize| batch.column(index).as_primitive::<Int64Type>();
    let floats = |index: usize| batch.column(index).as_primitive::<Float64Type>();
    (0..batch.num_rows()).map(move |row| CurvatureRow {
        step: integers(0).value(row).cast_unsigned(),
        basis: integers(1).value(row).cast_unsigned(),
        mode: integers(2).value(row).cast_unsigned(),
        eigenvalue: value(floats(3), row),
        residual: value(floats(4), row),
        converged: batch.column(5).as_boolean().value(row),
        overlap: value(floats(6), row),
        products: value(integers(7), row).map(i64::cast_unsigned),
    })
}
