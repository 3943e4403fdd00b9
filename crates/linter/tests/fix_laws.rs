//! What holds for every fix of every program:
//!
//! - no fix breaks the text, and the rounds come to an end;
//! - fixing twice changes nothing more;
//! - there are no more findings at or above warning than before;
//! - what has no finding, and nothing to import anew, stays;
//! - comments stay, and line ends are what they were: a program with other line ends is fixed to
//!   the same program with other line ends.
//!
//! The programs are the examples of the rule pages, changed at random, and the standard library's
//! asyncio. `tests/corpus/fix_laws.py` tries the same with real packages and Python's compiler.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use linter::imports::{self, Style};
use linter::rounds::{FixOptions, Outcome, Rounds, fix};
use linter::{Checked, Rule, Settings, Severity, SourceFile, check};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rule_page::Page;

/// How many changed programs are tried.
const CASES: u32 = 400;

/// The ways to fix that are tried, with a name for messages.
fn modes() -> Vec<(&'static str, Settings, FixOptions)> {
    let settings = Settings {
        min_severity: Severity::Info,
        ..Settings::default()
    };
    let asyncbis = Settings {
        target_asyncbis: true,
        ..settings.clone()
    };
    let limited = Settings {
        cleanup_timeout: Some(5.0),
        ..asyncbis.clone()
    };
    let unsafe_fixes = FixOptions {
        unsafe_fixes: true,
        ..FixOptions::default()
    };
    let rewrite = |style: Style, minimal: bool, docs: bool| FixOptions {
        rewrite: Some(imports::Options {
            style,
            minimal,
            docs,
            ..imports::Options::default()
        }),
        ..unsafe_fixes.clone()
    };
    vec![
        ("safe", settings.clone(), FixOptions::default()),
        ("unsafe", settings.clone(), unsafe_fixes.clone()),
        ("asyncbis", asyncbis, unsafe_fixes.clone()),
        ("limited", limited, unsafe_fixes.clone()),
        (
            "rename",
            settings.clone(),
            rewrite(Style::Rename, false, true),
        ),
        (
            "alias",
            settings.clone(),
            rewrite(Style::Alias, false, false),
        ),
        ("minimal", settings, rewrite(Style::Rename, true, false)),
    ]
}

/// The examples of the rule pages, with their place.
fn examples() -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../rules");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_stem().is_some_and(|it| it != "README"))
        .collect();
    paths.sort();
    let mut examples = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        let page = Page::parse(&text).unwrap();
        let name = path.file_name().unwrap().to_string_lossy();
        for block in page
            .blocks
            .iter()
            .filter(|it| it.info.starts_with("python"))
        {
            examples.push((format!("{name}:{}", block.line), block.code.to_owned()));
        }
    }
    assert!(examples.len() > 100, "the pages have examples");
    examples.extend(rewritten_examples());
    examples
}

/// The files and programs on the pages of the import rewrite.
fn rewritten_examples() -> Vec<(String, String)> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut examples = Vec::new();
    for folder in ["tests/imports", "../../tests/other_libraries"] {
        let entries = fs::read_dir(here.join(folder)).unwrap();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|it| it == "md"));
        paths.sort();
        for path in paths {
            let text = fs::read_to_string(&path).unwrap();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            for part in text.split("```python before").skip(1) {
                let code = part.split_once('\n').map_or("", |(_, code)| code);
                let code = code.split("```").next().unwrap_or_default();
                examples.push((name.clone(), code.to_owned()));
            }
        }
    }
    assert!(
        examples.len() > 100,
        "the pages of the rewrite have examples"
    );
    examples
}

fn python_files_of(module: &str) -> Vec<(String, String)> {
    let program = format!("import {module}; print({module}.__path__[0])");
    let output = Command::new("python3").args(["-c", &program]).output();
    let output = output.expect("the test needs Python: `python3` does not answer");
    let folder = String::from_utf8(output.stdout).unwrap();
    let mut files = Vec::new();
    for entry in fs::read_dir(Path::new(folder.trim())).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "py") {
            files.push((
                path.display().to_string(),
                fs::read_to_string(&path).unwrap(),
            ));
        }
    }
    assert!(!files.is_empty(), "{module} has files");
    files
}

fn harms(checked: &Checked) -> usize {
    let found = checked.diagnostics.iter();
    found.filter(|it| it.severity >= Severity::Warning).count()
}

fn has_error(checked: &Checked) -> bool {
    let mut found = checked.diagnostics.iter();
    found.any(|it| it.rule == Rule::SYNTAX_ERROR)
}

/// The comments of a program, sorted; those of the linter itself may go, and an import that goes
/// takes its own along, as does a branch that only imports. Type comments may name asyncbis.
fn comments(text: &str) -> Vec<String> {
    let is_branch = |line: &str| {
        ["else", "except"]
            .iter()
            .any(|word| line.trim_start().starts_with(word))
    };
    let mut comments: Vec<String> = text
        .lines()
        .filter(|line| !line.contains("import ") && !is_branch(line))
        .filter_map(|line| {
            line.find('#')
                .map(|at| line[at..].trim().replace("asyncbis", "asyncio"))
        })
        .filter(|comment| !comment.contains("noqa"))
        .collect();
    comments.sort();
    comments
}

/// The laws that a program breaks, in words.
fn broken_laws(text: &str) -> Vec<String> {
    let mut broken = Vec::new();
    for (mode, settings, options) in modes() {
        let mut law = |what: &str, after: &str| {
            let text = format!("{mode}: {what}\n--- before\n{text}\n--- after\n{after}");
            broken.push(text);
        };
        let once = run(text, &settings, &options);
        let after = once.source.text().to_owned();
        let target = Settings {
            target_asyncbis: settings.target_asyncbis || options.rewrite.is_some(),
            ..settings.clone()
        };
        let before = check(&SourceFile::python("a.py", text), &target);
        if !once.broken.is_empty() {
            law(&format!("{:?} breaks the text", once.broken), &after);
        }
        if matches!(once.outcome, Outcome::NoFixpoint | Outcome::Panicked) {
            law(
                &format!("{:?} {:?}", once.outcome, once.checked.panics),
                &after,
            );
        }
        if has_error(&before) {
            if after != text {
                law("a text with errors changes", &after);
            }
            continue;
        }
        if has_error(&once.checked) {
            law("does not parse any more", &after);
        }
        if harms(&once.checked) > harms(&before) {
            law("has more findings", &after);
        }
        let again = run(&after, &settings, &options);
        if again.source.text() != after || again.outcome != Outcome::Unchanged {
            law("changes again", again.source.text());
        }
        let words = ["asyncio", "aiotools", "asynkit", "async_timeout"];
        let is_rewritten = options.rewrite.is_some() && words.iter().any(|it| text.contains(it));
        if before.diagnostics.is_empty() && !is_rewritten && after != text {
            law("changes, and there was nothing to do", &after);
        }
        // A statement that goes takes the comment on its line along.
        let removing = ["BIS107", "BIS310"];
        let mut applied = once.applied.iter().map(|(rule, _)| rule.code());
        let removes = applied.any(|code| removing.contains(&code));
        if !removes && !contains_all(&comments(&after), &comments(text)) {
            law("loses a comment", &after);
        }
        if !text.contains('\r') && !text.contains('\\') {
            let other = run(&text.replace('\n', "\r\n"), &settings, &options);
            if other.source.text() != after.replace('\n', "\r\n") {
                law("differs with CRLF", other.source.text());
            }
        }
    }
    broken
}

fn run(text: &str, settings: &Settings, options: &FixOptions) -> Rounds {
    fix(SourceFile::python("a.py", text), settings, options)
}

/// Whether a sorted list has everything that another has.
fn contains_all(list: &[String], other: &[String]) -> bool {
    let mut list = list.iter();
    other.iter().all(|it| list.any(|own| own == it))
}

#[test]
fn the_laws_hold_for_the_examples() {
    let mut broken = String::new();
    for (place, text) in examples() {
        for law in broken_laws(&text) {
            writeln!(broken, "{place}: {law}").unwrap();
        }
    }
    assert!(broken.is_empty(), "{broken}");
}

#[test]
fn the_laws_hold_for_asyncio_itself() {
    let mut broken = String::new();
    for (place, text) in python_files_of("asyncio") {
        for law in broken_laws(&text) {
            let law: String = law.lines().take(1).collect();
            writeln!(broken, "{place}: {law}").unwrap();
        }
    }
    assert!(broken.is_empty(), "{broken}");
}

/// A change of a program; the numbers are taken modulo what there is.
#[derive(Debug, Clone)]
enum Change {
    Drop(usize),
    Double(usize),
    Move(usize, usize),
    /// Another statement on the line.
    Join(usize, &'static str),
    Comment(usize),
    Blank(usize),
    /// The line goes on behind a backslash.
    Continue(usize),
    /// A line between two others, indented like the one below.
    Insert(usize, &'static str),
    /// All of it in a block.
    Nest(&'static str),
    /// Another program below.
    Append(usize),
    Tabs,
}

const LINES: [&str; 16] = [
    "pass",
    "import asyncbis",
    "from asyncbis import CancelScope",
    "import asyncio",
    "await asyncio.sleep(0)",
    "x = \"\"\"\n  text\n\"\"\"",
    "x = f\"\"\"{\n  1}\"\"\"",
    "asyncbis = None",
    "return",
    "raise",
    "yield",
    "print(1); print(2)",
    "if x: pass",
    "finally_ = (1,\n2)",
    "while True:",
    "async with lock:",
];

fn change() -> impl Strategy<Value = Change> {
    let at = || any::<usize>();
    let line = || (0..LINES.len()).prop_map(|index| LINES[index]);
    let blocks = [
        "if True:",
        "class Outer:",
        "def outer():",
        "async def outer():",
        "try:",
    ];
    prop_oneof![
        at().prop_map(Change::Drop),
        at().prop_map(Change::Double),
        (at(), at()).prop_map(|(from, to)| Change::Move(from, to)),
        (
            at(),
            prop_oneof![Just("; pass"), Just("; x = 1"), Just(";")]
        )
            .prop_map(|(at, text)| Change::Join(at, text)),
        at().prop_map(Change::Comment),
        at().prop_map(Change::Blank),
        at().prop_map(Change::Continue),
        (at(), line()).prop_map(|(at, text)| Change::Insert(at, text)),
        (0..blocks.len()).prop_map(move |index| Change::Nest(blocks[index])),
        at().prop_map(Change::Append),
        Just(Change::Tabs),
    ]
}

fn changed(text: &str, change: &Change, examples: &[(String, String)]) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let length = lines.len().max(1);
    let indent = |line: &str| line[..line.len() - line.trim_start().len()].to_owned();
    match change {
        Change::Drop(at) if !lines.is_empty() => {
            lines.remove(at % length);
        }
        Change::Double(at) if !lines.is_empty() => {
            lines.insert(at % length, lines[at % length].clone());
        }
        Change::Move(from, to) if !lines.is_empty() => {
            let line = lines.remove(from % length);
            lines.insert(to % length, line);
        }
        Change::Join(at, more) if !lines.is_empty() => lines[at % length].push_str(more),
        Change::Comment(at) if !lines.is_empty() => {
            lines[at % length].push_str("  # a comment");
        }
        Change::Blank(at) => lines.insert(at % length, String::new()),
        Change::Continue(at) if !lines.is_empty() => {
            let line = &mut lines[at % length];
            *line = line.replacen("await ", "await \\\n ", 1);
        }
        Change::Insert(at, line) if !lines.is_empty() => {
            let at = at % length;
            let line = format!("{}{line}", indent(&lines[at]));
            lines.insert(at, line);
        }
        Change::Nest(block) => {
            for line in &mut lines {
                if !line.is_empty() {
                    line.insert_str(0, "    ");
                }
            }
            lines.insert(0, (*block).to_owned());
            if *block == "try:" {
                lines.push("finally:\n    await outer.close()".to_owned());
            }
        }
        Change::Append(index) => lines.push(examples[index % examples.len()].1.clone()),
        Change::Tabs => return text.replace("    ", "\t"),
        _ => {}
    }
    let mut text = lines.join("\n");
    text.push('\n');
    text
}

#[test]
fn the_laws_hold_for_changed_examples() {
    let examples = examples();
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let config = Config {
        cases: std::env::var("FIX_LAWS_CASES")
            .ok()
            .and_then(|cases| cases.parse().ok())
            .unwrap_or(CASES),
        max_shrink_iters: 2000,
        failure_persistence: None,
        ..Config::default()
    };
    let strategy = (any::<usize>(), prop::collection::vec(change(), 1..6));
    let outcome = TestRunner::new_with_rng(config, rng).run(&strategy, |(index, changes)| {
        let mut text = examples[index % examples.len()].1.clone();
        for change in &changes {
            text = changed(&text, change, &examples);
        }
        let broken = broken_laws(&text);
        prop_assert!(broken.is_empty(), "{}", broken.join("\n"));
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
