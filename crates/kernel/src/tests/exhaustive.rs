//! Every short history, with everything compared after each operation: from nothing, and from the situations that
//! short histories do not reach.

use super::history::{History, Op};

/// No more than these, so that the number of histories stays finite in practice.
const MOST_TASKS: usize = 3;
const MOST_SCOPES: usize = 6;
const MOST_GROUPS: usize = 2;

/// What can happen next. What is closed or has ended is left to the random histories.
fn next(history: &History) -> Vec<Op> {
    let model = &history.model;
    let may_spawn = model.tasks.len() < MOST_TASKS;
    let may_enter = model.scopes.len() < MOST_SCOPES;
    let mut ops = vec![Op::Expire(1.0), Op::Expire(2.0)];
    if may_spawn {
        ops.push(Op::SpawnRoot);
    }
    for task in 0..model.tasks.len() {
        ops.extend([Op::Begin(task), Op::Park(task), Op::Yield(task)]);
        ops.extend([Op::Finish(task), Op::Adopt(task)]);
        ops.extend([Op::RequestSelf(task), Op::Withdraw(task)]);
        ops.push(Op::Request { task, origin: None });
        for &scope in &model.tasks[task].stack[..] {
            let origin = Some((task, scope));
            ops.push(Op::Request { task, origin });
        }
        if may_enter {
            let enter = |shield, cancelled, deadline| Op::Enter {
                task,
                shield,
                cancelled,
                deadline,
            };
            ops.push(enter(false, false, f64::INFINITY));
            ops.push(enter(true, false, f64::INFINITY));
            ops.push(enter(false, true, f64::INFINITY));
            ops.push(enter(false, false, 1.0));
            ops.push(enter(true, false, 2.0));
        }
    }
    for scope in (0..model.scopes.len()).filter(|scope| model.scopes[*scope].open) {
        let host = model.scopes[scope].host;
        ops.push(Op::Exit { task: host, scope });
        ops.push(Op::Cancel(scope));
        let value = !model.scopes[scope].shield;
        ops.push(Op::Shield { scope, value });
        for value in [1.0, 2.0, f64::INFINITY] {
            if value != model.scopes[scope].deadline {
                ops.push(Op::Deadline { scope, value });
            }
        }
        if model.groups.len() < MOST_GROUPS {
            ops.push(Op::OpenGroup(scope));
        }
    }
    for group in 0..model.groups.len() {
        ops.push(Op::CloseGroup(group));
        if may_spawn {
            let under = None;
            ops.push(Op::Spawn { group, under });
            for scope in 0..model.scopes.len() {
                let under = Some(scope);
                ops.push(Op::Spawn { group, under });
            }
        }
    }
    ops
}

/// Tries every history that goes on with at most `length` operations; how many there are.
fn explore(history: &History, length: usize) -> usize {
    let mut count = 0;
    for op in next(history) {
        let mut history = history.clone();
        if history.apply(op) {
            count += 1;
            if length > 1 {
                count += explore(&history, length - 1);
            }
        }
    }
    count
}

const fn enter(task: usize, shield: bool) -> Op {
    Op::Enter {
        task,
        shield,
        cancelled: false,
        deadline: f64::INFINITY,
    }
}

const fn spawn(group: usize, under: Option<usize>) -> Op {
    Op::Spawn { group, under }
}

/// One task in its first step; its scope is 0.
const RUNNING: [Op; 2] = [Op::SpawnRoot, Op::Begin(0)];

#[test]
fn every_history_from_nothing() {
    let count = explore(&History::default(), 5);
    assert!(count > 300_000, "only {count} histories");
}

fn explore_from(beginnings: &[&[Op]], length: usize) -> usize {
    let histories = beginnings.iter();
    let explored =
        histories.map(|ops| explore(&History::after(&[&RUNNING, *ops].concat()), length));
    explored.sum()
}

/// Two nested scopes; the inner one is shielded, or carries a request, or both.
#[test]
fn every_history_in_nested_scopes() {
    let in_shield = Op::Request {
        task: 0,
        origin: Some((0, 1)),
    };
    let count = explore_from(
        &[
            &[enter(0, false), enter(0, false), Op::Park(0)],
            &[enter(0, true), enter(0, true), Op::Cancel(1), Op::Park(0)],
            &[enter(0, true), in_shield, enter(0, true)],
        ],
        3,
    );
    assert!(count > 80_000, "only {count} histories");
}

/// A group with a task that waits, inside a shield or not; its host runs, waits, or has ended.
#[test]
fn every_history_of_a_group() {
    let group = [
        enter(0, false),
        Op::OpenGroup(1),
        spawn(0, None),
        Op::Begin(1),
    ];
    let with = |more: &[Op]| [&group, more].concat();
    let count = explore_from(
        &[
            &with(&[Op::Park(1), Op::Park(0)]),
            &with(&[enter(1, true), Op::Park(1), Op::Cancel(1)]),
            &with(&[
                Op::Request {
                    task: 0,
                    origin: None,
                },
                Op::Park(1),
            ]),
            &with(&[Op::Park(1), Op::Finish(0)]),
        ],
        3,
    );
    assert!(count > 250_000, "only {count} histories");
}

/// A task that is being started under a scope of its own in the caller, which is not the group's host.
#[test]
fn every_history_of_a_start() {
    let start = [
        enter(0, false),
        Op::OpenGroup(1),
        Op::SpawnRoot,
        Op::Begin(1),
        enter(1, false),
        spawn(0, Some(3)),
        Op::Begin(2),
    ];
    let with = |more: &[Op]| [&start, more].concat();
    let count = explore_from(
        &[
            &with(&[Op::Park(2), Op::Park(1)]),
            &with(&[Op::Park(2), Op::Cancel(1)]),
            &with(&[Op::Park(2), Op::Finish(0)]),
        ],
        3,
    );
    assert!(count > 400_000, "only {count} histories");
}
