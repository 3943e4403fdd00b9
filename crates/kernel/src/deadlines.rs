//! Deadlines: a heap of plain (when, order, scope) with lazy deletion.
//!
//! An entry is live while its scope is armed with exactly that time. Dead entries are dropped when they reach
//! the top, and all at once when they outnumber the armed scopes four to one.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use crate::scopes::{Scope, ScopeId};
use crate::slab::Slab;
use crate::{Due, Kernel, TaskId};

/// Below this many entries sweeping is not worth its while.
const SMALL: usize = 64;

#[derive(Clone, Copy, PartialEq)]
struct Entry {
    when: f64,
    order: u64,
    scope: ScopeId,
}

impl Eq for Entry {}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.when
            .total_cmp(&other.when)
            .then(self.order.cmp(&other.order))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[derive(Default)]
pub struct Deadlines {
    heap: BinaryHeap<Reverse<Entry>>,
    order: u64,
    /// How many scopes are armed.
    pub(crate) armed: usize,
}

impl Deadlines {
    pub(crate) fn disarmed(&mut self) {
        self.armed -= 1;
    }

    #[cfg(any(test, feature = "oracle"))]
    pub(crate) fn holds(&self, scope: ScopeId, when: f64) -> bool {
        self.heap
            .iter()
            .any(|Reverse(entry)| entry.scope == scope && entry.when == when)
    }
}

impl Kernel {
    pub fn deadline(&self, id: ScopeId) -> Option<f64> {
        self.scopes.get(id).map(|scope| scope.deadline)
    }

    /// Moves a deadline; one that is not after `now` cancels at once, a cancelled scope only stores it (1.12).
    pub fn set_deadline(&mut self, id: ScopeId, deadline: f64, now: f64) -> Option<Due> {
        let scope = self.scopes.get_mut(id)?;
        let armed = scope.armed();
        scope.deadline = deadline;
        if armed {
            self.deadlines.disarmed();
        }
        if !self.scopes[id].armed() {
            return Some(Due::new());
        }
        self.arm(id);
        if deadline > now {
            self.verify();
            return Some(Due::new());
        }
        self.scopes[id].expired = true;
        self.cancel(id)
    }

    pub(crate) fn arm(&mut self, id: ScopeId) {
        self.deadlines.armed += 1;
        self.deadlines.order += 1;
        let entry = Entry {
            when: self.scopes[id].deadline,
            order: self.deadlines.order,
            scope: id,
        };
        self.deadlines.heap.push(Reverse(entry));
        if self.deadlines.heap.len() > SMALL && self.deadlines.heap.len() > 4 * self.deadlines.armed
        {
            let scopes = &self.scopes;
            self.deadlines
                .heap
                .retain(|Reverse(entry)| is_live(scopes, entry));
        }
    }

    /// When the next deadline is, if a scope is armed.
    pub fn next_deadline(&mut self) -> Option<f64> {
        if self.deadlines.armed == 0 {
            self.deadlines.heap.clear();
            return None;
        }
        while let Some(Reverse(entry)) = self.deadlines.heap.peek() {
            if is_live(&self.scopes, entry) {
                return Some(entry.when);
            }
            self.deadlines.heap.pop();
        }
        None
    }

    /// Cancels the scopes whose deadline is not after `now`, in the order of their deadlines.
    pub fn expire(&mut self, now: f64) -> Due {
        let mut due = Due::new();
        while self.next_deadline().is_some_and(|when| when <= now) {
            if let Some(Reverse(entry)) = self.deadlines.heap.pop() {
                self.scopes[entry.scope].expired = true;
                due.extend(self.cancel(entry.scope).unwrap_or_default());
            }
        }
        due
    }

    /// The nearest deadline that the task is under: infinite for none, negative infinite once cancelled (9b).
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

fn is_live(scopes: &Slab<Scope>, entry: &Entry) -> bool {
    scopes
        .get(entry.scope)
        .is_some_and(|scope| scope.armed() && scope.deadline == entry.when)
}
