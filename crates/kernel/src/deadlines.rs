//! Deadlines: a binary heap of (when, order, scope) that knows where each scope's entry is.
//!
//! Invariant I6: the heap has one entry for each armed scope, with its deadline, and no others.
//! An entry is therefore removed when its scope is disarmed, not left to be skipped later: a program that moves
//! its deadlines or leaves its scopes in time a million times keeps the heap as small as one that never does.
//! Equal deadlines expire in the order in which they were set.
//!
//! Not here: the clock. The caller brings `now`.

use crate::scopes::ScopeId;
use crate::{Due, Kernel, TaskId};

#[derive(Clone, Copy)]
struct Entry {
    when: f64,
    order: u64,
    scope: ScopeId,
}

impl Entry {
    fn before(&self, other: &Entry) -> bool {
        let by_time = self.when.total_cmp(&other.when);
        by_time.then(self.order.cmp(&other.order)).is_lt()
    }
}

#[derive(Clone, Default)]
pub struct Deadlines {
    heap: Vec<Entry>,
    /// Where in the heap the entry of the scope with this index is; of use only while that scope is armed.
    positions: Vec<u32>,
    /// How many entries there ever were.
    order: u64,
}

impl Deadlines {
    /// Arms a scope. O(log n) for n armed scopes; O(1) for a deadline later than the others.
    pub(crate) fn insert(&mut self, scope: ScopeId, when: f64) {
        if self.positions.len() <= scope.index() {
            self.positions.resize(scope.index() + 1, 0);
        }
        self.order += 1;
        let order = self.order;
        self.heap.push(Entry { when, order, scope });
        self.rise(self.heap.len() - 1);
    }

    /// Disarms an armed scope. O(log n); O(1) for the scope that was armed last.
    pub(crate) fn remove(&mut self, scope: ScopeId) {
        let at = self.positions[scope.index()] as usize;
        debug_assert!(self.heap[at].scope == scope);
        self.heap.swap_remove(at);
        if at < self.heap.len() {
            // The last entry is here now: above it and below it were others than where it comes from.
            self.sink(at);
            self.rise(at);
        }
    }

    /// The next deadline, and whose it is.
    pub(crate) fn next(&self) -> Option<(f64, ScopeId)> {
        self.heap.first().map(|entry| (entry.when, entry.scope))
    }

    /// Moves an entry towards the top until its parent is before it.
    fn rise(&mut self, mut at: usize) {
        let entry = self.heap[at];
        while at > 0 {
            let parent = (at - 1) / 2;
            if !entry.before(&self.heap[parent]) {
                break;
            }
            self.place(at, self.heap[parent]);
            at = parent;
        }
        self.place(at, entry);
    }

    /// Moves an entry away from the top until its children are after it.
    fn sink(&mut self, mut at: usize) {
        let entry = self.heap[at];
        loop {
            let (left, right) = (2 * at + 1, 2 * at + 2);
            let right_first = right < self.heap.len() && self.heap[right].before(&self.heap[left]);
            let child = if right_first { right } else { left };
            if child >= self.heap.len() || entry.before(&self.heap[child]) {
                break;
            }
            self.place(at, self.heap[child]);
            at = child;
        }
        self.place(at, entry);
    }

    fn place(&mut self, at: usize, entry: Entry) {
        self.heap[at] = entry;
        self.positions[entry.scope.index()] = at as u32;
    }

    /// Every entry's scope and time; panics if the heap is not in order or has lost a position.
    #[cfg(any(test, feature = "oracle"))]
    pub(crate) fn checked_entries(&self) -> Vec<(ScopeId, f64)> {
        for (at, entry) in self.heap.iter().enumerate() {
            let parent = &self.heap[at.saturating_sub(1) / 2];
            assert!(!entry.before(parent), "I6: the heap is in order");
            let position = self.positions[entry.scope.index()] as usize;
            assert_eq!(position, at, "I6: the heap knows its entries' positions");
        }
        let entries = self.heap.iter();
        entries.map(|entry| (entry.scope, entry.when)).collect()
    }
}

impl Kernel {
    /// The deadline that was set, in loop time; infinite for none. O(1).
    pub fn deadline(&self, id: ScopeId) -> Option<f64> {
        self.scopes.get(id).map(|scope| scope.deadline)
    }

    /// Moves a deadline; one that is not after `now` cancels at once, a cancelled scope only stores it (1.12).
    ///
    /// O(log n) for n armed scopes, and what `cancel` costs if it cancels.
    #[must_use = "those who are due have to be told"]
    pub fn set_deadline(&mut self, id: ScopeId, deadline: f64, now: f64) -> Option<Due> {
        debug_assert!(!deadline.is_nan(), "a deadline is a time");
        let scope = self.scopes.get_mut(id)?;
        let was_armed = scope.armed();
        scope.deadline = deadline;
        let armed = scope.armed();
        if was_armed {
            self.deadlines.remove(id);
        }
        if armed {
            self.deadlines.insert(id, deadline);
        }
        let mut due = Due::new();
        if armed && deadline <= now {
            self.expire_one(id, &mut due);
        }
        self.verify();
        Some(due)
    }

    /// When the next deadline is, if a scope is armed. O(1).
    #[inline]
    pub fn next_deadline(&self) -> Option<f64> {
        self.deadlines.next().map(|(when, _)| when)
    }

    /// Cancels the scopes whose deadline is not after `now`, in the order of their deadlines.
    ///
    /// O(1) if there are none; else O(log n) for each and what `cancel` costs.
    #[must_use = "those who are due have to be told"]
    pub fn expire(&mut self, now: f64) -> Due {
        let mut due = Due::new();
        while let Some((when, scope)) = self.deadlines.next()
            && when <= now
        {
            self.expire_one(scope, &mut due);
        }
        self.verify();
        due
    }

    /// An armed scope's deadline has come: it expired and is cancelled.
    fn expire_one(&mut self, id: ScopeId, due: &mut Due) {
        self.scopes[id].expired = true;
        self.cancel_one(id, due);
    }

    /// The nearest deadline that the task is under: infinite for none, negative infinite once cancelled.
    ///
    /// O(d) for d scopes up to the nearest shield.
    pub fn effective_deadline(&self, task: TaskId) -> f64 {
        let Some(current) = self.current_scope(task) else {
            return f64::INFINITY;
        };
        if self.scopes[current].effective {
            return f64::NEG_INFINITY;
        }
        let mut deadline = f64::INFINITY;
        let mut at = Some(current);
        while let Some(id) = at {
            let scope = &self.scopes[id];
            deadline = deadline.min(scope.deadline);
            at = if scope.shield { None } else { scope.parent };
        }
        deadline
    }
}
