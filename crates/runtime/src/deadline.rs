//! Scopes with a deadline: `move_on_after`, `fail_after` and their kin, and what asks about deadlines (clauses 9.13 to 9.15).

use pyo3::exceptions::{PyTimeoutError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit, intern};

use crate::ffi;
use crate::names;
use crate::scope::{CancelScope, Left, exception_argument};
use crate::state::State;

/// The context manager of `fail_after()` and `fail_at()`: TimeoutError when its own deadline cancelled it.
#[pyclass(frozen, weakref, module = "asyncbis")]
pub struct FailScope {
    scope: Py<CancelScope>,
}

#[pymethods]
impl FailScope {
    fn __enter__(&self, py: Python<'_>) -> PyResult<Py<CancelScope>> {
        self.scope.get().enter(py)?;
        Ok(self.scope.clone_ref(py))
    }

    #[pyo3(signature = (_exc_type, exc, _tb, /))]
    fn __exit__<'py>(
        &self,
        _exc_type: &Bound<'py, PyAny>,
        exc: &Bound<'py, PyAny>,
        _tb: &Bound<'py, PyAny>,
    ) -> PyResult<bool> {
        let py = exc.py();
        let exc = exception_argument(exc);
        let left = self.scope.get().leave(py, exc)?;
        limited(left, exc)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.scope)
    }
}

/// What a block with a time limit returns or raises when it is left.
pub fn limited(left: Left, error: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
    if left.timed_out {
        return Err(timeout_error(error));
    }
    left.into_result()
}

/// A TimeoutError raised from the CancelledError that it replaces (clause 9.4).
pub fn timeout_error(cause: Option<&Bound<'_, PyAny>>) -> PyErr {
    let error = PyTimeoutError::new_err(());
    if let Some(cause) = cause {
        ffi::set_context_if_none(&error, cause);
        error.set_cause(cause.py(), Some(PyErr::from_value(cause.clone())));
    }
    error
}

/// An error that leaves an expired timeout because of its cancellation says so in its chain (clause 9.4).
///
/// As in asyncio of Python 3.13: the CancelledError in the chain of contexts is replaced by a TimeoutError.
pub fn insert_timeout_error(error: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = error.py();
    let name = intern!(py, "__context__");
    let mut at = error.clone();
    // A chain that somebody closed to a ring is not followed for ever.
    for _ in 0..1000 {
        let context = at.getattr(name)?;
        if context.is_none() {
            return Ok(());
        }
        if names::is_cancelled_error(&context) {
            return at.setattr(name, timeout_error(Some(&context)).into_value(py));
        }
        at = context;
    }
    Ok(())
}

fn scope_with<'py>(
    py: Python<'py>,
    deadline: Option<f64>,
    shield: bool,
    owner: &'static str,
) -> PyResult<Bound<'py, CancelScope>> {
    Bound::new(py, CancelScope::make(deadline, shield, owner))
}

/// A `CancelScope` that is cancelled `delay` seconds from now, silently; None means no limit.
///
/// Look at `scope.cancelled_caught` to see whether the block was cut off (clause 9.13).
#[pyfunction]
#[pyo3(signature = (delay, *, shield=false))]
pub fn move_on_after<'py>(
    py: Python<'py>,
    delay: Option<&Bound<'py, PyAny>>,
    shield: bool,
) -> PyResult<Bound<'py, CancelScope>> {
    scope_with(py, deadline_after(py, delay)?, shield, "move_on_after()")
}

/// A `CancelScope` that is cancelled at the loop time `when`, silently; None means no limit.
#[pyfunction]
#[pyo3(signature = (when, *, shield=false))]
pub fn move_on_at<'py>(
    py: Python<'py>,
    when: Option<&Bound<'py, PyAny>>,
    shield: bool,
) -> PyResult<Bound<'py, CancelScope>> {
    scope_with(py, deadline_argument(when)?, shield, "move_on_at()")
}

/// A context manager that raises TimeoutError when its block takes longer than `delay` seconds.
///
/// `with fail_after(5) as scope:` gives the `CancelScope`; None means no limit (clause 9.14).
/// Unlike `timeout()` it is a plain `with` block and counts from the call.
#[pyfunction]
#[pyo3(signature = (delay, *, shield=false))]
pub fn fail_after<'py>(
    py: Python<'py>,
    delay: Option<&Bound<'py, PyAny>>,
    shield: bool,
) -> PyResult<FailScope> {
    let scope = scope_with(py, deadline_after(py, delay)?, shield, "fail_after()")?.unbind();
    Ok(FailScope { scope })
}

/// A context manager that raises TimeoutError when its block is not done at the loop time `when`.
#[pyfunction]
#[pyo3(signature = (when, *, shield=false))]
pub fn fail_at<'py>(
    py: Python<'py>,
    when: Option<&Bound<'py, PyAny>>,
    shield: bool,
) -> PyResult<FailScope> {
    let scope = scope_with(py, deadline_argument(when)?, shield, "fail_at()")?.unbind();
    Ok(FailScope { scope })
}

/// The loop time at which the running task will be cancelled, as far as deadlines say (clause 9.15).
///
/// Infinity if there is none, minus infinity if the task is cancelled already. A shield hides the
/// deadlines outside of it. Raises RuntimeError outside of a task.
#[pyfunction]
pub fn current_effective_deadline(py: Python<'_>) -> PyResult<f64> {
    let (state, task) = State::of_current_task(py, "current_effective_deadline()")?;
    let id = task.get().id();
    Ok(id.map_or(f64::INFINITY, |id| {
        state
            .get()
            .kernel(py, |kernel| kernel.effective_deadline(id))
    }))
}

/// Whether the next yield point of the running task raises.
#[pyfunction]
pub fn current_scope_cancelled(py: Python<'_>) -> PyResult<bool> {
    let (state, task) = State::of_current_task(py, "current_scope_cancelled()")?;
    let id = task.get().id();
    Ok(id.is_some_and(|id| {
        state
            .get()
            .kernel(py, |kernel| kernel.is_task_cancelled(id))
    }))
}

/// A deadline as Python gives it: None or a number, not NaN.
pub fn deadline_argument(value: Option<&Bound<'_, PyAny>>) -> PyResult<Option<f64>> {
    let Some(value) = value.filter(|value| !value.is_none()) else {
        return Ok(None);
    };
    let Ok(deadline) = value.extract::<f64>() else {
        return Err(PyTypeError::new_err(format!(
            "a deadline is a number of seconds of loop time or None, got {}",
            value.repr()?
        )));
    };
    if deadline.is_nan() {
        return Err(PyValueError::new_err("a deadline must not be NaN"));
    }
    Ok(Some(deadline))
}

/// The absolute deadline for a delay in seconds from now.
pub fn deadline_after(py: Python<'_>, delay: Option<&Bound<'_, PyAny>>) -> PyResult<Option<f64>> {
    match deadline_argument(delay)? {
        None => Ok(None),
        Some(delay) if delay == f64::INFINITY => Ok(Some(delay)),
        Some(delay) => Ok(Some(State::now(&State::of_running_loop(py)?)? + delay)),
    }
}
