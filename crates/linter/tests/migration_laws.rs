//! What holds for every program that is moved from other libraries, on generated programs:
//!
//! - the result parses, and a second run changes nothing;
//! - a name that was bound is bound afterwards, wherever it is used;
//! - comments stay, and other line endings change nothing else;
//! - a program that only uses what has no row, or AnyIO without being asked, stays as it is;
//! - an import of a library that nothing used before, and of what still is used, stays.
//!
//! `LAWS_SEED=8 cargo test -p asyncbis-linter --test migration_laws` draws other programs than usual.

use linter::imports::{Library, Migrations, Options, Style, rewrite};
use linter::model::names::BindingKind;
use linter::model::{File, Parsed};
use linter::{Settings, SourceFile};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use ruff_python_ast::Expr;

const PROGRAMS: u32 = 1500;

/// Imports, and what they bring.
const IMPORTS: [(&str, &[&str]); 27] = [
    ("import asyncio", &["asyncio.timeout"]),
    ("import asyncbis", &["asyncbis.timeout"]),
    ("import async_timeout", ASYNC_TIMEOUT),
    ("import async_timeout  # a comment", ASYNC_TIMEOUT),
    (
        "import os, async_timeout as at",
        &["at.timeout", "at.Timeout"],
    ),
    ("from async_timeout import timeout", &["timeout"]),
    (
        "from async_timeout import (  # a comment\n    Timeout,\n    timeout, timeout_at as at,\n)",
        &["timeout", "at", "Timeout"],
    ),
    (
        "try:\n    from async_timeout import timeout\nexcept ImportError:\n    timeout = None",
        &["timeout"],
    ),
    ("import aiotools", AIOTOOLS),
    (
        "import aiotools.timeouts",
        &["aiotools.timeouts.timeout", "aiotools.Timeout"],
    ),
    (
        "from aiotools import TaskGroup, timeout",
        &["TaskGroup", "timeout"],
    ),
    (
        "from aiotools import TaskGroup, TaskGroupError, ShieldScope as shielded",
        &["TaskGroup", "shielded", "TaskGroupError"],
    ),
    (
        "from aiotools import defer, cancel_and_wait, all_tasks; import sys",
        &["cancel_and_wait", "all_tasks", "defer"],
    ),
    (
        "from aiotools.taskscope import ShieldScope, move_on_after",
        &["ShieldScope", "move_on_after"],
    ),
    (
        "import asynkit",
        &["asynkit.create_task", "asynkit.experimental.task_timeout"],
    ),
    ("from asynkit import create_task", &["create_task"]),
    (
        "from asynkit.experimental import task_timeout, task_throw",
        &["task_timeout"],
    ),
    ("import anyio", ANYIO),
    ("import anyio.abc", ANYIO),
    ("import anyio.lowlevel as low", &["low.checkpoint"]),
    (
        "from anyio import create_task_group, sleep, to_thread",
        &[
            "create_task_group",
            "create_task_group",
            "sleep",
            "to_thread.run_sync",
        ],
    ),
    (
        "from anyio import (\n    CancelScope,\n    Path,\n    fail_after\n)",
        &["CancelScope", "fail_after", "Path"],
    ),
    ("from anyio.lowlevel import checkpoint", &["checkpoint"]),
    ("from anyio.to_thread import run_sync", &["run_sync"]),
    (
        "if TYPE_CHECKING:\n    from anyio.abc import TaskStatus, TaskGroup",
        &["TaskStatus", "TaskGroup"],
    ),
    ("from anyio import run as go", &["go"]),
    ("from anyio import sleep as sleep, Lock", &["sleep", "Lock"]),
];
const ASYNC_TIMEOUT: &[&str] = &[
    "async_timeout.timeout",
    "async_timeout.timeout",
    "async_timeout.timeout_at",
    "async_timeout.Timeout",
];
const AIOTOOLS: &[&str] = &[
    "aiotools.TaskGroup",
    "aiotools.timeout",
    "aiotools.ShieldScope",
    "aiotools.move_on_after",
    "aiotools.race",
    "aiotools.current_taskgroup",
];
const ANYIO: &[&str] = &[
    "anyio.CancelScope",
    "anyio.create_task_group",
    "anyio.create_task_group",
    "anyio.sleep",
    "anyio.abc.TaskStatus",
    "anyio.to_thread.run_sync",
    "anyio.get_cancelled_exc_class",
    "anyio.current_time",
    "anyio.lowlevel.checkpoint",
    "anyio.Lock",
    "anyio.run",
    "anyio.Path",
];

const ARGUMENTS: [&str; 15] = [
    "",
    "",
    "",
    "1",
    "1",
    "delay=1",
    "None",
    "1, 2",
    "*args",
    "work, 1",
    "work, *args, name='x'",
    "(work), (1)",
    "partial(work, 1, k=2)",
    "shield=True",
    "work, abandon_on_cancel=True",
];

/// Statements; `{}` is a use, `[]` its arguments.
const STATEMENTS: [&str; 24] = [
    "async with {}([]):\n    pass",
    "async with {}([]) as cm:\n    cm.shift(1)\n    cm.start_soon(work, {}([]))",
    "async with {}([]) as cm, {}([]) as other:  # a comment\n    print(cm.expired, cm.deadline)",
    "with {}([]):\n    pass",
    "with {}([]) as cm:\n    if cm.expired: pass\n    cm.cancel_scope.cancel()",
    "cm = {}([])\nasync with cm:\n    cm.reject()",
    "async with ({}([]) as cm):\n    cm.start_soon(work, 1,\n        # a comment\n        2,\n    )",
    "await {}([])",
    "x = await {}(\n    []\n)  # a comment",
    "return {}([])",
    "self.cm = {}([])",
    "x: {} = {}([])",
    "x: '{} | None' = None",
    "print({}, {}([]))",
    "try:\n    pass\nexcept {}():\n    pass",
    "def inner(a: {}, b=lambda: {}([])): return a",
    "class Inner({}):\n    pass",
    "global timeout",
    "timeout = 1",
    "for anyio in {}([]): pass",
    "import anyio; {}([])",
    "import async_timeout\n{}([])",
    "del cm",
    "async def later():\n    await {}([])\n    cm.start_soon(later)",
];

const PLACES: [&str; 8] = [
    "",
    "async def main(*args, self=None):\n",
    "async def main(*args, self=None):\n",
    "async def main(*args, self=None):\n",
    "async def main(*args, self=None):\n",
    "def main(self, *args):\n",
    "async def main(asyncbis, timeout):\n",
    "class Main:\n",
];

fn program() -> impl Strategy<Value = String> {
    proptest::collection::vec(select(&IMPORTS[..]), 1..4).prop_flat_map(|imports| {
        let names: Vec<&str> = imports
            .iter()
            .flat_map(|(_, names)| *names)
            .copied()
            .collect();
        let text: Vec<&str> = imports.iter().map(|(import, _)| *import).collect();
        let text = text.join("\n");
        proptest::collection::vec(block(names), 1..4)
            .prop_map(move |blocks| format!("{text}\n\n{}", blocks.join("\n")))
    })
}

fn block(names: Vec<&'static str>) -> impl Strategy<Value = String> {
    let uses = (select(names), select(&ARGUMENTS[..]));
    let statement = (select(&STATEMENTS[..]), uses.clone(), uses).prop_map(
        |(statement, (first, arguments), (second, others))| {
            let text = statement.replacen("{}", first, 1).replace("{}", second);
            text.replacen("[]", arguments, 1).replace("[]", others)
        },
    );
    let statements = proptest::collection::vec(statement, 1..4);
    (select(&PLACES[..]), statements).prop_map(|(place, statements)| {
        let indent = if place.is_empty() { "" } else { "    " };
        let lines = statements.join("\n").replace('\n', &format!("\n{indent}"));
        format!("{place}{indent}{lines}\n")
    })
}

fn with_file<T>(text: &str, ask: impl FnOnce(&File) -> T) -> Option<T> {
    let source = SourceFile::python("program.py", text);
    let parsed = Parsed::new(&source);
    let settings = Settings::default();
    let file = File::new(&source, &parsed, &settings);
    file.syntax_errors().is_empty().then(|| ask(&file))
}

/// The text after the rewrite.
fn rewritten(text: &str, options: &Options) -> Option<String> {
    with_file(text, |file| {
        let fix = rewrite(file, options).fix;
        fix.map_or_else(|| text.to_owned(), |fix| file.source.edited(&fix.edits))
    })
}

/// The names that are used and not bound, sorted.
fn unbound(file: &File) -> Vec<String> {
    let mut names: Vec<String> = file
        .body()
        .iter()
        .flat_map(|stmt| file.tree.exprs_below(file.tree.stmt_id(stmt)))
        .filter(|expr| file.bindings_of(expr).is_empty())
        .filter_map(|expr| match expr {
            Expr::Name(name) if name.ctx.is_load() => Some(name.id.to_string()),
            _ => None,
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

/// The libraries and their parts that the file binds, by the names that it uses.
fn libraries_in_use(file: &File) -> Vec<String> {
    let mut found: Vec<String> = file
        .body()
        .iter()
        .flat_map(|stmt| file.tree.exprs_below(file.tree.stmt_id(stmt)))
        .flat_map(|expr| file.bindings_of(expr))
        .filter_map(|binding| match binding.kind {
            BindingKind::Import(module) | BindingKind::ImportFrom { module, .. } => {
                Some(module.split('.').next().unwrap_or(module).to_owned())
            }
            _ => None,
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

fn comments(text: &str) -> usize {
    text.matches("# a comment").count()
}

fn broken_law(text: &str, options: &Options) -> Option<String> {
    let before = with_file(text, unbound)?;
    let Some(after) = rewritten(text, options) else {
        return Some("the program can't be parsed".to_owned());
    };
    let Some(names) = with_file(&after, unbound) else {
        return Some(format!("the result does not parse:\n{after}"));
    };
    if let Some(name) = names.iter().find(|name| !before.contains(name)) {
        return Some(format!("`{name}` is not bound any more:\n{after}"));
    }
    // The comment of an import may go with it.
    let kept = |text: &str| {
        let code = text.lines().filter(|line| !line.contains("import "));
        comments(&code.collect::<Vec<_>>().join("\n"))
    };
    if kept(&after) < kept(text) {
        return Some(format!("a comment is gone:\n{after}"));
    }
    let with_returns = rewritten(&text.replace('\n', "\r\n"), options)?;
    if with_returns != after.replace('\n', "\r\n") {
        return Some(format!("with CRLF it is another text:\n{with_returns}"));
    }
    let again = rewritten(&after, options)?;
    if again != after {
        return Some(format!("a second run changes it:\n{after}--- to\n{again}"));
    }
    None
}

fn runner() -> TestRunner {
    let seed: u64 = std::env::var("LAWS_SEED").map_or(1, |text| text.parse().expect("a number"));
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases: PROGRAMS,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

fn everything() -> Migrations {
    Library::ALL
        .into_iter()
        .fold(Migrations::default(), Migrations::with)
}

#[test]
fn moved_programs_keep_the_laws() {
    let options = |style, migrations| Options {
        style,
        migrations,
        ..Options::default()
    };
    let modes = [
        options(Style::Rename, everything()),
        options(Style::Alias, everything()),
        options(Style::Rename, Migrations::default()),
    ];
    let mut changed = 0;
    let result = runner().run(&program(), |text| {
        for options in &modes {
            if let Some(broken) = broken_law(&text, options) {
                return Err(TestCaseError::fail(format!("{broken}--- of\n{text}")));
            }
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    // The generator makes programs that parse and that something is done with.
    let mut runner = runner();
    for _ in 0..200 {
        let text = proptest::strategy::ValueTree::current(
            &program().new_tree(&mut runner).expect("a program"),
        );
        let after = rewritten(&text, &modes[0]);
        changed += usize::from(after.is_some_and(|after| after != text));
    }
    assert!(changed > 50, "{changed} of 200 programs change");
}

#[test]
fn what_is_not_asked_for_stays() {
    let none = Options {
        migrations: Migrations::NONE,
        ..Options::default()
    };
    let result = runner().run(&program(), |text| {
        let uses_asyncio = text.contains("asyncio");
        let after = rewritten(&text, &none);
        prop_assert!(uses_asyncio || after.is_none_or(|after| after == text));
        let by_default = rewritten(&text, &Options::default());
        let before = with_file(&text, libraries_in_use);
        let after = by_default.and_then(|text| with_file(&text, libraries_in_use));
        if let (Some(before), Some(after)) = (before, after) {
            let had = before.contains(&"anyio".to_owned());
            prop_assert_eq!(had, after.contains(&"anyio".to_owned()), "{}", text);
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}
