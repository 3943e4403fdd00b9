//! BIS302 shield-result-as-future: the result of `shield()` is used as a future.

use ruff_python_ast::{Expr, ExprCall};
use ruff_text_size::Ranged;

use crate::diagnostic::{Applicability, Edit, Fix, Severity};
use crate::model::File;
use crate::model::names::last_name;
use crate::model::shield_calls::{ShieldCall, Verdict};
use crate::prefilter::{ASYNC, Needles};
use crate::report::Report;

pub(crate) const NEEDLES: Needles = &[ASYNC, &["shield"]];

const KEEP_THE_TASK: &str =
    "Keep the task itself (`create_task()`), and let the place that waits decide how";

pub(crate) fn check(file: &File, report: &mut Report) {
    for shield in file.shield_calls() {
        match shield.verdict {
            Verdict::AskedLikeFuture(attribute) => {
                let name = attribute.attr.as_str();
                report
                    .add(
                        Severity::Error,
                        shield.expr,
                        format!("the result of `shield()` has no `{name}()`: it is no future"),
                    )
                    .and(attribute.attr.range(), "raises `AttributeError`")
                    .help(KEEP_THE_TASK);
            }
            Verdict::Stored => {
                report
                    .add(
                        Severity::Error,
                        shield.expr,
                        "the result of `shield()` is kept like a future",
                    )
                    .label("starts nothing, can be awaited once, and has no `done()` or `cancel()`")
                    .help(KEEP_THE_TASK);
            }
            Verdict::Dropped { starts_work: true } => {
                report
                    .add(
                        Severity::Error,
                        shield.expr,
                        "nobody awaits this `shield()`, so its work never starts",
                    )
                    .help("Await it, or start a task with `create_task()`");
            }
            Verdict::Dropped { starts_work: false } => {
                report
                    .add(
                        Severity::Warning,
                        shield.expr,
                        "nobody awaits this `shield()`, so it protects nothing",
                    )
                    .help("Remove it, or await it");
            }
            Verdict::Returned => {
                report
                    .add(
                        Severity::Warning,
                        shield.expr,
                        "the caller gets an object to await, not a future",
                    )
                    .label("nothing starts until it is awaited, and it can be awaited once")
                    .help("Return the task itself, or make this an `async def` that awaits");
            }
            Verdict::HandedTo(call) => handed_to(report, &shield, call),
            Verdict::HandedToAsyncio(call) => known(file, report, &shield, call),
            _ => {}
        }
    }
}

fn handed_to(report: &mut Report, shield: &ShieldCall, call: &ExprCall) {
    let message = match last_name(&call.func) {
        Some(name) => format!("`{name}()` gets the result of `shield()`, which is no future"),
        None => "A function gets the result of `shield()`, which is no future".to_owned(),
    };
    report
        .add(Severity::Warning, shield.expr, message)
        .help("If the function only awaits it, nothing changes; if it asks or cancels it, give it the task itself");
}

fn known<'a>(file: &File<'a>, report: &mut Report, shield: &ShieldCall<'a>, call: &'a ExprCall) {
    let name = last_name(&call.func).unwrap_or("wait");
    let is_wait = file.is_asyncio(&call.func, "wait");
    let help = if is_wait {
        "`wait()` never cancels what it waits for, so the shield is not needed"
    } else {
        "Nothing has to change: asyncbis knows shields here"
    };
    report
        .add(
            Severity::Info,
            shield.expr,
            format!("`{name}()` waits for what the shield protects"),
        )
        .help(help)
        .fix(
            is_wait
                .then(|| without_shield(file, shield, call))
                .flatten(),
        );
}

/// `wait([x])` for `wait([shield(x)])`, where nothing is done with what `wait()` returns: the
/// caller could cancel what is pending, and the shield would have kept that from `x`.
fn without_shield<'a>(file: &File<'a>, shield: &ShieldCall<'a>, call: &'a ExprCall) -> Option<Fix> {
    let stmt = file.tree.stmt(file.tree.stmt_of(shield.expr)).node;
    let is_dropped = stmt.as_expr_stmt().is_some_and(|stmt| {
        matches!(&*stmt.value, Expr::Await(node)
            if node.value.as_call_expr().is_some_and(|inner| inner.range() == call.range()))
    });
    let text = file.source.slice(shield.expr.range());
    if !is_dropped || !file.is_future(shield.target) || text.contains('#') {
        return None;
    }
    let target = file.source.slice(shield.target.range());
    let edit = Edit::replacement(shield.expr.range(), target);
    file.fix("Remove the shield", Applicability::Safe, vec![edit], false)
}
