//! The observer that a program holds: at work, waiting for variables, or recording nothing.

use std::fmt;
use std::sync::Arc;

use tch::Tensor;

use super::observation::Observation;
use super::summary::Summary;
use super::waiting::Waiting;
use crate::error::{Error, Result};
use crate::record::Hyperparameters;
use crate::recorder::Health;
use crate::run::Eigenvectors;

/// Watches parameters from step to step. [`attach`](crate::attach) holds one for tch's optimizers;
/// a loop with an optimizer of its own holds it directly
/// ([`Options::observe`](super::Options::observe)) and calls [`after_step`](Self::after_step) once
/// a step.
///
/// No call fails, or waits for the disk (unless the queue is full and the policy is to wait), or
/// for a device (but at changes from outside: the length of the first 64 is read at once, later
/// that of those whose count is told). After an error the calls only count steps;
/// [`health`](Self::health) and [`finish`](Self::finish) return it.
///
/// During a call nobody else may write to the parameters: a network shared by several training
/// threads (Hogwild) needs an optimizer step and its observation under one lock. A process with an
/// observer must not fork and go on training in the child, which would have no thread that writes
/// the log.
///
/// Where the variable store is still empty, the run begins with the first variables: at the first
/// call that finds some.
pub struct Observer {
    state: State,
}

enum State {
    /// Counts steps, and does nothing else.
    Off {
        steps: u64,
        /// Why the run could not be begun, where it was to be.
        error: Option<Arc<Error>>,
    },
    /// There are no variables yet.
    Waiting(Box<Waiting>),
    Observing(Box<Observation>),
}

impl Observer {
    /// One that records nothing and counts on from `steps`.
    pub(super) fn unobserved(steps: u64) -> Observer {
        Observer { state: State::Off { steps, error: None } }
    }

    pub(super) fn waiting(waiting: Waiting) -> Observer {
        Observer { state: State::Waiting(Box::new(waiting)) }
    }

    pub(super) fn observing(observation: Observation) -> Observer {
        Observer { state: State::Observing(Box::new(observation)) }
    }

    /// Looks whether anything but the optimizer has changed the parameters since the last step, and
    /// for variables added to the store. Optional for hand-written optimizers: call it right before
    /// the parameters are updated.
    ///
    /// Changes are noticed by libtorch's version counter, which counts in-place operations and
    /// loaded checkpoints. What writes through `Tensor::data` is not counted, among it the steps of
    /// libtorch's own SGD: two SGD optimizers over the *same* parameters take each other's steps
    /// for their own. A change that ends where it began, as of averaged weights that are swapped in
    /// for an evaluation and out again, is no change.
    pub fn before_step(&mut self) {
        self.before_step_of(Vec::new);
    }

    /// The same where there may be no store: `list` gives the optimizer's variables.
    pub(super) fn before_step_of(&mut self, list: impl Fn() -> Vec<Tensor>) {
        self.begin_if_waiting(&list);
        if let State::Observing(observation) = &mut self.state {
            observation.before_step(list);
        }
    }

    /// Records the step that has just been taken. `loss` is the loss it was taken on, if at hand: a
    /// scalar; on a device it is read later, by the worker thread.
    ///
    /// Where [`Options::gradient_norm`](super::Options::gradient_norm) is wanted, the gradients
    /// must still be those of the step: zeroed before this call, their norm is 0. A loop that
    /// zeroes them earlier, or clips them, calls [`measure_gradient`](Self::measure_gradient)
    /// before.
    pub fn after_step(&mut self, loss: Option<&Tensor>) {
        match &mut self.state {
            State::Off { steps, .. } => *steps += 1,
            State::Waiting(waiting) => {
                waiting.step += 1;
                // This step is over; rows begin with the next.
                self.begin_if_waiting(Vec::new);
            }
            State::Observing(observation) => observation.after_step(loss),
        }
    }

    /// Takes the norm of the gradients as they are now for the next step's row, where
    /// [`Options::gradient_norm`](super::Options::gradient_norm) is wanted: before they are
    /// clipped, say. The first call since the last step counts.
    pub fn measure_gradient(&self) {
        if let State::Observing(observation) = &self.state {
            observation.measure_gradient();
        }
    }

    /// The gradients begin anew: what was measured of them is not the next step's.
    pub(super) fn forget_gradient(&self) {
        if let State::Observing(observation) = &self.state {
            observation.forget_gradient();
        }
    }

    /// The epoch that begins now, as the program counts them; the rows from here on carry it.
    pub fn start_epoch(&mut self, epoch: u64) {
        match &mut self.state {
            State::Off { .. } => {}
            State::Waiting(waiting) => waiting.start_epoch(epoch),
            State::Observing(observation) => observation.start_epoch(epoch),
        }
    }

    /// The next step's loss, for loops in which no call sees it (`step()` after gradient
    /// accumulation).
    pub fn set_next_loss(&mut self, loss: f64) {
        match &mut self.state {
            State::Off { .. } => {}
            State::Waiting(waiting) => waiting.next_loss = Some(loss),
            State::Observing(observation) => observation.next_loss = Some(loss),
        }
    }

    /// Examples in the batches from here on.
    pub fn set_batch_size(&mut self, batch_size: u64) {
        match &mut self.state {
            State::Off { .. } => {}
            State::Waiting(waiting) => waiting.options.batch_size = Some(batch_size),
            State::Observing(observation) => observation.settings.batch_size = Some(batch_size),
        }
    }

    /// Changes what the rows say of the hyperparameters, of every group (`None`) or of one. Needed
    /// only where perrin does not see the change itself: with hand-written optimizers.
    pub fn set_hyperparameters(
        &mut self,
        group: Option<usize>,
        change: impl Fn(&mut Hyperparameters),
    ) {
        match &mut self.state {
            State::Off { .. } => {}
            State::Waiting(waiting) => waiting.set_hyperparameters(group, change),
            State::Observing(observation) => observation.set_hyperparameters(group, change),
        }
    }

    /// Projects on these directions from the next step on: rows carry the number of the new basis,
    /// positions still count from the run's reference point, the event `basis_changed` says when.
    /// Usually they are eigenvectors of now, as `curvature::EigenpairFollower` gives them; the log
    /// keeps their eigenvalues in its `curvature` table, what else was measured of the Hessian
    /// beside it, and the vectors themselves in `eigenvectors/`. An event tells when the largest
    /// eigenvalue crosses the optimizer's limit of stability.
    ///
    /// This reads the directions once and copies them; it is not for every step.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] for another number of directions than the run was begun with
    /// ([`Options::project_onto`](super::Options::project_onto),
    /// [`Options::directions`](super::Options::directions)) and for directions, and gradient noise,
    /// of another length; [`Error::InvalidInput`] for a summary that is no measurement;
    /// [`Error::Parameters`] where they are not of the observed parameters, where they are not
    /// finite, and where there are no parameters yet; [`Error::Torch`]. The directions before then
    /// stay in force.
    pub fn project_onto(&mut self, directions: impl Into<Eigenvectors>) -> Result<()> {
        self.begin_if_waiting(Vec::new);
        match &mut self.state {
            State::Off { .. } => Ok(()),
            State::Waiting(_) => Err(no_variables()),
            State::Observing(observation) => observation.project_onto(directions.into()),
        }
    }

    /// Projects on the directions that `estimate` finds, if it finds some after so many steps; goes
    /// on with those before where it fails. To be called once a step, for directions that follow
    /// the network: `observer.follow(|step| curvature.refresh_if_due(step))`.
    ///
    /// A training loop goes on, whatever becomes of an estimate (a loss that is NaN for a while,
    /// directions that do not fit). What failed is told by `tracing` and by the event
    /// `estimate_failed`, in a row at counts 1, 2, 4, 8, ..., and returned to programs that want to
    /// know: `None` if nothing did. Where nothing is recorded, `estimate` is not called.
    pub fn follow<E>(
        &mut self,
        estimate: impl FnOnce(u64) -> std::result::Result<Option<Eigenvectors>, E>,
    ) -> Option<E>
    where
        E: From<Error> + fmt::Display,
    {
        self.begin_if_waiting(Vec::new);
        match &mut self.state {
            State::Off { .. } | State::Waiting(_) => None,
            State::Observing(observation) => observation.follow(estimate),
        }
    }

    /// Steps seen.
    pub fn step_count(&self) -> u64 {
        match &self.state {
            State::Off { steps, .. } => *steps,
            State::Waiting(waiting) => waiting.step,
            State::Observing(observation) => observation.step,
        }
    }

    /// Counters, or the error that has stopped the log. All zero where nothing is recorded.
    ///
    /// # Errors
    /// [`Error::Stopped`] for good; [`Error::Interrupted`] until the log can be written again.
    pub fn health(&self) -> Result<Health> {
        match &self.state {
            State::Off { error: Some(error), .. } => Err(Error::Stopped(Arc::clone(error))),
            State::Off { .. } | State::Waiting(_) => Ok(Health::default()),
            State::Observing(observation) => observation.health(),
        }
    }

    /// Writes what is queued, closes the log and says what is in it. Where nothing was to be
    /// recorded, that is the number of steps.
    ///
    /// # Errors
    /// The first error met while observing or logging; [`Error::Parameters`] where there never were
    /// variables to observe.
    pub fn finish(self) -> Result<Summary> {
        match self.state {
            State::Off { error: Some(error), .. } => Err(Error::Stopped(error)),
            State::Off { steps, error: None } => Ok(Summary { steps, ..Summary::default() }),
            State::Waiting(_) => Err(no_variables()),
            State::Observing(observation) => observation.finish(),
        }
    }

    /// Begins the run if it waits for variables and there are some now: those of the store, else
    /// those of `list`.
    pub(super) fn begin_if_waiting(&mut self, list: impl Fn() -> Vec<Tensor>) {
        let State::Waiting(waiting) = &self.state else { return };
        let found = waiting.find(list);
        if found.is_empty() {
            return;
        }
        let steps = waiting.step;
        let nothing = State::Off { steps, error: None };
        if let State::Waiting(waiting) = std::mem::replace(&mut self.state, nothing) {
            self.state = match waiting.begin(found) {
                Ok(observation) => State::Observing(Box::new(observation)),
                Err(error) => {
                    tracing::error!(%error, "the run could not be begun; training goes on unobserved");
                    State::Off { steps, error: Some(Arc::new(error)) }
                }
            };
        }
    }
}

fn no_variables() -> Error {
    let reason = "there are no trainable variables to observe yet; none were made since observation was asked for";
    Error::Parameters { reason: reason.to_owned() }
}

impl fmt::Debug for Observer {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Off { error: None, .. } => "records nothing",
            State::Off { error: Some(_), .. } => "could not begin",
            State::Waiting(_) => "waits for variables",
            State::Observing(_) => "observes",
        };
        let mut debug = text.debug_struct("Observer");
        debug
            .field("state", &state)
            .field("steps", &self.step_count())
            .field("health", &self.health());
        debug.finish()
    }
}
