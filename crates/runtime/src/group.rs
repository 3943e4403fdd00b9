//! `TaskGroup`: tasks whose scopes hang on one scope, and one outcome for all of them (section 5).

use kernel::{GroupId, ScopeId, TaskId};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFrozenSet, PyList, PyTuple};
use pyo3::{PyTraverseError, PyVisit, intern};

use crate::ffi::{self, Made, Slot};
use crate::future::Future;
use crate::names;
use crate::operation::{Operation, Poll, Work};
use crate::scope::{self, CancelScope};
use crate::spawn::NewTask;
use crate::state::State;
use crate::task::Task;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    New,
    Entered { group: GroupId, host: TaskId },
    Finished,
}

/// A block that owns tasks, and ends when the last of them has ended (section 5 of docs/semantics.md)::
///
///     async with asyncbis.TaskGroup() as group:
///         group.create_task(first())
///         group.create_task(second())
///     # both have ended
///
/// When a task or the body fails, the others are cancelled, and all errors are raised as an exception
/// group. As asyncio's, with `cancel()`, `start()` and `cancel_scope` in addition. Use it once.
#[pyclass(frozen, subclass, weakref, dict, module = "asyncbis")]
pub struct TaskGroup {
    made: Made,
    phase: Slot<Phase>,
    scope: Py<CancelScope>,
    state: Slot<Option<Py<State>>>,
    /// In order of occurrence, without repetitions (clause 5.4).
    errors: Slot<Vec<Py<PyAny>>>,
    /// What the host waits on in `__aexit__`.
    waiter: Slot<Option<Py<Future>>>,
    /// There was a child to wait for (clause 5.7).
    waited: Slot<bool>,
    /// The body ended with a CancelledError although nobody had cancelled the group: it is not the group's to
    /// swallow.
    foreign_cancel: Slot<bool>,
}

/// How far `__aexit__` has come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ExitStage {
    Begin,
    Waiting,
}

impl TaskGroup {
    pub fn is_open(&self, py: Python<'_>) -> bool {
        matches!(self.phase.get(py), Phase::Entered { .. })
    }

    /// The kernel's group, if tasks can be made in it (clause 5.2).
    pub fn open_id(&self, py: Python<'_>) -> PyResult<GroupId> {
        match self.phase.get(py) {
            Phase::Entered { group, .. } => Ok(group),
            Phase::New => Err(PyRuntimeError::new_err("TaskGroup has not been entered")),
            Phase::Finished => Err(PyRuntimeError::new_err("TaskGroup is finished")),
        }
    }

    pub fn enter(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let this = slf.get();
        if this.phase.get(py) != Phase::New {
            return Err(PyRuntimeError::new_err(
                "TaskGroup has already been entered",
            ));
        }
        let (state, task) = State::of_current_task(py, "TaskGroup")?;
        let scope = this.scope.get();
        scope.enter(py)?;
        let (Some(id), Some(host)) = (scope.id(py), task.get().id()) else {
            return Err(PyRuntimeError::new_err(
                "the running task is not initialised",
            ));
        };
        let group = state.get().kernel(py, |kernel| kernel.open_group(id));
        this.phase.set(py, Phase::Entered { group, host });
        this.state.set(py, Some(state.unbind()));
        Ok(())
    }

    fn spawn<'py>(slf: &Bound<'py, Self>, mut new: NewTask<'py>) -> PyResult<Bound<'py, Task>> {
        let py = slf.py();
        if let Err(error) = slf.get().open_id(py) {
            // Nobody will await it: no "never awaited" warning on top of the error.
            if let Ok(close) = new.coro.getattr(intern!(py, "close")) {
                close.call0()?;
            }
            return Err(error);
        }
        let Some(state) = slf.get().state.cloned(py) else {
            return Err(PyRuntimeError::new_err("TaskGroup has not been entered"));
        };
        new.group = Some(slf.clone());
        Task::spawn(&state, new)
    }

    /// A child ended (clauses 5.4 and 5.13); the group may be empty now.
    pub fn child_ended(slf: &Bound<'_, Self>, task: &Bound<'_, Task>) -> PyResult<()> {
        let py = slf.py();
        let this = slf.get();
        let Some(state) = this.state.cloned(py) else {
            return Ok(());
        };
        let future = task.as_super().get();
        let failed = future.status.get(py) == crate::future::Status::Finished;
        if let Some(error) = future.exception.cloned(py).filter(|_| failed) {
            // An error that ends the program is nobody else's, whoever waits for the task (clause 6.4a).
            if names::is_exit(&error) || !this.is_supervised(py, &state, task)? {
                future.log_traceback.set(py, false);
                Self::take_error(slf, &state, task, error)?;
            }
        }
        Self::wake_host_if_empty(slf, &state)
    }

    /// Only in the root group: does somebody else own the error (clause 6.5)?
    fn is_supervised(
        &self,
        py: Python<'_>,
        state: &Bound<'_, State>,
        task: &Bound<'_, Task>,
    ) -> PyResult<bool> {
        if task.get().supervised.get(py) {
            return Ok(true);
        }
        let is_root = state.get().root.with(py, |root| {
            root.as_ref().map(|root| root.get() as *const Self as usize)
        }) == Some(std::ptr::from_ref(self) as usize);
        match state.get().supervisor.cloned(py) {
            Some(supervisor) if is_root => {
                task.as_super().get().log_traceback.set(py, true);
                supervisor.call1((task,))?.is_truthy()
            }
            _ => Ok(false),
        }
    }

    fn take_error(
        slf: &Bound<'_, Self>,
        state: &Bound<'_, State>,
        task: &Bound<'_, Task>,
        error: Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let py = slf.py();
        let this = slf.get();
        let host_alive = match this.phase.get(py) {
            Phase::Entered { host, .. } => state.get().kernel(py, |kernel| kernel.is_alive(host)),
            _ => false,
        };
        if !host_alive {
            let error = PyErr::from_value(error);
            let message = format!(
                "Task {} has errored out but its parent task is already completed",
                task.repr()?
            );
            return State::report(state, &message, Some(&error), Some(task));
        }
        let message = format!(
            "task {} failed with {}",
            task.call_method0(intern!(py, "get_name"))?.repr()?,
            error.get_type().name()?
        );
        this.add_error(&error);
        this.scope
            .get()
            .cancel_with(py, Some(message.into_pyobject(py)?.into_any().unbind()))
    }

    fn add_error(&self, error: &Bound<'_, PyAny>) {
        let py = error.py();
        let object = error.clone().unbind();
        self.errors.with(py, move |errors| {
            if !errors.iter().any(|known| known.as_ptr() == object.as_ptr()) {
                errors.push(object);
                None
            } else {
                Some(object)
            }
        });
    }

    fn wake_host_if_empty(slf: &Bound<'_, Self>, state: &Bound<'_, State>) -> PyResult<()> {
        let py = slf.py();
        if slf.get().count(py, state) == 0
            && let Some(waiter) = slf.get().waiter.take(py)
        {
            return Future::resolve(waiter.bind(py), py.None());
        }
        Ok(())
    }

    fn count(&self, py: Python<'_>, state: &Bound<'_, State>) -> usize {
        match self.phase.get(py) {
            Phase::Entered { group, .. } => {
                state.get().kernel(py, |kernel| kernel.group_count(group))
            }
            Phase::New | Phase::Finished => 0,
        }
    }

    /// One round of `__aexit__`: waits under a shield of its own, or finishes (clauses 5.5 to 5.7).
    pub fn poll_exit<'py>(
        slf: &Bound<'py, Self>,
        error: Option<&Bound<'py, PyAny>>,
        stage: &mut ExitStage,
    ) -> PyResult<Poll<'py>> {
        let py = slf.py();
        let this = slf.get();
        if crate::scope::is_being_closed(py, error) {
            return Ok(Poll::exit(py, false));
        }
        let (state, task) = State::of_current_task(py, "TaskGroup")?;
        let Phase::Entered { group, host } = this.phase.get(py) else {
            return Err(PyRuntimeError::new_err("TaskGroup has not been entered"));
        };
        if task.get().id() != Some(host) {
            return Err(PyRuntimeError::new_err(
                "Attempted to exit a TaskGroup in a different task than it was entered in",
            ));
        }
        let begin = std::mem::replace(stage, ExitStage::Waiting) == ExitStage::Begin;
        if begin && let Some(error) = error {
            this.body_failed(error)?;
        }
        if this.count(py, &state) > 0 {
            this.waited.set(py, true);
            let waiter = Bound::new(py, Future::uncancellable(&state))?;
            waiter.get().blocking.set(py, true);
            this.waiter.set(py, Some(waiter.clone().unbind()));
            return Ok(Poll::Yield(waiter.into_any()));
        }
        if begin {
            return Ok(Poll::YieldShielded);
        }
        Self::finish(slf, &state, group, error)
    }

    fn body_failed(&self, error: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = error.py();
        if names::is_cancelled_error(error) {
            self.foreign_cancel
                .set(py, !self.scope.get().is_cancel_called(py));
            return self.scope.get().cancel_with(py, None);
        }
        self.add_error(error);
        let message = format!(
            "the body of the task group failed with {}",
            error.get_type().name()?
        );
        self.scope
            .get()
            .cancel_with(py, Some(message.into_pyobject(py)?.into_any().unbind()))
    }

    /// The outcome of clause 5.7, passed through the group's own scope.
    fn finish<'py>(
        slf: &Bound<'py, Self>,
        state: &Bound<'py, State>,
        group: GroupId,
        body: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Poll<'py>> {
        let py = slf.py();
        let this = slf.get();
        let errors: Vec<Bound<'py, PyAny>> = this
            .errors
            .take(py)
            .into_iter()
            .map(|error| error.into_bound(py))
            .collect();
        let outer = this.scope.get().outer_visible(py);
        let outcome = if let Some(exit) = errors.iter().find(|error| names::is_exit(error)) {
            Some(exit.clone())
        } else if !errors.is_empty() {
            let class = names::base_exception_group(py)?;
            Some(class.call1(("unhandled errors in a TaskGroup", errors))?)
        } else if body.is_some() {
            body.cloned()
        } else if this.waited.get(py) && outer {
            let host = match this.phase.get(py) {
                Phase::Entered { host, .. } => state.get().message_for(py, host),
                _ => None,
            };
            Some(names::cancelled_error(py, host)?)
        } else {
            None
        };
        this.phase.set(py, Phase::Finished);
        state.get().kernel(py, |kernel| kernel.close_group(group));
        drop(this.state.take(py));
        let is_body = outcome
            .as_ref()
            .zip(body)
            .is_some_and(|(outcome, body)| outcome.is(body));
        if is_body && this.foreign_cancel.get(py) {
            this.scope.get().leave(py, None)?;
            return Ok(Poll::exit(py, false));
        }
        let left = this.scope.get().leave(py, outcome.as_ref())?;
        if let Some(raised) = left.raised {
            return Err(raised);
        }
        match outcome {
            Some(outcome) if !left.swallowed && !is_body => Err(PyErr::from_value(outcome)),
            _ => Ok(Poll::exit(py, left.swallowed)),
        }
    }

    fn scope_id(scope: &Bound<'_, CancelScope>) -> PyResult<ScopeId> {
        scope
            .get()
            .id(scope.py())
            .ok_or_else(|| PyRuntimeError::new_err("the scope of a starting task must be entered"))
    }
}

#[pymethods]
impl TaskGroup {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "()")]
    fn new(
        py: Python<'_>,
        _args: &Bound<'_, PyTuple>,
        _kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        Ok(TaskGroup {
            made: Made::YES,
            phase: Slot::new(Phase::New),
            scope: Py::new(py, CancelScope::make(None, false, "TaskGroup"))?,
            state: Slot::new(None),
            errors: Slot::new(Vec::new()),
            waiter: Slot::new(None),
            waited: Slot::new(false),
            foreign_cancel: Slot::new(false),
        })
    }

    /// The scope that the body and the tasks are in; it may be shielded, or given a deadline.
    #[getter]
    fn cancel_scope(&self, py: Python<'_>) -> Py<CancelScope> {
        self.scope.clone_ref(py)
    }

    /// The tasks of the group that have not ended.
    #[getter]
    fn tasks<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyFrozenSet>> {
        let tasks = match (self.phase.get(py), self.state.cloned(py)) {
            (Phase::Entered { group, .. }, Some(state)) => state.get().members_of(py, group),
            _ => Vec::new(),
        };
        PyFrozenSet::new(py, tasks)
    }

    /// The same as `tasks`.
    #[getter]
    fn all_tasks<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyFrozenSet>> {
        self.tasks(py)
    }

    /// Start a coroutine as a task of the group and return the task (clause 5.2).
    ///
    /// eager_start: take its first step before this returns.
    /// Allowed while the group is open, also after an error or `cancel()`: the task then runs to its first
    /// suspension. Raises RuntimeError before the group is entered and after it has ended, TypeError for
    /// anything but a coroutine; the coroutine is closed then.
    #[pyo3(signature = (coro, *, name=None, context=None, eager_start=None))]
    fn create_task<'py>(
        slf: &Bound<'py, Self>,
        coro: Bound<'py, PyAny>,
        name: Option<Bound<'py, PyAny>>,
        context: Option<Bound<'py, PyAny>>,
        eager_start: Option<bool>,
    ) -> PyResult<Bound<'py, Task>> {
        let new = NewTask {
            coro,
            name,
            context,
            eager: eager_start.unwrap_or(false),
            supervised: false,
            group: None,
            under: None,
        };
        Self::spawn(slf, new)
    }

    #[pyo3(signature = (coro, *, name=None, context=None, eager_start=false, supervised=false, scope=None))]
    fn _spawn<'py>(
        slf: &Bound<'py, Self>,
        coro: Bound<'py, PyAny>,
        name: Option<Bound<'py, PyAny>>,
        context: Option<Bound<'py, PyAny>>,
        eager_start: bool,
        supervised: bool,
        scope: Option<Bound<'py, CancelScope>>,
    ) -> PyResult<Bound<'py, Task>> {
        let under = scope.as_ref().map(Self::scope_id).transpose()?;
        let new = NewTask {
            coro,
            name,
            context,
            eager: eager_start,
            supervised,
            group: None,
            under,
        };
        Self::spawn(slf, new)
    }

    /// Hangs a started task on the group's own scope; False if it stays where it was (clause 5.11).
    #[pyo3(signature = (task, /))]
    fn _adopt(&self, task: &Bound<'_, Task>) -> PyResult<bool> {
        let py = task.py();
        let (Some(state), Some(id)) = (self.state.cloned(py), task.get().id()) else {
            return Ok(false);
        };
        task.get().supervised.set(py, false);
        match state.get().kernel(py, |kernel| kernel.adopt(id)) {
            Some(due) => {
                State::deliver(&state, due)?;
                Ok(true)
            }
            None => Ok(false),
        }
    }

    #[getter]
    fn _errors<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let errors = self.errors.with(py, |errors| {
            errors.iter().map(Slot::share).collect::<Vec<_>>()
        });
        PyList::new(py, errors)
    }

    /// Start `func(*args, task_status=...)` as a task and wait until it calls `task_status.started(value)`.
    ///
    /// Returns the value. Until then the task's error is raised here, and not by the group, and cancelling
    /// this wait cancels the task. Raises RuntimeError if the task ends without that call (clause 5.11).
    #[pyo3(signature = (func, /, *args, name=None))]
    fn start<'py>(
        slf: &Bound<'py, Self>,
        func: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
        name: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        slf.get().open_id(slf.py())?;
        names::start(slf.py())?.call1((slf, func, args, name))
    }

    /// Cancel the body and all tasks; leaving the group then raises nothing by itself (clause 5.3).
    ///
    /// It may be called before the group is entered, repeatedly, and after it has ended.
    #[pyo3(signature = (msg=None))]
    fn cancel(&self, py: Python<'_>, msg: Option<Py<PyAny>>) -> PyResult<()> {
        self.scope.get().cancel_with(py, msg)
    }

    fn __aenter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Operation>> {
        let py = slf.py();
        Operation::new(py, Work::EnterGroup(slf.unbind()))
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
        Operation::new(py, Work::ExitGroup(slf.unbind(), error, ExitStage::Begin))
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let py = slf.py();
        let this = slf.get();
        let mut info = vec!["<TaskGroup".to_owned()];
        if let (Phase::Entered { .. }, Some(state)) = (this.phase.get(py), this.state.cloned(py)) {
            info.push(format!("tasks={}", this.count(py, &state)));
        }
        let errors = this.errors.with(py, |errors| errors.len());
        if errors > 0 {
            info.push(format!("errors={errors}"));
        }
        if this.scope.get().is_cancel_called(py) {
            info.push("cancelling".to_owned());
        } else if this.is_open(py) {
            info.push("entered".to_owned());
        }
        Ok(format!("{}>", info.join(" ")))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if !self.made.is_set() {
            return Ok(());
        }
        visit.call(&self.scope)?;
        self.state.peek(|object| visit.call(object))?;
        self.errors
            .peek(|errors| errors.iter().try_for_each(|error| visit.call(error)))?;
        self.waiter.peek(|object| visit.call(object))
    }

    fn __clear__(&self) {
        Python::attach(|py| {
            drop(self.state.take(py));
            drop(self.errors.take(py));
            drop(self.waiter.take(py));
        });
    }
}

/// A future whose `cancel()` does nothing: what waits on it is not woken by a cancellation.
#[pyfunction]
#[pyo3(signature = (r#loop, /))]
pub fn uncancellable_future<'py>(r#loop: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Future>> {
    let state = State::of(r#loop)?;
    Bound::new(r#loop.py(), Future::uncancellable(&state))
}

/// Every asyncbis task that has not ended, on every loop of the process.
#[pyfunction]
pub fn live_tasks(py: Python<'_>) -> PyResult<Bound<'_, PyList>> {
    let list = PyList::empty(py);
    for state in crate::current::states(py)?.try_iter()? {
        for task in state?.cast::<State>()?.get().live_tasks(py) {
            list.append(task)?;
        }
    }
    Ok(list)
}

/// The asyncbis task that is running in this thread, if any.
#[pyfunction]
pub fn current_task(py: Python<'_>) -> Option<Py<Task>> {
    ffi::running(py).and_then(|state| state.get().current(py))
}
