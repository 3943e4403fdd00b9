//! BIS201 unshielded-await-in-finally: a `finally` whose first await is cut off.

use super::unshielded;
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
        found.report(file, report);
    }
}
