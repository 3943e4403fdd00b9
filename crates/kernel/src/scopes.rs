//! The tree of cancel scopes: entering, exiting, cancelling, shielding, and who is reached by it.
//!
//! A scope exists here from its entry to its exit; before and after that its flags are the caller's.
//! A key that is no longer found therefore means a scope that was left, or that was closed under its owner's
//! hands: *abandoned* (clause 1.10), which counts as cancelled for ever.
//!
//! The children of an entered scope are the scope that the same task entered next, if any, and the task scopes
//! of tasks that were spawned under it; a task scope of a group's task has no other way to lose its parent than
//! that this closes, which abandons it (clause 5.13).
//!
//! Cost: a scope knows its place in its parent's list, so nothing here depends on how many scopes are open.
//! A walk visits the scopes whose value changes and the children of these; most operations change nothing and
//! walk nowhere.

use crate::slab::Key;
use crate::tasks::TaskId;
use crate::{Due, Kernel};

pub type ScopeId = Key<Scope>;

/// One entered scope, or the task scope of a task.
#[derive(Clone)]
pub struct Scope {
    /// The task that entered it, or whose task scope it is.
    pub(crate) host: TaskId,
    pub(crate) parent: Option<ScopeId>,
    pub(crate) first_child: Option<ScopeId>,
    pub(crate) last_child: Option<ScopeId>,
    pub(crate) next: Option<ScopeId>,
    pub(crate) previous: Option<ScopeId>,
    pub(crate) shield: bool,
    /// `cancel()` was called, or the deadline expired.
    pub(crate) cancelled: bool,
    /// The deadline expired before anybody called `cancel()`.
    pub(crate) expired: bool,
    /// Only of task scopes: the scope under which the task was running was closed. Cancelled for ever.
    pub(crate) abandoned: bool,
    /// How many native requests are placed here (I4).
    pub(crate) natives: u32,
    /// D1, cached (I2).
    pub(crate) effective: bool,
    /// Loop time; infinite means none.
    pub(crate) deadline: f64,
}

impl Scope {
    pub(crate) fn new(host: TaskId) -> Self {
        Scope {
            host,
            parent: None,
            first_child: None,
            last_child: None,
            next: None,
            previous: None,
            shield: false,
            cancelled: false,
            expired: false,
            abandoned: false,
            natives: 0,
            effective: false,
            deadline: f64::INFINITY,
        }
    }

    pub(crate) fn requested(&self) -> bool {
        self.cancelled || self.abandoned || self.natives > 0
    }

    pub(crate) fn armed(&self) -> bool {
        self.deadline < f64::INFINITY && !self.cancelled
    }
}

/// What a scope was told before it is entered.
#[derive(Clone, Copy, Debug)]
pub struct ScopeSettings {
    pub shield: bool,
    pub cancelled: bool,
    /// Loop time; infinite means none.
    pub deadline: f64,
}

/// What an exit means for the exception in flight (D3) and for others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// A `CancelledError` that leaves the scope ends here.
    pub absorbs: bool,
    pub cancelled: bool,
    pub expired: bool,
    pub shield: bool,
    pub due: Due,
}

/// Why a scope was not exited in the regular way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExitError {
    /// Another task tried: nothing was changed (clause 1.9).
    NotHost,
    /// The scope was not entered or is not open any more: it was left before, or abandoned. Nothing was changed.
    NotOpen,
    /// Scopes entered later were still open: they were closed and are abandoned now (clause 1.10).
    Misnested(Exit),
}

/// What makes a task's current scope effectively cancelled: the nearest requested scope, seen from inside.
///
/// Of several requests on one scope, the one that can say most counts: its own, then the native one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    Scope(ScopeId),
    Native(TaskId),
    Abandoned,
}

impl Kernel {
    /// Enters a scope in a task that is not waiting: it becomes the current one (clause 1.3).
    ///
    /// A deadline that is not after `now` cancels it at once.
    /// O(1) amortised, and O(log n) for n armed scopes if it has a deadline.
    pub fn enter(&mut self, task: TaskId, settings: ScopeSettings, now: f64) -> ScopeId {
        debug_assert!(!settings.deadline.is_nan(), "a deadline is a time");
        debug_assert!(!self.is_waiting(task), "a task that waits enters nothing");
        let parent = self.tasks[task].current;
        let mut scope = Scope::new(task);
        scope.shield = settings.shield;
        scope.deadline = settings.deadline;
        scope.expired = !settings.cancelled && settings.deadline <= now;
        scope.cancelled = settings.cancelled || scope.expired;
        scope.effective = scope.cancelled || (!scope.shield && self.scopes[parent].effective);
        let armed = scope.armed();
        let id = self.scopes.insert(scope);
        self.link(id, parent);
        self.tasks[task].current = id;
        if armed {
            self.deadlines.insert(id, settings.deadline);
        }
        self.verify();
        id
    }

    /// Exits a scope in the name of `task`, which is not waiting (clauses 1.9, 1.10, 1.14).
    ///
    /// O(1), and O(log n) for n armed scopes if it was one. A scope that is closed under tasks that run in it
    /// takes a walk through these.
    pub fn exit(&mut self, task: TaskId, id: ScopeId) -> Result<Exit, ExitError> {
        let Some(scope) = self.scopes.get(id) else {
            return Err(ExitError::NotOpen);
        };
        if scope.host != task {
            return Err(ExitError::NotHost);
        }
        let entry = &self.tasks[task];
        if entry.scope == id {
            return Err(ExitError::NotOpen);
        }
        debug_assert!(!self.is_waiting(task), "a task that waits exits nothing");
        let nested = entry.current == id;
        let mut exit = Exit {
            absorbs: scope.cancelled && scope.natives == 0 && !self.outer_visible(id),
            cancelled: scope.cancelled,
            expired: scope.expired,
            shield: scope.shield,
            due: Due::new(),
        };
        let parent = scope.parent.expect("an entered scope has a parent");
        let requests_left = self.close_down_to(task, id, &mut exit.due);
        self.tasks[task].current = parent;
        if requests_left {
            self.migrate_requests(task, parent, &mut exit.due);
        }
        self.verify();
        if nested {
            Ok(exit)
        } else {
            Err(ExitError::Misnested(exit))
        }
    }

    /// Cancels a scope; `None` if it is no longer open.
    ///
    /// O(1) if it was effectively cancelled already, else a walk; O(log n) for n armed scopes if it was one.
    #[must_use = "those who are due have to be told"]
    pub fn cancel(&mut self, id: ScopeId) -> Option<Due> {
        self.scopes.get(id)?;
        let mut due = Due::new();
        self.cancel_one(id, &mut due);
        self.verify();
        Some(due)
    }

    pub(crate) fn cancel_one(&mut self, id: ScopeId, due: &mut Due) {
        let scope = &mut self.scopes[id];
        if scope.armed() {
            self.deadlines.remove(id);
        }
        scope.cancelled = true;
        self.refresh(id, due);
    }

    /// Sets or lifts a shield, with effect at once in both directions (clause 1.7). A walk if that changes a value.
    #[must_use = "those who are due have to be told"]
    pub fn set_shield(&mut self, id: ScopeId, shield: bool) -> Option<Due> {
        self.scopes.get_mut(id)?.shield = shield;
        let mut due = Due::new();
        self.refresh(id, &mut due);
        self.verify();
        Some(due)
    }

    /// Whether the scope was entered and not left or abandoned. This and the next five: O(1).
    pub fn is_open(&self, id: ScopeId) -> bool {
        self.scopes.get(id).is_some()
    }

    pub fn is_cancelled(&self, id: ScopeId) -> Option<bool> {
        self.scopes.get(id).map(|scope| scope.cancelled)
    }

    pub fn is_expired(&self, id: ScopeId) -> Option<bool> {
        self.scopes.get(id).map(|scope| scope.expired)
    }

    pub fn is_effective(&self, id: ScopeId) -> Option<bool> {
        self.scopes.get(id).map(|scope| scope.effective)
    }

    pub fn shield(&self, id: ScopeId) -> Option<bool> {
        self.scopes.get(id).map(|scope| scope.shield)
    }

    /// Whether an outer cancellation can be seen through the scope.
    pub fn is_outer_visible(&self, id: ScopeId) -> Option<bool> {
        self.scopes.get(id).map(|_| self.outer_visible(id))
    }

    /// What the task's current scope is cancelled by, if it is (clause 1.16).
    ///
    /// O(d) for d scopes up to the one that is named or the nearest shield.
    pub fn cause(&self, task: TaskId) -> Option<Cause> {
        let mut at = Some(self.tasks.get(task)?.current);
        while let Some(id) = at {
            let scope = &self.scopes[id];
            if scope.cancelled {
                return Some(Cause::Scope(id));
            }
            if scope.natives > 0 {
                return Some(Cause::Native(scope.host));
            }
            if scope.abandoned {
                return Some(Cause::Abandoned);
            }
            if scope.shield {
                return None;
            }
            at = scope.parent;
        }
        None
    }

    /// Whether the parent's cancellation can be seen through this scope.
    fn outer_visible(&self, id: ScopeId) -> bool {
        let scope = &self.scopes[id];
        !scope.shield
            && scope
                .parent
                .is_some_and(|parent| self.scopes[parent].effective)
    }

    /// Closes the task's scopes from the current one outwards to and including `last`.
    ///
    /// True if one of them carried native requests, which the caller has to place anew.
    pub(crate) fn close_down_to(&mut self, task: TaskId, last: ScopeId, due: &mut Due) -> bool {
        let mut natives = false;
        let mut at = self.tasks[task].current;
        loop {
            let parent = self.scopes[at].parent;
            natives |= self.scopes[at].natives > 0;
            self.close(at, due);
            match parent {
                Some(parent) if at != last => at = parent,
                _ => return natives,
            }
        }
    }

    /// Takes one scope out of the tree. Task scopes that hang on it are cancelled for ever (clause 5.13).
    fn close(&mut self, id: ScopeId, due: &mut Due) {
        while let Some(child) = self.scopes[id].first_child {
            self.unlink(child);
            self.scopes[child].abandoned = true;
            self.refresh(child, due);
        }
        self.unlink(id);
        if self.scopes[id].armed() {
            self.deadlines.remove(id);
        }
        self.scopes.remove(id);
    }

    /// Hangs a scope that has no parent, and so no siblings, on one: as its last child.
    pub(crate) fn link(&mut self, id: ScopeId, parent: ScopeId) {
        let last = self.scopes[parent].last_child.replace(id);
        match last {
            Some(last) => self.scopes[last].next = Some(id),
            None => self.scopes[parent].first_child = Some(id),
        }
        let scope = &mut self.scopes[id];
        scope.parent = Some(parent);
        scope.previous = last;
    }

    pub(crate) fn unlink(&mut self, id: ScopeId) {
        let scope = &mut self.scopes[id];
        let (parent, previous, next) = (
            scope.parent.take(),
            scope.previous.take(),
            scope.next.take(),
        );
        let Some(parent) = parent else { return };
        match previous {
            Some(previous) => self.scopes[previous].next = next,
            None => self.scopes[parent].first_child = next,
        }
        match next {
            Some(next) => self.scopes[next].previous = previous,
            None => self.scopes[parent].last_child = previous,
        }
    }

    /// Brings the cached D1 of a scope and of everything below it up to date, and collects who became due.
    ///
    /// The walk is iterative and stops at scopes whose value does not change (clause 1.5): below these nothing
    /// changes either, as D1 looks no further than the parent.
    pub(crate) fn refresh(&mut self, root: ScopeId, due: &mut Due) {
        let mut at = root;
        loop {
            let changed = self.refresh_one(at, due);
            match self.next_in_walk(at, root, changed) {
                Some(next) => at = next,
                None => return,
            }
        }
    }

    fn refresh_one(&mut self, id: ScopeId, due: &mut Due) -> bool {
        let scope = &self.scopes[id];
        let effective = scope.requested() || self.outer_visible(id);
        if effective == scope.effective {
            return false;
        }
        let host = scope.host;
        self.scopes[id].effective = effective;
        if self.tasks[host].current == id {
            self.current_scope_changed(host, effective, due);
        }
        true
    }

    /// The next scope in preorder below `root`; the children of `at` only where `descend` says so.
    fn next_in_walk(&self, mut at: ScopeId, root: ScopeId, descend: bool) -> Option<ScopeId> {
        if descend && let Some(child) = self.scopes[at].first_child {
            return Some(child);
        }
        while at != root {
            let scope = &self.scopes[at];
            if let Some(next) = scope.next {
                return Some(next);
            }
            at = scope.parent?;
        }
        None
    }
}
