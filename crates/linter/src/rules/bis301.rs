//! BIS301 shield-defeats-timeout: a timeout that can't fire while it waits for a shield.

use ruff_text_size::Ranged;

use crate::diagnostic::Severity;
use crate::model::File;
use crate::model::names::last_name;
use crate::model::shield_calls::{ShieldCall, Verdict};
use crate::prefilter::{ASYNC, Needles};
use crate::report::Report;

pub(crate) const NEEDLES: Needles = &[ASYNC, &["shield"]];

pub(crate) fn check(file: &File, report: &mut Report) {
    for shield in file.shield_calls() {
        match shield.verdict {
            Verdict::InsideTimeout { awaited, timeout } => {
                let target = short(file, &shield);
                let name = timeout
                    .context_expr
                    .as_call_expr()
                    .and_then(|call| last_name(&call.func))
                    .unwrap_or("timeout");
                let help = if file.is_future(shield.target) {
                    format!(
                        "`await asyncio.wait([{target}])` can be interrupted, and leaves {target} running"
                    )
                } else {
                    "Start a task and wait for it with `asyncio.wait([task])`: that can be interrupted, and leaves the task running".to_owned()
                };
                report
                    .add(
                        Severity::Error,
                        shield.expr,
                        format!("`shield()` keeps `{name}()` from interrupting the wait"),
                    )
                    .label("waits until this is done, however long it takes")
                    .and(
                        timeout.context_expr.range(),
                        "this can't reach into the shield",
                    )
                    .help(help)
                    .fix(file.wait_instead(&shield, awaited));
            }
            Verdict::WaitFor(call) => {
                let is_own = file.is_asyncio(&call.func, "wait_for");
                let help = if is_own {
                    "Nothing has to change; `async with timeout(t):` around `asyncio.wait([x])` says the same without a shield"
                } else {
                    "Look at what this `wait_for()` does: asyncio's own knows shields, one that is built on `timeout()` waits without limit"
                };
                report
                    .add(
                        Severity::Info,
                        shield.expr,
                        "`wait_for(shield(..), t)` stops waiting and leaves the rest running",
                    )
                    .help(help);
            }
            _ => {}
        }
    }
}

/// The shielded expression, if it is short enough to be repeated.
fn short<'a>(file: &File<'a>, shield: &ShieldCall<'a>) -> &'a str {
    let text = file.source.slice(shield.target.range());
    if text.len() <= 40 && !text.contains('\n') {
        text
    } else {
        "x"
    }
}
