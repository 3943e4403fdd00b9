//! Long random histories of all operations, with everything compared after each one.

use proptest::prelude::*;

use super::history::{History, Op};

/// How a random history picks from what there is: the latest are picked most often, as in a program.
fn pick(from: usize) -> impl Fn(usize) -> usize {
    move |count| (count.max(1) - 1) - from % count.max(1)
}

/// An operation that may mean anything until it is known what there is to be named.
#[derive(Clone, Copy, Debug)]
struct Raw {
    kind: u8,
    first: usize,
    second: usize,
    flag: bool,
    other_flag: bool,
    time: u8,
}

fn raw() -> impl Strategy<Value = Raw> {
    let near =
        || prop_oneof![4 => 0..3usize, 2 => 0..8usize, 1 => any::<u8>().prop_map(usize::from)];
    let fields = (
        any::<u8>(),
        near(),
        near(),
        any::<bool>(),
        0..4u8,
        any::<u8>(),
    );
    fields.prop_map(|(kind, first, second, flag, rare, time)| Raw {
        kind,
        first,
        second,
        flag,
        other_flag: rare == 0,
        time,
    })
}

/// Deadlines are few, so that equal ones and past ones are frequent.
fn time(raw: u8) -> f64 {
    match raw % 12 {
        10 => f64::INFINITY,
        11 => f64::NEG_INFINITY,
        tenths => f64::from(tenths),
    }
}

fn operation(raw: Raw, history: &History) -> Op {
    let model = &history.model;
    let task = pick(raw.first)(model.tasks.len());
    let other_task = pick(raw.second)(model.tasks.len());
    let scope = pick(raw.second)(model.scopes.len());
    let group = pick(raw.first)(model.groups.len());
    let own = model.tasks.get(task).filter(|task| task.alive);
    let own_scope = own.map(|own| own.stack[pick(raw.second)(own.stack.len())]);
    let value = time(raw.time);
    match raw.kind % 32 {
        0 => Op::SpawnRoot,
        1..=3 => Op::Spawn {
            group,
            under: raw.other_flag.then_some(scope),
        },
        4 => Op::Adopt(task),
        5 => Op::Finish(task),
        6..=8 => Op::Begin(task),
        9..=11 => Op::Park(task),
        12 => Op::Yield(task),
        13..=16 => Op::Enter {
            task,
            shield: raw.flag,
            cancelled: raw.other_flag,
            deadline: value,
        },
        17 | 18 => Op::Exit {
            task,
            scope: own_scope.unwrap_or(scope),
        },
        19 => Op::Exit { task, scope },
        20 => Op::Cancel(scope),
        21 => Op::Shield {
            scope,
            value: raw.flag,
        },
        22 | 23 => Op::Deadline { scope, value },
        // Time passes slowly, or there would be no deadlines left.
        24 => Op::Expire(f64::from(raw.time % 10) / 4.0),
        25 | 26 => Op::OpenGroup(own_scope.unwrap_or(scope)),
        27 => Op::CloseGroup(group),
        28 => Op::Request { task, origin: None },
        29 => Op::Request {
            task,
            origin: Some(if raw.other_flag {
                (other_task, scope)
            } else {
                (task, own_scope.unwrap_or(scope))
            }),
        },
        30 => Op::RequestSelf(task),
        _ => Op::Withdraw(task),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_histories_agree_with_the_model(raws in prop::collection::vec(raw(), 0..120)) {
        let mut history = History::after(&[Op::SpawnRoot, Op::Begin(0)]);
        for raw in raws {
            history.apply(operation(raw, &history));
        }
    }
}
