//! Who is told when a future is done; one waiter needs no list.

use pyo3::prelude::*;

use crate::ffi::Slot;
use crate::task::Task;

/// Who is told when a future is done.
pub enum Waiter {
    Task(Py<Task>),
    Callback { call: Py<PyAny>, context: Py<PyAny> },
}

#[derive(Default)]
pub enum Waiters {
    #[default]
    None,
    One(Waiter),
    Many(Vec<Waiter>),
}

impl Waiters {
    pub fn push(&mut self, waiter: Waiter) {
        match std::mem::take(self) {
            Waiters::None => *self = Waiters::One(waiter),
            Waiters::One(first) => *self = Waiters::Many(vec![first, waiter]),
            Waiters::Many(mut all) => {
                all.push(waiter);
                *self = Waiters::Many(all);
            }
        }
    }

    pub fn into_vec(self) -> Vec<Waiter> {
        match self {
            Waiters::None => Vec::new(),
            Waiters::One(waiter) => vec![waiter],
            Waiters::Many(all) => all,
        }
    }

    pub fn as_slice(&self) -> &[Waiter] {
        match self {
            Waiters::None => &[],
            Waiters::One(waiter) => std::slice::from_ref(waiter),
            Waiters::Many(all) => all,
        }
    }
}

impl Waiter {
    pub fn share(&self) -> Waiter {
        match self {
            Waiter::Task(task) => Waiter::Task(Slot::share(task)),
            Waiter::Callback { call, context } => Waiter::Callback {
                call: Slot::share(call),
                context: Slot::share(context),
            },
        }
    }
}
