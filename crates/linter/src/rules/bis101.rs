//! BIS101 cancel-spin-loop: a loop that catches the cancellation and goes round again.

use ruff_python_ast::Stmt;

use crate::diagnostic::Severity;
use crate::model::File;
use crate::model::exceptions::Catches;
use crate::model::fate::Fate;
use crate::model::tree::StmtId;
use crate::prefilter::{ASYNC_DEF, CATCHES, Needles};
use crate::report::Report;
use crate::reraise;

/// The loop is a statement of an async function, the handler an `except`.
pub(crate) const NEEDLES: Needles = &[ASYNC_DEF, CATCHES, &["while", "for"]];

pub(crate) fn check(file: &File, report: &mut Report) {
    for (catcher, fate) in file.fates() {
        let (Some(handler), Fate::Spins(spin)) = (catcher.handler(), fate) else {
            continue;
        };
        let severity = if spin.bounded {
            Severity::Warning
        } else {
            Severity::Error
        };
        let stores = catcher.catches == Catches::Cancelled && !reraise::only_logs(handler);
        let help = match catcher.catches {
            Catches::Cancelled if is_tried_until_done(file, catcher.stmt) => {
                "End the handler with `raise`, or, where this must be done even then, await it \
                 once inside `with asyncbis.CancelScope(shield=True):` in place of the loop"
            }
            Catches::Cancelled if stores => {
                "End the handler with `raise`; what must be finished first is awaited inside \
                 `with asyncbis.CancelScope(shield=True):`"
            }
            Catches::Cancelled => "End the handler with `raise`, so that the task ends",
            _ => {
                "Catch `Exception`, which lets the cancellation through, or put \
                 `except asyncio.CancelledError: raise` above"
            }
        };
        let message = format!(
            "{} catches the cancellation and the loop goes round again",
            file.described(catcher)
        );
        report
            .add(severity, catcher.range(), message)
            .label("swallowed here")
            .and(file.loop_keyword(spin.loop_stmt), file.spin_label(spin))
            .and(catcher.sources[0].range, "raises at once in every round")
            .help(help)
            .fix(reraise::raise_again(file, catcher, None));
    }
}

/// Whether a loop repeats a step until it succeeds: the `try` ends with `break`.
fn is_tried_until_done(file: &File, stmt: StmtId) -> bool {
    matches!(file.tree.stmt(stmt).node, Stmt::Try(node)
        if matches!(node.body.as_slice(), [_, Stmt::Break(_)]))
}
