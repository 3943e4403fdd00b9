//! `State`: everything the core keeps for one event loop, and the order in which things happen there.
//!
//! asyncbis's own loop is a state itself; a foreign loop has one beside it.
//! Rule: arguments are turned into plain values, the kernel decides while no Python code can run, and then its
//! answer is carried out.

use std::collections::VecDeque;

use kernel::{Kernel, Origin, ScopeId};
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use pyo3::{PyTraverseError, PyVisit, intern};
use rustc_hash::FxHashMap;

use crate::current;
use crate::ffi::{self, Made, Slot};
use crate::foreign::{OriginToken, Resolve};
use crate::future::Future;
use crate::group::TaskGroup;
use crate::members::Member;
use crate::names;
use crate::ready::Ready;
use crate::spawn::NewTask;
use crate::task::Task;
use crate::timers::{self, Timer, Timers};

/// While tasks are ready, file descriptors are looked at only this often, in seconds.
///
/// A poll costs as much as ten small steps; I/O is delayed by at most this and the round that runs.
pub const POLL_INTERVAL: f64 = 50e-6;

/// Where a loop's time comes from.
pub enum Clock {
    /// CLOCK_MONOTONIC, as `time.monotonic()`.
    Monotonic,
    /// The loop's own `time()` method.
    Method,
    /// Somebody assigned `loop.time`.
    Override(Py<PyAny>),
}

#[pyclass(frozen, subclass, weakref, dict, module = "asyncbis._core")]
pub struct State {
    pub made: Made,
    pub foreign: Slot<Option<Py<PyAny>>>,
    pub kernel: Slot<Kernel>,
    pub ready: Slot<VecDeque<Ready>>,
    pub timers: Slot<Timers>,
    pub members: Slot<Vec<Option<Member>>>,
    /// Messages of cancelled scopes that are open.
    pub messages: Slot<FxHashMap<ScopeId, Py<PyAny>>>,
    /// Debug mode: what was entered where, for the notes of CancelledErrors.
    pub entered: Slot<FxHashMap<ScopeId, String>>,
    pub current: Slot<Option<Py<Task>>>,
    /// asyncio's registry names a task of ours as the current one.
    pub published: Slot<bool>,
    /// Whose timer the running callback is (clause 3.6).
    pub origin: Slot<Option<Origin>>,
    pub root: Slot<Option<Py<TaskGroup>>>,
    pub supervisor: Slot<Option<Py<PyAny>>>,
    pub clock: Slot<Clock>,
    pub debug: Slot<bool>,
    pub stopping: Slot<bool>,
    pub closed: Slot<bool>,
    pub thread: Slot<Option<u64>>,
    pub registered: Slot<bool>,
    pub drain_scheduled: Slot<bool>,
    /// On a foreign loop: its own queue was given something since the drain began.
    pub queued_there: Slot<bool>,
    /// The foreign loop's timer for the next deadline.
    pub armed: Slot<Option<(f64, Py<PyAny>)>>,
    pub blank_context: Slot<Option<Py<PyAny>>>,
}

impl State {
    pub fn new(foreign: Option<Py<PyAny>>) -> Self {
        let clock = if foreign.is_some() || !cfg!(target_os = "linux") {
            Clock::Method
        } else {
            Clock::Monotonic
        };
        State {
            made: Made::YES,
            foreign: Slot::new(foreign),
            kernel: Slot::new(Kernel::new()),
            ready: Slot::new(VecDeque::new()),
            timers: Slot::new(Timers::default()),
            members: Slot::new(Vec::new()),
            messages: Slot::new(FxHashMap::default()),
            entered: Slot::new(FxHashMap::default()),
            current: Slot::new(None),
            published: Slot::new(false),
            origin: Slot::new(None),
            root: Slot::new(None),
            supervisor: Slot::new(None),
            clock: Slot::new(clock),
            debug: Slot::new(false),
            stopping: Slot::new(false),
            closed: Slot::new(false),
            thread: Slot::new(None),
            registered: Slot::new(false),
            drain_scheduled: Slot::new(false),
            queued_there: Slot::new(false),
            armed: Slot::new(None),
            blank_context: Slot::new(None),
        }
    }

    /// The state of any event loop; one that has none yet gets it.
    pub fn of<'py>(event_loop: &Bound<'py, PyAny>) -> PyResult<Bound<'py, State>> {
        let py = event_loop.py();
        if let Ok(state) = event_loop.cast::<State>() {
            return Ok(state.clone());
        }
        let name = intern!(py, "_asyncbis_state");
        if let Some(found) = event_loop.getattr_opt(name)?
            && let Ok(state) = found.cast_into::<State>()
        {
            return Ok(state);
        }
        let state = Bound::new(py, State::new(Some(event_loop.clone().unbind())))?;
        if event_loop.setattr(name, &state).is_err() {
            return Err(PyTypeError::new_err(format!(
                "an event loop was expected, got {}",
                event_loop.repr()?
            )));
        }
        state.get().refresh_debug(&state)?;
        Ok(state)
    }

    pub fn of_running_loop(py: Python<'_>) -> PyResult<Bound<'_, State>> {
        match ffi::running(py) {
            Some(state) => Ok(state),
            None => Self::of(&names::get_running_loop(py)?.call0()?),
        }
    }

    pub fn event_loop<'py>(slf: &Bound<'py, Self>) -> Bound<'py, PyAny> {
        slf.get()
            .foreign
            .cloned(slf.py())
            .unwrap_or_else(|| slf.clone().into_any())
    }

    /// Lets the kernel decide; no Python code can run meanwhile.
    #[inline]
    pub fn kernel<R>(&self, py: Python<'_>, f: impl FnOnce(&mut Kernel) -> R + Send) -> R {
        self.kernel.with(py, f)
    }

    // Time

    /// Loop time in seconds.
    pub fn now(slf: &Bound<'_, Self>) -> PyResult<f64> {
        let py = slf.py();
        let clock = slf.get().clock.with(py, |clock| match clock {
            Clock::Monotonic => None,
            Clock::Method => Some(None),
            Clock::Override(time) => Some(Some(Slot::share(time))),
        });
        match clock {
            None => Ok(current::monotonic()),
            Some(Some(time)) => time.bind(py).call0()?.extract(),
            Some(None) => Self::event_loop(slf)
                .call_method0(intern!(py, "time"))?
                .extract(),
        }
    }

    /// Puts a timer into the heap; a foreign loop is asked to do it itself.
    pub fn wake_at(
        slf: &Bound<'_, Self>,
        when: f64,
        future: &Bound<'_, Future>,
        result: Py<PyAny>,
    ) -> PyResult<()> {
        let py = slf.py();
        if slf.get().is_foreign(py) {
            let resolve = Bound::new(
                py,
                Resolve {
                    when,
                    future: future.clone().unbind(),
                    result,
                },
            )?;
            Self::event_loop(slf).call_method1(intern!(py, "call_at"), (when, resolve))?;
            return Ok(());
        }
        let timer = Timer::Wake {
            future: future.clone().unbind(),
            result,
        };
        slf.get()
            .timers
            .with(py, move |timers| timers.push(when, timer));
        Ok(())
    }

    pub fn timer_cancelled(&self, py: Python<'_>) {
        if self.timers.with(py, Timers::note_cancelled) {
            timers::sweep(py, &self.timers);
        }
    }

    /// Cancels the scopes whose deadline is not after `when`.
    pub fn expire_until(slf: &Bound<'_, Self>, when: f64) -> PyResult<()> {
        let due = slf.get().kernel(slf.py(), |kernel| kernel.expire(when));
        Self::deliver(slf, due)
    }

    // Debug mode, threads

    pub fn refresh_debug(&self, slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        if self.is_foreign(py) {
            let debug = Self::event_loop(slf).call_method0(intern!(py, "get_debug"))?;
            self.debug.set(py, debug.is_truthy()?);
        }
        Ok(())
    }

    /// In debug mode, refuses what is not safe from another thread.
    pub fn check_thread(&self, py: Python<'_>) -> PyResult<()> {
        if self.debug.get(py)
            && let Some(thread) = self.thread.get(py)
            && thread != current::thread_id()
        {
            return Err(PyRuntimeError::new_err(
                "Non-thread-safe operation invoked on an event loop other than the current one; \
                 use loop.call_soon_threadsafe()",
            ));
        }
        Ok(())
    }

    // The ready queue

    #[inline]
    pub fn push(slf: &Bound<'_, Self>, ready: Ready) -> PyResult<()> {
        let py = slf.py();
        let this = slf.get();
        if this.closed.get(py) {
            drop(ready);
            return Err(PyRuntimeError::new_err("Event loop is closed"));
        }
        this.ready.with(py, move |queue| queue.push_back(ready));
        if this.is_foreign(py) {
            Self::schedule_drain(slf)
        } else {
            Ok(())
        }
    }

    /// Runs what is in the queue now, not what is added meanwhile.
    ///
    /// The last task stays the current one: whoever runs other code next calls `leave_task` first.
    pub fn run_batch(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let this = slf.get();
        let count = this.ready.with(py, |queue| queue.len());
        let debug = this.debug.get(py);
        for _ in 0..count {
            let Some(ready) = this.ready.with(py, VecDeque::pop_front) else {
                break;
            };
            let result = if debug {
                Self::run_timed(slf, ready)
            } else {
                ready.run(slf)
            };
            result?;
        }
        Ok(())
    }

    /// New tasks that are still waiting in the queue are shown to the collector, when the loop stops.
    pub fn show_queue(slf: &Bound<'_, Self>) {
        let py = slf.py();
        let tasks = slf.get().ready.with(py, |queue| {
            let tasks = queue.iter().filter_map(|ready| match ready {
                Ready::Task(task) => Some(Slot::share(task)),
                _ => None,
            });
            tasks.collect::<Vec<_>>()
        });
        for task in tasks {
            Task::show(task.bind(py));
        }
    }

    /// Debug mode: says which entry held up the loop.
    fn run_timed(slf: &Bound<'_, Self>, ready: Ready) -> PyResult<()> {
        let py = slf.py();
        let shown = ready.share(py);
        let before = current::monotonic();
        let result = ready.run(slf);
        let seconds = current::monotonic() - before;
        let limit: f64 = Self::event_loop(slf)
            .getattr(intern!(py, "slow_callback_duration"))?
            .extract()?;
        if seconds >= limit {
            let what = shown.describe(py).repr()?;
            names::asyncio_logger(py)?
                .call_method1("warning", ("Executing %s took %.3f seconds", what, seconds))?;
        }
        result
    }

    // The running task

    pub fn current(&self, py: Python<'_>) -> Option<Py<Task>> {
        self.current.cloned(py).map(Bound::unbind)
    }

    #[inline]
    pub fn enter_task(slf: &Bound<'_, Self>, task: &Bound<'_, Task>) -> PyResult<()> {
        let py = slf.py();
        let this = slf.get();
        if this.published.get(py) && this.current.holds(py, task) {
            return Ok(());
        }
        this.current.set(py, Some(task.clone().unbind()));
        this.published.set(py, true);
        current::publish(&Self::event_loop(slf), task)
    }

    /// No task of ours is running any more; asyncio's registry is told only if it named one.
    #[inline]
    pub fn leave_task(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let this = slf.get();
        if !this.published.replace(py, false) {
            return Ok(());
        }
        drop(this.current.take(py));
        current::unpublish(&Self::event_loop(slf))
    }

    /// The state and the asyncbis task whose code is running; `what` needs one.
    pub fn of_current_task<'py>(
        py: Python<'py>,
        what: &str,
    ) -> PyResult<(Bound<'py, State>, Bound<'py, Task>)> {
        if let Some(state) = ffi::running(py)
            && let Some(task) = state.get().current.cloned(py)
        {
            return Ok((state, task));
        }
        Err(current::no_task(py, what))
    }

    // Timers' origins (clause 3.6)

    /// None where it makes no difference: a task that is in no scope has no shield that the timer is made in.
    pub fn origin_of_new_handle(&self, py: Python<'_>) -> Option<Origin> {
        let task = self
            .current
            .with(py, |task| task.as_ref().and_then(|task| task.get().id()))?;
        self.kernel(py, |kernel| {
            let scope = kernel.current_scope(task)?;
            kernel
                .has_open_scopes(task)
                .then_some(Origin { task, scope })
        })
    }

    pub fn with_origin<R>(
        &self,
        py: Python<'_>,
        origin: Option<Origin>,
        f: impl FnOnce() -> R,
    ) -> R {
        let old = self.origin.replace(py, origin);
        let result = f();
        self.origin.set(py, old);
        result
    }

    /// The origin of the callback that is running, when no task is.
    pub fn running_origin(&self, py: Python<'_>) -> Option<Origin> {
        if self.current.is_some(py) {
            None
        } else {
            self.origin.get(py)
        }
    }

    /// Calls the loop's exception handler.
    pub fn call_exception_handler(
        slf: &Bound<'_, Self>,
        context: &Bound<'_, PyDict>,
    ) -> PyResult<()> {
        let py = slf.py();
        Self::event_loop(slf).call_method1(intern!(py, "call_exception_handler"), (context,))?;
        Ok(())
    }

    /// Reports something that has no caller to raise to.
    pub fn report(
        slf: &Bound<'_, Self>,
        message: &str,
        error: Option<&PyErr>,
        task: Option<&Bound<'_, Task>>,
    ) -> PyResult<()> {
        let py = slf.py();
        let context = PyDict::new(py);
        context.set_item("message", message)?;
        if let Some(error) = error {
            context.set_item("exception", ffi::exception(py, error))?;
        }
        if let Some(task) = task {
            context.set_item("task", task)?;
        }
        Self::call_exception_handler(slf, &context)
    }
}

#[pymethods]
impl State {
    #[staticmethod]
    #[pyo3(name = "of", signature = (r#loop, /))]
    fn py_of<'py>(r#loop: &Bound<'py, PyAny>) -> PyResult<Bound<'py, State>> {
        Self::of(r#loop)
    }

    #[getter]
    fn r#loop(slf: &Bound<'_, Self>) -> Py<PyAny> {
        Self::event_loop(slf).unbind()
    }

    #[getter]
    fn get_root<'py>(&self, py: Python<'py>) -> Option<Bound<'py, TaskGroup>> {
        self.root.cloned(py)
    }

    #[setter]
    fn set_root(&self, py: Python<'_>, root: Option<Py<TaskGroup>>) {
        self.root.set(py, root);
    }

    #[getter]
    fn get_supervisor<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.supervisor.cloned(py)
    }

    #[setter]
    fn set_supervisor(&self, py: Python<'_>, supervisor: Option<Py<PyAny>>) {
        self.supervisor.set(py, supervisor);
    }

    #[getter]
    fn current_task<'py>(&self, py: Python<'py>) -> Option<Bound<'py, Task>> {
        self.current.cloned(py)
    }

    /// The tasks of this loop that have not ended.
    fn tasks<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.live_tasks(py))
    }

    /// Makes a task: in the root group while run() has one open, else by itself.
    #[pyo3(signature = (coro, *, name=None, context=None, eager_start=None, supervised=false))]
    fn create_task<'py>(
        slf: &Bound<'py, Self>,
        coro: Bound<'py, PyAny>,
        name: Option<Bound<'py, PyAny>>,
        context: Option<Bound<'py, PyAny>>,
        eager_start: Option<bool>,
        supervised: bool,
    ) -> PyResult<Bound<'py, Task>> {
        let new = NewTask {
            coro,
            name,
            context,
            eager: eager_start.unwrap_or(false),
            supervised,
            group: None,
            under: None,
        };
        Task::spawn(slf, new.in_root_group(slf))
    }

    fn create_future<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, Future>> {
        let future = Bound::new(slf.py(), Future::on(slf))?;
        future.get().note_origin(slf.py())?;
        Ok(future)
    }

    /// Runs what is ready, on a foreign loop.
    fn drain(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::run_drain(slf)
    }

    /// The foreign loop's timer for the next deadline fired.
    fn _deadline_reached(slf: &Bound<'_, Self>) -> PyResult<()> {
        drop(slf.get().armed.take(slf.py()));
        Self::expire_deadlines(slf)
    }

    /// Whose timer or callback is being made; called for everything that a foreign loop is given.
    fn origin<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, OriginToken>>> {
        self.queued_there.set(py, true);
        match self.origin_of_new_handle(py) {
            Some(origin) => Ok(Some(Bound::new(py, OriginToken(origin))?)),
            None => Ok(None),
        }
    }

    #[pyo3(signature = (origin, callback, /, *args))]
    fn call_with_origin<'py>(
        &self,
        py: Python<'py>,
        origin: &Bound<'py, OriginToken>,
        callback: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let origin = origin.get().0;
        self.with_origin(py, Some(origin), || callback.call1(args.clone()))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if !self.made.is_set() {
            return Ok(());
        }
        self.foreign.peek(|object| visit.call(object))?;
        self.ready
            .peek(|queue| queue.iter().try_for_each(|ready| ready.traverse(&visit)))?;
        self.timers.peek(|timers| timers.traverse(&visit))?;
        self.members.peek(|members| {
            members
                .iter()
                .flatten()
                .try_for_each(|member| visit.call(&member.owned))
        })?;
        self.messages.peek(|messages| {
            messages
                .values()
                .try_for_each(|message| visit.call(message))
        })?;
        self.current.peek(|object| visit.call(object))?;
        self.root.peek(|object| visit.call(object))?;
        self.supervisor.peek(|object| visit.call(object))?;
        self.clock.peek(|clock| match clock {
            Clock::Override(time) => visit.call(time),
            Clock::Monotonic | Clock::Method => Ok(()),
        })?;
        self.armed.peek(|armed| {
            armed
                .as_ref()
                .map_or(Ok(()), |(_, handle)| visit.call(handle))
        })?;
        self.blank_context.peek(|object| visit.call(object))
    }

    fn __clear__(&self) {
        Python::attach(|py| {
            drop(self.foreign.take(py));
            drop(self.ready.take(py));
            drop(self.timers.take(py));
            let owned = self.members.with(py, |members| {
                members
                    .iter_mut()
                    .flatten()
                    .map(|member| member.owned.take())
                    .collect::<Vec<_>>()
            });
            drop(owned);
            drop(self.messages.take(py));
            drop(self.current.take(py));
            drop(self.root.take(py));
            drop(self.supervisor.take(py));
            drop(self.armed.take(py));
            drop(self.blank_context.take(py));
        });
    }
}
