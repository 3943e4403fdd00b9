//! Objects of asyncio and friends that the core uses, looked up once.

use pyo3::exceptions::asyncio::CancelledError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// `module.attribute`, imported on first use.
macro_rules! imported {
    ($(#[$doc:meta])* $name:ident = $module:literal . $attribute:literal) => {
        $(#[$doc])*
        pub fn $name(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
            static CELL: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
            CELL.get_or_try_init(py, || Ok(py.import($module)?.getattr($attribute)?.unbind()))
                .map(|object| object.bind(py))
        }
    };
}

imported!(get_running_loop = "asyncio"."get_running_loop");
imported!(invalid_state_error = "asyncio"."InvalidStateError");
imported!(iscoroutine = "asyncio.coroutines"."iscoroutine");
imported!(future_repr = "asyncio.base_futures"."_future_repr");
imported!(task_repr = "asyncio.base_tasks"."_task_repr");
imported!(task_get_stack = "asyncio.base_tasks"."_task_get_stack");
imported!(task_print_stack = "asyncio.base_tasks"."_task_print_stack");
imported!(extract_stack = "asyncio.format_helpers"."extract_stack");
imported!(format_callback_source = "asyncio.format_helpers"."_format_callback_source");
imported!(asyncio_logger = "asyncio.log"."logger");
imported!(asyncio_future = "_asyncio"."Future");
imported!(asyncio_task = "_asyncio"."Task");
imported!(asyncio_handle = "asyncio.events"."Handle");
imported!(asyncio_timer_handle = "asyncio.events"."TimerHandle");
imported!(base_exception_group = "builtins"."BaseExceptionGroup");
imported!(sys_getframe = "sys"."_getframe");
imported!(start = "asyncbis._start"."start");
imported!(weak_set = "weakref"."WeakSet");
imported!(isgenerator = "inspect"."isgenerator");

/// The stack that makes something, for debug mode's "created at".
pub fn current_stack(py: Python<'_>) -> PyResult<Py<PyAny>> {
    let frame = sys_getframe(py)?.call1((0,))?;
    Ok(extract_stack(py)?.call1((frame,))?.unbind())
}

/// A new `CancelledError` with its message, if there is one.
pub fn cancelled_error<'py>(
    py: Python<'py>,
    message: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let class = py.get_type::<CancelledError>();
    match message {
        Some(message) => class.call1((message,)),
        None => class.call0(),
    }
}

pub fn is_cancelled_error(error: &Bound<'_, PyAny>) -> bool {
    error.is_instance_of::<CancelledError>()
}

/// Whether an exception ends the program instead of being somebody's result.
pub fn is_exit(error: &Bound<'_, PyAny>) -> bool {
    error.is_instance_of::<pyo3::exceptions::PyKeyboardInterrupt>()
        || error.is_instance_of::<pyo3::exceptions::PySystemExit>()
}

/// The message of a cancellation by a deadline (clause 1.12).
pub fn deadline_message(py: Python<'_>) -> Bound<'_, PyAny> {
    pyo3::intern!(py, "deadline exceeded").clone().into_any()
}
