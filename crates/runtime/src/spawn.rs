//! Making a task: what it is made of, where it is listed, and how it starts.

use std::sync::atomic::{AtomicU64, Ordering};

use kernel::ScopeId;
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;

use crate::ffi;
use crate::future::Future;
use crate::group::TaskGroup;
use crate::names;
use crate::ready::Ready;
use crate::state::State;
use crate::step;
use crate::task::{Name, Registration, Resume, Task};

/// What a new task is made of.
pub struct NewTask<'py> {
    pub coro: Bound<'py, PyAny>,
    pub name: Option<Bound<'py, PyAny>>,
    pub context: Option<Bound<'py, PyAny>>,
    pub eager: bool,
    pub supervised: bool,
    pub group: Option<Bound<'py, TaskGroup>>,
    /// The scope it hangs on, if not the group's.
    pub under: Option<ScopeId>,
}

impl<'py> NewTask<'py> {
    /// Puts it into the root group while that is open (clauses 4.2, 6.2).
    pub fn in_root_group(mut self, state: &Bound<'py, State>) -> Self {
        self.group = state
            .get()
            .root
            .cloned(state.py())
            .filter(|root| root.get().is_open(state.py()));
        self
    }
}

static NEXT_NAME: AtomicU64 = AtomicU64::new(1);

impl Task {
    /// Makes a task and puts it into the ready queue, or starts it at once.
    pub fn spawn<'py>(state: &Bound<'py, State>, new: NewTask<'py>) -> PyResult<Bound<'py, Task>> {
        let task = Bound::new(
            state.py(),
            PyClassInitializer::from(Future::on(state)).add_subclass(Task::empty()),
        )?;
        Self::begin(&task, state, new)?;
        Ok(task)
    }

    pub fn begin<'py>(
        slf: &Bound<'py, Task>,
        state: &Bound<'py, State>,
        new: NewTask<'py>,
    ) -> PyResult<()> {
        let py = slf.py();
        let this = slf.get();
        state.get().check_thread(py)?;
        if !ffi::is_coroutine(&new.coro)
            && !names::iscoroutine(py)?.call1((&new.coro,))?.is_truthy()?
        {
            return Err(PyTypeError::new_err(format!(
                "a coroutine was expected, got {}",
                new.coro.repr()?
            )));
        }
        let context = match new.context {
            Some(context) if !context.is_none() => {
                check_context(&context, &new.coro)?;
                context
            }
            _ => {
                this.own_context.set(py, true);
                ffi::copy_context(py)?
            }
        };
        let name = match new.name {
            Some(name) if !name.is_none() => Name::Object(name.str()?.unbind()),
            _ => Name::Number(NEXT_NAME.fetch_add(1, Ordering::Relaxed)),
        };
        let group = match &new.group {
            Some(group) => Some(group.get().open_id(py)?),
            None => None,
        };
        let under = new.under;
        let id = state.get().kernel(py, |kernel| match group {
            Some(group) => kernel.spawn(group, under),
            None => Some(kernel.spawn_root()),
        });
        let Some(id) = id else {
            return Err(PyRuntimeError::new_err("the task group is closed"));
        };
        let registration = Registration {
            state: state.clone().unbind(),
            id,
        };
        if this.registration.set(py, registration).is_err() {
            return Err(PyRuntimeError::new_err(
                "a Task can be initialised only once",
            ));
        }
        State::register(state, id, slf, group.is_some())?;
        this.coro.set(py, Some(new.coro.unbind()));
        this.context.set(py, Some(context.unbind()));
        this.name.set(py, name);
        this.group.set(py, new.group.map(Bound::unbind));
        this.supervised.set(py, new.supervised);
        this.resume.set(py, Resume::First);
        slf.as_super().get().note_origin(py)?;
        if new.eager && ffi::running(py).is_some_and(|running| running.is(state)) {
            return step::run_eagerly(state, slf);
        }
        State::push(state, Ready::Task(slf.clone().unbind()))?;
        Self::hide(slf, state);
        Ok(())
    }

    /// While it waits for its first step, a new task is not shown to the collector.
    ///
    /// The ready queue of a running loop refers to it, so that it cannot be garbage; and of many new tasks, each
    /// with a coroutine and a context, looking at them is most of the cost.
    pub fn hide(slf: &Bound<'_, Self>, state: &Bound<'_, State>) {
        let py = slf.py();
        let this = slf.get();
        let running = ffi::running(py).is_some_and(|running| running.is(state));
        let coroutine = this.coro.cloned(py).filter(ffi::is_coroutine);
        if let (true, false, Some(coroutine)) = (running, state.get().is_foreign(py), coroutine) {
            ffi::untrack(slf.as_any());
            ffi::untrack(&coroutine);
            if let (true, Some(context)) = (this.own_context.get(py), this.context.cloned(py)) {
                ffi::untrack(&context);
            }
            this.hidden.set(py, true);
        }
    }

    /// Before its first step, and before it may be dropped, it is shown again.
    pub fn show(slf: &Bound<'_, Self>) {
        if slf.get().show_parts() {
            ffi::track(slf.as_any());
        }
    }

    pub fn show_parts(&self) -> bool {
        if !self.hidden.peek(|hidden| *hidden) {
            return false;
        }
        Python::attach(|py| self.hidden.set(py, false));
        self.coro
            .peek(|coroutine| coroutine.iter().for_each(ffi::track_raw));
        if self.own_context.peek(|own| *own) {
            self.context
                .peek(|context| context.iter().for_each(ffi::track_raw));
        }
        true
    }
}

/// Refuses a `context=` that is none, with the coroutine closed, since nobody will await it.
fn check_context(context: &Bound<'_, PyAny>, coroutine: &Bound<'_, PyAny>) -> PyResult<()> {
    if ffi::is_context(context) {
        return Ok(());
    }
    coroutine.call_method0(intern!(context.py(), "close"))?;
    Err(PyTypeError::new_err(format!(
        "context must be a contextvars.Context or None, got {}",
        context.repr()?
    )))
}
