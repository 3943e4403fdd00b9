//! `CancelScope`: a block of code that can be cancelled as a whole.
//!
//! While a scope is entered the kernel holds its state; before and after that the object does.

use kernel::{ExitError, ScopeId, ScopeSettings, TaskId};
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat};
use pyo3::{PyTraverseError, PyVisit, intern};

use crate::deadline::deadline_argument;
use crate::ffi::{self, Slot};
use crate::names;
use crate::state::State;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    New,
    Active { id: ScopeId, host: TaskId },
    Exited,
}

/// A block of code that can be cancelled as a whole, by `cancel()` or by its deadline.
///
/// While it is cancelled every suspension inside raises `CancelledError`; when the block is left the
/// scope swallows it (section 1 of docs/semantics.md)::
///
///     with asyncbis.CancelScope() as scope:
///         scope.cancel()
///         await asyncbis.sleep(1)  # raises
///     # goes on here
///
/// deadline: the loop time, in seconds, at which the scope cancels itself; None means never.
/// shield: while it is True, the block is not cancelled from outside.
/// Raises ValueError for a deadline that is NaN, TypeError for a shield that is not a bool.
/// A scope is used for one `with` block, in a task, and belongs to the thread of its loop.
#[pyclass(frozen, weakref, module = "asyncbis")]
pub struct CancelScope {
    phase: Slot<Phase>,
    /// The loop it is entered on.
    state: Slot<Option<Py<State>>>,
    shield: Slot<bool>,
    /// What was set, in loop time; None and infinity both mean none.
    deadline: Slot<Option<f64>>,
    cancelled: Slot<bool>,
    caught: Slot<bool>,
    expired: Slot<bool>,
    message: Slot<Option<Py<PyAny>>>,
    /// The class whose words errors use.
    owner: &'static str,
}

/// What an exit did to the exception in flight.
pub struct Left {
    /// The exception ends here.
    pub swallowed: bool,
    /// What goes on in its place: the rest of an exception group, or a RuntimeError.
    pub raised: Option<PyErr>,
    /// Its own deadline cancelled it and the cancellation was caught here.
    pub timed_out: bool,
}

impl CancelScope {
    pub fn make(deadline: Option<f64>, shield: bool, owner: &'static str) -> Self {
        CancelScope {
            phase: Slot::new(Phase::New),
            state: Slot::new(None),
            shield: Slot::new(shield),
            deadline: Slot::new(deadline),
            cancelled: Slot::new(false),
            caught: Slot::new(false),
            expired: Slot::new(false),
            message: Slot::new(None),
            owner,
        }
    }

    /// The kernel's scope, while it is entered.
    pub fn id(&self, py: Python<'_>) -> Option<ScopeId> {
        match self.phase.get(py) {
            Phase::Active { id, .. } => Some(id),
            Phase::New | Phase::Exited => None,
        }
    }

    /// Enters the running task (clauses 1.1 to 1.3).
    pub fn enter(&self, py: Python<'_>) -> PyResult<()> {
        if self.phase.get(py) != Phase::New {
            return Err(PyRuntimeError::new_err(
                "Each CancelScope may only be used for a single 'with' block",
            ));
        }
        let (state, task) = State::of_current_task(py, self.owner)?;
        let host = task
            .get()
            .id()
            .ok_or_else(|| PyRuntimeError::new_err("the running task is not initialised"))?;
        let settings = ScopeSettings {
            shield: self.shield.get(py),
            cancelled: self.cancelled.get(py),
            deadline: self.deadline.get(py).unwrap_or(f64::INFINITY),
        };
        let now = if settings.deadline < f64::INFINITY {
            State::now(&state)?
        } else {
            f64::NEG_INFINITY
        };
        let id = state
            .get()
            .kernel(py, |kernel| kernel.enter(host, settings, now));
        if let Some(message) = self.message.cloned(py) {
            state.get().set_message(py, id, message.unbind());
        }
        if state.get().debug.get(py) {
            state.get().note_entered(py, id, self.owner)?;
        }
        self.phase.set(py, Phase::Active { id, host });
        if settings.deadline < f64::INFINITY {
            State::arm(&state)?;
        }
        self.state.set(py, Some(state.unbind()));
        Ok(())
    }

    /// Exits with an exception in flight, or with none (clauses 1.9, 1.10, 1.14).
    pub fn leave<'py>(&self, py: Python<'py>, error: Option<&Bound<'py, PyAny>>) -> PyResult<Left> {
        let Phase::Active { id, host } = self.phase.get(py) else {
            return Err(PyRuntimeError::new_err("This CancelScope is not entered"));
        };
        if is_being_closed(py, error) {
            self.phase.set(py, Phase::Exited);
            drop(self.state.take(py));
            return Ok(Left::pass());
        }
        let (state, task) = State::of_current_task(py, self.owner)?;
        if task.get().id() != Some(host) {
            return Err(PyRuntimeError::new_err(
                "Attempted to exit a cancel scope in a different task than it was entered in",
            ));
        }
        let exit = match state.get().kernel(py, |kernel| kernel.exit(host, id)) {
            Ok(exit) => exit,
            Err(ExitError::NotHost) => {
                return Err(PyRuntimeError::new_err(
                    "Attempted to exit a cancel scope in a different task than it was entered in",
                ));
            }
            Err(ExitError::NotOpen) => return Ok(self.leave_abandoned(py, error)),
            Err(ExitError::Misnested(exit)) => {
                self.finish(py, &state, id, &exit);
                State::deliver(&state, exit.due)?;
                let raised = PyRuntimeError::new_err(
                    "Attempted to exit a cancel scope that isn't the current task's current cancel scope",
                );
                if let Some(error) = error {
                    ffi::set_context_if_none(&raised, error);
                }
                return Err(raised);
            }
        };
        self.finish(py, &state, id, &exit);
        let (absorbs, expired) = (exit.absorbs, exit.expired);
        State::deliver(&state, exit.due)?;
        let mut left = Left::pass();
        if absorbs && let Some(error) = error {
            self.absorb(error, &mut left)?;
        }
        left.timed_out = expired && left.swallowed;
        Ok(left)
    }

    fn finish(&self, py: Python<'_>, state: &Bound<'_, State>, id: ScopeId, exit: &kernel::Exit) {
        state.get().forget_scope(py, id);
        self.phase.set(py, Phase::Exited);
        self.cancelled.set(py, exit.cancelled);
        self.expired.set(py, exit.expired);
        self.shield.set(py, exit.shield);
        drop(self.state.take(py));
    }

    /// Its later exit raises nothing and swallows a CancelledError (clause 1.10).
    fn leave_abandoned<'py>(&self, py: Python<'py>, error: Option<&Bound<'py, PyAny>>) -> Left {
        self.phase.set(py, Phase::Exited);
        drop(self.state.take(py));
        let mut left = Left::pass();
        left.swallowed = error.is_some_and(names::is_cancelled_error);
        left
    }

    /// The scope catches: a CancelledError ends here, a group loses its CancelledErrors (clause 1.14).
    fn absorb<'py>(&self, error: &Bound<'py, PyAny>, left: &mut Left) -> PyResult<()> {
        let py = error.py();
        if names::is_cancelled_error(error) {
            self.caught.set(py, true);
            left.swallowed = true;
            return Ok(());
        }
        if !error.is_instance(names::base_exception_group(py)?)? {
            return Ok(());
        }
        let class = py.get_type::<pyo3::exceptions::asyncio::CancelledError>();
        let parts = error.call_method1(intern!(py, "split"), (class,))?;
        let (matched, rest) = (parts.get_item(0)?, parts.get_item(1)?);
        if matched.is_none() {
            return Ok(());
        }
        self.caught.set(py, true);
        if rest.is_none() {
            left.swallowed = true;
        } else {
            // `split` copies the cause, which sets this flag as a side effect.
            let flag = intern!(py, "__suppress_context__");
            rest.setattr(flag, error.getattr(flag)?)?;
            left.raised = Some(PyErr::from_value(rest));
        }
        Ok(())
    }

    pub fn cancel_with(&self, py: Python<'_>, message: Option<Py<PyAny>>) -> PyResult<()> {
        let first = !self.is_cancel_called(py);
        if first && let Some(message) = &message {
            self.message.set(py, Some(message.clone_ref(py)));
        }
        let (Some(id), Some(state)) = (self.id(py), self.state.cloned(py)) else {
            self.cancelled.set(py, true);
            return Ok(());
        };
        state.get().check_thread(py)?;
        if first && let Some(message) = message {
            state.get().set_message(py, id, message);
        }
        match state.get().kernel(py, |kernel| kernel.cancel(id)) {
            Some(due) => State::deliver(&state, due),
            None => {
                self.cancelled.set(py, true);
                state.get().forget_scope(py, id);
                Ok(())
            }
        }
    }

    pub fn is_cancel_called(&self, py: Python<'_>) -> bool {
        self.asked(py, |kernel, id| kernel.is_cancelled(id))
            .unwrap_or(self.cancelled.get(py))
    }

    pub fn is_expired(&self, py: Python<'_>) -> bool {
        self.asked(py, |kernel, id| kernel.is_expired(id))
            .unwrap_or(self.expired.get(py))
    }

    /// Asks the kernel about the scope while it is entered.
    fn asked<R>(
        &self,
        py: Python<'_>,
        f: impl FnOnce(&mut kernel::Kernel, ScopeId) -> Option<R> + Send,
    ) -> Option<R> {
        let id = self.id(py)?;
        let state = self.state.cloned(py)?;
        state.get().kernel(py, |kernel| f(kernel, id))
    }

    /// Whether an outer cancellation can be seen through the scope.
    pub fn outer_visible(&self, py: Python<'_>) -> bool {
        self.asked(py, |kernel, id| kernel.is_outer_visible(id))
            .unwrap_or(false)
    }

    /// Set what `make()` takes, in a scope that was not entered yet.
    pub fn prepare(&self, py: Python<'_>, deadline: Option<f64>, shield: bool) {
        self.deadline.set(py, deadline);
        self.shield.set(py, shield);
    }

    pub fn set_deadline_value(&self, py: Python<'_>, deadline: Option<f64>) -> PyResult<()> {
        self.deadline.set(py, deadline);
        let (Some(id), Some(state)) = (self.id(py), self.state.cloned(py)) else {
            return Ok(());
        };
        let deadline = deadline.unwrap_or(f64::INFINITY);
        let now = State::now(&state)?;
        if let Some(due) = state
            .get()
            .kernel(py, |kernel| kernel.set_deadline(id, deadline, now))
        {
            State::deliver(&state, due)?;
        }
        State::arm(&state)
    }

    pub fn shielded(&self, py: Python<'_>) -> bool {
        self.asked(py, |kernel, id| kernel.shield(id))
            .unwrap_or(self.shield.get(py))
    }
}

impl Left {
    fn pass() -> Self {
        Left {
            swallowed: false,
            raised: None,
            timed_out: false,
        }
    }

    /// What `__exit__` returns or raises.
    pub fn into_result(self) -> PyResult<bool> {
        match self.raised {
            Some(error) => Err(error),
            None => Ok(self.swallowed),
        }
    }
}

/// Whether a coroutine is closed outside of its task, by the collector or after a hard shutdown.
///
/// Its scopes go with its task; there is nobody who could be told of a mistake.
pub fn is_being_closed(py: Python<'_>, error: Option<&Bound<'_, PyAny>>) -> bool {
    let closing =
        error.is_some_and(|error| error.is_instance_of::<pyo3::exceptions::PyGeneratorExit>());
    closing && ffi::running(py).is_none_or(|state| state.get().current(py).is_none())
}

/// The exception instance of an `__exit__` call, if there is one.
pub fn exception_argument<'a, 'py>(
    exception: &'a Bound<'py, PyAny>,
) -> Option<&'a Bound<'py, PyAny>> {
    Some(exception).filter(|exception| !exception.is_none())
}

fn optional_float(py: Python<'_>, value: Option<f64>) -> Py<PyAny> {
    value.map_or_else(
        || py.None(),
        |value| PyFloat::new(py, value).into_any().unbind(),
    )
}

#[pymethods]
impl CancelScope {
    #[new]
    #[pyo3(signature = (*, deadline=None, shield=None), text_signature = "(*, deadline=None, shield=False)")]
    fn new(
        deadline: Option<&Bound<'_, PyAny>>,
        shield: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let shield = shield.map_or(Ok(false), shield_argument)?;
        Ok(Self::make(
            deadline_argument(deadline)?,
            shield,
            "CancelScope",
        ))
    }

    fn __enter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        slf.get().enter(slf.py())?;
        Ok(slf)
    }

    #[pyo3(signature = (_exc_type, exc, _tb, /))]
    fn __exit__<'py>(
        &self,
        _exc_type: &Bound<'py, PyAny>,
        exc: &Bound<'py, PyAny>,
        _tb: &Bound<'py, PyAny>,
    ) -> PyResult<bool> {
        self.leave(exc.py(), exception_argument(exc))?.into_result()
    }

    /// Cancel the block: every suspension in it raises, until it is left (clause 1.4).
    ///
    /// msg: reaches the `CancelledError`; of several calls the first one's counts.
    /// Before the block is entered this is remembered, after it was left it only sets `cancel_called`.
    /// Call it in the loop's thread; from another one, `loop.call_soon_threadsafe(scope.cancel)`.
    #[pyo3(signature = (msg=None))]
    fn cancel(&self, py: Python<'_>, msg: Option<Py<PyAny>>) -> PyResult<()> {
        self.cancel_with(py, msg)
    }

    /// Whether `cancel()` was called or the deadline has cancelled the scope.
    #[getter]
    fn cancel_called(&self, py: Python<'_>) -> bool {
        self.is_cancel_called(py)
    }

    /// Whether the scope has swallowed a `CancelledError` when it was left (clause 1.14).
    #[getter]
    fn cancelled_caught(&self, py: Python<'_>) -> bool {
        self.caught.get(py)
    }

    /// Whether a suspension in the block raises now: it, or a scope around it up to a shield, is cancelled.
    #[getter]
    fn effectively_cancelled(&self, py: Python<'_>) -> bool {
        match self.phase.get(py) {
            // A scope that was closed under its owner's hands counts as cancelled for ever.
            Phase::Active { .. } => self
                .asked(py, |kernel, id| kernel.is_effective(id))
                .unwrap_or(true),
            Phase::New | Phase::Exited => self.cancelled.get(py),
        }
    }

    /// Whether the scope was cancelled by its deadline, and not by a call (clause 1.12).
    #[getter]
    fn deadline_expired(&self, py: Python<'_>) -> bool {
        self.is_expired(py)
    }

    /// The message of the cancellation, or None.
    #[getter]
    fn cancel_message<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        if self.is_expired(py) {
            return Some(names::deadline_message(py));
        }
        self.message.cloned(py)
    }

    /// The loop time, in seconds, at which the scope cancels itself; None means never.
    ///
    /// It may be set at any time: on an active scope a time that has passed cancels at once. Setting it
    /// after a cancellation takes nothing back. Raises ValueError for NaN.
    #[getter]
    fn deadline(&self, py: Python<'_>) -> Py<PyAny> {
        optional_float(py, self.deadline.get(py))
    }

    #[setter]
    fn set_deadline(&self, py: Python<'_>, deadline: &Bound<'_, PyAny>) -> PyResult<()> {
        self.set_deadline_value(py, deadline_argument(Some(deadline))?)
    }

    /// Whether the block is protected from cancellations from outside (clauses 1.7, 1.8).
    ///
    /// It may be set at any time: switching it off makes a pending cancellation visible at once. Raises
    /// TypeError for anything but a bool.
    #[getter]
    fn shield(&self, py: Python<'_>) -> bool {
        self.shielded(py)
    }

    #[setter]
    fn set_shield(&self, py: Python<'_>, shield: &Bound<'_, PyAny>) -> PyResult<()> {
        let shield = shield_argument(shield)?;
        self.shield.set(py, shield);
        if let (Some(id), Some(state)) = (self.id(py), self.state.cloned(py)) {
            state.get().check_thread(py)?;
            if let Some(due) = state
                .get()
                .kernel(py, |kernel| kernel.set_shield(id, shield))
            {
                State::deliver(&state, due)?;
            }
        }
        Ok(())
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let phase = match self.phase.get(py) {
            Phase::New => "new",
            Phase::Active { .. } => "active",
            Phase::Exited => "exited",
        };
        let mut info = format!("<CancelScope {phase}");
        if self.shielded(py) {
            info.push_str(" shield");
        }
        if let Some(deadline) = self.deadline.get(py) {
            info.push_str(&format!(" deadline={deadline:.3}"));
        }
        if self.is_cancel_called(py) {
            info.push_str(" cancelled");
        }
        info.push('>');
        info
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.state.peek(|object| visit.call(object))?;
        self.message.peek(|object| visit.call(object))
    }

    fn __clear__(&self) {
        Python::attach(|py| {
            drop(self.state.take(py));
            drop(self.message.take(py));
        });
    }
}

pub fn shield_argument(shield: &Bound<'_, PyAny>) -> PyResult<bool> {
    match shield.cast::<PyBool>() {
        Ok(shield) => Ok(shield.is_true()),
        Err(_) => Err(PyTypeError::new_err(format!(
            "shield must be a bool, got {}",
            shield.get_type().name()?
        ))),
    }
}
