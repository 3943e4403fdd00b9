//! The rewrite of files as pages: a file, what it becomes in both styles, and what is said about it.
//!
//! A page in `tests/rewrite` has cases. A block ` ```python ` is a file; behind it stand what it
//! becomes (` ```python rename `, ` ```python alias `) and the notes that are left afterwards
//! (` ```text notes `). Without a `rename` block the file stays as it is, without `notes` nothing
//! is said; the alias style is only compared where there is a block. Words behind ` ```python ` are
//! options: `docs`, `minimal`, `migrate=anyio`, `modules=shop.orders`.
//!
//! The pages of the repository's `tests/other_libraries` are programs that are run as well
//! (`tests/other_libraries/test_programs.py`); here `python after` has to be what `python before`
//! becomes when its library is asked for.
//!
//! Whatever a page says, the result parses and is left alone by a second run.
//! `UPDATE_PAGES=1` writes what is found into the pages.

use std::fs;
use std::path::{Path, PathBuf};

use linter::imports::{Library, Migrations, Modules, Options, Rewrite, Style, rewrite};
use linter::model::{File, Parsed};
use linter::{Settings, SourceFile};

/// What a rewrite makes of a text, and the notes that remain.
struct Outcome {
    text: String,
    notes: String,
}

fn once(text: &str, options: &Options) -> (Option<String>, Rewrite) {
    let source = SourceFile::python("example.py", text);
    let parsed = Parsed::new(&source);
    let settings = Settings::default();
    let file = File::new(&source, &parsed, &settings);
    assert_eq!(file.syntax_errors(), [], "{text}");
    let found = rewrite(&file, options);
    let edited = found.fix.as_ref().map(|fix| source.edited(&fix.edits));
    (edited, found)
}

fn outcome(text: &str, options: &Options) -> Outcome {
    let (edited, _) = once(text, options);
    let text = edited.unwrap_or_else(|| text.to_owned());
    let (again, left) = once(&text, options);
    assert_eq!(again, None, "a second run changes this:\n{text}");
    let source = SourceFile::python("example.py", text.as_str());
    let notes = left
        .notes
        .iter()
        .map(|note| {
            let row = source.location(note.range.start()).row;
            format!("{row}: {}: {}\n", note.kind.as_str(), note.message)
        })
        .collect();
    Outcome { text, notes }
}

fn options(words: &str, style: Style) -> Options {
    let mut options = Options {
        style,
        ..Options::default()
    };
    for word in words.split_whitespace() {
        match word.split_once('=') {
            Some(("migrate", names)) => {
                options.migrations = names.split(',').fold(Migrations::default(), |all, name| {
                    all.with(Library::from_name(name).expect("a known library"))
                });
            }
            Some(("modules", names)) => {
                let paths: Vec<String> = names
                    .split(',')
                    .map(|name| format!("{}.py", name.replace('.', "/")))
                    .collect();
                options.modules = Modules::of_paths(paths.iter().map(String::as_str));
            }
            None if word == "docs" => options.docs = true,
            None if word == "minimal" => options.minimal = true,
            _ => panic!("unknown option {word:?}"),
        }
    }
    options
}

/// A fenced block of a page.
struct Block {
    /// The line of the fence, from 0.
    line: usize,
    info: String,
    code: String,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut is_inside = false;
    for (line, text) in page.lines().enumerate() {
        match text.strip_prefix("```") {
            Some(_) if is_inside => is_inside = false,
            Some(info) => {
                is_inside = true;
                blocks.push(Block {
                    line,
                    info: info.to_owned(),
                    code: String::new(),
                });
            }
            None if is_inside => {
                let block = blocks.last_mut().expect("a fence began it");
                block.code.push_str(text);
                block.code.push('\n');
            }
            None => {}
        }
    }
    blocks
}

/// What is compared: where the page says it, and what it says.
struct Check {
    /// The block, or the one it belongs behind.
    block: usize,
    info: &'static str,
    found: String,
    expected: Option<String>,
}

fn checks(blocks: &[Block]) -> Vec<Check> {
    let mut checks = Vec::new();
    for (index, block) in blocks.iter().enumerate() {
        let Some(words) = block.info.strip_prefix("python") else {
            continue;
        };
        let words = words.trim();
        if matches!(words, "rename" | "alias") {
            continue;
        }
        let about: Vec<&Block> = blocks[index + 1..]
            .iter()
            .take_while(|next| {
                matches!(
                    next.info.as_str(),
                    "python rename" | "python alias" | "text notes"
                )
            })
            .collect();
        let said = |info: &str| {
            let found = about.iter().find(|next| next.info == info);
            found.map(|next| next.code.clone())
        };
        let renamed = outcome(&block.code, &options(words, Style::Rename));
        let aliased = outcome(&block.code, &options(words, Style::Alias));
        let mut check = |info, found: String, default: &str| {
            let expected = said(info);
            if expected.as_deref().unwrap_or(default) != found {
                checks.push(Check {
                    block: index,
                    info,
                    found,
                    expected,
                });
            }
        };
        check("python rename", renamed.text, &block.code);
        check("text notes", renamed.notes, "");
        let default = aliased.text.clone();
        check("python alias", aliased.text, &default);
    }
    checks
}

fn pages(folder: &Path) -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the folder exists")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|it| it == "md"))
        .collect();
    pages.sort();
    assert!(!pages.is_empty(), "{}", folder.display());
    pages
}

/// Writes what was found into a page: into the block that says it, or behind the file.
fn update(path: &Path, page: &str, blocks: &[Block], checks: &[Check]) {
    let mut lines: Vec<String> = page.lines().map(str::to_owned).collect();
    let mut changes: Vec<(usize, usize, String)> = Vec::new();
    for check in checks {
        let end = |block: &Block| block.line + block.code.lines().count() + 2;
        let found = blocks[check.block + 1..]
            .iter()
            .take_while(|next| next.info != "python")
            .find(|next| next.info == check.info);
        let text = format!("```{}\n{}```", check.info, check.found);
        match (found, &check.expected) {
            (Some(block), Some(_)) => changes.push((block.line, end(block), text)),
            _ => {
                let at = end(&blocks[check.block]);
                changes.push((at, at, text));
            }
        }
    }
    changes.sort_by_key(|change| std::cmp::Reverse(change.0));
    for (start, end, text) in changes {
        lines.splice(start..end, text.lines().map(str::to_owned));
    }
    fs::write(path, lines.join("\n") + "\n").expect("writable");
}

#[test]
fn files_become_what_the_pages_say() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/rewrite");
    let only = std::env::var("PAGE").ok();
    let mut problems = String::new();
    for path in pages(&folder) {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .expect("UTF-8");
        if only.as_ref().is_some_and(|only| !name.starts_with(only)) {
            continue;
        }
        let page = fs::read_to_string(&path).expect("readable");
        let blocks = blocks(&page);
        let checks = checks(&blocks);
        if std::env::var_os("UPDATE_PAGES").is_some() {
            update(&path, &page, &blocks, &checks);
        }
        for check in checks {
            let line = blocks[check.block].line + 1;
            let expected = check.expected.unwrap_or_else(|| "no block".to_owned());
            problems.push_str(&format!(
                "{name}:{line}: {}\n--- the page says\n{expected}--- found\n{}",
                check.info, check.found
            ));
        }
    }
    assert!(problems.is_empty(), "\n{problems}");
}

#[test]
fn programs_of_other_libraries_become_those_of_asyncbis() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/other_libraries");
    let mut problems = String::new();
    for path in pages(&folder) {
        let stem = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .expect("UTF-8");
        let Some(library) = Library::from_name(stem) else {
            continue;
        };
        let page = fs::read_to_string(&path).expect("readable");
        let blocks = blocks(&page);
        let options = Options {
            migrations: Migrations::default().with(library),
            ..Options::default()
        };
        let mut changes = Vec::new();
        for (index, pair) in blocks.windows(2).enumerate() {
            let [before, after] = pair else { continue };
            if before.info != "python before" {
                continue;
            }
            assert_eq!(after.info, "python after", "{stem}.md:{}", after.line);
            let found = outcome(&before.code, &options);
            assert_eq!(found.notes, "", "{stem}.md:{}", before.line + 1);
            if found.text != after.code {
                problems.push_str(&format!("{stem}.md:{}:\n{}", before.line + 1, found.text));
                changes.push(Check {
                    block: index,
                    info: "python after",
                    found: found.text,
                    expected: Some(after.code.clone()),
                });
            }
        }
        if std::env::var_os("UPDATE_PAGES").is_some() {
            update(&path, &page, &blocks, &changes);
        }
    }
    assert!(problems.is_empty(), "\n{problems}");
}
