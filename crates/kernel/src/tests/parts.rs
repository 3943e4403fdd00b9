//! What the kernel is made of: the slab, the heap of deadlines, sizes; and what it demands of its caller.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::check::check_slab;
use crate::deadlines::Deadlines;
use crate::scopes::{Scope, ScopeId, ScopeSettings};
use crate::slab::{Key, Slab};
use crate::tasks::TaskId;
use crate::{ExitError, Kernel, Run};

#[test]
fn a_key_finds_its_own_entry_only() {
    let mut slab = Slab::default();
    let first = slab.insert("first");
    assert_eq!(slab.remove(first), Some("first"));
    assert_eq!(slab.remove(first), None);
    let second = slab.insert("second");
    assert_eq!(second.index(), first.index());
    assert_ne!(second, first);
    assert_eq!(slab.get(first), None);
    assert_eq!(slab.get_mut(first), None);
    assert_eq!(slab.remove(first), None);
    assert_eq!(slab.get(second), Some(&"second"));
    assert_eq!(slab.len(), 1);
}

#[test]
fn the_latest_vacant_place_is_taken_first() {
    let mut slab = Slab::default();
    let keys = [0, 1, 2].map(|value| slab.insert(value));
    slab.remove(keys[0]);
    slab.remove(keys[2]);
    assert_eq!(slab.free_list(), [2, 0]);
    let next = slab.vacant_key();
    assert_eq!(slab.insert(3), next);
    assert_eq!((next.index(), slab.free_list()), (2, vec![0]));
    let next = slab.vacant_key();
    assert_eq!((slab.insert(4), slab.insert(5).index()), (next, 3));
}

/// A place is not used for a 4,294,967,295th time, so that no key of it comes back.
#[test]
fn a_used_up_place_is_given_up() {
    let mut slab = Slab::default();
    let first = slab.insert('a');
    let last = slab.age(first, u32::MAX - 3);
    assert_eq!(slab.get(first), None);
    assert_eq!(slab.remove(last), Some('a'));
    assert_eq!(slab.places(), (1, 0));
    let last = slab.insert('b');
    assert_eq!(last.index(), 0);
    assert_eq!(slab.remove(last), Some('b'));
    assert_eq!(slab.places(), (1, 1));
    check_slab(&slab);
    assert_eq!(slab.insert('c').index(), 1);
    assert_eq!(slab.get(last), None);
}

#[test]
fn keys_and_entries_are_small() {
    assert_eq!(size_of::<Option<ScopeId>>(), 8);
    assert_eq!(size_of::<Option<TaskId>>(), 8);
    assert!(size_of::<Scope>() <= 72, "{}", size_of::<Scope>());
}

#[test]
fn a_key_shows_its_place_and_its_number() {
    let key: Key<u8> = Slab::default().insert(0);
    assert_eq!(format!("{key:?}"), "0v1");
}

/// Every order of arming seven scopes, of which three are disarmed: what is left comes in the order of time, and
/// where that is equal, in the order of arming.
#[test]
fn the_heap_keeps_its_order() {
    let mut slab = Slab::default();
    let scopes: Vec<ScopeId> = (0..7).map(|_| slab.insert(host_of_nothing())).collect();
    let time = |scope: usize| (scope / 2) as f64;
    for order in permutations(7) {
        let mut armed = Deadlines::default();
        for &scope in &order {
            armed.insert(scopes[scope], time(scope));
        }
        for &gone in &order[..3] {
            armed.remove(scopes[gone]);
            armed.checked_entries();
        }
        let mut left = order[3..].to_vec();
        left.sort_by(|a, b| time(*a).total_cmp(&time(*b)));
        for scope in left {
            assert_eq!(armed.next(), Some((time(scope), scopes[scope])));
            armed.remove(scopes[scope]);
            armed.checked_entries();
        }
        assert_eq!(armed.next(), None);
    }
}

fn host_of_nothing() -> Scope {
    let mut kernel = Kernel::new();
    Scope::new(kernel.spawn_root())
}

fn permutations(of: usize) -> Vec<Vec<usize>> {
    if of == 0 {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for shorter in permutations(of - 1) {
        for at in 0..of {
            let mut longer = shorter.clone();
            longer.insert(at, of - 1);
            all.push(longer);
        }
    }
    all
}

/// Moving deadlines, entering and leaving leave nothing behind.
#[test]
fn nothing_grows_with_time() {
    let mut kernel = Kernel::new();
    let task = kernel.spawn_root();
    kernel.begin(task);
    let settings = ScopeSettings {
        shield: false,
        cancelled: false,
        deadline: 1.0,
    };
    let scope = kernel.enter(task, settings, 0.0);
    for round in 0..1000 {
        let inner = kernel.enter(task, settings, 0.0);
        let _ = kernel.set_deadline(scope, f64::from(round % 2) + 1.0, 0.0);
        kernel.exit(task, inner).unwrap();
    }
    assert_eq!(kernel.deadlines.checked_entries().len(), 1);
    assert_eq!(kernel.scopes.places(), (3, 0));
}

/// Debug builds notice a caller that breaks the rules of the table of states.
#[test]
#[cfg(debug_assertions)]
fn the_rules_for_the_caller_are_checked() {
    let broken: [fn(&mut Kernel, TaskId); 7] = [
        |kernel, task| kernel.yield_now(task),
        |kernel, task| {
            kernel.park(task);
        },
        |kernel, task| {
            kernel.begin(task);
            kernel.begin(task);
        },
        |kernel, task| {
            kernel.begin(task);
            kernel.park(task);
            kernel.enter(task, settings(0.0), 0.0);
        },
        |kernel, task| {
            kernel.begin(task);
            let scope = kernel.enter(task, settings(9.0), 0.0);
            kernel.park(task);
            let _ = kernel.exit(task, scope);
        },
        |kernel, task| {
            kernel.enter(task, settings(f64::NAN), 0.0);
        },
        |kernel, task| {
            let scope = kernel.enter(task, settings(9.0), 0.0);
            let _ = kernel.set_deadline(scope, f64::NAN, 0.0);
        },
    ];
    for (number, broken) in broken.into_iter().enumerate() {
        let mut kernel = Kernel::new();
        let task = kernel.spawn_root();
        assert_eq!(kernel.run(task), Some(Run::Ready));
        let result = catch_unwind(AssertUnwindSafe(|| broken(&mut kernel, task)));
        assert!(result.is_err(), "rule {number}");
    }
}

/// Asking about a task that has ended, or doing something to it from outside, is no error.
#[test]
fn what_is_gone_is_answered_for() {
    let mut kernel = Kernel::new();
    let task = kernel.spawn_root();
    let scope = kernel.task_scope(task).unwrap();
    let group = kernel.open_group(scope);
    assert_eq!(kernel.finish(task).due, []);
    let other = kernel.spawn(group, None).unwrap();
    assert_eq!(kernel.exit(task, scope), Err(ExitError::NotOpen));
    let other_scope = kernel.task_scope(other).unwrap();
    assert_eq!(kernel.exit(task, other_scope), Err(ExitError::NotHost));
    assert_eq!(kernel.request(task, None), []);
    assert_eq!(kernel.withdraw(task), (false, vec![]));
    assert_eq!((kernel.cancelling(task), kernel.cause(task)), (0, None));
    assert_eq!(kernel.effective_deadline(task), f64::INFINITY);
    assert_eq!(kernel.adopt(task), None);
    assert_eq!(kernel.cancel(scope), None);
    kernel.check();
}

fn settings(deadline: f64) -> ScopeSettings {
    ScopeSettings {
        shield: false,
        cancelled: false,
        deadline,
    }
}
