//! The whole check on damaged programs: no panic, spans inside the file, every format accepts them.
//!
//! The programs are the examples of the rule pages, which hold many findings, and the asyncio code
//! of the installed Python; a change takes, doubles or moves lines, or puts in a token.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{fs, panic, thread};

use linter::{Diagnostic, Edit, RuleSet, Settings, Severity, SourceFile};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rule_page::Page;

/// How long the changed programs are checked in the process; then the test ends.
const TIME: Duration = Duration::from_secs(12);

/// A change of a program; the numbers are taken modulo what there is.
#[derive(Debug, Clone)]
enum Change {
    DropLines(usize, usize),
    DoubleLines(usize, usize),
    MoveLine(usize, usize),
    Indent(usize, bool),
    DropCharacters(usize, usize),
    Insert(usize, &'static str),
}

const TOKENS: [&str; 40] = [
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "'",
    "\"\"\"",
    "f\"{",
    "\\\n",
    "\n",
    "\r",
    "\r\n",
    "\t",
    "\x0c",
    "\0",
    "é",
    "日本",
    "\u{301}",
    "\u{feff}",
    "# noqa: BIS201",
    "# noqa",
    "# asyncbis-lint: noqa",
    " await ",
    "async ",
    "try:",
    "finally:",
    "except:",
    "raise",
    "return ",
    "yield ",
    "lambda ",
    "asyncio.",
    "with ",
    "while True:",
    "pass\n",
    ";",
    ":",
    ",",
    " if x else ",
];

fn change() -> impl Strategy<Value = Change> {
    let at = || any::<usize>();
    prop_oneof![
        (at(), 1..4usize).prop_map(|(at, count)| Change::DropLines(at, count)),
        (at(), 1..4usize).prop_map(|(at, count)| Change::DoubleLines(at, count)),
        (at(), at()).prop_map(|(from, to)| Change::MoveLine(from, to)),
        (at(), any::<bool>()).prop_map(|(at, more)| Change::Indent(at, more)),
        (at(), 1..6usize).prop_map(|(at, count)| Change::DropCharacters(at, count)),
        (at(), 0..TOKENS.len()).prop_map(|(at, token)| Change::Insert(at, TOKENS[token])),
    ]
}

fn changed(program: &str, changes: &[Change]) -> String {
    let mut text = program.to_owned();
    for change in changes {
        text = apply(&text, change);
    }
    text
}

fn apply(text: &str, change: &Change) -> String {
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    let count = lines.len().max(1);
    let boundary = |at: usize| text.floor_char_boundary(at % (text.len() + 1));
    match *change {
        Change::DropLines(at, number) => {
            let at = at % count;
            lines.drain(at.min(lines.len())..(at + number).min(lines.len()));
        }
        Change::DoubleLines(at, number) => {
            let at = (at % count).min(lines.len());
            let copy = lines[at..(at + number).min(lines.len())].to_vec();
            lines.splice(at..at, copy);
        }
        Change::MoveLine(from, to) if !lines.is_empty() => {
            let line = lines.remove(from % count);
            lines.insert(to % count, line);
        }
        Change::MoveLine(..) => {}
        Change::Indent(at, more) => {
            let at = at % count;
            let Some(line) = lines.get(at).copied() else {
                return text.to_owned();
            };
            let line = if more {
                format!("    {line}")
            } else {
                line.strip_prefix("    ").unwrap_or(line).to_owned()
            };
            return [
                &lines[..at].concat(),
                line.as_str(),
                &lines[at + 1..].concat(),
            ]
            .concat();
        }
        Change::DropCharacters(at, number) => {
            let start = boundary(at);
            let end = text.ceil_char_boundary((start + number).min(text.len()));
            return [&text[..start], &text[end..]].concat();
        }
        Change::Insert(at, token) => {
            let at = boundary(at);
            return [&text[..at], token, &text[at..]].concat();
        }
    }
    lines.concat()
}

/// The programs to change.
fn programs() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut programs = Vec::new();
    for path in sorted(&root.join("rules"), "md") {
        let text = fs::read_to_string(&path).unwrap();
        if let Ok(page) = Page::parse(&text) {
            let blocks = page
                .blocks
                .iter()
                .filter(|block| block.info.starts_with("python"));
            programs.extend(blocks.map(|block| block.code.to_owned()));
        }
    }
    let script = "import sysconfig; print(sysconfig.get_path('stdlib'))";
    let output = Command::new("python3").args(["-c", script]).output();
    if let Ok(output) = output {
        let library = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        let files = sorted(&library.join("asyncio"), "py").into_iter();
        let texts = files.filter_map(|path| fs::read_to_string(path).ok());
        programs.extend(texts.filter(|text| text.len() < 30_000));
    }
    assert!(programs.len() > 20);
    programs
}

fn sorted(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    paths.sort();
    paths
}

fn all_findings() -> Settings {
    Settings {
        rules: RuleSet::all(),
        min_severity: Severity::Info,
        prefilter: false,
        target_asyncbis: true,
        ..Settings::default()
    }
}

/// What is wrong with the findings on a text.
fn problem(text: &str) -> Option<String> {
    let source = SourceFile::python("a.py", text);
    let settings = all_findings();
    let checked = linter::check(&source, &settings);
    if let Some(panic) = checked.panics.first() {
        return Some(format!("a panic: {panic:?}"));
    }
    let parses = |checked: &linter::Checked| {
        let errors = |found: &Diagnostic| found.rule == linter::Rule::SYNTAX_ERROR;
        !checked.diagnostics.iter().any(errors)
    };
    let sound = parses(&checked);
    for found in &checked.diagnostics {
        let labels = found.labels.iter().map(|label| label.range);
        let edits: &[Edit] = found.fix.as_ref().map_or(&[], |fix| &fix.edits);
        let edited = edits.iter().map(|edit| edit.range);
        for range in std::iter::once(found.range).chain(labels).chain(edited) {
            let range: Range<usize> = range.into();
            if text.get(range.clone()).is_none() {
                return Some(format!("the range {range:?} of {found:?}"));
            }
        }
        if !edits.is_sorted_by(|a, b| a.range.end() <= b.range.start()) {
            return Some(format!("the order of the edits of {found:?}"));
        }
        if sound && !edits.is_empty() {
            let fixed = SourceFile::python("a.py", source.edited(edits));
            if !parses(&linter::check(&fixed, &settings)) {
                return Some(format!("{found:?} breaks the syntax:\n{}", fixed.text()));
            }
        }
    }
    let (edits, _) = linter::suppress::noqa_edits(&source, &checked.diagnostics);
    let suppressed = SourceFile::python("a.py", source.edited(&edits));
    let left = linter::check(&suppressed, &settings);
    let is_left = |found: &&Diagnostic| !found.rule.code().starts_with("BIS0");
    if let Some(found) = left.diagnostics.iter().find(is_left).filter(|_| sound) {
        return Some(format!("not suppressed: {found:?}\n{}", suppressed.text()));
    }
    None
}

#[test]
fn damaged_programs_are_checked_without_a_panic() {
    let programs = programs();
    let work = move || {
        let start = Instant::now();
        let config = Config {
            cases: 100_000,
            failure_persistence: None,
            max_shrink_iters: 2_000,
            ..Config::default()
        };
        let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let mut runner = TestRunner::new_with_rng(config, rng);
        let strategy = (0..programs.len(), prop::collection::vec(change(), 0..5));
        let outcome = runner.run(&strategy, |(program, changes)| {
            if start.elapsed() < TIME {
                let text = changed(&programs[program], &changes);
                if let Some(problem) = problem(&text) {
                    return Err(TestCaseError::fail(format!("{problem}\n{text}")));
                }
            }
            Ok(())
        });
        if let Err(error) = outcome {
            panic!("{error}");
        }
    };
    let thread = thread::Builder::new().stack_size(linter::STACK_SIZE);
    if let Err(panic) = thread.spawn(work).unwrap().join() {
        panic::resume_unwind(panic);
    }
}

/// A form feed makes a line's indentation begin anew.
#[test]
fn form_feeds_in_indentations_are_kept() {
    let program = "\
import asyncio


async def f(pool):
    try:
        await asyncio.sleep(1)
    finally:
        if pool:
            # closed for good
            await pool.close()
            pool.closed = True
";
    let number = program.lines().count();
    for line in 3..number {
        for feed in ["\x0c", "  \x0c"] {
            let mut lines: Vec<String> = program.lines().map(str::to_owned).collect();
            lines[line].insert_str(0, feed);
            assert_eq!(problem(&(lines.join("\n") + "\n")), None);
        }
    }
}

#[test]
fn every_format_accepts_the_findings_of_damaged_programs() {
    let programs = programs();
    let folder = tempfile::tempdir().unwrap();
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = (0..programs.len(), prop::collection::vec(change(), 0..5));
    for number in 0..400 {
        let (program, changes) = strategy.new_tree(&mut runner).unwrap().current();
        let text = changed(&programs[program], &changes);
        fs::write(folder.path().join(format!("m{number}.py")), text).unwrap();
    }
    for format in ["full", "concise", "json", "sarif", "github", "gitlab"] {
        let output = Command::new(env!("CARGO_BIN_EXE_asyncbis-lint"))
            .args([
                "check",
                "--isolated",
                "--min-severity",
                "info",
                "--color",
                "always",
            ])
            .args(["--output-format", format])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{format}: {stderr}");
        assert_eq!(stderr, "", "{format}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("BIS0") && text.contains("BIS2"), "{format}");
        if ["json", "sarif", "gitlab"].contains(&format) {
            let _: serde_json::Value = serde_json::from_str(&text).unwrap();
        }
    }
}
