//! Tasks: which scope each one is in, whether it is parked, and what ends with it.

use crate::Kernel;
use crate::groups::GroupId;
use crate::scopes::{Scope, ScopeId};
use crate::slab::Key;

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

pub struct Task {
    /// The task scope (clause 1.13).
    pub(crate) scope: ScopeId,
    /// The innermost entered scope, or the task scope.
    pub(crate) current: ScopeId,
    pub(crate) run: Run,
    /// Where each native request that was not taken back is placed, oldest first.
    pub(crate) requests: Vec<ScopeId>,
    /// `uncancel()` was called without a request in this step (clause 3.3b).
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

    /// Makes a task that belongs to no group.
    pub fn spawn_root(&mut self) -> TaskId {
        let task = self.new_task(None, None);
        self.verify();
        task
    }

    /// A step begins. True if the task's current scope is effectively cancelled.
    #[inline]
    pub fn begin(&mut self, task: TaskId) -> bool {
        let entry = &mut self.tasks[task];
        entry.run = Run::Running;
        self.scopes[entry.current].effective
    }

    /// The step ended with the task waiting for a future. True if it is due at once.
    #[inline]
    pub fn park(&mut self, task: TaskId) -> bool {
        let entry = &mut self.tasks[task];
        entry.phantom = false;
        let effective = self.scopes[entry.current].effective;
        entry.run = if effective {
            Run::Notified
        } else {
            Run::Parked
        };
        effective
    }

    /// The step ended with the task in the ready queue.
    #[inline]
    pub fn yield_now(&mut self, task: TaskId) {
        let entry = &mut self.tasks[task];
        entry.phantom = false;
        entry.run = Run::Ready;
    }

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

    /// How many tasks there are.
    pub fn task_count(&self) -> usize {
        self.tasks.len()
    }

    /// How many scopes are open, the task scopes included.
    pub fn scope_count(&self) -> usize {
        self.scopes.len()
    }
}
