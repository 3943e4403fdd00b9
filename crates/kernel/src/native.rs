//! `Task.cancel()` and `uncancel()`: native requests, where they are placed and what they count (section 3).
//!
//! A task remembers where each of its requests is placed (I4); a scope only counts them, which is all that D1 asks.

use crate::scopes::ScopeId;
use crate::tasks::{Run, TaskId};
use crate::{Due, Kernel};

/// The task and the scope that a timer was made in (clause 3.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    pub task: TaskId,
    pub scope: ScopeId,
}

impl Kernel {
    /// Asks a task to be cancelled, as `Task.cancel()` does.
    ///
    /// `origin` is that of the callback that asks, when no task is running: a request that a task's own timer
    /// makes is placed inside the shield that the timer was made in, so that it works there (clause 3.6).
    /// A task that has ended ignores it.
    ///
    /// O(1) if the task is cancelled already, else a walk; with an origin O(d) for the d scopes of the task.
    #[must_use = "those who are due have to be told"]
    pub fn request(&mut self, task: TaskId, origin: Option<Origin>) -> Due {
        let mut due = Due::new();
        let Some(entry) = self.tasks.get(task) else {
            return due;
        };
        let place = self.request_place(task, entry.scope, origin);
        self.tasks[task].requests.push(place);
        self.scopes[place].natives += 1;
        self.refresh(place, &mut due);
        self.verify();
        due
    }

    /// A running task cancels itself. False if that only takes back an `uncancel()` of the same step (3.3b).
    ///
    /// Costs what `request` does.
    #[must_use = "those who are due have to be told"]
    pub fn request_self(&mut self, task: TaskId) -> (bool, Due) {
        if std::mem::take(&mut self.tasks[task].phantom) {
            return (false, Due::new());
        }
        (true, self.request(task, None))
    }

    /// Takes the latest request back, as `Task.uncancel()` does (clause 3.3). True if there was one.
    ///
    /// Without one, a running task that a scope cancels remembers the call until the end of its step (I8).
    /// A walk if that was the last request on its scope, else O(1); O(d) like `cancelling` if there was none.
    #[must_use = "those who are due have to be told"]
    pub fn withdraw(&mut self, task: TaskId) -> (bool, Due) {
        let mut due = Due::new();
        let Some(entry) = self.tasks.get_mut(task) else {
            return (false, due);
        };
        match entry.requests.pop() {
            Some(place) => {
                self.scopes[place].natives -= 1;
                self.refresh(place, &mut due);
                self.verify();
                (true, due)
            }
            None => {
                if entry.run == Run::Running && self.scope_cancelled(task) {
                    self.tasks[task].phantom = true;
                }
                (false, due)
            }
        }
    }

    /// Whether a request of the task that is made now would be seen from its current scope.
    ///
    /// O(d) for the d scopes of the task.
    pub fn is_reached(&self, task: TaskId, origin: Option<Origin>) -> bool {
        let Some(entry) = self.tasks.get(task) else {
            return false;
        };
        let place = self.request_place(task, entry.scope, origin);
        let mut at = entry.current;
        while at != place {
            let scope = &self.scopes[at];
            match scope.parent {
                Some(parent) if !scope.shield => at = parent,
                _ => return false,
            }
        }
        true
    }

    /// How many native requests were not taken back. O(1).
    pub fn request_count(&self, task: TaskId) -> usize {
        self.tasks.get(task).map_or(0, |task| task.requests.len())
    }

    /// What `Task.cancelling()` returns (D4, clause 3.4).
    ///
    /// O(d) for d scopes up to the nearest that cancels or shields.
    pub fn cancelling(&self, task: TaskId) -> usize {
        self.request_count(task) + usize::from(self.scope_cancelled(task))
    }

    /// Whether a cancelled scope, not only a native request, is visible from the task's current scope.
    fn scope_cancelled(&self, task: TaskId) -> bool {
        let mut at = self.tasks.get(task).map(|task| task.current);
        while let Some(id) = at {
            let scope = &self.scopes[id];
            if scope.cancelled || scope.abandoned {
                return true;
            }
            if scope.host != task && scope.natives > 0 {
                // A native request of another task reaches this one through its group: a scope's, seen from here.
                return true;
            }
            if scope.shield {
                return false;
            }
            at = scope.parent;
        }
        false
    }

    /// Where a request is placed (clause 3.6): inside the shield that a timer of the task was made in.
    fn request_place(&self, task: TaskId, task_scope: ScopeId, origin: Option<Origin>) -> ScopeId {
        match origin {
            Some(origin) if origin.task == task => self.placement(task, origin.scope),
            _ => task_scope,
        }
    }

    /// The nearest shielded scope at or above `scope`, within the task; else the task scope.
    fn placement(&self, task: TaskId, scope: ScopeId) -> ScopeId {
        let task_scope = self.tasks[task].scope;
        let mut at = scope;
        while let Some(scope) = self.scopes.get(at) {
            if scope.host != task || at == task_scope {
                break;
            }
            if scope.shield {
                return at;
            }
            match scope.parent {
                Some(parent) => at = parent,
                None => break,
            }
        }
        task_scope
    }

    /// Places requests whose scope was closed at the next shielded scope outwards, or on the task scope (3.6).
    pub(crate) fn migrate_requests(&mut self, task: TaskId, from: ScopeId, due: &mut Due) {
        let place = self.placement(task, from);
        let mut requests = std::mem::take(&mut self.tasks[task].requests);
        let mut moved = 0;
        for request in &mut requests {
            if self.scopes.get(*request).is_none() {
                *request = place;
                moved += 1;
            }
        }
        self.tasks[task].requests = requests;
        self.scopes[place].natives += moved;
        self.refresh(place, due);
    }
}
