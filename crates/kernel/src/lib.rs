//! Level cancellation as plain data: cancel scopes, tasks, task groups and deadlines, without Python in it.
//!
//! A [`Kernel`] is what one event loop knows about cancellation.
//! Its caller tells it what happens (a scope is entered, a task parks, somebody cancels) and it answers with
//! what follows: which parked tasks are *due*, that is, have to be told now that they are cancelled.
//!
//! ```
//! use kernel::{Kernel, ScopeSettings};
//!
//! let mut kernel = Kernel::new();
//! let task = kernel.spawn_root();
//! kernel.begin(task);
//! let settings = ScopeSettings { shield: false, cancelled: false, deadline: 5.0 };
//! let scope = kernel.enter(task, settings, 0.0);
//! assert!(!kernel.park(task), "nothing is cancelled yet");
//! assert_eq!(kernel.expire(5.0), [task], "it waits, and has to be told");
//! assert!(kernel.begin(task), "its next step is cancelled");
//! let exit = kernel.exit(task, scope).unwrap();
//! assert!(exit.absorbs && exit.expired, "the cancellation ends here");
//! ```
//!
//! # Definitions
//!
//! - **D1** `effective(s) = requested(s) or (not shield(s) and effective(parent(s)))`, where
//!   `requested(s) = cancelled(s) or abandoned(s) or natives(s) > 0`.
//!   A scope without a parent is effective iff it is requested (clause 1.5).
//! - **D2** A task becomes *due* when it waits (it parked, and its next step has not begun), its current scope is
//!   effective, and it has not been notified since it parked or since it was last free of cancellation
//!   (clause 2.4).
//! - **D3** A scope *absorbs* the cancellation that leaves it iff it was cancelled itself and nothing else is
//!   visible through it that has to go on, neither an outer cancellation nor a native request of its own:
//!   `cancelled(s) and natives(s) == 0 and (shield(s) or not effective(parent(s)))` (clauses 1.14, 3.6, 3.10).
//! - **D4** `cancelling(t)` is the number of native requests of the task, plus one if a scope that is cancelled,
//!   abandoned or carries another task's native request is visible from its current scope through unshielded
//!   parents (clause 3.4).
//!
//! # Invariants
//!
//! - **I1** Links agree and lead outwards: a scope is in the child list of its parent exactly once, and from every
//!   scope its parents lead to one without a parent. Scopes without a parent are task scopes, abandoned ones or
//!   those of tasks without a group; no scope with a parent is abandoned. The parent of an entered scope belongs
//!   to the same task, the parent of a task scope to another.
//! - **I2** The stored flag `effective` equals D1 for every scope.
//! - **I3** The open scopes of a task are those from its current scope through parents to its task scope.
//! - **I4** `natives(s)` counts the requests of the task that are placed on `s`; a request is placed on an open
//!   scope of the same task.
//! - **I5** A waiting task is `Notified` iff its current scope is effective: no task is due after an operation has
//!   returned, as whoever became due was reported.
//! - **I6** The deadline heap has one entry for each armed scope (a finite deadline and not cancelled), with its
//!   deadline, and no others.
//! - **I7** A group's count is the number of its tasks, which are linked in the order of their spawning; the group
//!   of a task is not closed.
//! - **I8** Only a running task remembers an `uncancel()` without a request.
//!
//! # Rules for the caller
//!
//! - Whoever is reported as due is told of it: the future that the task waits for is cancelled (clause 2.4).
//! - Only a task that is not waiting enters and exits scopes (I5 relies on it), and its steps begin and end as the
//!   table of states says. Debug builds check that.
//! - `enter`, `begin`, `park`, `yield_now`, `request_self` and `finish` are for tasks that have not ended, and panic
//!   otherwise. Everything else answers for what is gone, too: `None`, no, zero, nobody.
//! - A deadline and `now` are numbers; keys of one kernel mean nothing to another.
//!
//! # Task states
//!
//! A task is made in `Ready`. `Parked` and `Notified` are the two ways of waiting.
//!
//! | state \ event | `begin` | `park` | `yield_now` | current scope becomes effective | it stops being effective |
//! |---|---|---|---|---|---|
//! | `Ready` | `Running` | - | - | `Ready` | `Ready` |
//! | `Running` | - | `Parked`, or `Notified` and due if effective | `Ready` | `Running` | `Running` |
//! | `Parked` | `Running` | - | - | `Notified` and due | - |
//! | `Notified` | `Running` | - | - | - | `Parked` |
//!
//! # Cost
//!
//! Every method says what it costs. None depends on how many scopes are open, how many tasks there are or how
//! many of them a group has, but for those that report these (`cancel` and its like *walk*: they visit the scopes
//! whose value changes, and the children of these).
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
#[cfg(test)]
mod tests;

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
#[derive(Clone, Default)]
pub struct Kernel {
    scopes: Slab<Scope>,
    tasks: Slab<Task>,
    groups: Slab<Group>,
    deadlines: Deadlines,
    /// Operations since the last check.
    #[cfg(feature = "oracle")]
    unchecked: std::cell::Cell<usize>,
}

impl Kernel {
    pub fn new() -> Self {
        Self::default()
    }

    /// With the feature `oracle`, recomputes every invariant and panics on the first that does not hold.
    ///
    /// A small kernel is checked after every operation, a large one as often as keeps the cost of an operation
    /// the same: O(1), amortised.
    #[inline]
    pub(crate) fn verify(&self) {
        #[cfg(feature = "oracle")]
        {
            const SMALL: usize = 32;
            let unchecked = self.unchecked.get() + 1;
            let enough = (self.scopes.len() + self.tasks.len()) / SMALL;
            if unchecked < enough {
                self.unchecked.set(unchecked);
            } else {
                self.unchecked.set(0);
                self.check();
            }
        }
    }
}
