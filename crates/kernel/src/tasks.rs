//! Tasks: which scope each one is in and where it is between two steps.
//!
//! The transitions of [`Run`] are here and in `refresh`, which every change of a scope goes through; the table of
//! all of them is in the crate's documentation.
//! Not here: how a task ends, which is its group's business (`groups.rs`), and what it waits for.

use crate::groups::GroupId;
use crate::scopes::{Scope, ScopeId};
use crate::slab::Key;
use crate::{Due, Kernel};

pub type TaskId = Key<Task>;

/// Where a task is between two steps; the table of transitions is in the crate's documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// Not started yet, or in the ready queue.
    Ready,
    Running,
    /// Waits for a future, and nobody told it of a cancellation.
    Parked,
    /// Waits for a future and was told that it is cancelled (D2).
    Notified,
}

#[derive(Clone)]
pub struct Task {
    /// The task scope (clause 1.13).
    pub(crate) scope: ScopeId,
    /// The innermost entered scope, or the task scope.
    pub(crate) current: ScopeId,
    pub(crate) run: Run,
    /// Where each native request that was not taken back is placed, oldest first.
    pub(crate) requests: Vec<ScopeId>,
    /// `uncancel()` was called without a request in this step (clause 3.3b, I8).
    pub(crate) phantom: bool,
    pub(crate) group: Option<GroupId>,
    pub(crate) next: Option<TaskId>,
    pub(crate) previous: Option<TaskId>,
}

impl Kernel {
    /// Makes a task whose scope hangs on `parent`; without one it is a root.
    pub(crate) fn new_task(&mut self, parent: Option<ScopeId>, group: Option<GroupId>) -> TaskId {
        // The task and its scope name each other; the scope gets its host as soon as there is one.
        let placeholder = self.tasks.vacant_key();
        let scope = self.scopes.insert(Scope::new(placeholder));
        let task = self.tasks.insert(Task {
            scope,
            current: scope,
            run: Run::Ready,
            requests: Vec::new(),
            phantom: false,
            group,
            next: None,
            previous: None,
        });
        debug_assert!(task == placeholder);
        if let Some(parent) = parent {
            self.link(scope, parent);
            self.scopes[scope].effective = self.scopes[parent].effective;
        }
        task
    }

    /// Makes a task that belongs to no group and that no scope reaches from outside. O(1) amortised.
    pub fn spawn_root(&mut self) -> TaskId {
        let task = self.new_task(None, None);
        self.verify();
        task
    }

    /// A step begins. True if the task's current scope is effectively cancelled. O(1).
    #[inline]
    pub fn begin(&mut self, task: TaskId) -> bool {
        let entry = &mut self.tasks[task];
        debug_assert!(entry.run != Run::Running, "a step begins once");
        entry.run = Run::Running;
        self.scopes[entry.current].effective
    }

    /// The step ended with the task waiting for a future. True if it is due at once (D2). O(1).
    #[inline]
    pub fn park(&mut self, task: TaskId) -> bool {
        let entry = &mut self.tasks[task];
        debug_assert!(entry.run == Run::Running, "a step ends after it began");
        entry.phantom = false;
        let effective = self.scopes[entry.current].effective;
        entry.run = if effective {
            Run::Notified
        } else {
            Run::Parked
        };
        effective
    }

    /// The step ended with the task in the ready queue. O(1).
    #[inline]
    pub fn yield_now(&mut self, task: TaskId) {
        let entry = &mut self.tasks[task];
        debug_assert!(entry.run == Run::Running, "a step ends after it began");
        entry.phantom = false;
        entry.run = Run::Ready;
    }

    /// The current scope of a task, which it is, changed its value: the last two columns of the table of states.
    pub(crate) fn current_scope_changed(&mut self, task: TaskId, effective: bool, due: &mut Due) {
        let entry = &mut self.tasks[task];
        match (entry.run, effective) {
            (Run::Parked, true) => {
                entry.run = Run::Notified;
                due.push(task);
            }
            (Run::Notified, false) => entry.run = Run::Parked,
            (Run::Ready | Run::Running, _) | (Run::Parked, false) | (Run::Notified, true) => {}
        }
    }

    pub(crate) fn is_waiting(&self, task: TaskId) -> bool {
        matches!(self.tasks[task].run, Run::Parked | Run::Notified)
    }

    /// Where the task is between two steps; `None` once it has ended. This and what follows: O(1).
    pub fn run(&self, task: TaskId) -> Option<Run> {
        self.tasks.get(task).map(|task| task.run)
    }

    pub fn is_alive(&self, task: TaskId) -> bool {
        self.tasks.get(task).is_some()
    }

    /// Whether the task's current scope is effectively cancelled.
    #[inline]
    pub fn is_task_cancelled(&self, task: TaskId) -> bool {
        self.tasks
            .get(task)
            .is_some_and(|task| self.scopes[task.current].effective)
    }

    pub fn current_scope(&self, task: TaskId) -> Option<ScopeId> {
        self.tasks.get(task).map(|task| task.current)
    }

    pub fn task_scope(&self, task: TaskId) -> Option<ScopeId> {
        self.tasks.get(task).map(|task| task.scope)
    }

    /// Whether the task has entered scopes that it has not left.
    pub fn has_open_scopes(&self, task: TaskId) -> bool {
        self.tasks
            .get(task)
            .is_some_and(|task| task.current != task.scope)
    }

    /// Whether a group is open in a scope that the task has entered.
    ///
    /// O(g) for g groups; asked only about a task that ended with scopes open.
    pub fn has_open_group(&self, task: TaskId) -> bool {
        self.groups.values().any(|group| {
            let scope = self.scopes.get(group.scope);
            scope.is_some_and(|scope| scope.host == task)
        })
    }

    /// How many tasks there are.
    pub fn task_count(&self) -> usize {
        self.tasks.len()
    }

    /// How many scopes are open, the task scopes included.
    pub fn scope_count(&self) -> usize {
        self.scopes.len()
    }
}
