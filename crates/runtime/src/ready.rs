//! What stands in the ready queue, and how one entry is run.
//!
//! A task is an entry by itself: no handle and no context copy is made to wake it.

use kernel::Due;
use pyo3::IntoPyObjectExt as _;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3::{PyTraverseError, PyVisit, intern};

use crate::ffi;
use crate::handle::Handle;
use crate::names;
use crate::state::State;
use crate::step;
use crate::task::Task;

pub enum Ready {
    /// The task knows how it goes on (`task::Resume`).
    Task(Py<Task>),
    /// Tasks that have to be told that they are cancelled, found where no Python code may run.
    Due(Due),
    /// A task that was started eagerly and has ended: its group is told in its turn (clause 4.3).
    Ended(Py<Task>),
    /// A done-callback of one of our futures.
    Callback {
        call: Py<PyAny>,
        argument: Py<PyAny>,
        context: Py<PyAny>,
    },
    Handle(Py<Handle>),
    /// A handle that asyncio made itself, for a file descriptor or a signal.
    Foreign(Py<PyAny>),
}

impl Ready {
    /// Runs the entry. An error is one that leaves the loop: KeyboardInterrupt and SystemExit.
    pub fn run(self, state: &Bound<'_, State>) -> PyResult<()> {
        let py = state.py();
        match self {
            Ready::Task(task) => step::run(state, task.bind(py)),
            Ready::Due(due) => {
                State::leave_task(state)?;
                State::deliver(state, due)
            }
            Ready::Ended(task) => Task::tell_group(task.bind(py)),
            Ready::Callback {
                call,
                argument,
                context,
            } => {
                State::leave_task(state)?;
                let call = call.bind(py);
                match ffi::in_context(context.bind(py), || call.call1((&argument,))) {
                    Ok(Ok(_)) => Ok(()),
                    Ok(Err(error)) | Err(error) => {
                        callback_failed(state, call, &argument, &context, error)
                    }
                }
            }
            Ready::Handle(handle) => {
                State::leave_task(state)?;
                Handle::run(handle.bind(py), state)
            }
            Ready::Foreign(handle) => {
                State::leave_task(state)?;
                let handle = handle.bind(py);
                if !handle.getattr(intern!(py, "_cancelled"))?.is_truthy()? {
                    handle.call_method0(intern!(py, "_run"))?;
                }
                Ok(())
            }
        }
    }

    /// What the slow-callback log shows.
    pub fn describe<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        match self {
            Ready::Due(due) => due
                .len()
                .into_bound_py_any(py)
                .unwrap_or_else(|_| py.None().into_bound(py)),
            Ready::Task(task) | Ready::Ended(task) => task.bind(py).clone().into_any(),
            Ready::Callback { call, .. } => call.bind(py).clone(),
            Ready::Handle(handle) => handle.bind(py).clone().into_any(),
            Ready::Foreign(handle) => handle.bind(py).clone(),
        }
    }

    /// A second entry that stands for the same work; only for showing it.
    pub fn share(&self, py: Python<'_>) -> Ready {
        match self {
            Ready::Due(due) => Ready::Due(due.clone()),
            Ready::Task(task) => Ready::Task(task.clone_ref(py)),
            Ready::Ended(task) => Ready::Ended(task.clone_ref(py)),
            Ready::Callback {
                call,
                argument,
                context,
            } => Ready::Callback {
                call: call.clone_ref(py),
                argument: argument.clone_ref(py),
                context: context.clone_ref(py),
            },
            Ready::Handle(handle) => Ready::Handle(handle.clone_ref(py)),
            Ready::Foreign(handle) => Ready::Foreign(handle.clone_ref(py)),
        }
    }

    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Ready::Due(_) => Ok(()),
            Ready::Task(task) | Ready::Ended(task) => visit.call(task),
            Ready::Callback {
                call,
                argument,
                context,
            } => {
                visit.call(call)?;
                visit.call(argument)?;
                visit.call(context)
            }
            Ready::Handle(handle) => visit.call(handle),
            Ready::Foreign(handle) => visit.call(handle),
        }
    }
}

/// Reports an error of a done-callback as asyncio reports that of a handle.
fn callback_failed(
    state: &Bound<'_, State>,
    call: &Bound<'_, PyAny>,
    argument: &Py<PyAny>,
    context: &Py<PyAny>,
    error: PyErr,
) -> PyResult<()> {
    let py = state.py();
    if names::is_exit(error.value(py)) {
        return Err(error);
    }
    let handle = Handle::make(
        state,
        call.clone().unbind(),
        (argument,).into_pyobject(py)?.unbind(),
        Some(context.clone_ref(py)),
        None,
    )?;
    let handle = Py::new(py, handle)?;
    let report = PyDict::new(py);
    let source = names::format_callback_source(py)?.call1((call, (argument,)))?;
    report.set_item("message", format!("Exception in callback {source}"))?;
    report.set_item("exception", ffi::exception(py, &error))?;
    report.set_item("handle", handle)?;
    State::call_exception_handler(state, &report)
}
