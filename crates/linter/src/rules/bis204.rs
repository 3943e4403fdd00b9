//! BIS204 cleanup-after-unshielded-await: cleanup that never runs because an await before it is cut off.

use super::unshielded;
use crate::diagnostic::Severity;
use crate::model::File;
use crate::model::cleanup::CleanupKind;
use crate::prefilter::{ASYNC_DEF, CLEANS_UP, Needles};
use crate::report::Report;

/// A `finally` or a handler in an asynchronous function.
pub(crate) const NEEDLES: Needles = &[ASYNC_DEF, CLEANS_UP];

pub(crate) fn check(file: &File, report: &mut Report) {
    for found in unshielded::cut_off(file) {
        if found.cleanup.kind == CleanupKind::Exit || found.missed.is_empty() {
            continue;
        }
        let message = format!(
            "the cleanup after {} {} never runs when the task is cancelled",
            found.subject(file),
            found.place(),
        );
        let diagnostic = report.add(Severity::Error, found.at.suspension.range, message);
        found.explain(file, diagnostic);
    }
}
