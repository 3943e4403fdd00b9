//! The flow analysis against an oracle: generated coroutines are run by Python as level-cancelled
//! tasks (`oracle.py`), and the linter says the same of them as what happened.
//!
//! `ORACLE_SEED=8 cargo test -p asyncbis-linter --test oracle` draws other programs than usual.
//!
//! A program that spins and isn't found is a missed hang, one that is found and never spins a
//! false alarm: both fail the test.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use linter::model::{File, Parsed};
use linter::{Settings, SourceFile};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

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
        self.line("step()");
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
            S::Wait => self.line("await wait()"),
            S::Step => self.line("step()"),
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
        in_loop: false,
        in_handler: false,
        in_finally: false,
    };
    printer.block("async def f():", body);
    printer.text
}

fn linter_says(code: &str) -> &'static str {
    let source = SourceFile::python("program.py", code);
    let settings = Settings::default();
    let parsed = Parsed::new(&source);
    let file = File::new(&source, &parsed, &settings);
    assert_eq!(file.syntax_errors(), [], "{code}");
    let spins = file
        .catchers()
        .iter()
        .filter_map(|catcher| file.spin(catcher))
        .any(|spin| !spin.bounded);
    if spins { "spins" } else { "ends" }
}

fn python_says(programs: &[String]) -> Vec<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle.py");
    let mut python = Command::new("python3")
        .args(["-W", "ignore"])
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the test needs `python3`");
    let mut input = python.stdin.take().expect("piped");
    let text = programs.join("---\n");
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = python.wait_with_output().expect("python3 ends");
    writer
        .join()
        .expect("no panic")
        .expect("python3 reads its input");
    assert!(output.status.success(), "oracle.py failed");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().map(str::to_owned).collect()
}

#[test]
fn the_linter_finds_just_the_loops_that_spin() {
    let seed = std::env::var("ORACLE_SEED").map_or(7, |seed| seed.parse().expect("below 256"));
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let body = around_a_loop();
    let programs: Vec<String> = (0..PROGRAMS)
        .map(|_| program(&body.new_tree(&mut runner).expect("generates").current()))
        .filter(|code| code.matches("test(").count() <= MOST_TESTS)
        .collect();
    let verdicts = python_says(&programs);
    assert_eq!(verdicts.len(), programs.len());
    let spinning = verdicts
        .iter()
        .filter(|verdict| *verdict == "spins")
        .count();
    assert!(
        spinning > 50,
        "only {spinning} programs spin: that tests nothing"
    );
    let (mut missed, mut false_alarms) = (Vec::new(), Vec::new());
    for (code, verdict) in programs.iter().zip(&verdicts) {
        match (verdict.as_str(), linter_says(code)) {
            ("spins", "ends") => missed.push(code),
            ("ends", "spins") => false_alarms.push(code),
            _ => {}
        }
    }
    let shortest = |list: &[&String]| {
        list.iter()
            .min_by_key(|code| code.len())
            .map(ToString::to_string)
            .unwrap_or_default()
    };
    assert_eq!(
        missed.len(),
        0,
        "missed hangs, such as\n{}",
        shortest(&missed)
    );
    // For the linter any call may raise, so code behind a handler of ordinary exceptions can be
    // reached; in these programs no call raises, and a loop that stands there never runs.
    let most = programs.len() / 50;
    let count = false_alarms.len();
    assert!(
        count <= most,
        "{count} false alarms, such as\n{}",
        shortest(&false_alarms)
    );
}
