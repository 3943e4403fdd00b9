//! BIS307 host-task-cancel-protocol: the current task is cancelled to interrupt a block, and never
//! uncancelled.

use crate::diagnostic::Severity;
use crate::model::File;
use crate::prefilter::{ASYNC, Needles};
use crate::report::Report;

pub(crate) const NEEDLES: Needles = &[ASYNC, &["current_task"], &["cancel"]];

pub(crate) fn check(file: &File, report: &mut Report) {
    for found in file.host_cancels() {
        report
            .add(
                Severity::Error,
                found.cancel,
                "the whole task is cancelled to interrupt a block of it",
            )
            .label("stays in force: every later `await` of the task raises")
            .and(found.kept, "the task that runs the block")
            .and(
                found.converted,
                "the cancellation ends here, but the task stays cancelled",
            )
            .help("Interrupt the block with `timeout()` or a `CancelScope`, or call `uncancel()` where the cancellation is caught");
    }
}
