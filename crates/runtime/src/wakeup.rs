//! `Wakeup`: what a foreign future calls when it is done; it also stands for a waiting task in `_callbacks`.

use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};

use crate::ffi;
use crate::state::State;
use crate::step;
use crate::task::Task;

/// What a foreign future calls when it is done; it also stands for a waiting task in `_callbacks`.
#[pyclass(frozen, module = "asyncbis._core")]
pub struct Wakeup {
    task: Py<Task>,
}

impl Wakeup {
    pub fn of(task: Py<Task>) -> Self {
        Wakeup { task }
    }
}

#[pymethods]
impl Wakeup {
    #[getter]
    fn __self__(&self, py: Python<'_>) -> Py<Task> {
        self.task.clone_ref(py)
    }

    #[getter]
    fn __qualname__(&self) -> &'static str {
        "Task.task_wakeup"
    }

    #[getter]
    fn __name__(&self) -> &'static str {
        "task_wakeup"
    }

    fn __call__(&self, py: Python<'_>, _future: &Bound<'_, PyAny>) -> PyResult<()> {
        let task = self.task.bind(py);
        if task.as_super().get().done(py) {
            return Ok(());
        }
        let state = task.get().state(py)?;
        ffi::with_running(state, || {
            let result = step::run(state, task);
            State::leave_task(state)?;
            result
        })
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.task)
    }
}
