//! BIS000 syntax-error: what the parser could not read.

use crate::diagnostic::Severity;
use crate::model::File;
use crate::prefilter::Needles;
use crate::report::Report;

/// Reported in files that another rule wants, or that were named.
pub(crate) const NEEDLES: Needles = &[];

pub(crate) fn check(file: &File, report: &mut Report) {
    for error in file.syntax_errors() {
        report.add(Severity::Error, error.location, error.error.to_string());
    }
}
