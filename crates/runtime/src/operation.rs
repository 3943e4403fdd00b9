//! `Operation`: an awaitable that is its own iterator, for everything the core lets a task wait for.
//!
//! Nothing happens before it is awaited. It has the methods of a coroutine, so that `create_task(sleep(1))` and
//! `asyncio.iscoroutine(sleep(1))` work as in asyncio.

use pyo3::exceptions::{PyRuntimeError, PyRuntimeWarning, PyValueError};
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit, intern};

use crate::ffi::{self, Slot};
use crate::future::Future;
use crate::group::{ExitStage, TaskGroup};
use crate::state::State;
use crate::timeout::Timeout;

/// Yielded by what must not be cancelled while it gives way once.
#[pyclass(frozen, module = "asyncbis._core")]
pub struct ShieldedYield;

pub enum Work {
    /// Gives way once and then returns the result.
    Yield(Py<PyAny>),
    YieldShielded,
    YieldIfCancelled,
    /// Seconds, result.
    Sleep(f64, Py<PyAny>),
    SleepForever,
    EnterGroup(Py<TaskGroup>),
    ExitGroup(Py<TaskGroup>, Option<Py<PyAny>>, ExitStage),
    EnterTimeout(Py<Timeout>),
    ExitTimeout(Py<Timeout>, Option<Py<PyAny>>),
    /// It gave way; what it returns.
    Resumed(Py<PyAny>),
    /// It waits for a future with a timer in the loop's heap.
    Sleeping(Py<Future>),
    Done,
}

pub enum Poll<'py> {
    Yield(Bound<'py, PyAny>),
    YieldShielded,
    Return(Bound<'py, PyAny>),
}

impl<'py> Poll<'py> {
    /// What an `__aexit__` returns: None for "not swallowed", since to return None costs nothing.
    pub fn exit(py: Python<'py>, swallowed: bool) -> Self {
        if swallowed {
            Poll::Return(pyo3::types::PyBool::new(py, true).to_owned().into_any())
        } else {
            Poll::Return(py.None().into_bound(py))
        }
    }
}

#[pyclass(frozen, weakref, module = "asyncbis._core")]
pub struct Operation {
    work: Slot<Work>,
}

impl Operation {
    pub fn new(py: Python<'_>, work: Work) -> PyResult<Bound<'_, Self>> {
        Bound::new(
            py,
            Operation {
                work: Slot::new(work),
            },
        )
    }

    fn poll<'py>(&self, py: Python<'py>) -> PyResult<Poll<'py>> {
        let none = || py.None().into_bound(py);
        match self.work.replace(py, Work::Done) {
            Work::Yield(result) => {
                self.work.set(py, Work::Resumed(result));
                Ok(Poll::Yield(none()))
            }
            Work::YieldShielded => {
                self.work.set(py, Work::Resumed(py.None()));
                Ok(Poll::YieldShielded)
            }
            Work::YieldIfCancelled => {
                if !crate::deadline::current_scope_cancelled(py)? {
                    return Ok(Poll::Return(none()));
                }
                self.work.set(py, Work::Resumed(py.None()));
                Ok(Poll::Yield(none()))
            }
            Work::Sleep(delay, result) => self.begin_sleep(py, Some((delay, result))),
            Work::SleepForever => self.begin_sleep(py, None),
            Work::EnterGroup(group) => {
                TaskGroup::enter(group.bind(py))?;
                Ok(Poll::Return(group.into_bound(py).into_any()))
            }
            Work::ExitGroup(group, error, mut stage) => {
                let error_here = error.as_ref().map(|error| error.bind(py));
                let poll = TaskGroup::poll_exit(group.bind(py), error_here, &mut stage)?;
                if !matches!(poll, Poll::Return(_)) {
                    self.work.set(py, Work::ExitGroup(group, error, stage));
                }
                Ok(poll)
            }
            Work::EnterTimeout(timeout) => {
                Timeout::enter(timeout.bind(py))?;
                Ok(Poll::Return(timeout.into_bound(py).into_any()))
            }
            Work::ExitTimeout(timeout, error) => {
                let error = error.as_ref().map(|error| error.bind(py));
                let swallowed = Timeout::leave(timeout.bind(py), error)?;
                Ok(Poll::exit(py, swallowed))
            }
            Work::Resumed(result) => Ok(Poll::Return(result.into_bound(py))),
            Work::Sleeping(future) => Ok(Poll::Return(Future::outcome(future.bind(py))?)),
            Work::Done => Err(PyRuntimeError::new_err(
                "cannot reuse already awaited coroutine",
            )),
        }
    }

    fn begin_sleep<'py>(
        &self,
        py: Python<'py>,
        timer: Option<(f64, Py<PyAny>)>,
    ) -> PyResult<Poll<'py>> {
        let state = State::of_running_loop(py)?;
        let future = Bound::new(py, Future::on(&state))?;
        if let Some((delay, result)) = timer {
            let when = State::now(&state)? + delay;
            State::wake_at(&state, when, &future, result)?;
        }
        future.get().blocking.set(py, true);
        self.work.set(py, Work::Sleeping(future.clone().unbind()));
        Ok(Poll::Yield(future.into_any()))
    }

    /// It will not be resumed: a timer that it left behind is counted as cancelled.
    fn abandon(&self, py: Python<'_>) {
        if let Work::Sleeping(future) = self.work.replace(py, Work::Done)
            && let Some(state) = future.get().state.get()
        {
            state.get().timer_cancelled(py);
        }
    }
}

#[pymethods]
impl Operation {
    fn __await__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self.poll(py)? {
            Poll::Yield(value) => Ok(Some(value)),
            Poll::YieldShielded => Ok(Some(shielded_yield(py)?.clone())),
            Poll::Return(value) if value.is_none() => Ok(None),
            Poll::Return(value) => Err(ffi::stop_iteration(value)),
        }
    }

    #[pyo3(signature = (_value, /))]
    fn send<'py>(
        &self,
        py: Python<'py>,
        _value: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match self.__next__(py)? {
            Some(value) => Ok(value),
            None => Err(ffi::stop_iteration(py.None().into_bound(py))),
        }
    }

    #[pyo3(signature = (typ, val=None, tb=None, /))]
    fn throw<'py>(
        &self,
        typ: Bound<'py, PyAny>,
        val: Option<Bound<'py, PyAny>>,
        tb: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = typ.py();
        self.abandon(py);
        let error = match val.filter(|val| !val.is_none()) {
            Some(val) if val.is_instance_of::<pyo3::exceptions::PyBaseException>() => val,
            Some(val) => typ.call1((val,))?,
            None if typ.is_instance_of::<pyo3::types::PyType>() => typ.call0()?,
            None => typ,
        };
        if let Some(tb) = tb.filter(|tb| !tb.is_none()) {
            error.call_method1(intern!(py, "with_traceback"), (tb,))?;
        }
        Err(PyErr::from_value(error))
    }

    fn close(&self, py: Python<'_>) {
        self.abandon(py);
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.work.peek(|work| match work {
            Work::Yield(object) | Work::Sleep(_, object) | Work::Resumed(object) => {
                visit.call(object)
            }
            Work::EnterGroup(group) => visit.call(group),
            Work::ExitGroup(group, error, _) => {
                visit.call(group)?;
                visit.call(error)
            }
            Work::EnterTimeout(timeout) => visit.call(timeout),
            Work::ExitTimeout(timeout, error) => {
                visit.call(timeout)?;
                visit.call(error)
            }
            Work::Sleeping(future) => visit.call(future),
            Work::YieldShielded | Work::YieldIfCancelled | Work::SleepForever | Work::Done => {
                Ok(())
            }
        })
    }

    fn __clear__(&self) {
        Python::attach(|py| drop(self.work.replace(py, Work::Done)));
    }
}

impl Drop for Operation {
    /// A forgotten `await` is told, as for a coroutine.
    fn drop(&mut self) {
        let name = self.work.peek(|work| match work {
            Work::Yield(_) | Work::Sleep(..) => Some("sleep"),
            Work::SleepForever => Some("sleep_forever"),
            Work::YieldIfCancelled => Some("checkpoint_if_cancelled"),
            _ => None,
        });
        if let Some(name) = name {
            Python::attach(|py| ffi::keeping_error(py, || warn_never_awaited(py, name)));
        }
    }
}

fn warn_never_awaited(py: Python<'_>, name: &str) {
    let message = format!("coroutine '{name}' was never awaited");
    let warned = py.import(intern!(py, "warnings")).and_then(|warnings| {
        warnings.call_method1(
            intern!(py, "warn"),
            (message, py.get_type::<PyRuntimeWarning>()),
        )
    });
    if let Err(error) = warned {
        error.write_unraisable(py, None);
    }
}

fn shielded_yield(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static CELL: pyo3::sync::PyOnceLock<Py<PyAny>> = pyo3::sync::PyOnceLock::new();
    CELL.get_or_try_init(py, || {
        Ok(Bound::new(py, ShieldedYield)?.into_any().unbind())
    })
    .map(|object| object.bind(py))
}

/// Wait `delay` seconds, then return `result`; with zero or less, let other tasks run once.
///
/// delay: a number; NaN raises ValueError. A cancelled task does not wait, it gets CancelledError.
// It has the marks of a coroutine function, so that `inspect.iscoroutinefunction(sleep)` is true and
// `unittest.mock.patch("asyncio.sleep")` makes an AsyncMock.
#[pyclass(frozen, module = "asyncbis._core", name = "SleepFunction")]
pub struct SleepFunction;

#[pymethods]
impl SleepFunction {
    #[pyo3(signature = (delay, result=None))]
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        delay: &Bound<'py, PyAny>,
        result: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, Operation>> {
        sleep(py, delay, result)
    }

    #[classattr]
    fn __name__() -> &'static str {
        "sleep"
    }

    #[classattr]
    fn __qualname__() -> &'static str {
        "sleep"
    }

    #[getter]
    fn _is_coroutine<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        py.import("asyncio.coroutines")?
            .getattr_opt("_is_coroutine")
    }

    #[getter]
    fn _is_coroutine_mark<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        py.import("inspect")?.getattr_opt("_is_coroutine_mark")
    }

    fn __reduce__(&self) -> &'static str {
        "sleep"
    }

    fn __repr__(&self) -> &'static str {
        "<function asyncbis.sleep>"
    }
}

fn sleep<'py>(
    py: Python<'py>,
    delay: &Bound<'py, PyAny>,
    result: Option<Py<PyAny>>,
) -> PyResult<Bound<'py, Operation>> {
    let seconds = match delay.cast_exact::<pyo3::types::PyInt>() {
        Ok(integer) => integer
            .extract::<i32>()
            .map_or_else(|_| delay.extract(), |integer| Ok(f64::from(integer)))?,
        Err(_) => delay.extract::<f64>()?,
    };
    if seconds.is_nan() {
        return Err(PyValueError::new_err("Invalid delay: NaN (not a number)"));
    }
    let result = result.unwrap_or_else(|| py.None());
    Operation::new(
        py,
        if seconds <= 0.0 {
            Work::Yield(result)
        } else {
            Work::Sleep(seconds, result)
        },
    )
}

/// Wait until the task is cancelled (clause 9.16).
#[pyfunction]
pub fn sleep_forever(py: Python<'_>) -> PyResult<Bound<'_, Operation>> {
    Operation::new(py, Work::SleepForever)
}

/// Let other tasks run, and raise CancelledError if the task is cancelled (clause 9.16).
#[pyfunction]
pub fn checkpoint(py: Python<'_>) -> PyResult<Bound<'_, Operation>> {
    Operation::new(py, Work::Yield(py.None()))
}

/// Raise CancelledError if the task is cancelled; otherwise do nothing, not even yield (clause 9.16).
#[pyfunction]
pub fn checkpoint_if_cancelled(py: Python<'_>) -> PyResult<Bound<'_, Operation>> {
    Operation::new(py, Work::YieldIfCancelled)
}

/// Let other tasks run, and never raise (clause 9.16).
#[pyfunction]
pub fn cancel_shielded_checkpoint(py: Python<'_>) -> PyResult<Bound<'_, Operation>> {
    Operation::new(py, Work::YieldShielded)
}
