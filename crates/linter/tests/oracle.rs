//! The flow analysis against an oracle: generated coroutines are run by Python as level-cancelled
//! tasks (`oracle.py`), and the linter says the same of them as what happened: which loops spin,
//! which statements of a cleanup never run, which cleanups are cut.
//!
//! `ORACLE_SEED=8 cargo test -p asyncbis-linter --test oracle` draws other programs than usual.
//!
//! A program that spins and isn't found is a missed hang, one that is found and never spins a
//! false alarm: both fail the test.

mod python;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::OnceLock;

use linter::model::cleanup::CleanupKind;
use linter::model::tree::{Part, StmtId};
use linter::model::{File, Parsed};
use linter::{Settings, SourceFile};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use ruff_text_size::{Ranged, TextRange};

const PROGRAMS: usize = 800;
/// The oracle tries every combination of conditions: a program with more is left out.
const MOST_TESTS: usize = 6;

/// A statement of a generated program.
#[derive(Debug, Clone)]
enum Statement {
    Wait,
    Step,
    Return,
    /// `break`; `pass` where there is no loop.
    Break,
    Continue,
    /// `raise`; another error where there is no handler.
    Reraise,
    RaiseOther,
    If(Vec<Statement>, Vec<Statement>),
    While(Vec<Statement>),
    WhileTrue(Vec<Statement>),
    For(Vec<Statement>),
    Shield(Vec<Statement>),
    Try {
        body: Vec<Statement>,
        class: &'static str,
        handler: Vec<Statement>,
        finally: Vec<Statement>,
    },
    TryFinally(Vec<Statement>, Vec<Statement>),
}

use Statement as S;

fn statement() -> impl Strategy<Value = Statement> {
    let leaf = prop_oneof![
        4 => Just(S::Wait),
        2 => Just(S::Step),
        1 => Just(S::Return),
        1 => Just(S::Break),
        1 => Just(S::Continue),
        2 => Just(S::Reraise),
        1 => Just(S::RaiseOther),
    ];
    let class = prop_oneof![
        3 => Just("CancelledError"),
        2 => Just("BaseException"),
        1 => Just("Exception"),
        1 => Just("ValueError"),
        1 => Just("(ValueError, CancelledError)"),
    ];
    leaf.prop_recursive(4, 24, 3, move |inner| {
        let block = move |inner: &BoxedStrategy<Statement>| {
            prop::collection::vec(inner.clone(), 1..3)
        };
        let inner = inner.boxed();
        prop_oneof![
            2 => (block(&inner), prop::collection::vec(inner.clone(), 0..2))
                .prop_map(|(yes, no)| S::If(yes, no)),
            2 => block(&inner).prop_map(S::While),
            2 => block(&inner).prop_map(S::WhileTrue),
            1 => block(&inner).prop_map(S::For),
            1 => block(&inner).prop_map(S::Shield),
            5 => (block(&inner), class.clone(), block(&inner), prop::collection::vec(inner.clone(), 0..2))
                .prop_map(|(body, class, handler, finally)| S::Try { body, class, handler, finally }),
            1 => (block(&inner), block(&inner)).prop_map(|(body, finally)| S::TryFinally(body, finally)),
        ]
    })
}

/// A loop around a `try` that waits: the shape that may spin, with anything around and inside.
fn around_a_loop() -> impl Strategy<Value = Vec<Statement>> {
    let some = |most: usize| prop::collection::vec(statement(), 0..most);
    let class = prop_oneof![Just("CancelledError"), Just("BaseException")];
    let waiting = (some(2), some(2)).prop_map(|(before, after)| {
        before
            .into_iter()
            .chain([S::Wait])
            .chain(after)
            .collect::<Vec<_>>()
    });
    let handler = some(3).prop_map(|body| if body.is_empty() { vec![S::Step] } else { body });
    let caught =
        (waiting, class, handler, some(2)).prop_map(|(body, class, handler, finally)| S::Try {
            body,
            class,
            handler,
            finally,
        });
    let looped =
        (some(2), caught, some(2), any::<bool>()).prop_map(|(before, caught, after, endless)| {
            let body = before.into_iter().chain([caught]).chain(after).collect();
            if endless {
                S::WhileTrue(body)
            } else {
                S::While(body)
            }
        });
    (some(2), looped, some(2)).prop_map(|(before, looped, after)| {
        before.into_iter().chain([looped]).chain(after).collect()
    })
}

/// Writes a program as Python.
struct Printer {
    text: String,
    depth: usize,
    tests: usize,
    steps: usize,
    waits: usize,
    in_loop: bool,
    in_handler: bool,
    in_finally: bool,
}

impl Printer {
    fn line(&mut self, line: &str) {
        writeln!(self.text, "{}{line}", "    ".repeat(self.depth)).expect("a string");
    }

    fn test(&mut self) -> String {
        self.tests += 1;
        format!("test({})", self.tests - 1)
    }

    fn step(&mut self) {
        self.steps += 1;
        let line = format!("step({})", self.steps);
        self.line(&line);
    }

    fn wait(&mut self) {
        self.waits += 1;
        let line = format!("await wait({})", self.waits);
        self.line(&line);
    }

    fn block(&mut self, header: &str, body: &[Statement]) {
        self.line(header);
        self.depth += 1;
        for statement in body {
            self.statement(statement);
        }
        self.depth -= 1;
    }

    /// A loop counts its rounds, so that one without a suspension ends the run.
    fn loop_block(&mut self, header: &str, body: &[Statement]) {
        let outer = std::mem::replace(&mut self.in_loop, true);
        self.line(header);
        self.depth += 1;
        self.step();
        for statement in body {
            self.statement(statement);
        }
        self.depth -= 1;
        self.in_loop = outer;
    }

    fn handler(&mut self, class: &str, body: &[Statement]) {
        let outer = std::mem::replace(&mut self.in_handler, true);
        self.block(&format!("except {class}:"), body);
        self.in_handler = outer;
    }

    fn statement(&mut self, statement: &Statement) {
        match statement {
            S::Wait => self.wait(),
            S::Step => self.step(),
            S::Return => self.line(if self.in_finally { "pass" } else { "return" }),
            S::Break => self.line(if self.in_loop { "break" } else { "pass" }),
            S::Continue => self.line(if self.in_loop { "continue" } else { "pass" }),
            S::Reraise | S::RaiseOther if self.in_finally => self.line("pass"),
            S::Reraise if self.in_handler => self.line("raise"),
            S::Reraise | S::RaiseOther => self.line("raise ValueError"),
            S::If(yes, no) => {
                let test = self.test();
                self.block(&format!("if {test}:"), yes);
                if !no.is_empty() {
                    self.block("else:", no);
                }
            }
            S::While(body) => {
                let test = self.test();
                self.loop_block(&format!("while {test}:"), body);
            }
            S::WhileTrue(body) => self.loop_block("while True:", body),
            S::For(body) => {
                let test = self.test();
                self.loop_block(&format!("for _ in range(2 * {test}):"), body);
            }
            S::Shield(body) => self.block("with scope(shield=True):", body),
            S::Try {
                body,
                class,
                handler,
                finally,
            } => {
                self.block("try:", body);
                self.handler(class, handler);
                if !finally.is_empty() {
                    self.finally(finally);
                }
            }
            S::TryFinally(body, finally) => {
                self.block("try:", body);
                self.finally(finally);
            }
        }
    }

    /// A jump or another exception out of a `finally` ends the cancellation without any handler,
    /// which is another rule's business.
    fn finally(&mut self, body: &[Statement]) {
        let outer = (self.in_handler, self.in_loop, self.in_finally);
        (self.in_handler, self.in_loop, self.in_finally) = (false, false, true);
        self.block("finally:", body);
        (self.in_handler, self.in_loop, self.in_finally) = outer;
    }
}

fn program(body: &[Statement]) -> String {
    let mut printer = Printer {
        text: String::from("from asyncio import CancelledError\n"),
        depth: 0,
        tests: 0,
        steps: 0,
        waits: 0,
        in_loop: false,
        in_handler: false,
        in_finally: false,
    };
    printer.block("async def f():", body);
    printer.text
}

/// What happened when Python ran a program.
struct Outcome {
    spins: bool,
    /// The steps that ran, each with the suspension that was cancelled last before it.
    ran: BTreeSet<(usize, usize)>,
    /// Suspensions that were cancelled one right after the other.
    pairs: BTreeSet<(usize, usize)>,
}

impl Outcome {
    fn parse(line: &str) -> Self {
        let mut words = line.split(' ');
        let mut next = || words.next().expect("three words");
        let spins = next() == "spins";
        let (ran, pairs) = (pairs(next()), pairs(next()));
        Outcome { spins, ran, pairs }
    }
}

/// `2>3,3>3`, or `-` for none.
fn pairs(text: &str) -> BTreeSet<(usize, usize)> {
    let number = |text: &str| text.parse().expect("a number");
    text.split(',')
        .filter_map(|pair| pair.split_once('>'))
        .map(|(first, then)| (number(first), number(then)))
        .collect()
}

/// The programs and what Python says of them.
fn outcomes() -> &'static [(String, Outcome)] {
    static OUTCOMES: OnceLock<Vec<(String, Outcome)>> = OnceLock::new();
    OUTCOMES.get_or_init(|| {
        let seed = std::env::var("ORACLE_SEED").map_or(7, |seed| seed.parse().expect("below 256"));
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let body = around_a_loop();
        let programs: Vec<String> = (0..PROGRAMS)
            .map(|_| program(&body.new_tree(&mut runner).expect("generates").current()))
            .filter(|code| code.matches("test(").count() <= MOST_TESTS)
            .collect();
        let lines = run_python(&programs);
        assert_eq!(lines.len(), programs.len());
        let outcomes = lines.iter().map(|line| Outcome::parse(line));
        programs.into_iter().zip(outcomes).collect()
    })
}

fn run_python(programs: &[String]) -> Vec<String> {
    let text = python::run(
        "oracle.py",
        programs.join(
            "---
",
        ),
    );
    text.lines().map(str::to_owned).collect()
}

/// Asks the model about a program.
fn ask<T>(code: &str, question: impl FnOnce(&File) -> T) -> T {
    let source = SourceFile::python("program.py", code);
    let settings = Settings::default();
    let parsed = Parsed::new(&source);
    let file = File::new(&source, &parsed, &settings);
    assert_eq!(file.syntax_errors(), [], "{code}");
    question(&file)
}

fn has_endless_spin(file: &File) -> bool {
    file.catchers()
        .iter()
        .filter_map(|catcher| file.spin(catcher))
        .any(|spin| !spin.bounded)
}

fn shortest(programs: &[&String]) -> String {
    let found = programs.iter().min_by_key(|code| code.len());
    found.map(ToString::to_string).unwrap_or_default()
}

#[test]
fn the_linter_finds_just_the_loops_that_spin() {
    let spinning = outcomes().iter().filter(|(_, outcome)| outcome.spins);
    assert!(spinning.count() > 50, "hardly a program spins");
    let (mut missed, mut false_alarms) = (Vec::new(), Vec::new());
    for (code, outcome) in outcomes() {
        match (outcome.spins, ask(code, has_endless_spin)) {
            (true, false) => missed.push(code),
            (false, true) => false_alarms.push(code),
            _ => {}
        }
    }
    assert!(
        missed.is_empty(),
        "missed hangs, such as\n{}",
        shortest(&missed)
    );
    // For the linter any call may raise, so code behind a handler of ordinary exceptions can be
    // reached; in these programs no call raises, and a loop that stands there never runs.
    let most = outcomes().len() / 50;
    let count = false_alarms.len();
    assert!(
        count <= most,
        "{count} false alarms, such as\n{}",
        shortest(&false_alarms)
    );
}

/// The number in `step(3)`, for the call `step(`.
fn number_of(file: &File, range: TextRange, call: &str) -> Option<usize> {
    let rest = file.source.slice(range).strip_prefix(call)?;
    rest.strip_suffix(')')?.parse().ok()
}

#[test]
fn what_is_said_never_to_run_does_not_run() {
    let mut claims = 0;
    let mut wrong = Vec::new();
    for (code, outcome) in outcomes() {
        ask(code, |file| {
            for cleanup in file.cleanups() {
                // With several cuts it isn't said which of them skips a statement.
                let [cut] = cleanup.cut.as_slice() else {
                    continue;
                };
                let Some(wait) = number_of(file, cut.suspension.range, "await wait(") else {
                    continue;
                };
                for id in &cleanup.skipped {
                    let range = file.tree.stmt(*id).node.range();
                    let Some(step) = number_of(file, range, "step(") else {
                        continue;
                    };
                    claims += 1;
                    if outcome.ran.contains(&(wait, step)) {
                        wrong.push(format!("step({step}) runs after wait({wait}):\n{code}"));
                    }
                }
            }
        });
    }
    assert!(
        claims > 50,
        "only {claims} statements are said to be skipped"
    );
    let wrong: Vec<&String> = wrong.iter().collect();
    assert!(
        wrong.is_empty(),
        "{} of {claims}, such as {}",
        wrong.len(),
        shortest(&wrong)
    );
}

#[test]
fn every_finally_that_is_cut_is_known() {
    let mut cuts = 0;
    let mut missed = Vec::new();
    for (code, outcome) in outcomes() {
        ask(code, |file| {
            let known: Vec<StmtId> = file
                .cleanups()
                .iter()
                .filter(|cleanup| cleanup.kind == CleanupKind::Finally)
                .map(|cleanup| cleanup.stmt)
                .collect();
            for (first, then) in &outcome.pairs {
                for id in finallys_between(file, *first, *then) {
                    cuts += 1;
                    if !known.contains(&id) {
                        missed.push(format!("wait({first}), then wait({then}):\n{code}"));
                    }
                }
            }
        });
    }
    assert!(cuts > 100, "only {cuts} cleanups are cut");
    let missed: Vec<&String> = missed.iter().collect();
    assert!(
        missed.is_empty(),
        "{} of {cuts}, such as {}",
        missed.len(),
        shortest(&missed)
    );
}

/// The `try` statements with one suspension in front of their `finally` and the other one in it.
fn finallys_between(file: &File, first: usize, then: usize) -> Vec<StmtId> {
    let place = |number: usize| {
        file.tree.stmt_ids().find(|id| {
            let range = file.tree.stmt(*id).node.range();
            number_of(file, range, "await wait(") == Some(number)
        })
    };
    let (Some(first), Some(then)) = (place(first), place(then)) else {
        return Vec::new();
    };
    file.tree
        .ancestors(then)
        .filter(|(_, part)| *part == Part::Finally)
        .map(|(id, _)| id)
        .filter(|id| {
            file.tree
                .part_of(*id, first)
                .is_some_and(|part| part != Part::Finally)
        })
        .collect()
}
