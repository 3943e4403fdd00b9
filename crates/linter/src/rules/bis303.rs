//! BIS303 shield-shared-future: a wait for a shared future that can't be cancelled.

use crate::diagnostic::Severity;
use crate::model::File;
use crate::model::shield_calls::Verdict;
use crate::prefilter::{ASYNC, Needles};
use crate::report::Report;

pub(crate) const NEEDLES: Needles = &[ASYNC, &["shield"]];

pub(crate) fn check(file: &File, report: &mut Report) {
    for shield in file.shield_calls() {
        let Verdict::SharedFuture { awaited } = shield.verdict else {
            continue;
        };
        report
            .add(
                Severity::Warning,
                shield.expr,
                "`shield()` keeps this function waiting until the future is done",
            )
            .label("no timeout, task group or Ctrl-C interrupts it")
            .help("`asyncio.wait([future])` can be interrupted and leaves the future alone; `future.result()` then gives its value")
            .fix(file.wait_instead(&shield, awaited));
    }
}
