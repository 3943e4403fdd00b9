//! BIS202 unshielded-await-in-cancel-handler: a handler that catches the cancellation and awaits.

use super::unshielded;
use crate::model::File;
use crate::model::cleanup::CleanupKind;
use crate::prefilter::{ASYNC_DEF, CATCHES, Needles};
use crate::report::Report;

/// A handler in an asynchronous function.
pub(crate) const NEEDLES: Needles = &[ASYNC_DEF, CATCHES];

pub(crate) fn check(file: &File, report: &mut Report) {
    for found in unshielded::cut_off(file) {
        let is_handler = matches!(found.cleanup.kind, CleanupKind::Handler(_));
        if !is_handler || !found.missed.is_empty() {
            continue;
        }
        found.report(file, report);
    }
}
