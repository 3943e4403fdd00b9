//! Long random histories of all operations, with everything compared after each one.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::history::{History, Op};
use super::model::{Model, Running};

/// Picks one of those that there are; the latest are picked most often, as in a program.
fn pick(number: usize, from: &[usize]) -> usize {
    let last = from.len().saturating_sub(1);
    from.get(last - number % from.len().max(1))
        .copied()
        .unwrap_or(0)
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

fn raws() -> impl Strategy<Value = Vec<Raw>> {
    prop::collection::vec(raw(), 0..120)
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
    // Sometimes one that has ended or is closed: that has to be answered, too.
    let dead = raw.time.is_multiple_of(16);
    let tasks: Vec<usize> = (0..model.tasks.len())
        .filter(|task| dead || model.tasks[*task].alive)
        .collect();
    let scopes: Vec<usize> = (0..model.scopes.len())
        .filter(|scope| dead || model.scopes[*scope].open)
        .collect();
    let task = pick(raw.first, &tasks);
    let other_task = pick(raw.second, &tasks);
    let scope = pick(raw.second, &scopes);
    let groups: Vec<usize> = (0..model.groups.len()).collect();
    let group = pick(raw.first, &groups);
    let own = model.tasks.get(task).filter(|task| task.alive);
    let own_scope = own.map(|own| pick(raw.second, &own.stack));
    let value = time(raw.time);
    match raw.kind % 36 {
        0 if raw.other_flag => Op::SpawnRoot,
        1..=2 => Op::Spawn {
            group,
            under: raw.flag.then_some(scope),
        },
        3 | 4 => Op::Adopt(task),
        5 if raw.flag => Op::Finish(task),
        0 | 5..=8 => Op::Begin(task),
        9..=11 => Op::Park(task),
        12 => Op::Yield(task),
        13..=15 => Op::Enter {
            task,
            shield: raw.flag,
            cancelled: raw.other_flag && raw.time.is_multiple_of(2),
            deadline: value,
        },
        16..=18 => Op::Exit {
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
        25 => Op::OpenGroup(own_scope.unwrap_or(scope)),
        26 if raw.flag => Op::CloseGroup(group),
        27 | 28 => Op::Request { task, origin: None },
        29..=31 => Op::Request {
            task,
            origin: Some(if raw.other_flag {
                (other_task, scope)
            } else {
                (task, own_scope.unwrap_or(scope))
            }),
        },
        32 | 33 => Op::RequestSelf(task),
        _ => Op::Withdraw(task),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_histories_agree_with_the_model(raws in raws()) {
        let mut history = History::after(&[Op::SpawnRoot, Op::Begin(0)]);
        for raw in raws {
            history.apply(operation(raw, &history));
        }
    }
}

/// What makes the random histories worth having happens in them, and often.
#[test]
fn random_histories_lead_everywhere() {
    let mut seen = BTreeMap::new();
    let mut runner = TestRunner::deterministic();
    for _ in 0..300 {
        let raws = raws().new_tree(&mut runner).unwrap().current();
        let mut history = History::after(&[Op::SpawnRoot, Op::Begin(0)]);
        for raw in raws {
            let before = history.model.clone();
            let op = operation(raw, &history);
            if history.apply(op) {
                for what in what_happened(op, &before, &history.model) {
                    *seen.entry(what).or_insert(0) += 1;
                }
            }
        }
    }
    let kinds = seen.keys().filter(|what| !what.contains(' '));
    assert_eq!(kinds.count(), 18, "operations: {seen:?}");
    assert_eq!(seen.len(), 18 + 9, "situations: {seen:?}");
    for (what, times) in seen {
        assert!(times >= 5, "only {times} times in 300 histories: {what}");
    }
}

/// The name of the operation, and in some words the rare things that happened with it.
fn what_happened(op: Op, before: &Model, after: &Model) -> Vec<String> {
    let text = format!("{op:?}");
    let kind = text.split([' ', '(']).next().unwrap();
    let mut happened = vec![kind.to_owned()];
    let mut note = |what: &str, happens: bool| {
        if happens {
            happened.push(what.to_owned());
        }
    };
    let tasks = || before.tasks.iter().zip(&after.tasks);
    let waits = |told_before: bool, told_after: bool| {
        tasks().any(|(before, after)| {
            let waited = before.run == Running::Waits && after.run == Running::Waits;
            waited && before.told == told_before && after.told == told_after
        })
    };
    note("a waiting task becomes due", waits(false, true));
    note("a waiting task is free again", waits(true, false));
    let phantoms = |phantom: bool| {
        tasks().any(|(before, after)| before.phantom == phantom && after.phantom != phantom)
    };
    note("an uncancel is remembered", phantoms(false));
    let consumed = matches!(op, Op::RequestSelf(_)) && phantoms(true);
    note("an uncancel is undone", consumed);
    let moved = matches!(op, Op::Exit { .. })
        && tasks().any(|(before, after)| before.requests != after.requests);
    note("a request moves outwards", moved);
    if let Op::Exit { task, scope } = op {
        let open = before.scopes[scope].open && !after.scopes[scope].open;
        note("a misnested exit", open && before.current(task) != scope);
    }
    if let Op::Adopt(task) = op {
        let hung_on = |model: &Model| model.scopes[model.tasks[task].stack[0]].hung_on;
        let alive = before.tasks[task].alive;
        note("a task moves", alive && hung_on(before) != hung_on(after));
    }
    if let Op::Request { task, .. } = op {
        let entry = &after.tasks[task];
        let last = entry.requests.last();
        let inside = entry.alive && last != entry.stack.first();
        note("a request inside a shield", inside);
    }
    let hosts_gone = |model: &Model| {
        let scopes = 0..model.scopes.len();
        let open = scopes.filter(|scope| model.scopes[*scope].open);
        open.filter(|scope| model.abandoned(*scope)).count()
    };
    let abandoned = matches!(op, Op::Finish(_)) && hosts_gone(after) > hosts_gone(before);
    note("a host leaves its tasks behind", abandoned);
    happened
}
