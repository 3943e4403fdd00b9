//! One line per finding, as editors and `grep` like it.

use std::fmt::Write as _;

use linter::Severity;

use super::{FileView, fix_word, place};

pub fn file(view: &FileView<'_>) -> String {
    let mut text = String::new();
    for diagnostic in view.diagnostics {
        let (on, off) = match (view.color, diagnostic.severity) {
            (false, _) => ("", ""),
            (true, Severity::Error) => ("\x1b[1;31m", "\x1b[0m"),
            (true, Severity::Warning) => ("\x1b[1;33m", "\x1b[0m"),
            (true, Severity::Info) => ("\x1b[1;34m", "\x1b[0m"),
        };
        let fix = diagnostic.fix.as_ref().map_or(String::new(), |fix| {
            format!(" [{}]", fix_word(fix.applicability))
        });
        writeln!(
            text,
            "{}: {on}{}[{}]{off} {}{fix}",
            place(view, diagnostic),
            diagnostic.severity.as_str(),
            diagnostic.rule.code(),
            diagnostic.message,
        )
        .expect("writing to a string");
    }
    text
}
