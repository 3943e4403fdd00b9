//! `Task`: a coroutine that is driven by the loop, level-cancelled.
//!
//! Invariants: a pending task has a kernel entry and is listed in its state; `fut_waiter` is set exactly while it
//! waits for a future. How a step goes is in `step.rs`.

use kernel::TaskId;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use pyo3::{PyTraverseError, PyVisit, intern};

use crate::extra;
use crate::ffi::{self, Fixed, Made, Slot};
use crate::future::{self, Future, Status};
use crate::group::TaskGroup;
use crate::names;
use crate::once::{self, Once};
use crate::ready::Ready;
use crate::spawn::NewTask;
use crate::state::State;

/// How a task goes on when its turn comes.
#[derive(Default)]
pub enum Resume {
    /// It has not started: the first step is always taken (clause 2.2).
    First,
    /// After a bare yield: cancelled or not is decided when the step runs (2.3).
    Bare,
    /// After a yield that no cancellation reaches.
    Shielded,
    /// Waits for `fut_waiter`, or was woken by it.
    Future,
    Throw(Py<PyAny>),
    #[default]
    Running,
    Done,
}

pub enum Name {
    Number(u64),
    Object(Py<PyString>),
}

/// Where a pending task is known; dropping it takes the task off the lists.
pub struct Registration {
    pub state: Py<State>,
    pub id: TaskId,
}

impl Drop for Task {
    /// The interpreter's deallocators of coroutines and contexts expect them to be tracked.
    fn drop(&mut self) {
        self.show_parts();
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        Python::attach(|py| {
            let state = self.state.get();
            let id = self.id;
            if state.kernel(py, |kernel| kernel.is_alive(id)) {
                // The task was destroyed while it was pending. The tasks of a group that it left open are told,
                // but not here: an object is being deallocated.
                let due = state.kernel(py, |kernel| kernel.finish(id)).due;
                state.unregister(py, id);
                if !due.is_empty() {
                    let state = self.state.bind(py);
                    ffi::keeping_error(py, || {
                        State::push(state, Ready::Due(due)).unwrap_or_default()
                    });
                }
            }
        });
    }
}

/// A coroutine that the event loop runs, cancelled by level; `create_task()` makes one.
///
/// As `asyncio.Task`, of which it is an instance for `isinstance()`. Made directly it joins the root
/// task group of the running `run()` (clause 4.2). Not thread-safe.
#[pyclass(frozen, subclass, extends = Future, module = "asyncbis")]
pub struct Task {
    pub made: Made,
    pub registration: Fixed<Registration>,
    pub coro: Slot<Option<Py<PyAny>>>,
    pub context: Slot<Option<Py<PyAny>>>,
    pub name: Slot<Name>,
    pub fut_waiter: Slot<Option<Py<PyAny>>>,
    pub resume: Slot<Resume>,
    pub group: Slot<Option<Py<TaskGroup>>>,
    /// The messages of the native requests, oldest first.
    pub requests: Slot<Vec<Option<Py<PyAny>>>>,
    /// Cancellations that are no requests, if there were any (clause 15.2).
    pub once: Slot<Option<Box<Once>>>,
    /// Somebody else owns its error (clause 6.5).
    pub supervised: Slot<bool>,
    pub log_destroy_pending: Slot<bool>,
    /// What `cancelling()` says after the end.
    pub final_cancelling: Slot<usize>,
    /// The task, its coroutine and its own copy of the context are out of the collector's sight.
    pub hidden: Slot<bool>,
    pub own_context: Slot<bool>,
    /// Debug mode: how many CancelledErrors it received in a row.
    pub deliveries: Slot<u32>,
}

impl Task {
    pub fn empty() -> Self {
        Task {
            made: Made::YES,
            registration: Fixed::new(),
            coro: Slot::new(None),
            context: Slot::new(None),
            name: Slot::new(Name::Number(0)),
            fut_waiter: Slot::new(None),
            resume: Slot::new(Resume::Done),
            group: Slot::new(None),
            requests: Slot::new(Vec::new()),
            once: Slot::new(None),
            supervised: Slot::new(false),
            log_destroy_pending: Slot::new(true),
            final_cancelling: Slot::new(0),
            hidden: Slot::new(false),
            own_context: Slot::new(false),
            deliveries: Slot::new(0),
        }
    }

    pub fn id(&self) -> Option<TaskId> {
        self.registration.get().map(|registration| registration.id)
    }

    pub fn state<'py>(&self, py: Python<'py>) -> PyResult<&Bound<'py, State>> {
        match self.registration.get() {
            Some(registration) => Ok(registration.state.bind(py)),
            None => Err(PyRuntimeError::new_err("Task object is not initialized.")),
        }
    }

    pub fn known(&self) -> PyResult<(&Py<State>, TaskId)> {
        match self.registration.get() {
            Some(registration) => Ok((&registration.state, registration.id)),
            None => Err(PyRuntimeError::new_err("Task object is not initialized.")),
        }
    }

    pub fn context(&self, py: Python<'_>) -> Py<PyAny> {
        self.context
            .cloned(py)
            .map_or_else(|| py.None(), Bound::unbind)
    }

    /// How many cancellations of AnyIO's scopes were not taken back (clause 15.2).
    fn cancelled_once(&self, py: Python<'_>) -> usize {
        self.once
            .with(py, |once| once.as_ref().map_or(0, |once| once.total()))
    }

    /// Asks what the task waits for to be cancelled, once (clause 2.4).
    pub fn attempt_delivery(slf: &Bound<'_, Self>, state: &Bound<'_, State>) -> PyResult<()> {
        let py = slf.py();
        let this = slf.get();
        let (Some(waiter), Some(id)) = (this.fut_waiter.cloned(py), this.id()) else {
            return Ok(());
        };
        let message = state.get().message_for(py, id);
        if let Ok(future) = waiter.cast_exact::<Future>() {
            return Future::cancel_with(future, message).map(drop);
        }
        if let Ok(task) = waiter.cast_exact::<Task>() {
            return Self::cancel_with(task, message).map(drop);
        }
        Self::cancel_waiter(slf, state, &waiter, message)
    }

    /// Calls `cancel()` of something that the task waits for and that is no future of ours.
    pub fn cancel_waiter(
        slf: &Bound<'_, Self>,
        state: &Bound<'_, State>,
        waiter: &Bound<'_, PyAny>,
        message: Option<Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let py = slf.py();
        let attempt = || -> PyResult<()> {
            if !waiter.call_method0(intern!(py, "done"))?.is_truthy()? {
                let keywords = PyDict::new(py);
                keywords.set_item(intern!(py, "msg"), message)?;
                waiter.call_method(intern!(py, "cancel"), (), Some(&keywords))?;
            }
            Ok(())
        };
        match attempt() {
            Err(error) if !names::is_exit(error.value(py)) => State::report(
                state,
                "cancel() of an awaited future failed",
                Some(&error),
                Some(slf),
            ),
            other => other,
        }
    }

    /// `Task.cancel()`: a native request (clause 3.1).
    pub fn cancel_with(slf: &Bound<'_, Self>, message: Option<Bound<'_, PyAny>>) -> PyResult<bool> {
        let py = slf.py();
        let this = slf.get();
        if slf.as_super().get().done(py) {
            return Ok(false);
        }
        let (state, id) = this.known()?;
        let state = state.bind(py);
        state.get().check_thread(py)?;
        let running = state.get().current(py).is_some_and(|task| task.is(slf));
        let origin = state.get().running_origin(py);
        let (requested, due) = state.get().kernel(py, |kernel| {
            if running {
                kernel.request_self(id)
            } else {
                (true, kernel.request(id, origin))
            }
        });
        if requested {
            let message = message.map(Bound::unbind);
            this.requests
                .with(py, move |requests| requests.push(message));
        }
        State::deliver(state, due)?;
        Ok(true)
    }

    pub fn request_message<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.requests
            .with(py, |requests| {
                requests
                    .last()
                    .and_then(|message| message.as_ref().map(Slot::share))
            })
            .map(|message| message.into_bound(py))
    }

    /// The task has its outcome: scopes are closed, the group and everybody who waits are told.
    pub fn end(
        slf: &Bound<'_, Self>,
        state: &Bound<'_, State>,
        status: Status,
        eager: bool,
    ) -> PyResult<()> {
        let py = slf.py();
        let this = slf.get();
        let (_, id) = this.known()?;
        this.resume.set(py, Resume::Done);
        if eager {
            // As in asyncio: a task that ended where it was made has no coroutine to show.
            drop(this.coro.take(py));
        }
        if state.get().kernel(py, |kernel| kernel.has_open_scopes(id)) {
            Self::report_open_scopes(slf, state, id)?;
        }
        let (cancelling, finished) = state
            .get()
            .kernel(py, |kernel| (kernel.request_count(id), kernel.finish(id)));
        this.final_cancelling
            .set(py, cancelling + this.cancelled_once(py));
        slf.as_super().get().status.set(py, status);
        state.get().unregister(py, id);
        drop(this.requests.take(py));
        State::deliver(state, finished.due)?;
        if this.group.is_some(py) {
            if eager {
                State::push(state, Ready::Ended(slf.clone().unbind()))?;
            } else {
                Self::tell_group(slf)?;
            }
        }
        Future::complete(slf.as_super(), status)
    }

    /// A group that was not left is reported always, a mere scope in debug mode (clauses 1.11, 5.13).
    fn report_open_scopes(
        slf: &Bound<'_, Self>,
        state: &Bound<'_, State>,
        id: TaskId,
    ) -> PyResult<()> {
        let py = slf.py();
        if state.get().kernel(py, |kernel| kernel.has_open_group(id)) {
            let message = "A task ended without leaving its TaskGroup, whose tasks are cancelled; use `async with`";
            return State::report(state, message, None, Some(slf));
        }
        if state.get().debug.get(py) {
            let message = "A task ended with cancel scopes still open; use `with`";
            return State::report(state, message, None, Some(slf));
        }
        Ok(())
    }

    /// The group takes the error, and is told that it may be empty now.
    pub fn tell_group(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        match slf.get().group.take(py) {
            Some(group) => TaskGroup::child_ended(group.bind(py), slf),
            None => Ok(()),
        }
    }

    /// "Task was destroyed but it is pending!", as asyncio says it.
    pub fn report_destroyed(&self, slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        if !self.log_destroy_pending.get(py) || self.id().is_none() {
            return Ok(());
        }
        let context = PyDict::new(py);
        context.set_item("task", slf)?;
        context.set_item("message", "Task was destroyed but it is pending!")?;
        if let Some(traceback) = slf.as_super().get().source_traceback(py) {
            context.set_item("source_traceback", traceback)?;
        }
        State::call_exception_handler(self.state(py)?, &context)
    }
}

#[pymethods]
impl Task {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "(coro, *, loop=None, name=None, context=None, eager_start=False)")]
    fn new(
        _args: &Bound<'_, PyTuple>,
        _kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyClassInitializer<Self> {
        PyClassInitializer::from(Future::empty()).add_subclass(Self::empty())
    }

    #[pyo3(signature = (coro, *, r#loop=None, name=None, context=None, eager_start=false))]
    fn __init__<'py>(
        slf: &Bound<'py, Self>,
        coro: Bound<'py, PyAny>,
        r#loop: Option<Bound<'py, PyAny>>,
        name: Option<Bound<'py, PyAny>>,
        context: Option<Bound<'py, PyAny>>,
        eager_start: bool,
    ) -> PyResult<()> {
        let state = future::state_for(slf.py(), r#loop.as_ref())?;
        let _ = slf
            .as_super()
            .get()
            .state
            .set(slf.py(), state.clone().unbind());
        let new = NewTask {
            coro,
            name,
            context,
            eager: eager_start,
            supervised: false,
            group: None,
            under: None,
        };
        Self::begin(slf, &state, new.in_root_group(&state))
    }

    #[getter]
    fn __class__(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        Ok(names::asyncio_task(slf.py())?.clone().unbind())
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        extra::repr_as(slf.as_any(), names::task_repr(slf.py())?, "Task")
    }

    fn __del__(slf: &Bound<'_, Self>) {
        extra::finalize(slf.as_super());
    }

    /// Cancel the task: every suspension in it raises, until it ends or `uncancel()` takes this back.
    ///
    /// Shields hold it off (clauses 3.1, 3.8). msg: an argument for the `CancelledError`.
    /// Returns False if the task has ended, and True otherwise.
    #[pyo3(signature = (msg=None))]
    fn cancel(slf: &Bound<'_, Self>, msg: Option<Bound<'_, PyAny>>) -> PyResult<bool> {
        slf.as_super().get().log_traceback.set(slf.py(), false);
        match msg {
            Some(msg) if once::is_anyio(Some(&msg)) => once::cancel(slf, msg),
            msg => Self::cancel_with(slf, msg),
        }
    }

    /// Take the latest `cancel()` back and return `cancelling()` (clause 3.3).
    ///
    /// When the last one is taken back the task is not cancelled any more. Scopes are not affected.
    fn uncancel(slf: &Bound<'_, Self>) -> PyResult<usize> {
        let py = slf.py();
        let this = slf.get();
        let (state, id) = this.known()?;
        let state = state.bind(py);
        if slf.as_super().get().done(py) {
            let left = this.final_cancelling.get(py).saturating_sub(1);
            this.final_cancelling.set(py, left);
            return Ok(left);
        }
        let requests = state.get().kernel(py, |kernel| kernel.request_count(id));
        let taken = this.once.with(py, |once| {
            once.as_mut().is_some_and(|once| once.take_back(requests))
        });
        if !taken {
            let (withdrawn, due) = state.get().kernel(py, |kernel| kernel.withdraw(id));
            if withdrawn {
                drop(this.requests.with(py, Vec::pop));
            }
            State::deliver(state, due)?;
        }
        let once = this.cancelled_once(py);
        Ok(state.get().kernel(py, |kernel| kernel.cancelling(id)) + once)
    }

    /// How many calls of `cancel()` are not taken back, plus one if a scope cancels the task (clause 3.4).
    ///
    /// In an `except CancelledError` a number above zero means: it is this task that was cancelled.
    fn cancelling(&self, py: Python<'_>) -> PyResult<usize> {
        let (state, id) = self.known()?;
        if state.get().kernel(py, |kernel| kernel.is_alive(id)) {
            let once = self.cancelled_once(py);
            return Ok(state.get().kernel(py, |kernel| kernel.cancelling(id)) + once);
        }
        Ok(self.final_cancelling.get(py))
    }

    /// The coroutine that the task runs.
    fn get_coro<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.coro.cloned(py)
    }

    /// The context that the coroutine runs in.
    fn get_context(&self, py: Python<'_>) -> Py<PyAny> {
        self.context(py)
    }

    /// The name of the task.
    fn get_name<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        let number = self.name.with(py, |name| match name {
            Name::Number(number) => Ok(*number),
            Name::Object(name) => Err(Slot::share(name)),
        });
        match number {
            Err(name) => name.into_bound(py),
            Ok(number) => {
                let name = PyString::new(py, &format!("Task-{number}"));
                self.name.set(py, Name::Object(name.clone().unbind()));
                name
            }
        }
    }

    /// Name the task; anything but a string is turned into one.
    #[pyo3(signature = (name, /))]
    fn set_name(&self, py: Python<'_>, name: &Bound<'_, PyAny>) -> PyResult<()> {
        self.name.set(py, Name::Object(name.str()?.unbind()));
        Ok(())
    }

    /// The frames of the suspended coroutine, or of the traceback it ended with, oldest first.
    ///
    /// limit: how many at most; of a suspended coroutine the newest ones.
    #[pyo3(signature = (*, limit=None))]
    fn get_stack(slf: &Bound<'_, Self>, limit: Option<Py<PyAny>>) -> PyResult<Py<PyAny>> {
        Ok(names::task_get_stack(slf.py())?
            .call1((slf, limit))?
            .unbind())
    }

    /// Print the stack or the traceback to `file`, by default standard error.
    #[pyo3(signature = (*, limit=None, file=None))]
    fn print_stack(
        slf: &Bound<'_, Self>,
        limit: Option<Py<PyAny>>,
        file: Option<Py<PyAny>>,
    ) -> PyResult<()> {
        names::task_print_stack(slf.py())?
            .call1((slf, limit, file))
            .map(drop)
    }

    /// Raises RuntimeError: the result of a task is what its coroutine returns.
    #[pyo3(signature = (_result, /))]
    fn set_result(&self, _result: &Bound<'_, PyAny>) -> PyResult<()> {
        Err(PyRuntimeError::new_err(
            "Task does not support set_result operation",
        ))
    }

    /// Raises RuntimeError: the exception of a task is what its coroutine raises.
    #[pyo3(signature = (_exception, /))]
    fn set_exception(&self, _exception: &Bound<'_, PyAny>) -> PyResult<()> {
        Err(PyRuntimeError::new_err(
            "Task does not support set_exception operation",
        ))
    }

    #[getter]
    fn _coro<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.coro.cloned(py)
    }

    #[getter]
    fn _context(&self, py: Python<'_>) -> Py<PyAny> {
        self.context(py)
    }

    #[getter]
    fn _fut_waiter<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.fut_waiter.cloned(py)
    }

    /// Level cancellation never throws a value away, so this is never set (clause 2.4).
    #[getter]
    fn _must_cancel(&self) -> bool {
        false
    }

    #[getter]
    fn _num_cancels_requested(&self, py: Python<'_>) -> PyResult<usize> {
        self.cancelling(py)
    }

    #[getter]
    fn _log_destroy_pending(&self, py: Python<'_>) -> bool {
        self.log_destroy_pending.get(py)
    }

    #[setter(_log_destroy_pending)]
    fn set_log_destroy_pending(&self, py: Python<'_>, value: bool) {
        self.log_destroy_pending.set(py, value);
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if !self.made.is_set() {
            return Ok(());
        }
        if let Some(registration) = self.registration.get() {
            visit.call(&registration.state)?;
        }
        self.coro.peek(|object| visit.call(object))?;
        self.context.peek(|object| visit.call(object))?;
        self.fut_waiter.peek(|object| visit.call(object))?;
        self.group.peek(|object| visit.call(object))?;
        self.requests
            .peek(|requests| requests.iter().try_for_each(|message| visit.call(message)))?;
        self.resume.peek(|resume| match resume {
            Resume::Throw(error) => visit.call(error),
            _ => Ok(()),
        })
    }

    fn __clear__(&self) {
        Python::attach(|py| {
            drop(self.coro.take(py));
            drop(self.context.take(py));
            drop(self.fut_waiter.take(py));
            drop(self.group.take(py));
            drop(self.requests.take(py));
        });
    }
}
