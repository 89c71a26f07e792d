//! The loss on a grid in a plane of two directions (figure 3 of the paper).
//!
//! Each point takes one forward pass over the data; `moved` has the way there and back.

use tch::{Kind, Tensor, no_grad, no_grad_guard};

use super::hessian::{LossHessian, Reduction, scalar, torch};
use super::moved::Moved;
use super::parameters::{Block, Parameters, TorchResult};
use super::progress::{StatusLine, time_left};
use crate::error::{Error, Result};
use crate::linalg::operator::{SymmetricOperator, check_vectors};
use crate::linalg::tall::inner_product;
use crate::run::Eigenvectors;
use crate::run::LossLandscape;

/// Points along each direction, unless told otherwise: an odd number has the origin among them.
const POINTS: usize = 21;

/// Where to measure a [`loss_landscape`]: a grid of theta_* + x q_i + y q_j.
#[derive(Debug)]
pub struct LandscapePlane {
    parameters: Vec<String>,
    directions: [Vec<f32>; 2],
    /// rho, weight decay not included; NaN where not known.
    eigenvalues: [f64; 2],
    half_widths: [f64; 2],
    origin: Vec<(String, Tensor)>,
    centre: [f64; 2],
    points: [usize; 2],
    modes: [usize; 2],
    basis: u64,
    step: u64,
}

impl LandscapePlane {
    /// The plane of vectors number i and j of `eigenvectors`, `modes`, counted from 1; 21 x 21
    /// points that reach `half_widths` to both sides, in the parameters' units. Widths of a few
    /// standard deviations of the run's positions show what the run sees.
    ///
    /// The origin is where the parameters are when the landscape is measured;
    /// [`around`](Self::around) and [`at_step`](Self::at_step) say otherwise.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for a mode there is not, twice the same mode, or a width that is not
    /// positive and finite.
    pub fn new(
        eigenvectors: &Eigenvectors,
        modes: [usize; 2],
        half_widths: [f64; 2],
    ) -> Result<Self> {
        let invalid =
            |name, value, requirement| Err(Error::InvalidValue { name, value, requirement });
        let count = eigenvectors.eigenvectors.len();
        if let Some(mode) = modes.into_iter().find(|mode| !(1..=count).contains(mode)) {
            return invalid("mode", mode as f64, "the number of an eigenvector, counted from 1");
        }
        if modes[0] == modes[1] {
            return invalid("second mode", modes[1] as f64, "another one than the first");
        }
        if let Some(width) =
            half_widths.into_iter().find(|width| !(width.is_finite() && *width > 0.0))
        {
            return invalid("half-width", width, "positive and finite");
        }
        let eigenvalue =
            |mode: usize| eigenvectors.eigenvalues.get(mode - 1).copied().unwrap_or(f64::NAN);
        Ok(LandscapePlane {
            parameters: eigenvectors
                .parameters
                .iter()
                .map(|parameter| parameter.name.clone())
                .collect(),
            directions: modes.map(|mode| eigenvectors.eigenvectors[mode - 1].clone()),
            eigenvalues: modes.map(|mode| eigenvalue(mode) - eigenvectors.weight_decay),
            half_widths,
            origin: Vec::new(),
            centre: [0.0; 2],
            points: [POINTS; 2],
            modes,
            basis: 0,
            step: 0,
        })
    }

    /// Takes as origin these values, by name; for a run's reference point
    /// `Tensor::read_safetensors("runs/mnist/reference.safetensors")`. Parameters it does not name
    /// stay where they are.
    #[must_use]
    pub fn around(mut self, origin: Vec<(String, Tensor)>) -> Self {
        self.origin = origin;
        self
    }

    /// Says that the origin is not the run's reference point but where the parameters are after
    /// this step: the run's positions, which count from the reference point, are not drawn over
    /// such a landscape.
    #[must_use]
    pub fn at_step(mut self, step: u64) -> Self {
        self.step = step;
        self
    }

    /// Moves the grid's centre to these coordinates; 0, the origin, unless set.
    #[must_use]
    pub fn centre(mut self, centre: [f64; 2]) -> Self {
        self.centre = centre;
        self
    }

    /// Points along each direction, at least 2. Each takes one pass over the data.
    #[must_use]
    pub fn points(mut self, points: [usize; 2]) -> Self {
        self.points = points;
        self
    }

    /// Number of the run's basis that the eigenvectors are; 0, the first, unless set.
    #[must_use]
    pub fn basis(mut self, basis: u64) -> Self {
        self.basis = basis;
        self
    }

    fn check(&self, train: &LossHessian) -> Result<()> {
        let invalid =
            |name, value, requirement| Err(Error::InvalidValue { name, value, requirement });
        if let Some(points) = self.points.into_iter().find(|points| *points < 2) {
            return invalid("points along a direction", points as f64, "at least 2");
        }
        if let Some(centre) = self.centre.into_iter().find(|centre| !centre.is_finite()) {
            return invalid("centre of the grid", centre, "finite");
        }
        check_vectors("direction", &self.directions, train.dimension())?;
        let names = train.parameters.blocks.iter().map(|block| &block.name);
        if self.parameters.is_empty() || self.parameters.iter().eq(names) {
            return Ok(());
        }
        Err(Error::Parameters {
            reason: "the eigenvectors are of other parameters than the loss".to_owned(),
        })
    }

    fn coordinates(&self, axis: usize) -> Vec<f64> {
        let last = (self.points[axis] - 1) as f64;
        let at = |index: usize| {
            self.centre[axis] + self.half_widths[axis] * (2.0 * index as f64 / last - 1.0)
        };
        (0..self.points[axis]).map(at).collect()
    }
}

/// Measures the losses on the grid of `plane`: that of `train`, and of `test` over the same
/// parameters where one is given. Both are losses over batches as the Hessian takes them, weight
/// decay included where they were told to. A line of progress is shown on stderr where that is a
/// terminal.
///
/// ```no_run
/// # use tch::{nn, nn::ModuleT, Device, Tensor};
/// use perrin::curvature::{LandscapePlane, LossHessian, loss_landscape};
/// # fn f(vs: nn::VarStore, loss_of: impl Fn(usize) -> Tensor, test_loss_of: impl Fn(usize) -> Tensor) -> perrin::Result<()> {
/// # let eigenvectors = perrin::run::Eigenvectors::default();
/// let mut train = LossHessian::new(&vs, &[1000; 10], |batch| loss_of(batch))?;
/// let mut test = LossHessian::new(&vs, &[1000; 10], |batch| test_loss_of(batch))?;
/// let plane = LandscapePlane::new(&eigenvectors, [1, 30], [0.05, 0.3])?;
/// let landscape = loss_landscape(&mut train, Some(&mut test), &plane)?;
/// landscape.write("runs/mnist")?; // The report shows it.
/// # Ok(()) }
/// ```
///
/// Left as found, also after an error or a panic of a closure: what [`LossHessian`] leaves, and the
/// values of the parameters. Where a loss is not finite the landscape has NaN.
///
/// # Errors
/// [`Error::InvalidValue`] for fewer than 2 points or a centre that is not finite;
/// [`Error::ShapeMismatch`] and [`Error::Parameters`] for directions, a test loss or an origin of
/// other parameters; where eigenvalues are known, those of [`LossHessian::batch_gradient`] at the
/// origin; [`Error::Torch`].
pub fn loss_landscape(
    train: &mut LossHessian,
    test: Option<&mut LossHessian>,
    plane: &LandscapePlane,
) -> Result<LossLandscape> {
    plane.check(train)?;
    let tensors = |loss: &LossHessian| -> Vec<usize> {
        loss.parameters.blocks.iter().map(|block| block.tensor.data_ptr() as usize).collect()
    };
    if test.as_ref().is_some_and(|test| tensors(test) != tensors(train)) {
        let reason = "the test loss is over other parameters than the training loss".to_owned();
        return Err(Error::Parameters { reason });
    }
    let mut moved = Moved::of(&train.parameters, &plane.origin, &plane.directions)?;
    let measured = measure(train, test, plane, &mut moved);
    let restored = moved.put_back().map_err(torch("put back the parameters"));
    measured.and_then(|measured| restored.map(|()| measured))
}

fn measure(
    train: &mut LossHessian,
    mut test: Option<&mut LossHessian>,
    plane: &LandscapePlane,
    moved: &mut Moved,
) -> Result<LossLandscape> {
    let coordinates = [0, 1].map(|axis| plane.coordinates(axis));
    let points: Vec<[f64; 2]> =
        coordinates[1].iter().flat_map(|y| coordinates[0].iter().map(|x| [*x, *y])).collect();
    let quadratic_loss = if plane.eigenvalues.iter().all(|eigenvalue| eigenvalue.is_finite()) {
        moved.to([0.0; 2]).map_err(torch("move the parameters"))?;
        let (value, slopes) = (value(train)?, slopes(train, &plane.directions)?);
        let along = |axis: usize, x: f64| {
            slopes[axis] * x + 0.5 * (plane.eigenvalues[axis] + train.weight_decay) * x * x
        };
        Some(points.iter().map(|point| value + along(0, point[0]) + along(1, point[1])).collect())
    } else {
        None
    };
    let mut line = StatusLine::new();
    let mut train_loss = Vec::with_capacity(points.len());
    let mut test_loss = test.is_some().then(Vec::new);
    for (done, point) in points.iter().enumerate() {
        moved.to(*point).map_err(torch("move the parameters"))?;
        train_loss.push(value(train)?);
        if let (Some(losses), Some(test)) = (&mut test_loss, &mut test) {
            losses.push(value(test)?);
        }
        line.show(|elapsed| {
            let (done, all) = (done + 1, points.len());
            format!(
                "loss at {done} of {all} points, about {} left",
                time_left(elapsed, done, (all - done) as f64)
            )
        });
    }
    Ok(LossLandscape {
        step: plane.step,
        basis: plane.basis,
        modes: plane.modes.map(|mode| mode as u64),
        coordinates,
        train_loss,
        test_loss,
        quadratic_loss,
    })
}

/// L + lambda/2 ||theta||^2 at the parameters' values; NaN where that is not finite.
fn value(loss: &mut LossHessian) -> Result<f64> {
    let weights: Vec<f64> = (0..loss.batch_sizes().len()).map(|batch| loss.weight(batch)).collect();
    let weight_decay = loss.weight_decay;
    let value = loss.preserving_buffers(|parameters, loss| {
        // A guard: a closure that panics must not leave autograd off.
        let _guard = no_grad_guard();
        let mut value = 0.0;
        for (batch, weight) in weights.iter().enumerate() {
            value += weight * scalar(&loss(batch))?;
        }
        if weight_decay != 0.0 {
            value += 0.5
                * weight_decay
                * squared_norm(parameters).map_err(torch("sum the parameters' squares"))?;
        }
        Ok(value)
    })?;
    Ok(if value.is_finite() { value } else { f64::NAN })
}

fn squared_norm(parameters: &Parameters) -> TorchResult<f64> {
    let of = |block: &Block| {
        block.tensor.f_to_kind(Kind::Double)?.f_square()?.f_sum(Kind::Double)?.f_double_value(&[])
    };
    parameters.blocks.iter().map(of).sum()
}

/// <gradient of the same, q> for both directions.
fn slopes(loss: &mut LossHessian, directions: &[Vec<f32>; 2]) -> Result<[f64; 2]> {
    let mut slopes = [0.0; 2];
    for batch in 0..loss.batch_sizes().len() {
        let gradient = loss.batch_gradient(batch)?;
        // What `batch_gradient` returns is a mean over examples, whatever the closure does.
        let examples =
            if loss.reduction == Reduction::Sum { loss.batch_sizes()[batch] as f64 } else { 1.0 };
        for (slope, direction) in slopes.iter_mut().zip(directions) {
            *slope += loss.weight(batch) * examples * inner_product(&gradient, direction);
        }
    }
    if loss.weight_decay != 0.0 {
        let along = |direction: &[f32]| -> TorchResult<f64> {
            let of = |block: &Block| {
                let theta = block.tensor.f_to_kind(Kind::Double)?.f_reshape([-1])?;
                let piece =
                    Tensor::f_from_slice(block.of(direction))?.f_to_device(theta.device())?;
                theta.f_dot(&piece.f_to_kind(Kind::Double)?)?.f_double_value(&[])
            };
            no_grad(|| loss.parameters.blocks.iter().map(of).sum())
        };
        for (slope, direction) in slopes.iter_mut().zip(directions) {
            *slope +=
                loss.weight_decay * along(direction).map_err(torch("project the parameters"))?;
        }
    }
    Ok(slopes)
}
