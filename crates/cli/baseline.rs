//! The baseline: a file with the findings that a project started with, which are not reported.
//!
//! A finding is known by its file, its rule, the function or class around it and the code of its
//! line, never by a line number; so code above it can change. Two findings that are the same in all
//! of that are two entries. Where only the name around it differs, because a function was renamed,
//! a finding that would be new takes an entry that would be gone.
//!
//! Invariants: the order of the findings does not matter; a check against a baseline that was just written is clean,
//! but for syntax errors, which no baseline hides: of what the parser could not read no rule has
//! seen anything.
//!
//! Not here: the text of the file (`format`), what is a finding (`linter`), which baseline belongs to a file (`config`).

mod format;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::Context;
use linter::{Diagnostic, Rule, RuleSet, SourceFile};
use rustc_hash::FxHashMap;

use crate::{files, output};

pub use format::{Entries, Entry, path_in};

/// How many characters of a line count.
const LONGEST: usize = 200;

/// A baseline that was read.
#[derive(Debug)]
pub struct Baseline {
    /// The folder that its paths are relative to.
    folder: PathBuf,
    entries: Entries,
}

/// What came of the comparison of a file, or of all.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Findings that are not reported.
    pub hidden: usize,
    /// Entries without a finding.
    pub gone: usize,
}

/// The baselines of a run: each is read once.
#[derive(Debug, Default)]
pub struct Baselines(Mutex<FxHashMap<PathBuf, Result<Arc<Baseline>, String>>>);

/// The entries of a file's findings, in their order.
pub fn entries(source: &SourceFile, diagnostics: &[Diagnostic]) -> Vec<Entry> {
    let starts: Vec<_> = diagnostics
        .iter()
        .map(|diagnostic| diagnostic.range.start())
        .collect();
    let scopes = linter::enclosing(source, &starts);
    diagnostics
        .iter()
        .zip(scopes)
        .map(|(diagnostic, scope)| {
            let start = usize::from(diagnostic.range.start());
            Entry {
                rule: diagnostic.rule.code().to_owned(),
                scope,
                code: code_at(source.text(), start),
            }
        })
        .collect()
}

/// The code of the line around an offset: without its comment, and with single spaces.
fn code_at(text: &str, offset: usize) -> String {
    let is_end = |c: char| matches!(c, '\n' | '\r');
    let start = text[..offset].rfind(is_end).map_or(0, |at| at + 1);
    let end = text[offset..]
        .find(is_end)
        .map_or(text.len(), |at| offset + at);
    let line = &text[start..end];
    // A finding in the comment is about the comment.
    let code = match comment(line) {
        Some(at) if start + at > offset => &line[..at],
        _ => line,
    };
    let is_text = |c: &char| c.is_whitespace() || !c.is_control();
    let visible: String = code.chars().filter(is_text).collect();
    let words: Vec<&str> = visible.split_whitespace().collect();
    let short: String = words.join(" ").chars().take(LONGEST).collect();
    short.trim_end().to_owned()
}

/// Where the comment of a line begins, as far as the line alone tells.
fn comment(line: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '#') => return Some(at),
            (None, _) => {}
        }
    }
    None
}

impl Baselines {
    /// The baseline in a file.
    ///
    /// # Errors
    ///
    /// A text for the user, the same one each time.
    pub fn of(&self, path: &Path) -> Result<Arc<Baseline>, String> {
        // A panic while it is locked leaves the map whole: it only ever gets new entries.
        let mut known = self.0.lock().unwrap_or_else(|error| error.into_inner());
        known
            .entry(path.to_owned())
            .or_insert_with(|| Baseline::read(path).map(Arc::new))
            .clone()
    }

    /// How many entries are about files that no longer exist.
    pub fn without_file(&self) -> usize {
        let known = self.0.lock().unwrap_or_else(|error| error.into_inner());
        known.values().flatten().map(|one| one.without_file()).sum()
    }
}

impl Baseline {
    fn read(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        let bytes = fs::read(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                format!("{shown}: no such baseline: write it with --write-baseline")
            }
            _ => format!("{shown}: reading the baseline: {}", files::reason(&error)),
        })?;
        let text = str::from_utf8(&bytes).map_err(|error| {
            let line = memchr::memchr_iter(b'\n', &bytes[..error.valid_up_to()]).count() + 1;
            format!("{shown}:{line}: not a baseline: not UTF-8")
        })?;
        let entries =
            format::parse(text).map_err(|(line, message)| format!("{shown}:{line}: {message}"))?;
        Ok(Baseline {
            folder: folder_of(path),
            entries,
        })
    }

    /// Removes the findings of a file that are in the baseline, and those that `is_shown` refuses.
    ///
    /// A finding that isn't shown takes an entry, too, if no other one wants it: it is not gone.
    /// `rules` are those that were looked for; entries of other rules can't be gone either.
    pub fn hide(
        &self,
        path: &Path,
        source: Option<&SourceFile>,
        rules: RuleSet,
        is_shown: impl Fn(&Diagnostic) -> bool,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Counts {
        let mut counts = Counts::default();
        let known = self.entries.get(&path_in(&self.folder, path));
        let broken = diagnostics.iter().any(is_syntax_error);
        let mut taken = vec![false; diagnostics.len()];
        if let Some(known) = known {
            let found = source.map_or_else(Vec::new, |source| entries(source, diagnostics));
            let mut order: Vec<usize> = (0..found.len())
                .filter(|index| !is_syntax_error(&diagnostics[*index]))
                .collect();
            order.sort_by_key(|index| !is_shown(&diagnostics[*index]));
            let left = matched(known, &found, &order, &mut taken);
            let is_gone =
                |code: &str| Rule::from_code(code).is_none_or(|rule| rules.contains(rule));
            // Of a text that can't be parsed some findings are not seen.
            if !broken {
                counts.gone = left.iter().filter(|rule| is_gone(rule)).count();
            }
        }
        let mut taken = taken.into_iter();
        diagnostics.retain(|diagnostic| {
            let taken = taken.next().expect("one for each");
            let shown = is_shown(diagnostic);
            counts.hidden += usize::from(shown && taken);
            shown && !taken
        });
        counts
    }

    fn without_file(&self) -> usize {
        let missing = |path: &str| !self.folder.join(path).exists();
        let entries = self.entries.iter().filter(|(path, _)| missing(path));
        entries.map(|(_, entries)| entries.len()).sum()
    }
}

/// Marks the findings that have an entry; returns the rules of the entries that are left.
///
/// First come those whose enclosing names agree, then those where only the code does.
fn matched<'a>(
    known: &'a [Entry],
    found: &'a [Entry],
    order: &[usize],
    taken: &mut [bool],
) -> Vec<&'a str> {
    // A file that has migrated keeps its entries.
    let code = |entry: &Entry| entry.code.replace("asyncbis", "asyncio");
    let mut free: FxHashMap<(&str, String, &str), usize> = FxHashMap::default();
    for entry in known {
        *free
            .entry((&entry.rule, code(entry), &entry.scope))
            .or_default() += 1;
    }
    for index in order {
        let entry = &found[*index];
        if let Some(count @ 1..) = free.get_mut(&(&*entry.rule, code(entry), &*entry.scope)) {
            *count -= 1;
            taken[*index] = true;
        }
    }
    let mut left: FxHashMap<(&str, String), usize> = FxHashMap::default();
    for ((rule, code, _), count) in free {
        *left.entry((rule, code)).or_default() += count;
    }
    for index in order {
        let entry = &found[*index];
        if taken[*index] {
            continue;
        }
        if let Some(count @ 1..) = left.get_mut(&(&*entry.rule, code(entry))) {
            *count -= 1;
            taken[*index] = true;
        }
    }
    left.into_iter()
        .flat_map(|((rule, _), count)| std::iter::repeat_n(rule, count))
        .collect()
}

pub fn is_syntax_error(diagnostic: &Diagnostic) -> bool {
    diagnostic.rule == Rule::SYNTAX_ERROR
}

/// The folder that the paths of a baseline are relative to.
pub fn folder_of(baseline: &Path) -> PathBuf {
    baseline.parent().unwrap_or(Path::new("")).to_owned()
}

/// Writes a baseline.
pub fn write(path: &Path, entries: &Entries) -> anyhow::Result<()> {
    let text = format::text(entries);
    match fs::read(path) {
        Ok(old) => files::replace(path, &old, text.as_bytes())
            .with_context(|| format!("--write-baseline: writing {}", path.display())),
        Err(_) => output::write_file("--write-baseline", path, text.as_bytes()),
    }
}
