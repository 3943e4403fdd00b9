//! Running on somebody else's loop: its queue is given one callback for many steps, its timer the next deadline.

use kernel::Origin;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit, intern};

use crate::current;
use crate::ffi;
use crate::future::Future;
use crate::state::{POLL_INTERVAL, State};

impl State {
    pub fn is_foreign(&self, py: Python<'_>) -> bool {
        self.foreign.is_some(py)
    }

    /// Cancels what is past its deadline, on a foreign loop, which is told when to come back.
    pub fn expire_deadlines(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        if slf
            .get()
            .kernel(py, |kernel| kernel.next_deadline())
            .is_some()
        {
            Self::expire_until(slf, Self::now(slf)?)?;
        }
        Self::arm(slf)
    }

    /// On a foreign loop, makes sure that it wakes up for the next deadline.
    pub fn arm(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let this = slf.get();
        if !this.is_foreign(py) {
            return Ok(());
        }
        let Some(next) = this.kernel(py, |kernel| kernel.next_deadline()) else {
            return Ok(());
        };
        let armed = this
            .armed
            .with(py, |armed| armed.as_ref().map(|(when, _)| *when));
        if armed.is_some_and(|when| when <= next) {
            return Ok(());
        }
        let event_loop = Self::event_loop(slf);
        let tick = slf.getattr(intern!(py, "_deadline_reached"))?;
        let handle = event_loop.call_method1(intern!(py, "call_at"), (next, tick))?;
        if let Some((_, old)) = this.armed.replace(py, Some((next, handle.unbind()))) {
            old.bind(py).call_method0(intern!(py, "cancel"))?;
        }
        Ok(())
    }

    pub fn schedule_drain(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        if slf.get().drain_scheduled.replace(py, true) {
            return Ok(());
        }
        let drain = slf.getattr(intern!(py, "drain"))?;
        let result = Self::event_loop(slf).call_method1(intern!(py, "call_soon"), (drain,));
        if result.is_err() {
            slf.get().drain_scheduled.set(py, false);
        }
        result.map(drop)
    }

    /// Runs batches until the queue is empty, the foreign loop has something to run itself, or its turn comes.
    ///
    /// Going through the foreign loop for every round would cost more than the round.
    pub fn run_batches(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let this = slf.get();
        let begin = current::monotonic();
        this.queued_there.set(py, false);
        loop {
            Self::expire_deadlines(slf)?;
            Self::run_batch(slf)?;
            Self::leave_task(slf)?;
            let idle = this.ready.with(py, |queue| queue.is_empty());
            let late = current::monotonic() - begin > POLL_INTERVAL;
            if idle || late || this.queued_there.get(py) || this.debug.get(py) {
                return Ok(());
            }
        }
    }

    /// A context in which foreign futures call us back, so that the task's own can be entered.
    pub fn blank_context<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        if let Some(context) = self.blank_context.cloned(py) {
            return Ok(context);
        }
        let context = py.import("contextvars")?.getattr("Context")?.call0()?;
        self.blank_context.set(py, Some(context.clone().unbind()));
        Ok(context)
    }

    /// Runs what is ready in one turn of the foreign loop.
    pub fn run_drain(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let this = slf.get();
        // Until the end nothing more is scheduled: what the tasks give to the loop itself comes first.
        this.drain_scheduled.set(py, true);
        this.thread.set(py, Some(current::thread_id()));
        let result = ffi::with_running(slf, || {
            let result = this
                .refresh_debug(slf)
                .and_then(|()| Self::run_batches(slf));
            Self::leave_task(slf)?;
            result
        });
        this.drain_scheduled.set(py, false);
        if !this.ready.with(py, |queue| queue.is_empty()) {
            Self::schedule_drain(slf)?;
        }
        Self::arm(slf)?;
        result
    }
}

/// An origin in Python's hands; opaque.
#[pyclass(frozen, module = "asyncbis._core")]
pub struct OriginToken(pub Origin);

/// Gives a sleeper its result when a foreign loop's timer fires.
#[pyclass(frozen, module = "asyncbis._core")]
pub struct Resolve {
    /// The time that was asked for; the timers of some loops come a little early.
    pub when: f64,
    pub future: Py<Future>,
    pub result: Py<PyAny>,
}

#[pymethods]
impl Resolve {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        let future = self.future.bind(py);
        // What has its deadline until then is cancelled first, as on our own loop (clause 1.12).
        if let Some(state) = future.get().state.get() {
            State::expire_until(state.bind(py), self.when)?;
        }
        Future::resolve(future, self.result.clone_ref(py))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.future)?;
        visit.call(&self.result)
    }
}
