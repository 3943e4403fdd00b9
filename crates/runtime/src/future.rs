//! `Future`: asyncio's future, with tasks waiting on it inline.
//!
//! A pending future is awaited by yielding itself: it is its own iterator, so an `await` makes no object.
//! Invariant: callbacks are there only while the future is pending.

use pyo3::exceptions::{PyRuntimeError, PyStopIteration, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple, PyType};
use pyo3::{PyTraverseError, PyVisit, intern};

use crate::extra::{self, Extra};
use crate::ffi::{self, Fixed, Made, Slot};
use crate::names;
use crate::ready::Ready;
use crate::state::State;
use crate::task::Task;
use crate::waiters::{Waiter, Waiters};
use crate::wakeup::Wakeup;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    Pending,
    Cancelled,
    Finished,
}

/// A result that is not there yet, as `asyncio.Future`; `loop.create_future()` makes one.
///
/// It is an instance of `asyncio.Future` for `isinstance()`. Not thread-safe.
#[pyclass(frozen, subclass, dict, weakref, module = "asyncbis")]
pub struct Future {
    pub made: Made,
    pub state: Fixed<Py<State>>,
    pub status: Slot<Status>,
    pub result: Slot<Option<Py<PyAny>>>,
    /// The exception, also the one that a cancelled task died with until it is handed out.
    pub exception: Slot<Option<Py<PyAny>>>,
    pub waiters: Slot<Waiters>,
    pub extra: Slot<Option<Box<Extra>>>,
    pub blocking: Slot<bool>,
    pub log_traceback: Slot<bool>,
    /// A wait that no cancellation reaches: `cancel()` does nothing and returns False.
    pub uncancellable: bool,
}

impl Future {
    pub fn empty() -> Self {
        Future {
            made: Made::YES,
            state: Fixed::new(),
            status: Slot::new(Status::Pending),
            result: Slot::new(None),
            exception: Slot::new(None),
            waiters: Slot::new(Waiters::None),
            extra: Slot::new(None),
            blocking: Slot::new(false),
            log_traceback: Slot::new(false),
            uncancellable: false,
        }
    }

    pub fn on(state: &Bound<'_, State>) -> Self {
        let future = Self::empty();
        let _ = future.state.set(state.py(), state.clone().unbind());
        future
    }

    /// A wait that no cancellation reaches: its `cancel()` does nothing.
    pub fn uncancellable(state: &Bound<'_, State>) -> Self {
        Future {
            uncancellable: true,
            ..Self::on(state)
        }
    }

    #[inline]
    pub fn done(&self, py: Python<'_>) -> bool {
        self.status.get(py) != Status::Pending
    }

    pub fn state<'py>(&self, py: Python<'py>) -> PyResult<&Bound<'py, State>> {
        match self.state.get() {
            Some(state) => Ok(state.bind(py)),
            None => Err(PyRuntimeError::new_err("Future object is not initialized.")),
        }
    }

    pub fn wants_finalizer(&self, py: Python<'_>) -> bool {
        self.log_traceback.get(py)
            || (self.status.get(py) == Status::Pending && self.state.get().is_some())
    }

    fn require_pending(slf: &Bound<'_, Self>) -> PyResult<()> {
        let this = slf.get();
        this.state(slf.py())?;
        if this.done(slf.py()) {
            // asyncio's words, which its tests compare.
            let status = this.status_name(slf.py());
            return Err(invalid_state(
                slf.py(),
                format!("{status}: {}", slf.repr()?),
            ));
        }
        Ok(())
    }

    fn status_name(&self, py: Python<'_>) -> &'static str {
        match self.status.get(py) {
            Status::Pending => "PENDING",
            Status::Cancelled => "CANCELLED",
            Status::Finished => "FINISHED",
        }
    }

    /// The future becomes done: everybody who waits is put into the ready queue, in order.
    pub fn complete(slf: &Bound<'_, Self>, status: Status) -> PyResult<()> {
        let py = slf.py();
        let this = slf.get();
        this.status.set(py, status);
        match this.waiters.take(py) {
            Waiters::None => Ok(()),
            Waiters::One(waiter) => Self::wake(slf, waiter),
            Waiters::Many(all) => all
                .into_iter()
                .try_for_each(|waiter| Self::wake(slf, waiter)),
        }
    }

    fn wake(slf: &Bound<'_, Self>, waiter: Waiter) -> PyResult<()> {
        let py = slf.py();
        let state = slf.get().state(py)?;
        let ready = match waiter {
            Waiter::Task(task) => Ready::Task(task),
            Waiter::Callback { call, context } => Ready::Callback {
                call,
                argument: slf.clone().into_any().unbind(),
                context,
            },
        };
        State::push(state, ready)
    }

    /// A task of the same loop waits for the future; a future that is done wakes it at once.
    pub fn wait(slf: &Bound<'_, Self>, task: &Bound<'_, Task>) -> PyResult<()> {
        let py = slf.py();
        if slf.get().done(py) {
            return State::push(slf.get().state(py)?, Ready::Task(task.clone().unbind()));
        }
        let waiter = Waiter::Task(task.clone().unbind());
        slf.get().waiters.with(py, |waiters| waiters.push(waiter));
        Ok(())
    }

    /// Cancels a plain future; what waits for it is woken with a CancelledError.
    pub fn cancel_with(slf: &Bound<'_, Self>, message: Option<Bound<'_, PyAny>>) -> PyResult<bool> {
        let py = slf.py();
        let this = slf.get();
        this.log_traceback.set(py, false);
        if this.done(py) || this.uncancellable {
            return Ok(false);
        }
        this.set_cancel_message(py, message.map(Bound::unbind));
        Self::complete(slf, Status::Cancelled)?;
        Ok(true)
    }

    pub fn set_result_unchecked(slf: &Bound<'_, Self>, result: Py<PyAny>) -> PyResult<()> {
        slf.get().result.set(slf.py(), Some(result));
        Self::complete(slf, Status::Finished)
    }

    /// Sets a result unless the future is done.
    pub fn resolve(slf: &Bound<'_, Self>, result: Py<PyAny>) -> PyResult<()> {
        if slf.get().done(slf.py()) {
            return Ok(());
        }
        Self::set_result_unchecked(slf, result)
    }

    /// The error that a cancelled future raises. The one that a task died with is handed out once.
    pub fn make_cancelled_error<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        if let Some(exception) = self.exception.take(py) {
            return Ok(exception.into_bound(py));
        }
        names::cancelled_error(py, self.cancel_message(py))
    }

    /// What the future holds, as `result()` gives it.
    pub fn outcome<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let this = slf.get();
        match this.status.get(py) {
            Status::Pending => Err(invalid_state(py, "Result is not set.".to_owned())),
            Status::Cancelled => Err(PyErr::from_value(this.make_cancelled_error(py)?)),
            Status::Finished => {
                this.log_traceback.set(py, false);
                if let Some(exception) = this.exception.cloned(py) {
                    ffi::set_traceback(&exception, this.exception_traceback(py));
                    return Err(PyErr::from_value(exception));
                }
                Ok(this
                    .result
                    .cloned(py)
                    .unwrap_or_else(|| py.None().into_bound(py)))
            }
        }
    }

    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        if !self.made.is_set() {
            return Ok(());
        }
        if let Some(state) = self.state.get() {
            visit.call(state)?;
        }
        self.result.peek(|object| visit.call(object))?;
        self.exception.peek(|object| visit.call(object))?;
        self.waiters.peek(|waiters| {
            for waiter in waiters.as_slice() {
                match waiter {
                    Waiter::Task(task) => visit.call(task)?,
                    Waiter::Callback { call, context } => {
                        visit.call(call)?;
                        visit.call(context)?;
                    }
                }
            }
            Ok(())
        })?;
        self.extra.peek(|extra| {
            if let Some(extra) = extra {
                visit.call(&extra.cancel_message)?;
                visit.call(&extra.source_traceback)?;
                visit.call(&extra.exception_traceback)?;
            }
            Ok(())
        })
    }

    /// The collector breaks a cycle: references go, the status and the flags stay.
    pub fn clear(&self, py: Python<'_>) {
        drop(self.result.take(py));
        drop(self.exception.take(py));
        drop(self.waiters.take(py));
        drop(self.extra.take(py));
    }
}

pub fn invalid_state(py: Python<'_>, message: String) -> PyErr {
    match names::invalid_state_error(py).and_then(|class| class.call1((message,))) {
        Ok(exception) => PyErr::from_value(exception),
        Err(error) => error,
    }
}

/// The loop's state for a constructor's `loop=` argument.
pub fn state_for<'py>(
    py: Python<'py>,
    event_loop: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, State>> {
    match event_loop {
        Some(event_loop) if !event_loop.is_none() => State::of(event_loop),
        _ => State::of_running_loop(py),
    }
}

#[pymethods]
impl Future {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "(*, loop=None)")]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self::empty()
    }

    #[pyo3(signature = (*, r#loop=None))]
    fn __init__(slf: &Bound<'_, Self>, r#loop: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let state = state_for(slf.py(), r#loop)?;
        let _ = slf.get().state.set(slf.py(), state.unbind());
        slf.get().note_origin(slf.py())
    }

    /// `isinstance(x, asyncio.Future)` asks for this where the type does not answer; `type(x)` stays ours.
    #[getter]
    fn __class__(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        Ok(names::asyncio_future(slf.py())?.clone().unbind())
    }

    #[classmethod]
    fn __class_getitem__<'py>(
        cls: &Bound<'py, PyType>,
        item: Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = cls.py();
        py.import(intern!(py, "types"))?
            .getattr(intern!(py, "GenericAlias"))?
            .call1((cls, item))
    }

    fn __await__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[inline]
    fn __next__<'py>(slf: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = slf.py();
        let this = slf.get();
        if !this.done(py) {
            this.state(py)?;
            this.blocking.set(py, true);
            return Ok(Some(slf.clone().into_any()));
        }
        let value = Self::outcome(slf)?;
        if value.is_none() {
            return Ok(None);
        }
        Err(ffi::stop_iteration(value))
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        extra::repr_as(slf.as_any(), names::future_repr(slf.py())?, "Future")
    }

    fn __del__(slf: &Bound<'_, Self>) {
        extra::finalize(slf);
    }

    /// The event loop that the future belongs to.
    fn get_loop(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        Ok(State::event_loop(slf.get().state(slf.py())?).unbind())
    }

    /// Whether it has a result or an exception, or was cancelled.
    #[pyo3(name = "done")]
    fn py_done(&self, py: Python<'_>) -> bool {
        self.done(py)
    }

    /// Whether it was cancelled.
    fn cancelled(&self, py: Python<'_>) -> bool {
        self.status.get(py) == Status::Cancelled
    }

    /// Cancel the future and everybody who awaits it; False if it was done already.
    ///
    /// msg: an argument for the `CancelledError`.
    #[pyo3(signature = (msg=None))]
    fn cancel(slf: &Bound<'_, Self>, msg: Option<Bound<'_, PyAny>>) -> PyResult<bool> {
        Self::cancel_with(slf, msg)
    }

    /// The result; raises the exception, CancelledError, or InvalidStateError if it is not done.
    #[pyo3(name = "result")]
    fn py_result<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.get().state(slf.py())?;
        Self::outcome(slf)
    }

    /// The exception or None; raises CancelledError, or InvalidStateError if it is not done.
    #[pyo3(name = "exception")]
    fn py_exception<'py>(slf: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = slf.py();
        let this = slf.get();
        match this.status.get(py) {
            Status::Pending => Err(invalid_state(py, "Exception is not set.".to_owned())),
            Status::Cancelled => Err(PyErr::from_value(this.make_cancelled_error(py)?)),
            Status::Finished => {
                this.log_traceback.set(py, false);
                Ok(this.exception.cloned(py))
            }
        }
    }

    /// Mark it as done with a result; raises InvalidStateError if it is done already.
    #[pyo3(signature = (result, /))]
    fn set_result(slf: &Bound<'_, Self>, result: Py<PyAny>) -> PyResult<()> {
        Self::require_pending(slf)?;
        Self::set_result_unchecked(slf, result)
    }

    /// Mark it as done with an exception; raises InvalidStateError if it is done already.
    #[pyo3(signature = (exception, /))]
    fn set_exception(slf: &Bound<'_, Self>, exception: Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        Self::require_pending(slf)?;
        let exception = if exception.is_instance_of::<PyType>() {
            exception.call0()?
        } else {
            exception
        };
        if !exception.is_instance_of::<pyo3::exceptions::PyBaseException>() {
            return Err(PyTypeError::new_err(format!(
                "invalid exception object: {}",
                exception.repr()?
            )));
        }
        let exception = if exception.is_instance_of::<PyStopIteration>() {
            let error = PyRuntimeError::new_err(
                "StopIteration interacts badly with generators and cannot be raised into a Future",
            );
            error.set_cause(py, Some(PyErr::from_value(exception)));
            error.into_value(py).into_bound(py).into_any()
        } else {
            exception
        };
        slf.get().keep_exception(exception);
        slf.get().log_traceback.set(py, true);
        Self::complete(slf, Status::Finished)
    }

    /// Call `fn(future)` through the loop when it is done, in `context` (default: the current one).
    #[pyo3(signature = (r#fn, /, *, context=None))]
    fn add_done_callback(
        slf: &Bound<'_, Self>,
        r#fn: Py<PyAny>,
        context: Option<Py<PyAny>>,
    ) -> PyResult<()> {
        let py = slf.py();
        let context = match context {
            Some(context) if !context.is_none(py) => context,
            _ => ffi::copy_context(py)?.unbind(),
        };
        let waiter = Waiter::Callback {
            call: r#fn,
            context,
        };
        slf.get().state(py)?;
        if slf.get().done(py) {
            return Self::wake(slf, waiter);
        }
        slf.get().waiters.with(py, |waiters| waiters.push(waiter));
        Ok(())
    }

    /// Remove all entries of a callback; returns how many there were.
    #[pyo3(signature = (r#fn, /))]
    fn remove_done_callback(slf: &Bound<'_, Self>, r#fn: &Bound<'_, PyAny>) -> PyResult<usize> {
        let py = slf.py();
        // Comparing runs Python code, so the list is taken out, filtered and put back before later ones.
        let waiters = slf.get().waiters.take(py).into_vec();
        let mut removed = 0;
        let mut kept = Vec::with_capacity(waiters.len());
        let mut failed = None;
        for waiter in waiters {
            let same = match &waiter {
                Waiter::Task(_) => Ok(false),
                Waiter::Callback { call, .. } if failed.is_none() => call.bind(py).eq(r#fn),
                Waiter::Callback { .. } => Ok(false),
            };
            match same {
                Ok(true) => removed += 1,
                Ok(false) => kept.push(waiter),
                Err(error) => {
                    failed = Some(error);
                    kept.push(waiter);
                }
            }
        }
        if slf.get().done(py) {
            kept.into_iter()
                .try_for_each(|waiter| Self::wake(slf, waiter))?;
        } else {
            slf.get().waiters.with(py, move |waiters| {
                for added in std::mem::take(waiters).into_vec() {
                    kept.push(added);
                }
                for waiter in kept {
                    waiters.push(waiter);
                }
            });
        }
        failed.map_or(Ok(removed), Err)
    }

    #[pyo3(name = "_make_cancelled_error")]
    fn py_make_cancelled_error<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.make_cancelled_error(py)
    }

    #[getter]
    fn _state(&self, py: Python<'_>) -> &'static str {
        self.status_name(py)
    }

    #[getter]
    fn _loop(slf: &Bound<'_, Self>) -> Option<Py<PyAny>> {
        slf.get()
            .state
            .get()
            .map(|state| State::event_loop(state.bind(slf.py())).unbind())
    }

    #[getter]
    fn _asyncio_future_blocking(&self, py: Python<'_>) -> bool {
        self.blocking.get(py)
    }

    #[setter(_asyncio_future_blocking)]
    fn set_asyncio_future_blocking(&self, py: Python<'_>, value: bool) {
        self.blocking.set(py, value);
    }

    #[getter]
    fn _log_traceback(&self, py: Python<'_>) -> bool {
        self.log_traceback.get(py)
    }

    #[setter(_log_traceback)]
    fn set_log_traceback(&self, py: Python<'_>, value: bool) -> PyResult<()> {
        if value {
            return Err(pyo3::exceptions::PyValueError::new_err(
                "_log_traceback can only be set to False",
            ));
        }
        self.log_traceback.set(py, false);
        Ok(())
    }

    #[getter]
    fn _cancel_message<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.cancel_message(py)
    }

    #[setter(_cancel_message)]
    fn py_set_cancel_message(&self, py: Python<'_>, value: Option<Py<PyAny>>) {
        self.set_cancel_message(py, value);
    }

    #[getter]
    fn _source_traceback<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.source_traceback(py)
    }

    #[setter(_source_traceback)]
    fn py_set_source_traceback(&self, py: Python<'_>, value: Option<Py<PyAny>>) {
        self.set_source_traceback(py, value);
    }

    #[getter]
    fn _result<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.result.cloned(py)
    }

    #[getter]
    fn _exception<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        match self.status.get(py) {
            Status::Finished => self.exception.cloned(py),
            _ => None,
        }
    }

    #[getter]
    fn _callbacks<'py>(slf: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyList>>> {
        let py = slf.py();
        let entries = slf.get().waiters.with(py, |waiters| {
            waiters
                .as_slice()
                .iter()
                .map(Waiter::share)
                .collect::<Vec<_>>()
        });
        if entries.is_empty() {
            return Ok(None);
        }
        let list = PyList::empty(py);
        for entry in entries {
            let pair = match entry {
                Waiter::Task(task) => (
                    Wakeup::of(task.clone_ref(py)).into_pyobject(py)?.into_any(),
                    task.get().context(py).into_bound(py),
                ),
                Waiter::Callback { call, context } => (call.into_bound(py), context.into_bound(py)),
            };
            list.append(pair)?;
        }
        Ok(Some(list))
    }

    /// The tasks that await this future, for the call graph of Python 3.14 and newer.
    #[getter]
    fn _asyncio_awaited_by<'py>(slf: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = slf.py();
        let tasks = slf.get().waiters.with(py, |waiters| {
            let tasks = waiters.as_slice().iter().filter_map(|waiter| match waiter {
                Waiter::Task(task) => Some(Slot::share(task)),
                Waiter::Callback { .. } => None,
            });
            tasks.collect::<Vec<_>>()
        });
        if tasks.is_empty() {
            return Ok(None);
        }
        Ok(Some(pyo3::types::PySet::new(py, tasks)?.into_any()))
    }

    /// What Python 3.15 copies from one future to another: (done, cancelled, result, exception).
    fn _get_snapshot<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let this = slf.get();
        let cancelled = this.status.get(py) == Status::Cancelled;
        this.log_traceback.set(py, false);
        let exception = if cancelled {
            None
        } else {
            this.exception.cloned(py)
        };
        let snapshot = (this.done(py), cancelled, this.result.cloned(py), exception);
        Ok(snapshot.into_pyobject(py)?.into_any())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.traverse(&visit)
    }

    fn __clear__(&self) {
        Python::attach(|py| self.clear(py));
    }
}
