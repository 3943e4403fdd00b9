//! Cancellations that are delivered once: those of AnyIO's cancel scopes (clause 15.2).
//!
//! AnyIO's scopes cancel by level themselves. They call `Task.cancel()` again and again, and leave out the tasks
//! that are inside a shield of AnyIO's, of which we know nothing. A native request would last in there, too, so
//! theirs, which AnyIO tells from others by the message, as we do, is no request: it is what asyncio makes of it.
//!
//! Not here: what AnyIO does (`python/asyncbis/_anyio.py` finds it); requests that last (`task.rs`, the kernel).

use pyo3::prelude::*;

use crate::future::Future;
use crate::names;
use crate::state::State;
use crate::task::{Resume, Task};

/// How the messages of AnyIO's scopes begin, in its versions 4.9 and later, and before.
const MESSAGES: [&str; 2] = ["Cancelled via cancel scope ", "Cancelled by cancel scope "];

/// How often a task was cancelled once, which `cancelling()` counts and `uncancel()` takes back.
#[derive(Default)]
pub struct Once {
    /// How many native requests there were, and how many of these came on top of them; the oldest first.
    counts: Vec<(usize, usize)>,
}

impl Once {
    fn add(&mut self, requests: usize) {
        match self.counts.last_mut() {
            Some((on_top_of, count)) if *on_top_of == requests => *count += 1,
            _ => self.counts.push((requests, 1)),
        }
    }

    /// True if the latest of all was one of these, and not a native request.
    pub fn take_back(&mut self, requests: usize) -> bool {
        let Some((on_top_of, count)) = self.counts.last_mut() else {
            return false;
        };
        if *on_top_of < requests {
            return false;
        }
        *count -= 1;
        if *count == 0 {
            self.counts.pop();
        }
        true
    }

    pub fn total(&self) -> usize {
        self.counts.iter().map(|(_, count)| count).sum()
    }
}

/// Whether this is the message of one of AnyIO's scopes.
pub fn is_anyio(message: Option<&Bound<'_, PyAny>>) -> bool {
    message
        .and_then(|message| message.extract::<&str>().ok())
        .is_some_and(|text| MESSAGES.iter().any(|begin| text.starts_with(begin)))
}

/// `Task.cancel()` with such a message. AnyIO calls again as long as the task has not left its scope.
pub fn cancel(task: &Bound<'_, Task>, message: Bound<'_, PyAny>) -> PyResult<bool> {
    let py = task.py();
    let this = task.get();
    if task.as_super().get().done(py) {
        return Ok(false);
    }
    let (state, id) = this.known()?;
    let state = state.bind(py);
    state.get().check_thread(py)?;
    let origin = state.get().running_origin(py);
    let (requests, reached) = state.get().kernel(py, |kernel| {
        (kernel.request_count(id), kernel.is_reached(id, origin))
    });
    let waiter = this.fut_waiter.cloned(py).filter(|_| {
        this.resume
            .with(py, |resume| matches!(resume, Resume::Future))
    });
    let future = waiter
        .as_ref()
        .and_then(|waiter| waiter.cast_exact::<Future>().ok());
    if reached && future.is_some_and(|future| future.get().uncancellable) {
        // It waits for a task group, which only a request can end.
        return Task::cancel_with(task, Some(message));
    }
    this.once
        .with(py, |once| once.get_or_insert_default().add(requests));
    if reached {
        deliver(task, state, waiter, message)?;
    }
    Ok(true)
}

fn deliver(
    task: &Bound<'_, Task>,
    state: &Bound<'_, State>,
    waiter: Option<Bound<'_, PyAny>>,
    message: Bound<'_, PyAny>,
) -> PyResult<()> {
    let py = task.py();
    let this = task.get();
    let Some(waiter) = waiter else {
        if this
            .resume
            .with(py, |resume| matches!(resume, Resume::Bare))
        {
            let error = names::cancelled_error(py, Some(message))?;
            this.resume.set(py, Resume::Throw(error.unbind()));
        }
        return Ok(());
    };
    if let Ok(future) = waiter.cast_exact::<Future>() {
        return Future::cancel_with(future, Some(message)).map(drop);
    }
    // A task takes it as one that is delivered once, as this one does.
    Task::cancel_waiter(task, state, &waiter, Some(message))
}
