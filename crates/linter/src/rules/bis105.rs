//! BIS105 broad-except-swallows-cancel: a bare `except` or `except BaseException` that doesn't raise.

use crate::diagnostic::Severity;
use crate::model::File;
use crate::model::exceptions::Catches;
use crate::model::fate::Fate;
use crate::prefilter::{ASYNC_DEF, CATCHES, Needles};
use crate::report::Report;
use crate::reraise;

/// The handler may be bare, so that nothing but the keyword is certain.
pub(crate) const NEEDLES: Needles = &[ASYNC_DEF, CATCHES];

pub(crate) fn check(file: &File, report: &mut Report) {
    for (catcher, fate) in file.fates() {
        let is_broad = catcher.catches != Catches::Cancelled;
        if catcher.handler().is_none() || !is_broad || !matches!(fate, Fate::Swallowed) {
            continue;
        }
        let message = format!(
            "{} takes the cancellation for an error and swallows it",
            file.described(catcher)
        );
        report
            .add(Severity::Warning, catcher.range(), message)
            .label("catches `CancelledError`, too")
            .and(catcher.sources[0].range, "a cancellation raised here")
            .help(
                "Catch `Exception`, which lets the cancellation through, or put \
                 `except asyncio.CancelledError: raise` above",
            )
            .fix(reraise::raise_again(file, catcher, None));
    }
}
