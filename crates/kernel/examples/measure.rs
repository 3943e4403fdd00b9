//! What the kernel's operations cost, in nanoseconds, with few and with many things around them.
//!
//! `cargo run --release --package asyncbis-kernel --example measure`.
//! Each line compares the same operation in two situations; no factor may grow with the number at its end.

use std::hint::black_box;
use std::time::Instant;

use kernel::{GroupId, Kernel, ScopeId, ScopeSettings, TaskId};

const MANY: usize = 100_000;
const TIMES: usize = 200_000;

const PLAIN: ScopeSettings = ScopeSettings {
    shield: false,
    cancelled: false,
    deadline: f64::INFINITY,
};

const LATER: ScopeSettings = ScopeSettings {
    deadline: 1e9,
    ..PLAIN
};

fn main() {
    println!("{:32} {:>8} {:>10}", "ns for one of", "alone", "with 100k");
    row("enter + exit", enter_and_exit(0), enter_and_exit(MANY));
    row("enter + exit, with deadline", timeout(0), timeout(MANY));
    row("set a deadline later", postpone(0), postpone(MANY));
    row("begin + park", step(0), step(MANY));
    row("spawn + finish", spawn(0), spawn(MANY));
    row("cancel() + uncancel()", request(0), request(MANY));
    row("cancel, for each waiting task", cancel(100), cancel(MANY));
    row("expire, for each deadline", expire(100), expire(MANY));
}

fn row(name: &str, few: f64, many: f64) {
    println!("{name:32} {few:8.1} {many:10.1}");
}

/// The best of some rounds, in nanoseconds for one of `times`.
fn best(times: usize, mut round: impl FnMut() -> std::time::Duration) -> f64 {
    let best = (0..7).map(|_| round()).min().unwrap();
    best.as_nanos() as f64 / times as f64
}

fn measure(times: usize, mut run: impl FnMut()) -> f64 {
    best(times, || {
        let start = Instant::now();
        for _ in 0..times {
            run();
        }
        start.elapsed()
    })
}

/// A task in a group with so many tasks that wait, each in a scope with a deadline.
fn crowd(waiting: usize) -> (Kernel, TaskId, ScopeId, GroupId) {
    let mut kernel = Kernel::new();
    let host = kernel.spawn_root();
    kernel.begin(host);
    let scope = kernel.enter(host, PLAIN, 0.0);
    let group = kernel.open_group(scope);
    for number in 0..waiting {
        let task = kernel.spawn(group, None).unwrap();
        kernel.begin(task);
        let deadline = 1.0 + (number * 7919 % 10_007) as f64;
        let settings = ScopeSettings { deadline, ..PLAIN };
        kernel.enter(task, settings, 0.0);
        kernel.park(task);
    }
    (kernel, host, scope, group)
}

fn enter_and_exit(around: usize) -> f64 {
    let (mut kernel, task, ..) = crowd(around);
    measure(TIMES, || {
        let scope = kernel.enter(task, PLAIN, 0.0);
        black_box(kernel.exit(task, scope)).unwrap();
    })
}

fn timeout(around: usize) -> f64 {
    let (mut kernel, task, ..) = crowd(around);
    measure(TIMES, || {
        let scope = kernel.enter(task, LATER, 0.0);
        black_box(kernel.exit(task, scope)).unwrap();
    })
}

fn postpone(around: usize) -> f64 {
    let (mut kernel, task, ..) = crowd(around);
    let scope = kernel.enter(task, LATER, 0.0);
    let mut when = 1e6;
    measure(TIMES, || {
        when += 1.0;
        black_box(kernel.set_deadline(scope, when, 0.0));
    })
}

fn step(around: usize) -> f64 {
    let (mut kernel, _, _, group) = crowd(around);
    let task = kernel.spawn(group, None).unwrap();
    measure(TIMES, || {
        black_box(kernel.begin(task));
        black_box(kernel.park(task));
    })
}

fn spawn(around: usize) -> f64 {
    let (mut kernel, _, _, group) = crowd(around);
    measure(TIMES, || {
        let task = kernel.spawn(group, None).unwrap();
        black_box(kernel.finish(task));
    })
}

/// Of a task among others; its own group, if it has one, would be told.
fn request(around: usize) -> f64 {
    let (mut kernel, _, _, group) = crowd(around);
    let task = kernel.spawn(group, None).unwrap();
    measure(TIMES, || {
        black_box(kernel.request(task, None));
        black_box(kernel.withdraw(task));
    })
}

fn cancel(waiting: usize) -> f64 {
    best(waiting, || {
        let (mut kernel, _, scope, _) = crowd(waiting);
        let start = Instant::now();
        let due = kernel.cancel(scope).unwrap();
        let elapsed = start.elapsed();
        assert_eq!(due.len(), waiting);
        elapsed
    })
}

fn expire(waiting: usize) -> f64 {
    best(waiting, || {
        let (mut kernel, ..) = crowd(waiting);
        let start = Instant::now();
        let due = kernel.expire(1e6);
        let elapsed = start.elapsed();
        assert_eq!(due.len(), waiting);
        elapsed
    })
}
