//! The import rewrite against the pages of `tests/imports/`.
//!
//! A page is a list of cases. A case is a heading and its blocks:
//! - ```` ```python before ````: the file; options stand behind the word: `minimal`, `docs`,
//!   `migrate=anyio`, `modules=shop.orders`;
//! - ```` ```python after ````: the file after the rewrite; without this block it stays;
//! - ```` ```python alias ````: the file after the rewrite with `--alias`, where a case is about it;
//! - ```` ```text notes ````: what is left to the reader in the rewritten file, `line: kind: message`.
//!
//! The programs of the repository's `tests/other_libraries` are such cases as well, with the library
//! that the page is called after; what they print is tested there.
//!
//! Each result, in both styles, parses, is not rewritten again, has the same notes then, and is the
//! same with other line endings.
//! `CASE=words cargo test -p asyncbis-linter --test imports` checks the cases with these words in
//! their heading; `UPDATE_PAGES=1` writes the results into the blocks that are there.

use std::fs;
use std::path::{Path, PathBuf};

use linter::imports::{Library, Migrations, Modules, Options, Rewrite, Style, rewrite};
use linter::model::{File, Parsed};
use linter::{Settings, SourceFile};

struct Case {
    page: PathBuf,
    title: String,
    blocks: Vec<Block>,
}

struct Block {
    /// `after` of ```` ```python after ````, with the words behind.
    words: Vec<String>,
    /// Where the content is in the page.
    start: usize,
    content: String,
}

impl Case {
    fn block(&self, word: &str) -> Option<&Block> {
        self.blocks.iter().find(|block| block.words[0] == word)
    }

    fn options(&self, style: Style) -> Options {
        let mut options = Options {
            style,
            ..Options::default()
        };
        let stem = self.page.file_stem().and_then(|stem| stem.to_str());
        if let Some(library) = stem.and_then(Library::from_name) {
            options.migrations = options.migrations.with(library);
        }
        let before = self.block("before").expect("every case has it");
        for word in &before.words[1..] {
            match word.split_once('=') {
                None if word == "minimal" => options.minimal = true,
                None if word == "docs" => options.docs = true,
                Some(("migrate", names)) => options.migrations = migrations(names),
                Some(("modules", names)) => options.modules = modules(names),
                _ => panic!("{}: unknown option {word}", self.title),
            }
        }
        options
    }
}

fn migrations(names: &str) -> Migrations {
    names.split(',').fold(Migrations::default(), |all, name| {
        all.with(Library::from_name(name).expect("a known library"))
    })
}

fn modules(names: &str) -> Modules {
    let paths: Vec<String> = names
        .split(',')
        .map(|name| format!("{}.py", name.replace('.', "/")))
        .collect();
    Modules::of_paths(paths.iter().map(String::as_str))
}

fn cases() -> Vec<Case> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut pages: Vec<PathBuf> = ["tests/imports", "../../tests/other_libraries"]
        .into_iter()
        .flat_map(|folder| fs::read_dir(here.join(folder)).expect("the folder exists"))
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|it| it == "md"))
        .collect();
    pages.sort();
    let wanted = std::env::var("CASE").ok();
    let cases: Vec<Case> = pages
        .into_iter()
        .flat_map(|page| {
            let text = fs::read_to_string(&page).expect("readable");
            cases_of(&page, &text)
        })
        .filter(|case| wanted.as_ref().is_none_or(|it| case.title.contains(it)))
        .collect();
    assert!(!cases.is_empty(), "no case for CASE={wanted:?}");
    cases
}

fn cases_of(page: &Path, text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut at = 0;
    let mut open: Option<Block> = None;
    for line in text.split_inclusive('\n') {
        let next = at + line.len();
        let trimmed = line.trim_end();
        match &mut open {
            Some(_) if trimmed == "```" => {
                let case = cases.last_mut().expect("a heading comes first");
                case.blocks.extend(open.take());
            }
            Some(block) => block.content.push_str(line),
            None => {
                if let Some(title) = trimmed.strip_prefix("## ") {
                    cases.push(Case {
                        page: page.to_owned(),
                        title: title.to_owned(),
                        blocks: Vec::new(),
                    });
                }
                if let Some(words) = trimmed.strip_prefix("```") {
                    open = Some(Block {
                        words: words.split(' ').skip(1).map(str::to_owned).collect(),
                        start: next,
                        content: String::new(),
                    });
                }
            }
        }
        at = next;
    }
    cases
}

/// The text after the rewrite, and what the rewrite says of that text.
fn result(text: &str, options: &Options) -> (String, Rewrite) {
    let (now, _) = once(text, options);
    let (again, rest) = once(&now, options);
    assert_eq!(again, now, "the rewrite of a rewritten file changes it");
    let (with_returns, _) = once(&text.replace('\n', "\r\n"), options);
    assert_eq!(
        with_returns,
        now.replace('\n', "\r\n"),
        "line endings matter"
    );
    (now, rest)
}

fn once(text: &str, options: &Options) -> (String, Rewrite) {
    let source = SourceFile::python("example.py", text);
    let settings = Settings::default();
    let parsed = Parsed::new(&source);
    let file = File::new(&source, &parsed, &settings);
    assert_eq!(file.syntax_errors(), [], "{text}");
    let found = rewrite(&file, options);
    let now = match &found.fix {
        Some(fix) => source.edited(&fix.edits),
        None => text.to_owned(),
    };
    (now, found)
}

fn notes(text: &str, found: &Rewrite) -> String {
    let source = SourceFile::python("example.py", text);
    found
        .notes
        .iter()
        .map(|note| {
            let line = source.location(note.range.start()).row;
            format!("{line}: {}: {}\n", note.kind.as_str(), note.message)
        })
        .collect()
}

/// The blocks of a case, each with what it has to be.
fn checked(case: &Case) -> Vec<(&Block, String)> {
    let before = case.block("before").expect("every case has it");
    let rename = case.options(Style::Rename);
    let (renamed, rest) = result(&before.content, &rename);
    let (aliased, _) = result(&before.content, &case.options(Style::Alias));
    let mut found = Vec::new();
    match case.block("after") {
        Some(block) => found.push((block, renamed.clone())),
        None => found.push((before, renamed.clone())),
    }
    found.extend(case.block("alias").map(|block| (block, aliased)));
    let notes = notes(&renamed, &rest);
    match case.block("notes") {
        Some(block) => found.push((block, notes)),
        None => assert_eq!(notes, "", "{}: notes without a block", case.title),
    }
    found
}

#[test]
fn pages_hold() {
    let update = std::env::var_os("UPDATE_PAGES").is_some();
    let mut wrong = String::new();
    let mut edits: Vec<(PathBuf, usize, usize, String)> = Vec::new();
    for case in cases() {
        for (block, now) in checked(&case) {
            if block.content == now {
                continue;
            }
            let word = &block.words[0];
            wrong.push_str(&format!(
                "\n## {} ({word})\n--- is to be\n{}--- is\n{now}",
                case.title, block.content
            ));
            if word != "before" {
                edits.push((case.page.clone(), block.start, block.content.len(), now));
            }
        }
    }
    if update {
        edits.sort_by_key(|(_, start, _, _)| std::cmp::Reverse(*start));
        for (page, start, length, now) in edits {
            let mut text = fs::read_to_string(&page).expect("readable");
            text.replace_range(start..start + length, &now);
            fs::write(&page, text).expect("writable");
        }
    }
    assert!(wrong.is_empty() || update, "{wrong}");
}
