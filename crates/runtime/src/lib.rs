//! `asyncbis._core`: tasks, futures, cancel scopes, task groups, timeouts and the event loop, for Python.
//!
//! The algorithm of cancellation is `kernel`, which knows no Python; here Python's objects are brought to it and
//! its decisions are carried out. `step.rs` resumes coroutines, `ffi.rs` holds everything unsafe.

mod causes;
mod current;
mod deadline;
mod eventloop;
mod extra;
mod ffi;
mod foreign;
mod future;
mod group;
mod handle;
mod members;
mod names;
mod once;
mod operation;
mod ready;
mod scope;
mod spawn;
mod state;
mod step;
mod task;
mod timeout;
mod timers;
mod waiters;
mod wakeup;

use pyo3::prelude::*;

#[pymodule(gil_used = true)]
mod _core {
    #[pymodule_export]
    use super::deadline::{
        FailScope, current_effective_deadline, current_scope_cancelled, fail_after, fail_at,
        move_on_after, move_on_at,
    };
    #[pymodule_export]
    use super::eventloop::LoopCore;
    #[pymodule_export]
    use super::future::Future;
    #[pymodule_export]
    use super::group::{TaskGroup, current_task, live_tasks, uncancellable_future};
    #[pymodule_export]
    use super::handle::{Handle, TimerHandle};
    #[pymodule_export]
    use super::operation::{
        cancel_shielded_checkpoint, checkpoint, checkpoint_if_cancelled, sleep_forever,
    };
    #[pymodule_export]
    use super::scope::CancelScope;
    #[pymodule_export]
    use super::state::State;
    #[pymodule_export]
    use super::task::Task;
    #[pymodule_export]
    use super::timeout::{Timeout, timeout, timeout_at};
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add(
            "sleep",
            Bound::new(module.py(), super::operation::SleepFunction)?,
        )?;
        super::ffi::install_finalizers(module.py());
        Ok(())
    }
}
