//! BIS305 shield-coroutine: a shield around a coroutine of this function.

use crate::diagnostic::Severity;
use crate::model::File;
use crate::model::shield_calls::Verdict;
use crate::prefilter::{ASYNC, Needles};
use crate::report::Report;

pub(crate) const NEEDLES: Needles = &[ASYNC, &["shield"]];

pub(crate) fn check(file: &File, report: &mut Report) {
    for shield in file.shield_calls() {
        let Verdict::OwnWork {
            awaited,
            idle_handler,
        } = shield.verdict
        else {
            continue;
        };
        let diagnostic = report.add(
            Severity::Info,
            shield.expr,
            "`shield()` finishes this work before the function can be cancelled",
        );
        match idle_handler {
            Some(handler) => {
                diagnostic
                    .and(handler, "has nothing left to do: the shield waits already")
                    .help("Remove the handler");
            }
            None => {
                diagnostic
                    .help("Nothing has to change; `with CancelScope(shield=True):` says the same, and `timeout(5, shield=True)` adds a limit")
                    .fix(file.scope_instead(&shield, awaited));
            }
        }
    }
}
