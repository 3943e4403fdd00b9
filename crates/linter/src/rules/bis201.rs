//! BIS201 unshielded-await-in-finally: a `finally` whose first await is cut off.

use super::unshielded;
use crate::diagnostic::Severity;
use crate::model::File;
use crate::model::cleanup::CleanupKind;
use crate::prefilter::{ASYNC_DEF, Needles};
use crate::report::Report;

/// A `finally` in an asynchronous function.
pub(crate) const NEEDLES: Needles = &[ASYNC_DEF, &["finally"]];

pub(crate) fn check(file: &File, report: &mut Report) {
    for found in unshielded::cut_off(file) {
        if found.cleanup.kind != CleanupKind::Finally || !found.missed.is_empty() {
            continue;
        }
        let severity = if file.gives_back(&found.at.suspension) {
            Severity::Error
        } else {
            Severity::Warning
        };
        let message = format!("{} {} is not shielded", found.subject(file), found.place());
        let diagnostic = report.add(severity, found.at.suspension.range, message);
        found.explain(file, diagnostic);
    }
}
