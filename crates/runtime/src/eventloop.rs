//! `LoopCore`: the half of `asyncbis.EventLoop` that is Rust: the ready queue, the timers and the tick.
//!
//! It stands before asyncio's selector loop in the class's bases, whose selectors, transports, servers,
//! subprocesses and executors are inherited. A tick is asyncio's: poll, deadlines, timers, then what was ready.

use std::collections::VecDeque;

use kernel::Origin;
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

use crate::current;
use crate::ffi::{self, Slot};
use crate::future::Future;
use crate::handle::{Handle, TimerHandle};
use crate::ready::Ready;
use crate::state::{Clock, POLL_INTERVAL, State};
use crate::timers::{self, Timer, Timers};

/// asyncio's bound for one poll, in seconds.
const MAXIMUM_POLL: f64 = 24.0 * 3600.0;
/// asyncio's clock resolution: timers within it count as due.
const RESOLUTION: f64 = 1e-9;

#[pyclass(frozen, subclass, extends = State, module = "asyncbis._core")]
pub struct LoopCore {
    /// When file descriptors were last looked at, in seconds of CLOCK_MONOTONIC.
    last_poll: Slot<f64>,
}

impl LoopCore {
    /// One tick: poll, deadlines, timers, and one round of the ready queue.
    fn tick(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let state = slf.as_super();
        let this = state.get();
        let ready = !this.ready.with(py, |queue| queue.is_empty());
        Self::drop_cancelled_timers(py, this);
        if !(ready && Self::polled_lately(slf)) {
            Self::poll(slf, ready)?;
        }
        Self::run_timers(state)?;
        State::run_batch(state)
    }

    fn run_ticks(slf: &Bound<'_, Self>) -> PyResult<()> {
        loop {
            Self::tick(slf)?;
            if slf.as_super().get().stopping.get(slf.py()) {
                return Ok(());
            }
        }
    }

    fn polled_lately(slf: &Bound<'_, Self>) -> bool {
        let py = slf.py();
        !slf.as_super().get().debug.get(py)
            && current::monotonic() - slf.get().last_poll.get(py) < POLL_INTERVAL
    }

    fn poll(slf: &Bound<'_, Self>, ready: bool) -> PyResult<()> {
        let py = slf.py();
        let state = slf.as_super();
        State::leave_task(state)?;
        let timeout = if ready || state.get().stopping.get(py) {
            Some(0.0)
        } else {
            Self::time_to_next(state)?
        };
        let selector = slf.getattr(intern!(py, "_selector"))?;
        let events = selector.call_method1(intern!(py, "select"), (timeout,))?;
        slf.get().last_poll.set(py, current::monotonic());
        if events.is_truthy()? {
            slf.call_method1(intern!(py, "_process_events"), (events,))?;
        }
        Ok(())
    }

    /// Seconds until the next timer or deadline; None if there is none.
    fn time_to_next(state: &Bound<'_, State>) -> PyResult<Option<f64>> {
        let py = state.py();
        let timer = state.get().timers.with(py, |timers| timers.next());
        let deadline = state.get().kernel(py, |kernel| kernel.next_deadline());
        let next = match (timer, deadline) {
            (Some(timer), Some(deadline)) => timer.min(deadline),
            (Some(when), None) | (None, Some(when)) => when,
            (None, None) => return Ok(None),
        };
        Ok(Some((next - State::now(state)?).clamp(0.0, MAXIMUM_POLL)))
    }

    /// A cancelled timer at the top of the heap must not wake the loop.
    fn drop_cancelled_timers(py: Python<'_>, state: &State) {
        while let Some(entry) = state.timers.with(py, |timers| {
            timers.pop_first_if(|timer| Slot::with_token(|py| !timers::is_live(py, timer)))
        }) {
            state.timers.with(py, Timers::note_popped_cancelled);
            drop(entry);
        }
    }

    /// Makes ready what is due: callbacks first, then sleepers and cancelled tasks in the order of their times.
    ///
    /// A callback that is due in this tick thus runs before the tasks that the tick wakes, as in asyncio, where
    /// it is a callback that wakes them.
    fn run_timers(state: &Bound<'_, State>) -> PyResult<()> {
        let py = state.py();
        let idle = state.get().timers.with(py, |timers| timers.is_empty());
        if idle
            && state
                .get()
                .kernel(py, |kernel| kernel.next_deadline())
                .is_none()
        {
            return Ok(());
        }
        State::leave_task(state)?;
        let now = State::now(state)? + RESOLUTION;
        let mut sleepers = Vec::new();
        while let Some((when, timer)) = state.get().timers.with(py, |timers| timers.pop(now)) {
            if !timers::is_live(py, &timer) {
                state.get().timers.with(py, Timers::note_popped_cancelled);
                continue;
            }
            match timer {
                Timer::Handle(handle) => {
                    let handle = handle.into_bound(py);
                    handle.get().scheduled.set(py, false);
                    State::push(state, Ready::Handle(handle.into_super().unbind()))?;
                }
                Timer::Wake { future, result } => sleepers.push((when, future, result)),
            }
        }
        for (when, future, result) in sleepers {
            State::expire_until(state, when)?;
            Future::resolve(future.bind(py), result)?;
        }
        State::expire_until(state, now)
    }

    fn check_callback(
        slf: &Bound<'_, Self>,
        callback: &Bound<'_, PyAny>,
        method: &str,
    ) -> PyResult<()> {
        let py = slf.py();
        let state = slf.as_super().get();
        if state.closed.get(py) {
            return Err(PyRuntimeError::new_err("Event loop is closed"));
        }
        if state.debug.get(py) {
            slf.call_method1(intern!(py, "_check_callback"), (callback, method))?;
        }
        Ok(())
    }

    fn add_timer(
        slf: &Bound<'_, Self>,
        when: f64,
        callback: Py<PyAny>,
        args: &Bound<'_, PyTuple>,
        context: Option<Py<PyAny>>,
    ) -> PyResult<Py<TimerHandle>> {
        let py = slf.py();
        let state = slf.as_super();
        state.get().check_thread(py)?;
        let origin = state.get().origin_of_new_handle(py);
        let handle = Handle::make(state, callback, args.clone().unbind(), context, origin)?;
        let timer = TimerHandle {
            when,
            scheduled: Slot::new(true),
        };
        let timer = Py::new(py, PyClassInitializer::from(handle).add_subclass(timer))?;
        let entry = Timer::Handle(timer.clone_ref(py));
        state
            .get()
            .timers
            .with(py, move |timers| timers.push(when, entry));
        Ok(timer)
    }

    /// A subclass may bring its own `time()`.
    fn choose_clock(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let name = intern!(py, "time");
        let own = py.get_type::<Self>().getattr(name)?;
        let state = slf.as_super().get();
        let overridden = state
            .clock
            .with(py, |clock| matches!(clock, Clock::Override(_)));
        if !overridden && !slf.get_type().getattr(name)?.is(&own) {
            state.clock.set(py, Clock::Method);
        }
        Ok(())
    }

    /// Puts a callback into the ready queue.
    fn enqueue(
        slf: &Bound<'_, Self>,
        callback: Bound<'_, PyAny>,
        args: &Bound<'_, PyTuple>,
        context: Option<Py<PyAny>>,
        origin: Option<Origin>,
    ) -> PyResult<Py<Handle>> {
        let state = slf.as_super();
        let handle = Handle::make(
            state,
            callback.unbind(),
            args.clone().unbind(),
            context,
            origin,
        )?;
        let handle = Py::new(slf.py(), handle)?;
        State::push(state, Ready::Handle(handle.clone_ref(slf.py())))?;
        Ok(handle)
    }
}

#[pymethods]
impl LoopCore {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "(selector=None)")]
    fn new(
        _args: &Bound<'_, PyTuple>,
        _kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyClassInitializer<Self> {
        let core = LoopCore {
            last_poll: Slot::new(0.0),
        };
        PyClassInitializer::from(State::new(None)).add_subclass(core)
    }

    #[getter]
    fn _asyncbis_state<'py>(slf: Bound<'py, Self>) -> Bound<'py, State> {
        slf.into_super()
    }

    /// Runs ticks until the loop is stopped; the caller has made it the thread's running loop.
    fn _run_until_stopped(slf: &Bound<'_, Self>) -> PyResult<()> {
        let state = slf.as_super();
        Self::choose_clock(slf)?;
        ffi::with_running(state, || {
            let result = Self::run_ticks(slf);
            State::leave_task(state)?;
            State::show_queue(state);
            result
        })
    }

    fn _run_once(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        slf.get().last_poll.set(py, 0.0);
        ffi::with_running(slf.as_super(), || {
            let result = Self::tick(slf);
            State::leave_task(slf.as_super())?;
            State::show_queue(slf.as_super());
            result
        })
    }

    #[pyo3(signature = (callback, *args, context=None))]
    fn call_soon(
        slf: &Bound<'_, Self>,
        callback: Bound<'_, PyAny>,
        args: &Bound<'_, PyTuple>,
        context: Option<Py<PyAny>>,
    ) -> PyResult<Py<Handle>> {
        Self::check_callback(slf, &callback, "call_soon")?;
        let state = slf.as_super().get();
        state.check_thread(slf.py())?;
        let origin = state.origin_of_new_handle(slf.py());
        Self::enqueue(slf, callback, args, context, origin)
    }

    #[pyo3(signature = (callback, *args, context=None))]
    fn call_soon_threadsafe(
        slf: &Bound<'_, Self>,
        callback: Bound<'_, PyAny>,
        args: &Bound<'_, PyTuple>,
        context: Option<Py<PyAny>>,
    ) -> PyResult<Py<Handle>> {
        Self::check_callback(slf, &callback, "call_soon_threadsafe")?;
        // Whatever task is running, it is not the one that calls this from another thread.
        let handle = Self::enqueue(slf, callback, args, context, None)?;
        slf.call_method0(intern!(slf.py(), "_write_to_self"))?;
        Ok(handle)
    }

    #[pyo3(signature = (delay, callback, *args, context=None))]
    fn call_later(
        slf: &Bound<'_, Self>,
        delay: Option<f64>,
        callback: Bound<'_, PyAny>,
        args: &Bound<'_, PyTuple>,
        context: Option<Py<PyAny>>,
    ) -> PyResult<Py<TimerHandle>> {
        let Some(delay) = delay else {
            return Err(PyTypeError::new_err("delay must not be None"));
        };
        Self::check_callback(slf, &callback, "call_later")?;
        let when = State::now(slf.as_super())? + delay;
        Self::add_timer(slf, when, callback.unbind(), args, context)
    }

    #[pyo3(signature = (when, callback, *args, context=None))]
    fn call_at(
        slf: &Bound<'_, Self>,
        when: Option<f64>,
        callback: Bound<'_, PyAny>,
        args: &Bound<'_, PyTuple>,
        context: Option<Py<PyAny>>,
    ) -> PyResult<Py<TimerHandle>> {
        let Some(when) = when else {
            return Err(PyTypeError::new_err("when cannot be None"));
        };
        Self::check_callback(slf, &callback, "call_at")?;
        Self::add_timer(slf, when, callback.unbind(), args, context)
    }

    /// `loop.time()`: the clock of `time.monotonic()`, or what somebody put in its place.
    #[getter]
    fn get_time<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let state = slf.as_super().get();
        let replaced = state.clock.with(py, |clock| match clock {
            Clock::Override(time) => Some(Slot::share(time)),
            _ => None,
        });
        if let Some(time) = replaced {
            return Ok(time.into_bound(py));
        }
        py.import(intern!(py, "time"))?
            .getattr(intern!(py, "monotonic"))
    }

    #[setter]
    fn set_time(slf: &Bound<'_, Self>, time: Py<PyAny>) {
        slf.as_super()
            .get()
            .clock
            .set(slf.py(), Clock::Override(time));
    }

    #[deleter]
    fn delete_time(slf: &Bound<'_, Self>) {
        let clock = if cfg!(target_os = "linux") {
            Clock::Monotonic
        } else {
            Clock::Method
        };
        slf.as_super().get().clock.set(slf.py(), clock);
    }

    /// asyncio's own handles, for file descriptors and signals.
    fn _add_callback(slf: &Bound<'_, Self>, handle: Py<PyAny>) -> PyResult<()> {
        let py = slf.py();
        slf.as_super()
            .get()
            .ready
            .with(py, move |queue| queue.push_back(Ready::Foreign(handle)));
        Ok(())
    }

    fn _add_callback_signalsafe(slf: &Bound<'_, Self>, handle: Py<PyAny>) -> PyResult<()> {
        Self::_add_callback(slf, handle)?;
        slf.call_method0(intern!(slf.py(), "_write_to_self"))
            .map(drop)
    }

    fn _timer_handle_cancelled(&self, _handle: &Bound<'_, PyAny>) {}

    /// Forgets everything that was to be run, when the loop is closed.
    fn _clear(slf: &Bound<'_, Self>) {
        let py = slf.py();
        let state = slf.as_super().get();
        drop(state.ready.take(py));
        timers::clear(py, &state.timers);
    }

    #[getter(_ready)]
    fn get_ready<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let entries = slf
            .as_super()
            .get()
            .ready
            .with(py, |queue: &mut VecDeque<Ready>| {
                queue
                    .iter()
                    .map(|ready| Slot::with_token(|py| ready.share(py)))
                    .collect::<Vec<_>>()
            });
        let list = PyList::new(py, entries.iter().map(|ready| ready.describe(py)))?;
        py.import("collections")?.getattr("deque")?.call1((list,))
    }

    #[setter(_ready)]
    fn set_ready(&self, _value: &Bound<'_, PyAny>) {}

    #[getter(_scheduled)]
    fn get_scheduled<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyList>> {
        let py = slf.py();
        let handles = slf
            .as_super()
            .get()
            .timers
            .with(py, |timers| Slot::with_token(|py| timers.handles(py)));
        PyList::new(py, handles)
    }

    #[setter(_scheduled)]
    fn set_scheduled(&self, _value: &Bound<'_, PyAny>) {}

    #[getter(_debug)]
    fn get_debug(slf: &Bound<'_, Self>) -> bool {
        slf.as_super().get().debug.get(slf.py())
    }

    #[setter(_debug)]
    fn set_debug(slf: &Bound<'_, Self>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        slf.as_super().get().debug.set(slf.py(), value.is_truthy()?);
        Ok(())
    }

    #[getter(_stopping)]
    fn get_stopping(slf: &Bound<'_, Self>) -> bool {
        slf.as_super().get().stopping.get(slf.py())
    }

    #[setter(_stopping)]
    fn set_stopping(slf: &Bound<'_, Self>, value: bool) {
        slf.as_super().get().stopping.set(slf.py(), value);
    }

    #[getter(_closed)]
    fn get_closed(slf: &Bound<'_, Self>) -> bool {
        slf.as_super().get().closed.get(slf.py())
    }

    #[setter(_closed)]
    fn set_closed(slf: &Bound<'_, Self>, value: bool) {
        slf.as_super().get().closed.set(slf.py(), value);
    }

    #[getter(_thread_id)]
    fn get_thread_id(slf: &Bound<'_, Self>) -> Option<u64> {
        slf.as_super().get().thread.get(slf.py())
    }

    #[setter(_thread_id)]
    fn set_thread_id(slf: &Bound<'_, Self>, value: Option<u64>) {
        slf.as_super().get().thread.set(slf.py(), value);
    }
}
