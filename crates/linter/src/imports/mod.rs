//! The rewrite of one file from asyncio to asyncbis: text in, edits and notes out.
//!
//! [`rewrite`] goes through four steps:
//! 1. every use of a name of asyncio's is collected: in code, in string annotations (`strings`) and
//!    in type comments (`type_comments`);
//! 2. a plan says for each binding (`import asyncio`, `from asyncio import sleep`) what it becomes;
//! 3. the parts that look beyond names add their edits, asking the plan how the file will write a
//!    name: strings that name a target of a patch (`targets`), doctests (`doctests`), other libraries
//!    (`migrations`);
//! 4. the import statements are rewritten, and what the parts need is imported.
//!
//! Invariants: all edits are one fix, applied whole; a rewritten file has no further fix, and its
//! notes are those that remain; what isn't surely asyncio's is left alone.
//!
//! Not here: reading and writing files, rounds of fixes, what other files of the project contain.

mod collapse;
mod context;
mod doctests;
mod edits;
mod literal;
pub mod migrations;
mod modules;
pub mod names;
mod notes;
mod patches;
mod plan;
mod split;
mod statements;
mod strings;
mod targets;
mod type_comments;
mod uses;

use ruff_text_size::{Ranged, TextRange};

use crate::diagnostic::Fix;
use crate::model::File;

pub use context::Context;
pub use migrations::{Library, Migrations};
pub use modules::Modules;
pub(crate) use patches::patches;

/// How the rewrite is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    pub style: Style,
    /// Leaves files alone that use only names that are the same in asyncbis.
    pub minimal: bool,
    /// Rewrites the imports in doctests, too.
    pub docs: bool,
    /// Which names of other libraries are rewritten, too.
    pub migrations: Migrations,
    /// The modules that are rewritten together with this one.
    pub modules: Modules,
    /// A module of the project imports AnyIO or Trio: one that imports no event loop may run on
    /// any of them.
    pub other_loops: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            style: Style::Rename,
            minimal: false,
            docs: false,
            migrations: Migrations::default(),
            modules: Modules::default(),
            other_loops: false,
        }
    }
}

/// How `import asyncio` is rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// `import asyncbis`, and every use is renamed.
    Rename,
    /// `import asyncbis as asyncio`, and the uses stay.
    Alias,
}

/// What the rewrite of one file wants, and what it leaves to the reader.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rewrite {
    pub fix: Option<Fix>,
    /// Sorted by place.
    pub notes: Vec<Note>,
    pub facts: Facts,
}

/// A place that was left alone, or that somebody should look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    pub range: TextRange,
    pub kind: NoteKind,
    /// What is there, in present tense, code in backticks, no full stop.
    pub message: String,
    /// The advice.
    pub help: Option<String>,
}

/// Why a place was left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoteKind {
    /// A name that asyncbis lacks: the file keeps importing asyncio for it.
    KeepsAsyncio,
    /// A function that only raises in asyncbis: `get_event_loop()` and the loop policies.
    RaisingName,
    /// asyncio is changed from outside: `asyncio.sleep = fake`.
    Monkeypatch,
    /// A string that names what is to be patched: `patch("asyncio.sleep")`.
    PatchTarget,
    /// `from asyncio import *`
    StarImport,
    /// A name of another library for which asyncbis has nothing.
    NoCounterpart,
    /// Two ways are right and only the author knows which.
    Decision,
}

impl NoteKind {
    /// A word for reports and tests: `keeps-asyncio`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            NoteKind::KeepsAsyncio => "keeps-asyncio",
            NoteKind::RaisingName => "raising-name",
            NoteKind::Monkeypatch => "monkeypatch",
            NoteKind::PatchTarget => "patch-target",
            NoteKind::StarImport => "star-import",
            NoteKind::NoCounterpart => "no-counterpart",
            NoteKind::Decision => "decision",
        }
    }
}

/// What a report about the whole project needs to know of a file as it is now.
///
/// Ask it of the file after the rewrite: `rewrite` again has no fix, and these facts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// It imports something of asyncio's.
    pub uses_asyncio: bool,
    /// It imports something of asyncbis's.
    pub uses_asyncbis: bool,
    /// The names of asyncio that it uses, sorted: `sleep`, `events.get_event_loop`.
    pub asyncio_names: Vec<String>,
    /// Those of them that asyncbis has, but different: in a program that runs on asyncbis they
    /// have to come from there.
    pub changed_names: Vec<String>,
    /// Where a program starts: `run()`, `Runner()`, `run_until_complete()`, `run_forever()`.
    pub runs: Vec<TextRange>,
    /// Where loops are made: `new_event_loop()` and the loops' classes.
    pub loops: Vec<TextRange>,
}

/// Whether a text can have something to rewrite, or facts, judged by its words.
#[must_use]
pub fn wanted(text: &[u8], options: &Options) -> bool {
    let has = |word: &str| memchr::memmem::find(text, word.as_bytes()).is_some();
    let is_migrated = |library: Library| options.migrations.includes(library);
    has("asyncio")
        || has(plan::NEW)
        || Library::ALL
            .into_iter()
            .any(|library| is_migrated(library) && has(library.name()))
}

/// The import statements that the rewrite would change, each with what it imports.
pub(crate) fn statements_to_rewrite(file: &File) -> Vec<TextRange> {
    let variables = uses::Variables::of(file, "asyncio");
    if variables.list.is_empty() {
        return Vec::new();
    }
    let plan = plan::Plan::of(file, &variables, &Options::default());
    let (mut edits, collapsed) = collapse::edits(file, &variables, &plan);
    edits.extend(statements::edits(file, &variables, &plan, &collapsed));
    let mut found: Vec<TextRange> = variables
        .list
        .iter()
        .flat_map(|variable| &variable.sites)
        .map(|site| file.tree.stmt(site.stmt).node.range())
        .filter(|stmt| {
            let line_end = file.line_end(stmt.end());
            edits.iter().any(|edit| {
                let is_behind = edit.range.start() >= stmt.start();
                (is_behind || edit.range.end() > stmt.start()) && edit.range.start() <= line_end
            })
        })
        .collect();
    found.sort_by_key(|range| range.start());
    found.dedup();
    found
}

/// Whether a text imports AnyIO or Trio, judged by its words: AnyIO where it isn't migrated.
#[must_use]
pub fn names_other_loops(text: &[u8], options: &Options) -> bool {
    let imports = |library: &str| {
        ["import ", "from "]
            .iter()
            .any(|word| memchr::memmem::find(text, format!("{word}{library}").as_bytes()).is_some())
    };
    imports("trio") || !options.migrations.includes(Library::Anyio) && imports("anyio")
}

/// Rewrites a file that has no syntax errors.
#[must_use]
pub fn rewrite(file: &File, options: &Options) -> Rewrite {
    let mut context = Context::new(file, options.clone());
    strings::collect(&mut context);
    type_comments::collect(&mut context);
    doctests::collect(&mut context);
    context.plan();
    targets::rewrite(&mut context);
    doctests::rewrite(&mut context);
    migrations::rewrite(&mut context);
    context.finish()
}
