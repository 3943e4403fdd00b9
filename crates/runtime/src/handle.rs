//! `Handle` and `TimerHandle`: a callback that was given to the loop, and one with a time.
//!
//! A handle remembers the task and the scope it was made in (clause 3.6).

use kernel::Origin;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use pyo3::{PyTraverseError, PyVisit, intern};

use crate::ffi::{self, Made, Slot};
use crate::names;
use crate::state::State;

#[pyclass(frozen, subclass, weakref, module = "asyncbis", name = "Handle")]
pub struct Handle {
    made: Made,
    state: Py<State>,
    callback: Slot<Option<Py<PyAny>>>,
    args: Slot<Option<Py<PyTuple>>>,
    context: Py<PyAny>,
    cancelled: Slot<bool>,
    origin: Option<Origin>,
    /// Stack where it was made, and how it looked before it was cancelled; both in debug mode only.
    source_traceback: Slot<Option<Py<PyAny>>>,
    shown: Slot<Option<Py<PyAny>>>,
}

impl Handle {
    pub fn make(
        state: &Bound<'_, State>,
        callback: Py<PyAny>,
        args: Py<PyTuple>,
        context: Option<Py<PyAny>>,
        origin: Option<Origin>,
    ) -> PyResult<Self> {
        let py = state.py();
        let context = match context {
            Some(context) if !context.is_none(py) => context,
            _ => ffi::copy_context(py)?.unbind(),
        };
        let handle = Handle {
            made: Made::YES,
            state: state.clone().unbind(),
            callback: Slot::new(Some(callback)),
            args: Slot::new(Some(args)),
            context,
            cancelled: Slot::new(false),
            origin,
            source_traceback: Slot::new(None),
            shown: Slot::new(None),
        };
        if state.get().debug.get(py) {
            handle
                .source_traceback
                .set(py, Some(names::current_stack(py)?));
        }
        Ok(handle)
    }

    pub fn is_cancelled(&self, py: Python<'_>) -> bool {
        self.cancelled.get(py)
    }

    /// Runs the callback in its context. Only KeyboardInterrupt and SystemExit come out.
    pub fn run(slf: &Bound<'_, Self>, state: &Bound<'_, State>) -> PyResult<()> {
        let py = slf.py();
        let this = slf.get();
        let (Some(callback), Some(args)) = (this.callback.cloned(py), this.args.cloned(py)) else {
            return Ok(());
        };
        let result = state.get().with_origin(py, this.origin, || {
            ffi::in_context(this.context.bind(py), || callback.call1(args.clone()))
        });
        let error = match result {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) | Err(error) => error,
        };
        if names::is_exit(error.value(py)) {
            return Err(error);
        }
        let source = names::format_callback_source(py)?.call1((&callback, &args))?;
        let report = PyDict::new(py);
        report.set_item("message", format!("Exception in callback {source}"))?;
        report.set_item("exception", ffi::exception(py, &error))?;
        report.set_item("handle", slf)?;
        if let Some(traceback) = this.source_traceback.cloned(py) {
            report.set_item("source_traceback", traceback)?;
        }
        State::call_exception_handler(state, &report)
    }

    /// True if it was not cancelled before.
    fn mark_cancelled(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let py = slf.py();
        let this = slf.get();
        if this.cancelled.get(py) {
            return Ok(false);
        }
        let state = this.state.bind(py);
        if state.get().debug.get(py) {
            this.shown.set(py, Some(slf.repr()?.into_any().unbind()));
        }
        this.cancelled.set(py, true);
        drop(this.callback.take(py));
        drop(this.args.take(py));
        Ok(true)
    }

    fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        if !self.made.is_set() {
            return Ok(());
        }
        visit.call(&self.state)?;
        self.callback.peek(|object| visit.call(object))?;
        self.args.peek(|object| visit.call(object))?;
        visit.call(&self.context)?;
        self.source_traceback.peek(|object| visit.call(object))
    }
}

#[pymethods]
impl Handle {
    #[getter]
    fn __class__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        if slf.is_instance_of::<TimerHandle>() {
            return Ok(names::asyncio_timer_handle(slf.py())?.clone());
        }
        Ok(names::asyncio_handle(slf.py())?.clone())
    }

    fn cancel(slf: &Bound<'_, Self>) -> PyResult<()> {
        if Self::mark_cancelled(slf)?
            && let Ok(timer) = slf.cast::<TimerHandle>()
            && timer.get().scheduled.replace(slf.py(), false)
        {
            slf.get().state.get().timer_cancelled(slf.py());
        }
        Ok(())
    }

    fn cancelled(&self, py: Python<'_>) -> bool {
        self.cancelled.get(py)
    }

    fn get_context(&self, py: Python<'_>) -> Py<PyAny> {
        self.context.clone_ref(py)
    }

    fn _run(slf: &Bound<'_, Self>) -> PyResult<()> {
        let state = slf.get().state.bind(slf.py());
        Self::run(slf, state)
    }

    #[getter]
    fn _callback<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.callback.cloned(py)
    }

    #[getter]
    fn _args<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyTuple>> {
        self.args.cloned(py)
    }

    #[getter]
    fn _cancelled(&self, py: Python<'_>) -> bool {
        self.cancelled.get(py)
    }

    #[getter]
    fn _context(&self, py: Python<'_>) -> Py<PyAny> {
        self.context.clone_ref(py)
    }

    #[getter]
    fn _loop(&self, py: Python<'_>) -> Py<PyAny> {
        State::event_loop(self.state.bind(py)).unbind()
    }

    #[getter]
    fn _source_traceback<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.source_traceback.cloned(py)
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let py = slf.py();
        let this = slf.get();
        if let Some(shown) = this.shown.cloned(py) {
            return shown.extract();
        }
        let timer = slf.cast::<TimerHandle>().ok();
        let mut info = vec![
            if timer.is_some() {
                "TimerHandle"
            } else {
                "Handle"
            }
            .to_owned(),
        ];
        if this.cancelled.get(py) {
            info.push("cancelled".to_owned());
        }
        if let Some(timer) = timer {
            info.push(format!(
                "when={}",
                pyo3::types::PyFloat::new(py, timer.get().when).repr()?
            ));
        }
        if let Some(callback) = this.callback.cloned(py) {
            info.push(
                names::format_callback_source(py)?
                    .call1((callback, this.args.cloned(py)))?
                    .extract()?,
            );
        }
        if let Some(stack) = this.source_traceback.cloned(py) {
            let frame = stack.get_item(stack.len()?.saturating_sub(1))?;
            info.push(format!(
                "created at {}:{}",
                frame.get_item(0)?,
                frame.get_item(1)?
            ));
        }
        Ok(format!("<{}>", info.join(" ")))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.traverse(&visit)
    }

    fn __clear__(&self) {
        Python::attach(|py| {
            drop(self.callback.take(py));
            drop(self.args.take(py));
        });
    }
}

#[pyclass(frozen, extends = Handle, weakref, module = "asyncbis", name = "TimerHandle")]
pub struct TimerHandle {
    /// Loop time in seconds.
    pub when: f64,
    /// It stands in the heap and is counted there when it is cancelled.
    pub scheduled: Slot<bool>,
}

#[pymethods]
impl TimerHandle {
    fn when(&self) -> f64 {
        self.when
    }

    #[getter]
    fn _when(&self) -> f64 {
        self.when
    }

    #[getter]
    fn _scheduled(&self, py: Python<'_>) -> bool {
        self.scheduled.get(py)
    }

    fn __hash__(&self) -> u64 {
        self.when.to_bits()
    }

    fn __lt__(&self, other: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(self.when < other.call_method0(intern!(other.py(), "when"))?.extract()?)
    }
}
