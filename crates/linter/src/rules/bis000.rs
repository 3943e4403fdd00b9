//! BIS000 syntax-error: what the parser could not read.
//!
//! Not here: texts that are not parsed at all, because they can't be decoded or are too deep; see
//! [`crate::check::unreadable`].

use ruff_text_size::{TextRange, TextSize};

use crate::diagnostic::Severity;
use crate::model::File;
use crate::prefilter::Needles;
use crate::report::Report;

/// Reported in files that another rule wants, or that were named.
pub(crate) const NEEDLES: Needles = &[];

pub(crate) fn check(file: &File, report: &mut Report) {
    for error in file.syntax_errors() {
        let mut message = error.error.to_string();
        // A word like `IPython` keeps its capital.
        if message.chars().nth(1).is_some_and(char::is_lowercase) {
            message.replace_range(..1, &message[..1].to_ascii_lowercase());
        }
        report.add(Severity::Error, first_line(file, error.location), message);
    }
}

/// The part of a range on its first line: a missing token is reported up to the line after.
fn first_line(file: &File, range: TextRange) -> TextRange {
    let text = file.source.slice(range);
    let length = memchr::memchr2(b'\n', b'\r', text.as_bytes()).unwrap_or(text.len());
    let length = TextSize::try_from(length).expect("inside the text");
    TextRange::at(range.start(), length)
}
