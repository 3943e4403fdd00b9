//! `Timeout`: asyncio's timeout as a cancel scope, with `shield=` (section 9).

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFloat, PyTuple};
use pyo3::{PyTraverseError, PyVisit};

use crate::deadline;
use crate::ffi::Slot;
use crate::operation::{Operation, Work};
use crate::scope::{self, CancelScope};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Created,
    Entered,
    Expired,
    Finished,
}

/// What `timeout()` and `timeout_at()` return: an async context manager with a deadline (clause 9.3).
///
/// Leaving the block raises TimeoutError if the deadline has cut it off. Use it once.
#[pyclass(frozen, subclass, weakref, module = "asyncbis")]
pub struct Timeout {
    scope: Py<CancelScope>,
    when: Slot<Option<f64>>,
    phase: Slot<Phase>,
}

impl Timeout {
    fn make(py: Python<'_>, when: Option<f64>, shield: bool) -> PyResult<Self> {
        Ok(Timeout {
            scope: Py::new(py, CancelScope::make(when, shield, "Timeout"))?,
            when: Slot::new(when),
            phase: Slot::new(Phase::Created),
        })
    }

    pub fn enter(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let this = slf.get();
        if this.phase.get(py) != Phase::Created {
            return Err(PyRuntimeError::new_err("Timeout has already been entered"));
        }
        this.scope.get().enter(py)?;
        this.phase.set(py, Phase::Entered);
        Ok(())
    }

    pub fn leave<'py>(slf: &Bound<'py, Self>, error: Option<&Bound<'py, PyAny>>) -> PyResult<bool> {
        let py = slf.py();
        let this = slf.get();
        let left = this.scope.get().leave(py, error)?;
        let expired = this.scope.get().is_expired(py);
        this.phase.set(
            py,
            if expired {
                Phase::Expired
            } else {
                Phase::Finished
            },
        );
        if expired
            && !left.timed_out
            && let Some(error) = error
        {
            deadline::insert_timeout_error(error)?;
        }
        deadline::limited(left, error)
    }

    fn state_name(&self, py: Python<'_>) -> &'static str {
        match self.phase.get(py) {
            Phase::Created => "created",
            Phase::Entered if self.scope.get().is_expired(py) => "expiring",
            Phase::Entered => "active",
            Phase::Expired => "expired",
            Phase::Finished => "finished",
        }
    }
}

#[pymethods]
impl Timeout {
    /// The arguments are for `__init__`: a subclass may take others (async-timeout's does).
    #[new]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "(when, *, shield=False)")]
    fn new(
        py: Python<'_>,
        _args: &Bound<'_, PyTuple>,
        _kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        Self::make(py, None, false)
    }

    #[pyo3(signature = (when, *, shield=false))]
    fn __init__(
        &self,
        py: Python<'_>,
        when: Option<&Bound<'_, PyAny>>,
        shield: bool,
    ) -> PyResult<()> {
        let when = deadline::deadline_argument(when)?;
        if self.phase.get(py) != Phase::Created {
            return Err(PyRuntimeError::new_err("Timeout has already been entered"));
        }
        self.when.set(py, when);
        self.scope.get().prepare(py, when, shield);
        Ok(())
    }

    /// The deadline in loop time, or None.
    fn when(&self, py: Python<'_>) -> Option<f64> {
        self.when.get(py)
    }

    /// Move the deadline to the loop time `when`; None takes it away.
    ///
    /// Raises RuntimeError before the block is entered, after it was left, and after the deadline.
    #[pyo3(signature = (when, /))]
    fn reschedule(&self, py: Python<'_>, when: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        match self.state_name(py) {
            "active" => {}
            "created" => return Err(PyRuntimeError::new_err("Timeout has not been entered")),
            name => {
                return Err(PyRuntimeError::new_err(format!(
                    "Cannot change state of {name} Timeout"
                )));
            }
        }
        let when = deadline::deadline_argument(when)?;
        self.when.set(py, when);
        self.scope.get().set_deadline_value(py, when)
    }

    /// Whether the deadline has passed while the block was running.
    fn expired(&self, py: Python<'_>) -> bool {
        matches!(self.state_name(py), "expiring" | "expired")
    }

    fn __aenter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Operation>> {
        let py = slf.py();
        Operation::new(py, Work::EnterTimeout(slf.unbind()))
    }

    #[pyo3(signature = (_exc_type, exc, _tb, /))]
    fn __aexit__<'py>(
        slf: Bound<'py, Self>,
        _exc_type: &Bound<'py, PyAny>,
        exc: Bound<'py, PyAny>,
        _tb: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, Operation>> {
        let py = slf.py();
        let error = scope::exception_argument(&exc).map(|exc| exc.clone().unbind());
        Operation::new(py, Work::ExitTimeout(slf.unbind(), error))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let name = self.state_name(py);
        if name != "active" {
            return Ok(format!("<Timeout [{name}]>"));
        }
        let when = match self.when.get(py) {
            Some(when) => PyFloat::new(py, (when * 1000.0).round() / 1000.0)
                .repr()?
                .to_string(),
            None => "None".to_owned(),
        };
        Ok(format!("<Timeout [{name}] when={when}>"))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.scope)
    }
}

/// `async with timeout(delay)`: raise TimeoutError when the block takes longer than `delay` seconds.
///
/// delay: None means no limit; zero or less cancels the block at its first suspension.
/// shield: as long as the time is not up, the block is not cancelled from outside: what cleanup that
/// must await needs, `async with timeout(5, shield=True): await connection.close()` (clause 9.6).
#[pyfunction]
#[pyo3(signature = (delay, *, shield=false))]
pub fn timeout(
    py: Python<'_>,
    delay: Option<&Bound<'_, PyAny>>,
    shield: bool,
) -> PyResult<Timeout> {
    Timeout::make(py, deadline::deadline_after(py, delay)?, shield)
}

/// As `timeout()`, with the deadline as absolute loop time.
#[pyfunction]
#[pyo3(signature = (when, *, shield=false))]
pub fn timeout_at(
    py: Python<'_>,
    when: Option<&Bound<'_, PyAny>>,
    shield: bool,
) -> PyResult<Timeout> {
    Timeout::make(py, deadline::deadline_argument(when)?, shield)
}
