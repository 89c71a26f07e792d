//! `landscape/NNNNNN.parquet`: losses on a grid in a plane through parameter space, one row a
//! point.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use crate::error::{Error, Result};
use crate::run::folder::{RunFolder, partial};
use crate::run::integrity::damaged;
use crate::run::places::{make_place, numbers_in};
use crate::run::reader::Run;
use crate::run::schema::{integer, value};
use crate::run::steps::segment::{Encoding, SegmentWriter};
use crate::run::steps::segment_reader::SegmentReader;
use crate::run::storage::{Disk, Storage};

/// Losses on a grid in the plane theta_* + x q_i + y q_j (figure 3 of the paper), made by
/// `curvature::loss_landscape`.
///
/// Losses are listed with x running fastest: that of (x_a, y_b) is number b n_x + a. One that is
/// not known, or was not finite, is NaN.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LossLandscape {
    /// 0 where the origin is the run's reference point theta_*, so that the run's positions are
    /// coordinates here; else steps taken at the origin.
    pub step: u64,
    /// Number of the basis that the directions are of.
    pub basis: u64,
    /// Which directions of the basis, from 1: the i and j of `position_i` and `position_j`.
    pub modes: [u64; 2],
    /// x and y of the grid's lines, rising, in the parameters' units: positions along the
    /// directions.
    pub coordinates: [Vec<f64>; 2],
    /// Loss over the training data.
    pub train_loss: Vec<f64>,
    /// Loss over the test data, where measured.
    pub test_loss: Option<Vec<f64>>,
    /// What the training loss is to second order about the origin, by its gradient there and the
    /// eigenvalues; where these are known.
    pub quadratic_loss: Option<Vec<f64>>,
}

fn schema() -> SchemaRef {
    let integer = |name: &str| Field::new(name, DataType::Int64, false);
    let float = |name: &str, nullable| Field::new(name, DataType::Float64, nullable);
    Arc::new(Schema::new(vec![
        integer("step"),
        integer("basis"),
        integer("mode_x"),
        integer("mode_y"),
        float("x", false),
        float("y", false),
        float("train_loss", true),
        float("test_loss", true),
        float("quadratic_loss", true),
    ]))
}

impl LossLandscape {
    /// Writes it into the folder of a run, beside those that are there, and returns its number.
    /// Other programs may be writing theirs, or the run, meanwhile. A recovery of the run meanwhile
    /// ([`recover`](crate::run::recover), or resuming it) takes an unfinished landscape for an
    /// abandoned one and removes it: this is then an [`Error::Io`].
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if the lists do not fit the grid; [`Error::InvalidInput`] for
    /// coordinates that are not finite or do not rise; those of [`Run::open`]; [`Error::Io`].
    pub fn write(&self, run: impl AsRef<Path>) -> Result<u64> {
        self.check()?;
        let run = Run::open(run)?;
        let (storage, folder) = (&Disk, &run.folder);
        let place = folder.landscape_folder();
        make_place(storage, folder, &place)?;
        let number = claim(folder, next_landscape(folder)?)?;
        let path = folder.landscape(number);
        let written = self.write_at(&run, &path);
        if written.is_err() {
            // Another number is taken the next time; what is left of this one would stay.
            let _ = storage.remove(&partial(&path));
        }
        written?;
        storage.sync_dir(&place).map_err(Error::io("sync", &place))?;
        Ok(number)
    }

    fn write_at(&self, run: &Run, path: &Path) -> Result<()> {
        let schema = schema();
        let batch = self.rows(&schema).map_err(Error::io("encode", path))?;
        let mut writer =
            SegmentWriter::new(&partial(path), &schema, run.info(), Encoding::Portable)?;
        writer.write(&Disk, &batch)?;
        writer.finish(&Disk)?;
        Disk.rename(&partial(path), path).map_err(Error::io("rename", path))
    }

    fn check(&self) -> Result<()> {
        for (axis, coordinates) in ["x", "y"].iter().zip(&self.coordinates) {
            let rise = coordinates.is_sorted_by(|before, after| before < after);
            if !rise || !coordinates.iter().all(|coordinate| coordinate.is_finite()) {
                let reason = "they must be finite, each above the one before".to_owned();
                return Err(Error::InvalidInput {
                    field: format!("{axis} coordinates of the landscape"),
                    reason,
                });
            }
        }
        let [columns, lines] = self.coordinates.each_ref().map(Vec::len);
        let lists = [Some(&self.train_loss), self.test_loss.as_ref(), self.quadratic_loss.as_ref()];
        match lists
            .into_iter()
            .flatten()
            .find(|list| list.is_empty() || list.len() != columns * lines)
        {
            None => Ok(()),
            Some(list) => Err(Error::ShapeMismatch {
                name: "losses of the landscape",
                found: format!("[{}]", list.len()),
                expected: format!("[{columns} x {lines}], not empty"),
            }),
        }
    }

    fn rows(&self, schema: &SchemaRef) -> std::result::Result<RecordBatch, std::io::Error> {
        let [xs, ys] = &self.coordinates;
        let count = xs.len() * ys.len();
        let same =
            |value: u64| -> ArrayRef { Arc::new(Int64Array::from(vec![integer(value); count])) };
        let numbers = |values: Vec<f64>| -> ArrayRef { Arc::new(Float64Array::from(values)) };
        let losses = |values: Option<&Vec<f64>>| -> ArrayRef {
            let value =
                |index: usize| values.map(|values| values[index]).filter(|value| value.is_finite());
            Arc::new((0..count).map(value).collect::<Float64Array>())
        };
        let columns: Vec<ArrayRef> = vec![
            same(self.step),
            same(self.basis),
            same(self.modes[0]),
            same(self.modes[1]),
            numbers(ys.iter().flat_map(|_| xs.iter().copied()).collect()),
            numbers(ys.iter().flat_map(|y| std::iter::repeat_n(*y, xs.len())).collect()),
            losses(Some(&self.train_loss)),
            losses(self.test_loss.as_ref()),
            losses(self.quadratic_loss.as_ref()),
        ];
        RecordBatch::try_new(schema.clone(), columns).map_err(std::io::Error::other)
    }
}

/// One more than the highest number of a landscape.
pub(crate) fn next_landscape(folder: &RunFolder) -> Result<u64> {
    Ok(numbers(folder)?.last().map_or(0, |last| last.saturating_add(1)))
}

fn numbers(folder: &RunFolder) -> Result<Vec<u64>> {
    numbers_in(&folder.landscape_folder(), |path| folder.number_of_landscape(path))
}

/// Begins the file of the first free number from `first` on: whoever makes it has the number, as
/// nobody else can.
fn claim(folder: &RunFolder, first: u64) -> Result<u64> {
    let mut taken = partial(&folder.landscape(first));
    for number in first..=u64::MAX {
        let path = folder.landscape(number);
        taken = partial(&path);
        match OpenOptions::new().write(true).create_new(true).open(&taken) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            made => drop(made.map_err(Error::io("create", &taken))?),
        }
        // Another program may have finished this number since the folder was listed.
        if !path.exists() {
            return Ok(number);
        }
        fs::remove_file(&taken).map_err(Error::io("remove", &taken))?;
    }
    Err(Error::io("create", &taken)(io::ErrorKind::AlreadyExists.into()))
}

impl Run {
    /// The numbers of the landscapes in the run's folder, in the order in which they were written.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn landscapes(&self) -> Result<Vec<u64>> {
        numbers(&self.folder)
    }

    /// A landscape.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::NewerSchema`], [`Error::Io`].
    pub fn landscape(&self, number: u64) -> Result<LossLandscape> {
        let (path, schema) = (self.folder.landscape(number), schema());
        let columns: Vec<usize> = (0..schema.fields().len()).collect();
        let mut found = LossLandscape::default();
        let mut losses: [Vec<f64>; 3] = Default::default();
        let mut places: Vec<[f64; 2]> = Vec::new();
        for batch in SegmentReader::open(&path, &schema, &columns)? {
            let batch = batch?;
            let integers = |index: usize, row| {
                batch.column(index).as_primitive::<Int64Type>().value(row).cast_unsigned()
            };
            let floats = |index: usize| batch.column(index).as_primitive::<Float64Type>();
            for row in 0..batch.num_rows() {
                (found.step, found.basis) = (integers(0, row), integers(1, row));
                found.modes = [integers(2, row), integers(3, row)];
                places.push([floats(4).value(row), floats(5).value(row)]);
                for (index, losses) in losses.iter_mut().enumerate() {
                    losses.push(value(floats(6 + index), row).unwrap_or(f64::NAN));
                }
            }
        }
        let first_line = places.iter().take_while(|place| place[1] == places[0][1]);
        let xs: Vec<f64> = first_line.map(|place| place[0]).collect();
        let ys: Vec<f64> = places.iter().step_by(xs.len().max(1)).map(|place| place[1]).collect();
        let grid = ys.iter().flat_map(|y| xs.iter().map(|x| [*x, *y]));
        if places.is_empty() || !grid.eq(places.iter().copied()) {
            return Err(damaged(&path, "its points are not those of a grid"));
        }
        let [train, test, quadratic] = losses;
        let known = |losses: Vec<f64>| losses.iter().any(|loss| !loss.is_nan()).then_some(losses);
        found.coordinates = [xs, ys];
        (found.train_loss, found.test_loss, found.quadratic_loss) =
            (train, known(test), known(quadratic));
        found.check().map_err(|error| damaged(&path, error))?;
        Ok(found)
    }
}
