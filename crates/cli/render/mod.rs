//! How findings look: for people, for editors and for the services that read reports.
//!
//! A file's findings are rendered where the file was checked, in parallel; [`document`] puts the
//! parts together. So a format has two functions, and nothing of a file has to be kept.
//!
//! Invariant: the output depends on the findings only, not on the order in which files finish.

mod concise;
mod full;
mod github;
mod gitlab;
mod json;
mod sarif;
mod statistics;
mod window;

use std::path::Path;

use linter::imports::Note;
use linter::suppress::NoqaLines;
use linter::{Applicability, Diagnostic, Rule, Severity, SourceFile};
use ruff_text_size::TextSize;

use crate::args::OutputFormat;

pub use statistics::{RuleCount, Summary, files, statistics};

/// The findings of a file.
pub struct FileView<'a> {
    /// The path as people see it: relative where possible.
    pub shown: &'a str,
    /// Absolute.
    pub path: &'a Path,
    pub source: &'a SourceFile,
    pub diagnostics: &'a [Diagnostic],
    pub noqa: &'a NoqaLines,
    pub color: bool,
}

/// A file's part of the output.
pub fn file(format: OutputFormat, view: &FileView<'_>) -> String {
    match format {
        OutputFormat::Full => full::file(view),
        OutputFormat::Concise => concise::file(view),
        OutputFormat::Json => json::file(view),
        OutputFormat::Sarif => sarif::file(view),
        OutputFormat::Github => github::file(view),
        OutputFormat::Gitlab => gitlab::file(view),
    }
}

/// The whole output; for people it ends with the summary.
pub fn document(format: OutputFormat, parts: &[String], summary: Option<&Summary>) -> String {
    match format {
        OutputFormat::Json | OutputFormat::Gitlab => json::array(parts),
        OutputFormat::Sarif => sarif::document(parts),
        OutputFormat::Github => parts.concat(),
        OutputFormat::Full | OutputFormat::Concise => {
            let mut text = parts.concat();
            if let Some(summary) = summary {
                if format == OutputFormat::Concise && !parts.is_empty() {
                    text.push('\n');
                }
                text.push_str(&summary.to_string());
                if format == OutputFormat::Full
                    && let Some(rule) = summary.first_to_explain()
                {
                    let code = rule.code();
                    text.push_str(&format!(
                        "`asyncbis-lint rule {code}` explains a finding.\n"
                    ));
                }
            }
            text
        }
    }
}

/// A note of the import rewrite, for people.
pub fn note(format: OutputFormat, shown: &str, source: &SourceFile, note: &Note) -> String {
    let place = at(shown, source, note.range.start());
    let help = match &note.help {
        Some(help) if format == OutputFormat::Full => format!("  = help: {help}\n"),
        _ => String::new(),
    };
    format!("{place}: note: {}\n{help}", note.message)
}

/// How a fix is called.
fn fix_word(applicability: Applicability) -> &'static str {
    match applicability {
        Applicability::Safe => "safe fix",
        Applicability::Unsafe => "unsafe fix",
        Applicability::DisplayOnly => "suggestion",
    }
}

/// The words of a severity in reports that know `error`, `warning` and `note` only.
fn note_level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

/// `path:row:column`, of a notebook `path:cell 1:row:column`.
fn place(view: &FileView<'_>, diagnostic: &Diagnostic) -> String {
    at(view.shown, view.source, diagnostic.range.start())
}

fn at(shown: &str, source: &SourceFile, offset: TextSize) -> String {
    let location = source.location(offset);
    let cell = location
        .cell
        .map_or(String::new(), |cell| format!(":cell {cell}"));
    format!("{shown}{cell}:{}:{}", location.row, location.column)
}

/// The link to a rule's page; syntax errors need no explanation.
fn url(rule: Rule) -> Option<String> {
    (rule != Rule::SYNTAX_ERROR).then(|| rule.url())
}
