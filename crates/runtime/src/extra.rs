//! What most futures never have: a cancel message, tracebacks; and what is said of a future that is lost.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::ffi::{self, Slot};
use crate::future::{Future, Status};
use crate::names;
use crate::state::State;
use crate::task::Task;

/// What most futures never have.
#[derive(Default)]
pub struct Extra {
    pub cancel_message: Option<Py<PyAny>>,
    pub source_traceback: Option<Py<PyAny>>,
    /// The exception's traceback when it was set: each raise starts from it, as in asyncio.
    pub exception_traceback: Option<Py<PyAny>>,
}

impl Future {
    fn extra<'py>(
        &self,
        py: Python<'py>,
        field: fn(&Extra) -> &Option<Py<PyAny>>,
    ) -> Option<Bound<'py, PyAny>> {
        let found = self.extra.with(py, |extra| {
            let extra = extra.as_ref()?;
            field(extra).as_ref().map(Slot::share)
        });
        found.map(|object| object.into_bound(py))
    }

    pub fn cancel_message<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.extra(py, |extra| &extra.cancel_message)
    }

    pub fn set_cancel_message(&self, py: Python<'_>, message: Option<Py<PyAny>>) {
        if message.is_none() && !self.extra.with(py, |extra| extra.is_some()) {
            return;
        }
        let old = self.extra.with(py, move |extra| {
            std::mem::replace(&mut extra.get_or_insert_default().cancel_message, message)
        });
        drop(old);
    }

    pub fn source_traceback<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.extra(py, |extra| &extra.source_traceback)
    }

    pub fn set_source_traceback(&self, py: Python<'_>, traceback: Option<Py<PyAny>>) {
        let old = self.extra.with(py, move |extra| {
            std::mem::replace(
                &mut extra.get_or_insert_default().source_traceback,
                traceback,
            )
        });
        drop(old);
    }

    pub fn exception_traceback<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.extra(py, |extra| &extra.exception_traceback)
    }

    /// Keeps an exception as the outcome, with the traceback that it has now.
    pub fn keep_exception(&self, exception: Bound<'_, PyAny>) {
        let py = exception.py();
        if let Some(traceback) = ffi::traceback(&exception) {
            let traceback = traceback.unbind();
            let old = self.extra.with(py, move |extra| {
                extra
                    .get_or_insert_default()
                    .exception_traceback
                    .replace(traceback)
            });
            drop(old);
        }
        self.exception.set(py, Some(exception.unbind()));
    }

    /// Where it was made, in debug mode.
    pub fn note_origin(&self, py: Python<'_>) -> PyResult<()> {
        let state = self.state(py)?;
        if state.get().debug.get(py) {
            self.set_source_traceback(py, Some(names::current_stack(py)?));
        }
        Ok(())
    }
}

/// What asyncio's `__del__` does: an error or a task that nobody took is reported.
pub fn finalize(future: &Bound<'_, Future>) {
    let py = future.py();
    let this = future.get();
    let Ok(state) = this.state(py) else { return };
    let report = || -> PyResult<()> {
        if let Ok(task) = future.cast::<Task>()
            && this.status.get(py) == Status::Pending
        {
            return task.get().report_destroyed(task);
        }
        if !this.log_traceback.replace(py, false) {
            return Ok(());
        }
        let class = future.get_type().name()?;
        let context = PyDict::new(py);
        context.set_item("message", format!("{class} exception was never retrieved"))?;
        context.set_item("exception", this.exception.cloned(py))?;
        context.set_item("future", future)?;
        if let Some(traceback) = this.source_traceback(py) {
            context.set_item("source_traceback", traceback)?;
        }
        State::call_exception_handler(state, &context)
    };
    if let Err(error) = report() {
        error.write_unraisable(py, Some(future.as_any()));
    }
}

/// asyncio's repr, which goes by `__class__`, with the name of the real type.
pub fn repr_as(
    object: &Bound<'_, PyAny>,
    repr: &Bound<'_, PyAny>,
    class: &str,
) -> PyResult<String> {
    let text: String = repr.call1((object,))?.extract()?;
    let rest = text
        .strip_prefix('<')
        .and_then(|text| text.strip_prefix(class))
        .unwrap_or(&text);
    Ok(format!("<{}{rest}", object.get_type().name()?))
}
