//! How a cancellation reaches tasks, and what it says of its cause.

use kernel::{Cause, Due, ScopeId, TaskId};
use pyo3::intern;
use pyo3::prelude::*;

use crate::ffi::Slot;
use crate::names;
use crate::state::State;
use crate::task::Task;

impl State {
    /// Tells parked tasks that they are cancelled: what each waits for is asked to be cancelled (clause 2.4).
    pub fn deliver(slf: &Bound<'_, Self>, due: Due) -> PyResult<()> {
        for id in due {
            if let Some(task) = slf.get().task(slf.py(), id) {
                Task::attempt_delivery(&task, slf)?;
            }
        }
        Ok(())
    }

    pub fn set_message(&self, py: Python<'_>, scope: ScopeId, message: Py<PyAny>) {
        let old = self
            .messages
            .with(py, move |messages| messages.insert(scope, message));
        drop(old);
    }

    /// Forgets what is kept for a scope while it is open.
    pub fn forget_scope(&self, py: Python<'_>, scope: ScopeId) {
        drop(self.messages.with(py, |messages| messages.remove(&scope)));
        if self.debug.get(py) {
            self.entered.with(py, |entered| entered.remove(&scope));
        }
    }

    /// Debug mode: remembers the line that entered a scope.
    pub fn note_entered(&self, py: Python<'_>, scope: ScopeId, what: &str) -> PyResult<()> {
        let frame = names::sys_getframe(py)?.call1((0,))?;
        let file = frame
            .getattr(intern!(py, "f_code"))?
            .getattr(intern!(py, "co_filename"))?;
        let line = frame.getattr(intern!(py, "f_lineno"))?;
        let place = format!("{what} entered at {file}:{line}");
        self.entered
            .with(py, move |entered| entered.insert(scope, place));
        Ok(())
    }

    /// Debug mode: says what cancelled a task (clause 1.16).
    pub fn describe_cause(&self, py: Python<'_>, task: TaskId) -> Option<String> {
        let what = match self.kernel(py, |kernel| kernel.cause(task))? {
            Cause::Scope(scope) => {
                let expired = self
                    .kernel(py, |kernel| kernel.is_expired(scope))
                    .unwrap_or(false);
                let place = self
                    .entered
                    .with(py, |entered| entered.get(&scope).cloned());
                let what = place.unwrap_or_else(|| "a cancel scope".to_owned());
                if expired {
                    format!("the deadline of {what}")
                } else {
                    what
                }
            }
            Cause::Native(_) => "Task.cancel()".to_owned(),
            Cause::Abandoned => {
                "a cancel scope that was closed while others were open in it".to_owned()
            }
        };
        Some(format!("cancelled by {what}"))
    }

    pub fn message<'py>(&self, py: Python<'py>, scope: ScopeId) -> Option<Bound<'py, PyAny>> {
        if self
            .kernel(py, |kernel| kernel.is_expired(scope))
            .unwrap_or(false)
        {
            return Some(names::deadline_message(py));
        }
        self.messages
            .with(py, |messages| messages.get(&scope).map(Slot::share))
            .map(|message| message.into_bound(py))
    }

    /// The message of the nearest request that cancels the task (clause 1.16).
    pub fn message_for<'py>(&self, py: Python<'py>, task: TaskId) -> Option<Bound<'py, PyAny>> {
        match self.kernel(py, |kernel| kernel.cause(task))? {
            Cause::Scope(scope) => self.message(py, scope),
            Cause::Native(task) => self.task(py, task)?.get().request_message(py),
            Cause::Abandoned => None,
        }
    }
}
