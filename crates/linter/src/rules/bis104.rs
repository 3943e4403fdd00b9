//! BIS104 swallowed-cancel-at-exit: a swallowed cancellation, and nothing is awaited any more.

use crate::diagnostic::Severity;
use crate::model::File;
use crate::model::exceptions::Catches;
use crate::model::fate::Fate;
use crate::prefilter::{ASYNC_DEF, CATCHES, Needles};
use crate::report::Report;
use crate::reraise;

/// Only handlers that name the class are reported, or a tuple of classes that contains it.
pub(crate) const NEEDLES: Needles = &[ASYNC_DEF, CATCHES];

pub(crate) fn check(file: &File, report: &mut Report) {
    for (catcher, fate) in file.fates() {
        let is_explicit = catcher.catches == Catches::Cancelled;
        if catcher.handler().is_none() || !is_explicit || !matches!(fate, Fate::Swallowed) {
            continue;
        }
        let message = format!(
            "{} swallows the cancellation, and the function ends normally",
            file.described(catcher)
        );
        report
            .add(Severity::Info, catcher.range(), message)
            .label("swallowed here")
            .and(catcher.sources[0].range, "cancelled here")
            .help("End the handler with `raise`, so that callers see the cancellation")
            .fix(reraise::raise_again(file, catcher));
    }
}
