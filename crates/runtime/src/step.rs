//! The one place that resumes a coroutine, and what follows from how it stopped.
//!
//! | the coroutine | the task |
//! |---|---|
//! | yields None | goes to the end of the ready queue; cancelled or not is decided when it runs again (2.3) |
//! | yields a pending future | parks on it; if cancelled already, the future is asked to be cancelled (2.4) |
//! | yields anything else | is resumed with a RuntimeError (2.10) |
//! | returns, raises | ends |

use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::ffi::{self, Resumed};
use crate::future::{Future, Status};
use crate::names;
use crate::operation::ShieldedYield;
use crate::ready::Ready;
use crate::state::State;
use crate::task::{Resume, Task};
use crate::wakeup::Wakeup;

/// Takes one step of a task whose turn has come. Only KeyboardInterrupt and SystemExit come out (clause 4.5).
pub fn run(state: &Bound<'_, State>, task: &Bound<'_, Task>) -> PyResult<()> {
    step(state, task, false)
}

/// Takes the first step inside `create_task()`, with the current task swapped (clause 4.3).
pub fn run_eagerly(state: &Bound<'_, State>, task: &Bound<'_, Task>) -> PyResult<()> {
    let py = state.py();
    let before = state.get().current(py);
    let result = step(state, task, true);
    match before {
        Some(before) => State::enter_task(state, before.bind(py))?,
        None => State::leave_task(state)?,
    }
    result
}

fn step(state: &Bound<'_, State>, task: &Bound<'_, Task>, eager: bool) -> PyResult<()> {
    let py = state.py();
    let this = task.get();
    let resume = this.resume.take(py);
    let (Some(coroutine), Some(id)) = (this.coro.cloned(py), this.id()) else {
        return Ok(());
    };
    if matches!(resume, Resume::Done | Resume::Running) {
        this.resume.set(py, resume);
        return Ok(());
    }
    if matches!(resume, Resume::First) {
        Task::show(task);
    }
    State::enter_task(state, task)?;
    let effective = state.get().kernel(py, |kernel| kernel.begin(id));
    let error = match resume {
        Resume::Bare if effective => {
            Some(names::cancelled_error(py, state.get().message_for(py, id))?)
        }
        Resume::Future => waited_error(task),
        Resume::Throw(error) => Some(error.into_bound(py)),
        _ => None,
    };
    if state.get().debug.get(py) {
        let delivered = error
            .as_ref()
            .filter(|error| effective && names::is_cancelled_error(error));
        if let (Some(error), Some(note)) = (delivered, state.get().describe_cause(py, id)) {
            error.call_method1(intern!(py, "add_note"), (note,))?;
        }
        report_swallowing(state, task, delivered.is_some())?;
    }
    let context = this.context(py);
    let resumed = ffi::in_context(context.bind(py), || match &error {
        None => ffi::send_none(&coroutine),
        Some(error) => ffi::throw(&coroutine, error),
    });
    // An exception refers to the frames it went through; ours must not keep it longer than the step.
    drop(error);
    match resumed {
        Ok(Resumed::Yielded(yielded)) => suspend(state, task, yielded),
        Ok(Resumed::Returned(value)) => {
            task.as_super().get().result.set(py, Some(value.unbind()));
            Task::end(task, state, Status::Finished, eager)
        }
        Ok(Resumed::Raised(error)) | Err(error) => fail(state, task, error, eager),
    }
}

/// Debug mode: a task that is cancelled again and again without leaving its scope burns the processor (2.12).
fn report_swallowing(
    state: &Bound<'_, State>,
    task: &Bound<'_, Task>,
    delivered: bool,
) -> PyResult<()> {
    const MANY: u32 = 1000;
    let py = state.py();
    let count = if delivered {
        task.get().deliveries.get(py) + 1
    } else {
        0
    };
    task.get().deliveries.set(py, count);
    if count == MANY + 1 {
        let message = "Task swallows cancellation in a loop: it received more than 1000 CancelledErrors in a row \
                       and goes on awaiting; leave the cancelled scope, or shield what has to be awaited";
        State::report(state, message, None, Some(task))?;
    }
    Ok(())
}

/// The error that the awaited future woke the task with.
fn waited_error<'py>(task: &Bound<'py, Task>) -> Option<Bound<'py, PyAny>> {
    let py = task.py();
    let waiter = task.get().fut_waiter.take(py)?.into_bound(py);
    let result = match waiter.cast::<Future>() {
        Ok(future) => {
            let this = future.get();
            match this.status.get(py) {
                Status::Finished if !this.exception.is_some(py) => return None,
                _ => Future::outcome(future),
            }
        }
        Err(_) => waiter.call_method0(intern!(py, "result")),
    };
    result
        .err()
        .map(|error| error.into_value(py).into_bound(py).into_any())
}

fn suspend(
    state: &Bound<'_, State>,
    task: &Bound<'_, Task>,
    yielded: Bound<'_, PyAny>,
) -> PyResult<()> {
    if yielded.is_none() {
        return requeue(state, task, Resume::Bare);
    }
    if let Ok(future) = yielded.cast_exact::<Future>() {
        return wait_for_ours(state, task, future);
    }
    if let Ok(other) = yielded.cast_exact::<Task>() {
        if other.is(task) {
            return throw_next(
                state,
                task,
                format!("Task cannot await on itself: {}", task.repr()?),
            );
        }
        return wait_for_ours(state, task, other.as_super());
    }
    if yielded.is_exact_instance_of::<ShieldedYield>() {
        return requeue(state, task, Resume::Shielded);
    }
    match wait_for_foreign(state, task, &yielded) {
        Err(error) if !names::is_exit(error.value(task.py())) => {
            throw_error(state, task, error.into_value(task.py()).into_any())
        }
        other => other,
    }
}

fn requeue(state: &Bound<'_, State>, task: &Bound<'_, Task>, resume: Resume) -> PyResult<()> {
    let py = state.py();
    let this = task.get();
    this.resume.set(py, resume);
    if let Some(id) = this.id() {
        state.get().kernel(py, |kernel| kernel.yield_now(id));
    }
    State::push(state, Ready::Task(task.clone().unbind()))
}

fn throw_next(state: &Bound<'_, State>, task: &Bound<'_, Task>, message: String) -> PyResult<()> {
    let error = PyRuntimeError::new_err(message).into_value(state.py());
    throw_error(state, task, error.into_any())
}

fn throw_error(state: &Bound<'_, State>, task: &Bound<'_, Task>, error: Py<PyAny>) -> PyResult<()> {
    requeue(state, task, Resume::Throw(error))
}

/// Parks on a future of our own class, without a callback object.
fn wait_for_ours(
    state: &Bound<'_, State>,
    task: &Bound<'_, Task>,
    future: &Bound<'_, Future>,
) -> PyResult<()> {
    let py = state.py();
    if !future.get().blocking.replace(py, false) {
        return throw_next(state, task, not_awaited(task, future.as_any())?);
    }
    if !future.get().state(py)?.is(state) {
        return throw_next(state, task, other_loop(task, future.as_any())?);
    }
    Future::wait(future, task)?;
    park(state, task, future.as_any())
}

/// Parks on anything that speaks asyncio's protocol: futures of asyncio, of other libraries, and subclasses.
fn wait_for_foreign(
    state: &Bound<'_, State>,
    task: &Bound<'_, Task>,
    yielded: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let py = state.py();
    let flag = intern!(py, "_asyncio_future_blocking");
    let blocking = match yielded.getattr_opt(flag)? {
        Some(blocking) if !blocking.is_none() => blocking,
        _ => {
            let message = if names::isgenerator(py)?.call1((yielded,))?.is_truthy()? {
                format!(
                    "yield was used instead of yield from for generator in task {} with {}",
                    task.repr()?,
                    yielded.repr()?
                )
            } else {
                format!("Task got bad yield: {}", yielded.repr()?)
            };
            return throw_next(state, task, message);
        }
    };
    let future_loop = match yielded.getattr_opt(intern!(py, "get_loop"))? {
        Some(get_loop) => get_loop.call0()?,
        None => yielded.getattr(intern!(py, "_loop"))?,
    };
    if !future_loop.is(State::event_loop(state)) {
        return throw_next(state, task, other_loop(task, yielded)?);
    }
    if !blocking.is_truthy()? {
        return throw_next(state, task, not_awaited(task, yielded)?);
    }
    if yielded.is(task) {
        return throw_next(
            state,
            task,
            format!("Task cannot await on itself: {}", task.repr()?),
        );
    }
    yielded.setattr(flag, false)?;
    let keywords = PyDict::new(py);
    keywords.set_item(intern!(py, "context"), state.get().blank_context(py)?)?;
    let wakeup = Bound::new(py, Wakeup::of(task.clone().unbind()))?;
    yielded.call_method(intern!(py, "add_done_callback"), (wakeup,), Some(&keywords))?;
    park(state, task, yielded)
}

fn park(
    state: &Bound<'_, State>,
    task: &Bound<'_, Task>,
    waiter: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let py = state.py();
    let this = task.get();
    this.fut_waiter.set(py, Some(waiter.clone().unbind()));
    this.resume.set(py, Resume::Future);
    let Some(id) = this.id() else { return Ok(()) };
    if state.get().kernel(py, |kernel| kernel.park(id)) {
        Task::attempt_delivery(task, state)?;
    }
    Ok(())
}

fn not_awaited(task: &Bound<'_, Task>, future: &Bound<'_, PyAny>) -> PyResult<String> {
    Ok(format!(
        "yield was used instead of yield from in task {} with {}",
        task.repr()?,
        future.repr()?
    ))
}

fn other_loop(task: &Bound<'_, Task>, future: &Bound<'_, PyAny>) -> PyResult<String> {
    Ok(format!(
        "Task {} got Future {} attached to a different loop",
        task.repr()?,
        future.repr()?
    ))
}

/// The coroutine ended with an exception.
fn fail(
    state: &Bound<'_, State>,
    task: &Bound<'_, Task>,
    error: PyErr,
    eager: bool,
) -> PyResult<()> {
    let py = state.py();
    let future = task.as_super().get();
    let value = ffi::exception(py, &error);
    future.exception.set(py, Some(value.clone().unbind()));
    if names::is_cancelled_error(&value) {
        return Task::end(task, state, Status::Cancelled, eager);
    }
    future.keep_exception(value.clone());
    let grouped = task.get().group.is_some(py);
    // A group takes the error, unless somebody else owns it and may or may not look at it.
    future
        .log_traceback
        .set(py, !grouped || task.get().supervised.get(py));
    Task::end(task, state, Status::Finished, eager)?;
    if names::is_exit(&value) && !grouped {
        Err(error)
    } else {
        Ok(())
    }
}
