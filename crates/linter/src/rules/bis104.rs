//! BIS104 swallowed-cancel-at-exit: a swallowed cancellation, and nothing is awaited any more.

use ruff_text_size::{Ranged, TextRange};

use crate::diagnostic::{Fix, Severity};
use crate::model::File;
use crate::model::exceptions::Catches;
use crate::model::fate::Fate;
use crate::model::handlers::Catcher;
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
            .fix(fix(file, catcher));
    }
}

/// A comment says why the author swallows it: then that is a decision, not an oversight.
fn fix<'a>(file: &File<'a>, catcher: &Catcher<'a>) -> Option<Fix> {
    let body = &catcher.handler()?.body;
    let header = file.line_end(catcher.range().end());
    let end = file.line_end(body.last()?.end());
    let is_explained = end > header && !file.comments_in(TextRange::new(header, end)).is_empty();
    (!is_explained)
        .then(|| reraise::raise_again(file, catcher, None))
        .flatten()
}
