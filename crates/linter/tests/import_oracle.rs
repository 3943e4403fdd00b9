//! The import rewrite against an oracle: generated programs are run before and after it by Python
//! with stand-ins for asyncio and asyncbis (`import_oracle.py`), and reach the same things.
//!
//! `ORACLE_SEED=8 cargo test -p asyncbis-linter --test import_oracle` draws other programs than usual.

mod python;

use std::fmt::Write as _;

use linter::imports::{Options, Style, rewrite};
use linter::model::{File, Parsed};
use linter::{Settings, SourceFile};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use ruff_python_ast::Expr;

const PROGRAMS: usize = 3000;

/// The names that programs bind and use.
const VARIABLES: [&str; 5] = ["asyncio", "asyncio", "asyncio", "aio", "asyncbis"];

const IMPORTS: [&str; 25] = [
    "import asyncio",
    "import asyncio",
    "import asyncio",
    "import asyncio  # comment",
    "import asyncio as aio",
    "import asyncio as asyncio",
    "import os, asyncio",
    "import asyncio, asyncio.tasks",
    "import asyncio.tasks",
    "import asyncio.subprocess",
    "import asyncio.events as events",
    "import asyncio.subprocess as subprocess",
    "import asyncbis",
    "from asyncio import sleep",
    "from asyncio import (\n    sleep,  # comment\n    Event as aio,\n)",
    "from asyncio import sleep, ProactorEventLoop, get_event_loop",
    "from asyncio import (sleep,  # comment\n    ProactorEventLoop,\n    # end\n)",
    "from asyncio import events, exceptions",
    "from asyncio import subprocess",
    "from asyncio.tasks import Task as aio, _all_tasks",
    "from asyncio.exceptions import CancelledError",
    "from asyncio.subprocess import PIPE, logger",
    "try:\n    import asyncio\nexcept ImportError:\n    asyncio = None",
    "if sys.version_info >= (3, 11):\n    from asyncio import timeout\nelse:\n    from backport import timeout",
    "try:\n    from asyncio import timeout, gather\nexcept ImportError:\n    from backport import gather, timeout",
];

/// What follows a variable that may be the package.
const PATHS: [&str; 15] = [
    ".sleep",
    ".sleep",
    ".Task",
    ".Task.cancel",
    ".Event",
    ".ProactorEventLoop",
    ".get_event_loop",
    ".get_event_loop()",
    ".tasks.Task",
    ".tasks._all_tasks",
    ".exceptions.CancelledError",
    ".events.get_event_loop()",
    ".subprocess.PIPE",
    ".subprocess.logger",
    "",
];

/// Other things that programs use.
const OTHERS: [&str; 11] = [
    "sleep",
    "timeout",
    "gather",
    "CancelledError",
    "events.get_running_loop",
    "events._lock",
    "exceptions.CancelledError",
    "subprocess.PIPE",
    "PIPE",
    "get_event_loop()",
    "_all_tasks",
];

#[derive(Debug, Clone)]
enum Statement {
    Import(usize),
    /// `note(..)` of an expression in one of several forms.
    Use(Expression, usize),
    /// `asyncio = other`, and other ways to bind a name.
    Bind(usize, usize),
    Patch(Expression),
    Delete(usize),
    /// `global asyncio`, `nonlocal asyncio`: only in a function.
    Declare(&'static str, usize),
    Public(usize),
    If(Vec<Statement>, Vec<Statement>),
    Function {
        is_async: bool,
        parameter: Option<usize>,
        body: Vec<Statement>,
    },
    Class(Vec<Statement>),
}

#[derive(Debug, Clone)]
enum Expression {
    Path(usize, usize),
    Other(usize),
}

fn expression() -> impl Strategy<Value = Expression> {
    prop_oneof![
        4 => (0..VARIABLES.len(), 0..PATHS.len()).prop_map(|(it, path)| Expression::Path(it, path)),
        1 => (0..OTHERS.len()).prop_map(Expression::Other),
    ]
}

fn statement() -> impl Strategy<Value = Statement> {
    let variable = 0..VARIABLES.len();
    let leaf = prop_oneof![
        24 => (0..IMPORTS.len()).prop_map(Statement::Import),
        36 => (expression(), 0..24usize).prop_map(|(it, form)| Statement::Use(it, form)),
        1 => (variable.clone(), 0..5usize).prop_map(|(it, form)| Statement::Bind(it, form)),
        1 => expression().prop_map(Statement::Patch),
        1 => variable.clone().prop_map(Statement::Delete),
        1 => variable.clone().prop_map(|it| Statement::Declare("global", it)),
        1 => variable.clone().prop_map(|it| Statement::Declare("nonlocal", it)),
        1 => variable.prop_map(Statement::Public),
    ];
    leaf.prop_recursive(4, 30, 5, |inner| {
        let block = prop::collection::vec(inner, 1..6);
        prop_oneof![
            1 => (block.clone(), block.clone()).prop_map(|(body, other)| Statement::If(body, other)),
            4 => (any::<bool>(), prop::option::weighted(0.2, 0..VARIABLES.len()), block.clone())
                .prop_map(|(is_async, parameter, body)| Statement::Function {
                    is_async,
                    parameter,
                    body,
                }),
            1 => block.prop_map(Statement::Class),
        ]
    })
}

/// Writes programs.
#[derive(Default)]
struct Printer {
    text: String,
    indent: usize,
    functions: usize,
}

impl Printer {
    fn line(&mut self, text: &str) {
        for line in text.lines() {
            writeln!(self.text, "{}{line}", "    ".repeat(self.indent))
                .expect("writing to a string");
        }
    }

    fn block(&mut self, body: &[Statement], in_function: bool) {
        self.indent += 1;
        // A declaration is a syntax error behind a use.
        let (first, rest): (Vec<&Statement>, Vec<&Statement>) = body
            .iter()
            .partition(|it| matches!(it, Statement::Declare(..)));
        for statement in first.into_iter().chain(rest) {
            self.statement(statement, in_function);
        }
        self.line("pass");
        self.indent -= 1;
    }

    fn statement(&mut self, statement: &Statement, in_function: bool) {
        match statement {
            Statement::Import(index) => self.line(IMPORTS[*index]),
            Statement::Use(expression, form) => {
                let text = used(&text_of(expression), *form);
                self.line(&format!("try: {text}\nexcept Exception: note('broken')"));
            }
            Statement::Bind(variable, form) => self.line(&bound(VARIABLES[*variable], *form)),
            Statement::Patch(expression) => {
                let text = text_of(expression);
                if text.contains('.') && !text.ends_with(')') {
                    self.line(&format!(
                        "try: {text} = 1\nexcept Exception: note('broken')"
                    ));
                }
            }
            Statement::Delete(variable) => {
                // A function that only deletes a name can't run.
                let text = match VARIABLES[*variable] {
                    "asyncio" => "import asyncio\ndel asyncio",
                    _ => "aio = other\ndel aio",
                };
                self.line(text);
            }
            Statement::Declare(word, variable) if in_function => {
                self.line(&format!("{word} {}", VARIABLES[*variable]));
            }
            Statement::Declare(..) => {}
            Statement::Public(variable) => {
                self.line(&format!("__all__ = [\"{}\"]", VARIABLES[*variable]));
            }
            Statement::If(body, other) => {
                self.line("if other:");
                self.block(body, false);
                self.line("else:");
                self.block(other, false);
            }
            Statement::Function {
                is_async,
                parameter,
                body,
            } => {
                self.functions += 1;
                let name = format!("function_{}", self.functions);
                let word = if *is_async { "async def" } else { "def" };
                let parameter = parameter.map_or("", |index| VARIABLES[index]);
                self.line(&format!("{word} {name}({parameter}):"));
                self.block(body, true);
                let argument = if parameter.is_empty() { "" } else { ", other" };
                self.line(&format!("guard({name}{argument})"));
            }
            Statement::Class(body) => {
                self.functions += 1;
                let name = format!("Class{}", self.functions);
                self.line(&format!("class {name}:"));
                self.block(body, false);
                self.line(&format!("guard(lambda: note({name}.asyncio.sleep))"));
            }
        }
    }
}

fn text_of(expression: &Expression) -> String {
    match expression {
        Expression::Path(variable, path) => format!("{}{}", VARIABLES[*variable], PATHS[*path]),
        Expression::Other(index) => OTHERS[*index].to_owned(),
    }
}

fn used(text: &str, form: usize) -> String {
    match form {
        0 => format!("note([{text} for _ in 'ab'])"),
        1 => format!("guard(lambda: note({text}))"),
        2 => format!("note(f\"{{{text}}}\")"),
        3 => format!("note(f\"{{{text}=}}\")"),
        4 => format!("guard(lambda it={text}: note(it))"),
        5 => match text.rsplit_once('.') {
            Some((module, name)) if !text.ends_with(')') => {
                format!("note(hasattr({module}, \"{name}\"), getattr({module}, \"{name}\", None))")
            }
            _ => format!("note({text})"),
        },
        _ => format!("note({text})"),
    }
}

fn bound(name: &str, form: usize) -> String {
    match form {
        0 => format!("for {name} in [other]: pass"),
        1 => format!("try:\n    1 / 0\nexcept ZeroDivisionError as {name}:\n    pass"),
        2 => format!("match other:\n    case {name}:\n        pass"),
        3 => format!("note([{name} for {name} in 'ab'], ({name} := other))"),
        _ => format!("{name} = other"),
    }
}

fn programs() -> Vec<String> {
    let seed: u8 = std::env::var("ORACLE_SEED").map_or(1, |seed| seed.parse().expect("a number"));
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = prop::collection::vec(statement(), 2..9);
    (0..PROGRAMS)
        .map(|index| {
            let tree = strategy.new_tree(&mut runner).expect("a program");
            let mut printer = Printer::default();
            for statement in tree.current() {
                printer.statement(&statement, false);
            }
            // In most programs asyncbis is nothing yet.
            match index % 4 {
                0 => printer.text,
                _ => printer.text.replace("asyncbis", "asyncio"),
            }
        })
        .collect()
}

/// The program after the rewrite; `None` where it can't be parsed before.
fn rewritten(text: &str, style: Style) -> Option<String> {
    let options = Options {
        style,
        ..Options::default()
    };
    let once = |text: &str| {
        let source = SourceFile::python("program.py", text);
        let settings = Settings::default();
        let parsed = Parsed::new(&source);
        let file = File::new(&source, &parsed, &settings);
        let is_right = file.syntax_errors().is_empty();
        is_right.then(|| match rewrite(&file, &options).fix {
            Some(fix) => source.edited(&fix.edits),
            None => text.to_owned(),
        })
    };
    let now = once(text)?;
    match once(&now) {
        Some(again) if again == now => Some(now),
        Some(again) => Some(format!("{now}\nnote('but then')\n{again}")),
        None => Some(format!("{now}\nnote('which can not be parsed')")),
    }
}

fn run_python(programs: &[String]) -> Vec<Vec<String>> {
    let text = serde_json::to_string(programs).expect("strings");
    let logs = python::run("import_oracle.py", text);
    serde_json::from_str(&logs).expect("logs")
}

/// Whether a program says the same after the rewrite, where it worked before.
fn is_same(before: &[String], after: &[String]) -> bool {
    let is_broken =
        |line: &str| ["broken", "NameError", "UnboundLocalError", "AttributeError"].contains(&line);
    let pairs = || before.iter().zip(after);
    before.len() == after.len() && pairs().all(|(one, other)| is_broken(one) || one == other)
}

#[test]
fn a_rewritten_program_reaches_the_same() {
    let programs = programs();
    let logs = run_python(&programs);
    let mut wrong: Vec<String> = Vec::new();
    let mut changed = 0;
    for style in [Style::Rename, Style::Alias] {
        let rewritten: Vec<(&String, String, &Vec<String>)> = programs
            .iter()
            .zip(&logs)
            // What Python refuses to compile says nothing.
            .filter(|(_, log)| **log != ["SyntaxError"])
            .filter_map(|(before, log)| Some((before, rewritten(before, style)?, log)))
            .filter(|(before, after, _)| *before != after)
            .collect();
        changed += rewritten.len();
        let afters: Vec<String> = rewritten.iter().map(|(_, it, _)| it.clone()).collect();
        for ((before, after, log), now) in rewritten.into_iter().zip(run_python(&afters)) {
            if !is_same(log, &now) {
                wrong.push(format!(
                    "{before}\nbecomes in style {style:?}\n{after}\nwhich says\n{now:#?}\n\
                     instead of\n{log:#?}"
                ));
            }
        }
    }
    println!(
        "{changed} of {} programs were rewritten",
        2 * programs.len()
    );
    assert!(
        changed > PROGRAMS / 2,
        "only {changed} programs were rewritten"
    );
    wrong.sort_by_key(String::len);
    if let Some(shortest) = wrong.first() {
        panic!("{} wrong, the shortest:\n{shortest}", wrong.len());
    }
}

/// A program without its imports, and with one name for whatever holds asyncio or asyncbis.
fn without_names(text: &str) -> Vec<String> {
    let source = SourceFile::python("program.py", text);
    let settings = Settings::default();
    let parsed = Parsed::new(&source);
    let file = File::new(&source, &parsed, &settings);
    let is_package = |expr: &Expr| {
        let names = file.raw_qualified_names(expr);
        !names.is_empty() && names.iter().all(|it| it == "asyncio" || it == "asyncbis")
    };
    file.tree
        .exprs()
        .map(|expr| match expr {
            Expr::Name(_) if is_package(expr) => "the package".to_owned(),
            Expr::Name(node) => format!("name {}", node.id),
            Expr::Attribute(node) => format!("attribute {}", node.attr),
            Expr::StringLiteral(node) => format!("string {}", node.value),
            other => format!("{:?}", std::mem::discriminant(other)),
        })
        .collect()
}

#[test]
fn both_styles_give_the_same_program() {
    let mut compared = 0;
    let programs = programs();
    let logs = run_python(&programs);
    for (program, log) in programs.into_iter().zip(logs) {
        if log == ["SyntaxError"] {
            continue;
        }
        let renamed = rewritten(&program, Style::Rename);
        let aliased = rewritten(&program, Style::Alias);
        let (Some(renamed), Some(aliased)) = (renamed, aliased) else {
            continue;
        };
        compared += usize::from(renamed != aliased);
        assert_eq!(
            without_names(&renamed),
            without_names(&aliased),
            "{program}\nbecomes\n{renamed}\nor\n{aliased}"
        );
    }
    assert!(compared > PROGRAMS / 6, "only {compared} differ at all");
}
