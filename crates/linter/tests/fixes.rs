//! Programs and what they are after all fixes: the pages of `fixes/`, and what a page can't show.
//!
//! On a page a block ```` ```python ```` is a program, and the block ```` ```python fixed ```` after
//! it the program after every fix, unsafe ones too, for code that targets asyncbis; words behind
//! `fixed` change that (BIS801, which rewrites the imports, has pages of its own): `safe` (no unsafe fixes), `asyncio` (the code targets asyncio), `5s`
//! (cleanup is shielded for 5 seconds), `info` (also what is only an information). ```` ```python unchanged ```` is a program that stays, with
//! the same words.
//! `UPDATE_FIXES=1 cargo test -p asyncbis-linter --test fixes` writes the fixed blocks.

use std::fs;
use std::path::PathBuf;

use linter::rounds::{FixOptions, Outcome, Rounds, fix};
use linter::{RuleSet, Settings, Severity, SourceFile, SourceKind};

const FENCE: &str = "```";

fn fixed(code: &str, words: &str) -> Rounds {
    let has = |word: &str| words.split(' ').any(|it| it == word);
    let imports = RuleSet::from_selector("BIS801").expect("exists");
    let settings = Settings {
        rules: RuleSet::all().difference(imports),
        target_asyncbis: !has("asyncio"),
        cleanup_timeout: has("5s").then_some(5.0),
        min_severity: if has("info") {
            Severity::Info
        } else {
            Severity::Warning
        },
        ..Settings::default()
    };
    let options = FixOptions {
        unsafe_fixes: !has("safe"),
        ..FixOptions::default()
    };
    let rounds = fix(SourceFile::python("a.py", code), &settings, &options);
    assert_eq!(rounds.broken, [], "a fix breaks\n{code}");
    assert_ne!(
        rounds.outcome,
        Outcome::NoFixpoint,
        "no fixpoint of\n{code}"
    );
    assert_eq!(rounds.checked.panics, [], "a panic on\n{code}");
    rounds
}

#[test]
fn pages_hold() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixes");
    let update = std::env::var_os("UPDATE_FIXES").is_some();
    let mut wrong = Vec::new();
    let mut pages = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let page = fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let now = replay(&page, &name, &mut wrong);
        if update {
            fs::write(&path, now).unwrap();
        }
        pages += 1;
    }
    assert!(pages > 0, "there are pages");
    assert!(wrong.is_empty() || update, "{}", wrong.join("\n"));
}

/// The page with the blocks as they are now; what differs goes to `wrong`.
fn replay(page: &str, name: &str, wrong: &mut Vec<String>) -> String {
    let mut result = String::new();
    let mut program: Option<String> = None;
    let mut lines = page.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        result.push_str(line);
        result.push('\n');
        let Some(info) = line.strip_prefix(FENCE) else {
            continue;
        };
        let block: String = lines
            .by_ref()
            .map(|(_, line)| line)
            .take_while(|line| *line != FENCE)
            .flat_map(|line| [line, "\n"])
            .collect();
        let mut now = block.clone();
        if info == "python" {
            program = Some(block.clone());
        } else if let Some(words) = info.strip_prefix("python unchanged") {
            now = fixed(&block, words).source.text().to_owned();
        } else if let Some(words) = info.strip_prefix("python fixed") {
            let program = program.as_deref().expect("a program comes first");
            now = fixed(program, words).source.text().to_owned();
        }
        if now != block {
            wrong.push(format!(
                "{name}:{}: expected\n{block}\ngot\n{now}",
                number + 1
            ));
        }
        result.push_str(if info == "python unchanged" {
            &block
        } else {
            &now
        });
        result.push_str(FENCE);
        result.push('\n');
    }
    result
}

const PROGRAM: &str = "\
import asyncio

async def close(pool):
    try:
        await asyncio.sleep(1)
    finally:
        # Give it back.
        await pool.close()

        await pool.wait(
            1)
";

const FIXED: &str = "\
import asyncio
import asyncbis

async def close(pool):
    try:
        await asyncio.sleep(1)
    finally:
        # Give it back.
        with asyncbis.CancelScope(shield=True):
            await pool.close()

            await pool.wait(
                1)
";

/// Line ends, tabs and a missing last line end stay what they are.
#[test]
fn white_space_is_kept() {
    for end in ["\n", "\r\n", "\r"] {
        for unit in ["    ", "  ", "\t", " ", "        "] {
            for last in [true, false] {
                let as_written = |text: &str| {
                    let text = text.replace("    ", unit).replace('\n', end);
                    if last {
                        text
                    } else {
                        text.strip_suffix(end).unwrap().to_owned()
                    }
                };
                let now = fixed(&as_written(PROGRAM), "");
                assert_eq!(now.source.text(), as_written(FIXED), "{end:?} {unit:?}");
            }
        }
    }
}

/// Tabs in some blocks and spaces in others, as Python allows it.
#[test]
fn a_block_keeps_its_own_indentation() {
    let program = "\
import asyncio
def first():
    pass
async def close(pool):
\ttry:
\t\tawait asyncio.sleep(1)
\tfinally:
\t\tawait pool.close()
\t\tif pool:
\t\t    await pool.wait()
";
    let expected = "\
import asyncio
import asyncbis
def first():
    pass
async def close(pool):
\ttry:
\t\tawait asyncio.sleep(1)
\tfinally:
\t\twith asyncbis.CancelScope(shield=True):
\t\t\tawait pool.close()
\t\t\tif pool:
\t\t\t    await pool.wait()
";
    assert_eq!(fixed(program, "").source.text(), expected);
}

/// A form feed begins a line's column anew: what it stands in can't be indented.
#[test]
fn form_feeds_are_left_alone() {
    let program = "import asyncio\n\x0c\nasync def close(pool):\n    try:\n        await \
                   asyncio.sleep(1)\n    finally:\n        \x0c    await pool.close()\n";
    assert_eq!(fixed(program, "").source.text(), program);
    let program = program.replace("        \x0c    await", "        await");
    let now = fixed(&program, "");
    assert!(
        now.source
            .text()
            .starts_with("import asyncio\nimport asyncbis\n\x0c\n")
    );
}

/// Each cell keeps its place, and the JSON around the code stays as it is.
#[test]
fn notebooks_are_fixed_in_their_cells() {
    let cell = |code: &str| {
        let lines: Vec<String> = code
            .split_inclusive('\n')
            .map(|line| format!("    {}", serde_json::Value::from(line)))
            .collect();
        format!(
            "  {{ \"cell_type\": \"code\", \"metadata\": {{}}, \"outputs\": [],\n   \"execution_count\": null,\n   \
             \"source\": [\n{}\n   ]\n  }}",
            lines.join(",\n")
        )
    };
    let notebook = |cells: &[&str]| {
        let cells: Vec<String> = cells.iter().map(|code| cell(code)).collect();
        format!(
            "{{\n \"metadata\": {{\"x\": 1.0}},\n \"nbformat\": 4, \"nbformat_minor\": 5,\n \"cells\": [\n{}\n ]\n}}\n",
            cells.join(",\n")
        )
    };
    let first = "%matplotlib inline\nimport asyncio";
    let close = "async def close(pool):\n    try:\n        await asyncio.sleep(1)\n    finally:\n        await pool.close()";
    let last = "async def shut(pool):\n    try:\n        await asyncio.sleep(1)\n    finally:\n        await pool.close()  # é\n";
    let text = notebook(&[first, close, last]);
    let source = SourceFile::from_text("a.ipynb", text, SourceKind::Notebook)
        .map_err(|error| error.message)
        .unwrap();
    let settings = Settings {
        target_asyncbis: true,
        ..Settings::default()
    };
    let options = FixOptions {
        unsafe_fixes: true,
        ..FixOptions::default()
    };
    let now = fix(source, &settings, &options);
    let expected = notebook(&[
        "%matplotlib inline\nimport asyncio\nimport asyncbis",
        "async def close(pool):\n    try:\n        await asyncio.sleep(1)\n    finally:\n        with asyncbis.CancelScope(shield=True):\n            await pool.close()",
        "async def shut(pool):\n    try:\n        await asyncio.sleep(1)\n    finally:\n        with asyncbis.CancelScope(shield=True):\n            await pool.close()  # é\n",
    ]);
    assert_eq!(now.source.file_text(), expected);
}

/// What can't be parsed, or can't be checked, is left alone.
#[test]
fn files_with_errors_are_left_alone() {
    for program in [
        format!("{PROGRAM}\nx = = 1\n"),
        format!(
            "{PROGRAM}\nx = {}1{}\n",
            "(".repeat(20_000),
            ")".repeat(20_000)
        ),
        format!("# test: panic in BIS201\n{PROGRAM}"),
    ] {
        let settings = Settings {
            target_asyncbis: true,
            ..Settings::default()
        };
        let options = FixOptions {
            unsafe_fixes: true,
            ..FixOptions::default()
        };
        let now = fix(SourceFile::python("a.py", &*program), &settings, &options);
        assert_eq!(now.source.text(), program);
        assert_ne!(now.outcome, Outcome::Fixed);
    }
}
