//! The clauses of the specification as small programs, for a reader and for what the model leaves open: orders.

#![expect(unused_must_use, reason = "these programs have nobody to tell")]

use crate::{Cause, ExitError, GroupId, Kernel, Origin, Run, ScopeId, ScopeSettings, TaskId};

const NONE: f64 = f64::INFINITY;

/// What a scope is told where nothing is said about it.
const PLAIN: ScopeSettings = ScopeSettings {
    shield: false,
    cancelled: false,
    deadline: NONE,
};

const SHIELDED: ScopeSettings = ScopeSettings {
    shield: true,
    ..PLAIN
};

fn with_deadline(deadline: f64) -> ScopeSettings {
    ScopeSettings { deadline, ..PLAIN }
}

/// A kernel with one running task.
fn running() -> (Kernel, TaskId) {
    let mut kernel = Kernel::new();
    let task = kernel.spawn_root();
    kernel.begin(task);
    (kernel, task)
}

fn enter(kernel: &mut Kernel, task: TaskId, settings: ScopeSettings) -> ScopeId {
    let scope = kernel.enter(task, settings, 0.0);
    kernel.check();
    scope
}

/// A task of a group that waits.
fn parked_child(kernel: &mut Kernel, group: GroupId) -> TaskId {
    let task = kernel.spawn(group, None).unwrap();
    kernel.begin(task);
    kernel.park(task);
    task
}

#[test]
fn a_scope_entered_in_a_cancelled_region_is_cancelled_1_3() {
    let (mut kernel, task) = running();
    let outer = enter(&mut kernel, task, PLAIN);
    kernel.cancel(outer);
    let inner = enter(&mut kernel, task, PLAIN);
    let shielded = enter(&mut kernel, task, SHIELDED);
    assert_eq!(kernel.is_effective(inner), Some(true));
    assert_eq!(kernel.is_effective(shielded), Some(false));
    assert_eq!(kernel.is_cancelled(inner), Some(false));
}

#[test]
fn nesting_is_not_limited_by_recursion_1_5() {
    // The oracle takes the square of it after each entry.
    const DEPTH: usize = if cfg!(feature = "oracle") {
        100
    } else {
        100_000
    };
    let (mut kernel, task) = running();
    let outermost = kernel.enter(task, PLAIN, 0.0);
    for _ in 1..DEPTH {
        kernel.enter(task, PLAIN, 0.0);
    }
    kernel.park(task);
    assert_eq!(kernel.cancel(outermost), Some(vec![task]));
    assert_eq!(kernel.cause(task), Some(Cause::Scope(outermost)));
    kernel.begin(task);
    let exit = kernel.exit(task, outermost);
    assert!(matches!(exit, Err(ExitError::Misnested(exit)) if exit.absorbs));
    assert_eq!(kernel.scope_count(), 1);
}

/// Children become due in the order in which they were spawned, each after the tasks of the tree before it.
#[test]
fn who_is_due_comes_in_the_order_of_the_tree_1_6() {
    let (mut kernel, task) = running();
    let scope = enter(&mut kernel, task, PLAIN);
    let group = kernel.open_group(scope);
    let first = kernel.spawn(group, None).unwrap();
    kernel.begin(first);
    let inner = enter(&mut kernel, first, PLAIN);
    let inner_group = kernel.open_group(inner);
    kernel.park(first);
    let second = parked_child(&mut kernel, group);
    let below_first = parked_child(&mut kernel, inner_group);
    kernel.park(task);
    let due = vec![task, first, below_first, second];
    assert_eq!(kernel.cancel(scope), Some(due));
    assert_eq!(kernel.cancel(scope), Some(vec![]));
}

#[test]
fn a_shield_works_in_both_directions_and_repeatedly_1_7() {
    let (mut kernel, task) = running();
    let outer = enter(&mut kernel, task, PLAIN);
    let inner = enter(&mut kernel, task, PLAIN);
    kernel.park(task);
    assert_eq!(kernel.set_shield(inner, true), Some(vec![]));
    assert_eq!(kernel.cancel(outer), Some(vec![]));
    assert_eq!(kernel.set_shield(inner, false), Some(vec![task]));
    assert_eq!(kernel.run(task), Some(Run::Notified));
    assert_eq!(kernel.set_shield(inner, true), Some(vec![]));
    assert_eq!(kernel.run(task), Some(Run::Parked));
    assert_eq!(kernel.cancel(inner), Some(vec![task]));
}

#[test]
fn only_the_host_exits_and_only_once_1_9() {
    let (mut kernel, task) = running();
    let other = kernel.spawn_root();
    let scope = enter(&mut kernel, task, PLAIN);
    assert_eq!(kernel.exit(other, scope), Err(ExitError::NotHost));
    assert!(kernel.is_open(scope));
    assert!(kernel.exit(task, scope).is_ok());
    assert_eq!(kernel.exit(task, scope), Err(ExitError::NotOpen));
    let task_scope = kernel.task_scope(task).unwrap();
    assert_eq!(kernel.exit(task, task_scope), Err(ExitError::NotOpen));
}

#[test]
fn leaving_in_the_wrong_order_abandons_what_is_inside_1_10() {
    let (mut kernel, task) = running();
    let outer = enter(&mut kernel, task, PLAIN);
    let inner = enter(&mut kernel, task, with_deadline(1.0));
    let group = kernel.open_group(inner);
    let child = parked_child(&mut kernel, group);
    let Err(ExitError::Misnested(exit)) = kernel.exit(task, outer) else {
        panic!("the inner scope was open");
    };
    assert_eq!(exit.due, [child]);
    assert_eq!(kernel.cause(child), Some(Cause::Abandoned));
    assert!(!kernel.is_open(inner));
    assert_eq!(kernel.next_deadline(), None);
    assert_eq!(kernel.current_scope(task), kernel.task_scope(task));
    assert!(!kernel.is_task_cancelled(task));
    let later = kernel.spawn(group, None).unwrap();
    assert!(kernel.begin(later), "the group's scope is gone");
}

#[test]
fn deadlines_expire_in_order_and_equal_ones_as_they_were_set_1_12() {
    let mut kernel = Kernel::new();
    let mut parked = Vec::new();
    let mut scopes = Vec::new();
    for deadline in [3.0, 1.0, 2.0, 1.0, 4.0] {
        let task = kernel.spawn_root();
        kernel.begin(task);
        scopes.push(kernel.enter(task, with_deadline(deadline), 0.0));
        kernel.park(task);
        parked.push(task);
    }
    // It was the second of all and is the last of the equal ones now.
    kernel.set_deadline(scopes[1], 5.0, 0.0);
    kernel.set_deadline(scopes[1], 1.0, 0.0);
    assert_eq!(kernel.next_deadline(), Some(1.0));
    assert_eq!(kernel.expire(0.9), []);
    assert_eq!(kernel.expire(3.0), [3, 1, 2, 0].map(|at| parked[at]));
    assert_eq!(kernel.is_expired(scopes[0]), Some(true));
    assert_eq!(kernel.is_expired(scopes[4]), Some(false));
    assert_eq!(kernel.next_deadline(), Some(4.0));
    kernel.check();
}

#[test]
fn a_deadline_says_why_a_scope_was_cancelled_1_12() {
    let (mut kernel, task) = running();
    let cancelled = enter(&mut kernel, task, with_deadline(1.0));
    kernel.cancel(cancelled);
    assert_eq!(kernel.next_deadline(), None);
    assert_eq!(kernel.set_deadline(cancelled, -1.0, 0.0), Some(vec![]));
    assert_eq!(kernel.is_expired(cancelled), Some(false));
    let past = enter(&mut kernel, task, with_deadline(0.0));
    assert_eq!(kernel.is_expired(past), Some(true));
    assert!(kernel.exit(task, past).unwrap().expired);
    let before = ScopeSettings {
        cancelled: true,
        ..with_deadline(0.0)
    };
    let before = enter(&mut kernel, task, before);
    assert_eq!(kernel.is_expired(before), Some(false));
    kernel.exit(task, before).unwrap();
    let moved = enter(&mut kernel, task, SHIELDED);
    kernel.park(task);
    assert_eq!(kernel.set_deadline(moved, 5.0, 5.0), Some(vec![task]));
    assert_eq!(kernel.is_expired(moved), Some(true));
}

/// The outermost visible cancelled scope absorbs, whatever was cancelled first.
#[test]
fn what_a_scope_absorbs_1_14() {
    let (mut kernel, task) = running();
    let outer = enter(&mut kernel, task, PLAIN);
    let inner = enter(&mut kernel, task, PLAIN);
    kernel.cancel(inner);
    kernel.cancel(outer);
    assert!(!kernel.exit(task, inner).unwrap().absorbs);
    let uncancelled = enter(&mut kernel, task, SHIELDED);
    assert!(!kernel.exit(task, uncancelled).unwrap().absorbs);
    let shielded = enter(&mut kernel, task, SHIELDED);
    kernel.cancel(shielded);
    assert!(kernel.exit(task, shielded).unwrap().absorbs);
    assert!(kernel.exit(task, outer).unwrap().absorbs);
}

#[test]
fn the_nearest_request_is_the_cause_1_16() {
    let (mut kernel, task) = running();
    let outer = enter(&mut kernel, task, PLAIN);
    assert_eq!(kernel.cause(task), None);
    kernel.request(task, None);
    assert_eq!(kernel.cause(task), Some(Cause::Native(task)));
    kernel.cancel(outer);
    assert_eq!(kernel.cause(task), Some(Cause::Scope(outer)));
    let inner = enter(&mut kernel, task, PLAIN);
    kernel.cancel(inner);
    assert_eq!(kernel.cause(task), Some(Cause::Scope(inner)));
    enter(&mut kernel, task, SHIELDED);
    assert_eq!(kernel.cause(task), None);
}

/// One attempt when a task parks, and one each time it becomes cancelled while it waits.
#[test]
fn how_often_a_task_is_told_2_4() {
    let (mut kernel, task) = running();
    kernel.request(task, None);
    assert!(kernel.park(task));
    assert_eq!(kernel.request(task, None), []);
    kernel.withdraw(task);
    kernel.withdraw(task);
    assert_eq!(kernel.request(task, None), [task]);
    assert!(kernel.begin(task));
    assert!(kernel.park(task), "cancellation is level");
}

#[test]
fn a_bare_yield_is_decided_at_the_next_step_2_3() {
    let (mut kernel, task) = running();
    let outer = enter(&mut kernel, task, PLAIN);
    let inner = enter(&mut kernel, task, PLAIN);
    kernel.yield_now(task);
    assert_eq!(kernel.cancel(outer), Some(vec![]));
    assert!(kernel.begin(task));
    kernel.yield_now(task);
    kernel.set_shield(inner, true);
    assert!(!kernel.begin(task));
}

#[test]
fn taking_the_last_request_back_ends_the_cancellation_3_3() {
    let (mut kernel, task) = running();
    kernel.request(task, None);
    kernel.request(task, None);
    assert_eq!(kernel.cancelling(task), 2);
    assert_eq!(kernel.withdraw(task), (true, vec![]));
    assert!(kernel.is_task_cancelled(task));
    assert_eq!(kernel.withdraw(task), (true, vec![]));
    assert!(!kernel.is_task_cancelled(task));
    assert_eq!(kernel.withdraw(task), (false, vec![]));
}

#[test]
fn uncancel_and_cancel_in_one_step_undo_each_other_3_3b() {
    let (mut kernel, task) = running();
    let scope = enter(&mut kernel, task, PLAIN);
    kernel.cancel(scope);
    assert_eq!(kernel.cancelling(task), 1);
    assert_eq!(kernel.withdraw(task), (false, vec![]));
    assert_eq!(kernel.request_self(task), (false, vec![]));
    assert_eq!(kernel.request_self(task), (true, vec![]));
    assert_eq!(kernel.cancelling(task), 2);
    kernel.withdraw(task);
    kernel.withdraw(task);
    kernel.yield_now(task);
    kernel.begin(task);
    assert_eq!(kernel.request_self(task), (true, vec![]), "in another step");
}

/// A native request of a group's host is a cancelled scope for the group's tasks.
#[test]
fn what_counts_as_cancelling_3_4() {
    let (mut kernel, host) = running();
    let scope = enter(&mut kernel, host, PLAIN);
    let group = kernel.open_group(scope);
    let child = parked_child(&mut kernel, group);
    assert_eq!(kernel.request(host, None), [child]);
    assert_eq!(kernel.cancelling(host), 1);
    assert_eq!(kernel.cancelling(child), 1);
    assert_eq!(kernel.request_count(child), 0);
    kernel.begin(child);
    enter(&mut kernel, child, SHIELDED);
    assert_eq!(kernel.cancelling(child), 0);
}

#[test]
fn a_timer_works_inside_the_shield_that_it_was_made_in_3_6() {
    let (mut kernel, task) = running();
    let outer = enter(&mut kernel, task, SHIELDED);
    let shield = enter(&mut kernel, task, SHIELDED);
    let inner = enter(&mut kernel, task, PLAIN);
    let origin = Origin { task, scope: inner };
    kernel.park(task);
    assert_eq!(kernel.request(task, None), [], "hidden by the shield");
    assert_eq!(kernel.request(task, Some(origin)), [task]);
    kernel.begin(task);
    kernel.exit(task, inner).unwrap();
    assert!(!kernel.exit(task, shield).unwrap().absorbs);
    assert_eq!(kernel.is_effective(outer), Some(true), "it goes on");
    kernel.exit(task, outer).unwrap();
    assert_eq!(kernel.cause(task), Some(Cause::Native(task)));
    assert_eq!(kernel.request_count(task), 2);
}

#[test]
fn no_scope_absorbs_a_native_request_3_10() {
    let (mut kernel, task) = running();
    let plain = enter(&mut kernel, task, PLAIN);
    let shield = enter(&mut kernel, task, SHIELDED);
    let origin = Origin {
        task,
        scope: shield,
    };
    kernel.cancel(plain);
    kernel.cancel(shield);
    kernel.request(task, Some(origin));
    assert!(!kernel.exit(task, shield).unwrap().absorbs);
    assert!(!kernel.exit(task, plain).unwrap().absorbs);
}

#[test]
fn a_started_task_moves_to_its_group_5_11() {
    let (mut kernel, host) = running();
    let scope = enter(&mut kernel, host, PLAIN);
    let group = kernel.open_group(scope);
    let caller = kernel.spawn_root();
    kernel.begin(caller);
    let private = enter(&mut kernel, caller, PLAIN);
    let child = kernel.spawn(group, Some(private)).unwrap();
    kernel.begin(child);
    kernel.park(child);
    assert_eq!(kernel.cancel(scope), Some(vec![]), "not its group's yet");
    assert_eq!(kernel.adopt(child), Some(vec![child]));
    let late = kernel.spawn(group, Some(private)).unwrap();
    kernel.cancel(private);
    assert_eq!(kernel.adopt(late), None);
    assert_eq!(kernel.members(group), [child, late]);
    kernel.check();
}

#[test]
fn a_group_outlives_its_host_and_closes_when_it_is_empty_5_13() {
    let (mut kernel, host) = running();
    let scope = enter(&mut kernel, host, PLAIN);
    let group = kernel.open_group(scope);
    let children = [(); 3].map(|()| parked_child(&mut kernel, group));
    assert_eq!(kernel.finish(host).due, children);
    assert!(!kernel.close_group(group));
    assert!(!kernel.finish(children[1]).group_empty);
    assert_eq!(kernel.members(group), [children[0], children[2]]);
    assert!(!kernel.finish(children[0]).group_empty);
    assert!(kernel.finish(children[2]).group_empty);
    assert!(kernel.close_group(group));
    assert!(!kernel.close_group(group));
    assert_eq!(kernel.spawn(group, None), None);
    assert_eq!(kernel.scope_count(), 0);
    kernel.check();
}

#[test]
fn the_nearest_deadline_counts_up_to_a_shield() {
    let (mut kernel, task) = running();
    assert_eq!(kernel.effective_deadline(task), NONE);
    let outer = enter(&mut kernel, task, with_deadline(1.0));
    enter(&mut kernel, task, with_deadline(2.0));
    assert_eq!(kernel.effective_deadline(task), 1.0);
    enter(&mut kernel, task, SHIELDED);
    assert_eq!(kernel.effective_deadline(task), NONE);
    let inner = enter(&mut kernel, task, with_deadline(3.0));
    kernel.cancel(outer);
    assert_eq!(kernel.effective_deadline(task), 3.0);
    kernel.cancel(inner);
    assert_eq!(kernel.effective_deadline(task), f64::NEG_INFINITY);
}
