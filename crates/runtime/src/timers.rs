//! The loop's timers: a heap of plain (when, order, what) with lazy deletion.
//!
//! A cancelled entry stays until it reaches the top, or until half of the entries are cancelled.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};

use crate::future::Future;
use crate::handle::TimerHandle;

/// Below this many cancelled entries sweeping is not worth its while.
const FEW: usize = 100;

pub enum Timer {
    Handle(Py<TimerHandle>),
    /// A sleeper's future, which gets its result when the time has come.
    Wake {
        future: Py<Future>,
        result: Py<PyAny>,
    },
}

impl Timer {
    fn is_live(&self, py: Python<'_>) -> bool {
        match self {
            Timer::Handle(handle) => !handle.bind(py).as_super().get().is_cancelled(py),
            Timer::Wake { future, .. } => !future.get().done(py),
        }
    }
}

struct Entry {
    when: f64,
    order: u64,
    timer: Timer,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
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
pub struct Timers {
    heap: BinaryHeap<Reverse<Entry>>,
    order: u64,
    cancelled: usize,
}

impl Timers {
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    pub fn len(&self) -> usize {
        self.heap.len()
    }

    pub fn push(&mut self, when: f64, timer: Timer) {
        self.order += 1;
        let order = self.order;
        self.heap.push(Reverse(Entry { when, order, timer }));
    }

    pub fn next(&self) -> Option<f64> {
        self.heap.peek().map(|Reverse(entry)| entry.when)
    }

    /// The next timer that is not after `now`.
    pub fn pop(&mut self, now: f64) -> Option<(f64, Timer)> {
        if self.next()? > now {
            return None;
        }
        self.heap
            .pop()
            .map(|Reverse(entry)| (entry.when, entry.timer))
    }

    /// Takes the first entry out if it answers to a description.
    pub fn pop_first_if(&mut self, matches: impl FnOnce(&Timer) -> bool) -> Option<Timer> {
        if !matches(&self.heap.peek()?.0.timer) {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry.timer)
    }

    /// Counts a cancelled entry; true if it is time to sweep.
    pub fn note_cancelled(&mut self) -> bool {
        self.cancelled += 1;
        self.cancelled > FEW && self.cancelled * 2 > self.heap.len()
    }

    pub fn note_popped_cancelled(&mut self) {
        self.cancelled = self.cancelled.saturating_sub(1);
    }

    /// Takes everything out, so that the dead entries can be dropped where that may run Python code.
    fn take_all(&mut self) -> Vec<Reverse<Entry>> {
        self.cancelled = 0;
        std::mem::take(&mut self.heap).into_vec()
    }

    fn put_back(&mut self, entries: Vec<Reverse<Entry>>) {
        if self.heap.is_empty() {
            self.heap = BinaryHeap::from(entries);
        } else {
            self.heap.extend(entries);
        }
    }

    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        for Reverse(entry) in &self.heap {
            match &entry.timer {
                Timer::Handle(handle) => visit.call(handle)?,
                Timer::Wake { future, result } => {
                    visit.call(future)?;
                    visit.call(result)?;
                }
            }
        }
        Ok(())
    }

    pub fn handles(&self, py: Python<'_>) -> Vec<Py<TimerHandle>> {
        let handles = self
            .heap
            .iter()
            .filter_map(|Reverse(entry)| match &entry.timer {
                Timer::Handle(handle) => Some(handle.clone_ref(py)),
                Timer::Wake { .. } => None,
            });
        handles.collect()
    }
}

/// Drops the cancelled entries.
pub fn sweep(py: Python<'_>, timers: &crate::ffi::Slot<Timers>) {
    let entries = timers.with(py, Timers::take_all);
    let (live, dead): (Vec<_>, Vec<_>) = entries
        .into_iter()
        .partition(|Reverse(entry)| entry.timer.is_live(py));
    timers.with(py, move |timers| timers.put_back(live));
    drop(dead);
}

/// Drops everything, when a loop is closed.
pub fn clear(py: Python<'_>, timers: &crate::ffi::Slot<Timers>) {
    drop(timers.with(py, Timers::take_all));
}

pub fn is_live(py: Python<'_>, timer: &Timer) -> bool {
    timer.is_live(py)
}
