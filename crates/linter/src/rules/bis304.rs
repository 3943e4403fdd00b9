//! BIS304 shield-cancel-handler-late: a handler for cancellation that the shield keeps from
//! running.

use crate::diagnostic::Severity;
use crate::model::File;
use crate::model::shield_calls::Verdict;
use crate::prefilter::{ASYNC, Needles};
use crate::report::Report;

pub(crate) const NEEDLES: Needles = &[ASYNC, &["shield"]];

pub(crate) fn check(file: &File, report: &mut Report) {
    for shield in file.shield_calls() {
        let Verdict::LateHandler { handler, .. } = shield.verdict else {
            continue;
        };
        report
            .add(
                Severity::Warning,
                shield.expr,
                "`shield()` keeps the cancellation from the handler around it",
            )
            .label("waits until this is done, and the cancellation comes at the next await after it")
            .and(handler, "does not run when this function is cancelled")
            .help("Wait with `asyncio.wait([task])` if the handler is to run at once; remove the handler if the work is to be finished first");
    }
}
