//! Level cancellation as plain data: cancel scopes, tasks, task groups and deadlines, without Python in it.
//!
//! A [`Kernel`] is what one event loop knows about cancellation.
//! Its caller tells it what happens (a scope is entered, a task parks, somebody cancels) and it answers with
//! what follows: which parked tasks are *due*, that is, have to be told now that they are cancelled.
//!
//! # Definitions
//!
//! - **D1** `effective(s) = requested(s) or (not shield(s) and effective(parent(s)))`, where
//!   `requested(s) = cancelled(s) or abandoned(s) or natives(s) > 0`.
//!   A scope without a parent is effective iff it is requested.
//! - **D2** A task becomes *due* when it is parked, has not been notified since it parked or since it was last
//!   free of cancellation, and its current scope is effective.
//! - **D3** A scope *absorbs* the cancellation that leaves it iff it was cancelled itself and no outer
//!   cancellation is visible through it: `cancelled(s) and (shield(s) or not effective(parent(s)))`.
//! - **D4** `cancelling(t)` is the number of native requests of the task, plus one if a scope that is cancelled,
//!   abandoned or carries another task's native request is visible from its current scope through unshielded
//!   parents.
//!
//! # Invariants
//!
//! - **I1** Links agree: a scope is in the child list of its parent exactly once; the scopes without a parent are
//!   task scopes. The parent of an entered scope belongs to the same task; the parent of a task scope belongs to
//!   the host of the group (or to whoever starts the task) and to another task.
//! - **I2** The stored flag `effective` equals D1 for every scope.
//! - **I3** A task has one current scope, and its task scope is reached from it through parents of the same task.
//! - **I4** `natives(s)` counts the requests of the task that are placed on `s`; a request is placed on the task
//!   scope or on a scope of the same task.
//! - **I5** No task is due after an operation has returned: whoever became due was reported and is notified.
//! - **I6** Every armed scope (a finite deadline and not cancelled) has an entry in the deadline heap.
//! - **I7** A group's count is the number of its tasks; a closed group has none.
//!
//! # Task states
//!
//! | state \ event | `begin` | `park` | `yield_now` | scope becomes effective | scope stops being effective |
//! |---|---|---|---|---|---|
//! | `Ready` | `Running` | - | - | - | - |
//! | `Running` | - | `Parked`, or `Notified` and due | `Ready` | - | - |
//! | `Parked` | `Running` | - | - | `Notified` and due | - |
//! | `Notified` | `Running` | - | - | - | `Parked` |
//!
//! Not here: Python, futures, time (the caller brings `now`), messages and exceptions.

#[cfg(any(test, feature = "oracle"))]
mod check;
mod deadlines;
mod groups;
mod native;
mod scopes;
mod slab;
mod tasks;

pub use groups::{Finished, GroupId};
pub use native::Origin;
pub use scopes::{Cause, Exit, ExitError, ScopeId, ScopeSettings};
pub use tasks::{Run, TaskId};

use deadlines::Deadlines;
use groups::Group;
use scopes::Scope;
use slab::Slab;
use tasks::Task;

/// The tasks that have to be told that they are cancelled, in the order of the scope tree.
pub type Due = Vec<TaskId>;

/// What one event loop knows about cancellation.
#[derive(Default)]
pub struct Kernel {
    scopes: Slab<Scope>,
    tasks: Slab<Task>,
    groups: Slab<Group>,
    deadlines: Deadlines,
}

impl Kernel {
    pub fn new() -> Self {
        Self::default()
    }
}
