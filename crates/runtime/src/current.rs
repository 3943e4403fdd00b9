//! What asyncio is told about the running task, and what it tells: registries, clocks and threads.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::names;
use crate::task::Task;

/// Makes a task the current one of its loop, for `asyncio.current_task()`.
#[cfg(not(Py_3_14))]
pub fn publish(event_loop: &Bound<'_, PyAny>, task: &Bound<'_, Task>) -> PyResult<()> {
    registry(event_loop.py())?.set_item(event_loop, task)
}

/// No task of the loop is the current one.
#[cfg(not(Py_3_14))]
pub fn unpublish(event_loop: &Bound<'_, PyAny>) -> PyResult<()> {
    use pyo3::types::PyDictMethods as _;
    match registry(event_loop.py())?.del_item(event_loop) {
        Err(error) if !error.is_instance_of::<pyo3::exceptions::PyKeyError>(event_loop.py()) => {
            Err(error)
        }
        _ => Ok(()),
    }
}

/// asyncio's dict of current tasks by loop; until Python 3.13 it is the registry itself.
#[cfg(not(Py_3_14))]
fn registry(py: Python<'_>) -> PyResult<&Bound<'_, pyo3::types::PyDict>> {
    static CELL: PyOnceLock<Py<pyo3::types::PyDict>> = PyOnceLock::new();
    CELL.get_or_try_init(py, || {
        let dict = py.import("asyncio.tasks")?.getattr("_current_tasks")?;
        Ok(dict.cast_into::<pyo3::types::PyDict>()?.unbind())
    })
    .map(|dict| dict.bind(py))
}

/// Makes a task the current one of its loop, for `asyncio.current_task()`.
#[cfg(Py_3_14)]
pub fn publish(event_loop: &Bound<'_, PyAny>, task: &Bound<'_, Task>) -> PyResult<()> {
    swap(event_loop.py())?.call1((event_loop, task)).map(drop)
}

/// No task of the loop is the current one.
#[cfg(Py_3_14)]
pub fn unpublish(event_loop: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = event_loop.py();
    swap(py)?.call1((event_loop, py.None())).map(drop)
}

/// From Python 3.14 the current task is kept in the thread's state, behind this function.
#[cfg(Py_3_14)]
fn swap(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static CELL: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    CELL.get_or_try_init(py, || {
        Ok(py
            .import("_asyncio")?
            .getattr("_swap_current_task")?
            .unbind())
    })
    .map(|function| function.bind(py))
}

/// Every state that has had tasks and is alive, for `asyncio.all_tasks()`.
pub fn states(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static CELL: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    CELL.get_or_try_init(py, || Ok(names::weak_set(py)?.call0()?.unbind()))
        .map(|states| states.bind(py))
}

/// Says what to do where an asyncbis task is needed and none is running.
pub fn no_task(py: Python<'_>, what: &str) -> PyErr {
    let foreign = py
        .import("asyncio")
        .and_then(|asyncio| asyncio.call_method0("current_task"))
        .is_ok_and(|task| !task.is_none());
    if foreign {
        PyRuntimeError::new_err(format!(
            "{what} requires an asyncbis task, but a plain asyncio task is running; call asyncbis.patch_asyncio() \
             before asyncio's names are imported"
        ))
    } else {
        PyRuntimeError::new_err(format!(
            "{what} must be used inside a task; no parent task is running"
        ))
    }
}

/// The clock of `time.monotonic()`, in seconds.
#[cfg(target_os = "linux")]
pub fn monotonic() -> f64 {
    crate::ffi::clock_monotonic()
}

#[cfg(not(target_os = "linux"))]
pub fn monotonic() -> f64 {
    use std::time::Instant;
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_secs_f64()
}

pub fn thread_id() -> u64 {
    crate::ffi::thread_id()
}
