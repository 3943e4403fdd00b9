//! BIS102 cancel-drain-loop: a loop that waits for a task and catches every cancellation.

use ruff_python_ast::{Expr, Stmt};
use ruff_text_size::Ranged;

use crate::diagnostic::{Applicability, Edit, Fix, Severity};
use crate::model::File;
use crate::model::drain::{Drain, DrainForm};
use crate::model::names::dotted_text;
use crate::prefilter::{ASYNC_DEF, CATCHES, Needles};
use crate::report::Report;

/// A `while` in an async function, and `except` or `suppress`.
pub(crate) const NEEDLES: Needles = &[ASYNC_DEF, CATCHES, &["while"]];

pub(crate) fn check(file: &File, report: &mut Report) {
    for drain in file.drains() {
        let task = dotted_text(drain.task).unwrap_or_default();
        let (severity, what) = match drain.form {
            DrainForm::Wait => (
                Severity::Error,
                "raises at once in every round, until the task is done".to_owned(),
            ),
            DrainForm::Bare => (
                Severity::Error,
                format!("passes the cancellation on to `{task}`"),
            ),
            DrainForm::Shield => (
                Severity::Warning,
                "waits to the end by itself: nothing is raised here".to_owned(),
            ),
        };
        let consequence = match drain.form {
            DrainForm::Wait => "a cancelled task spins in this loop",
            DrainForm::Bare => "this loop cancels what it waits for",
            DrainForm::Shield => "this loop is superfluous",
        };
        report
            .add(
                severity,
                drain.range,
                format!("the loop that waits for `{task}` catches the cancellation"),
            )
            .and(file.loop_keyword(drain.loop_stmt), consequence)
            .and(drain.wait.range, what)
            .help(if cancels(file, drain, &task) {
                format!(
                    "Wait for it without the loop, and let the handler do what it does, wait once \
                     more inside `with asyncbis.CancelScope(shield=True):`, and end with `raise`: \
                     a shield around the first wait would keep the cancellation from `{task}`"
                )
            } else {
                format!(
                    "Wait once, inside `with asyncbis.CancelScope(shield=True):`, with \
                     `await asyncbis.wait([{task}])`"
                )
            })
            .fix(shielded_wait(file, drain));
    }
}

/// Whether the handler passes the cancellation on: `task.cancel()`.
fn cancels<'a>(file: &File<'a>, drain: &Drain<'a>, task: &str) -> bool {
    file.tree.calls_below(drain.stmt).any(|(_, call)| {
        let cancelled = file.cancelled_task(call).and_then(dotted_text);
        cancelled.is_some_and(|cancelled| cancelled == task)
    })
}

/// The shielded wait in the place of the loop.
///
/// It is safe where the loop is nothing but the wait and nothing is remembered. Where the handler
/// stored the exception and the next statement raises it, a checkpoint raises it instead, because
/// leaving a scope never does. A comment in the loop would get lost: no fix.
fn shielded_wait(file: &File, drain: &Drain) -> Option<Fix> {
    let handler = drain.handler?;
    if !drain.is_pure || file.has_comment_beside(drain.loop_stmt, handler) {
        return None;
    }
    let stores = handler.body.iter().all(is_store);
    let passes = handler.body.iter().all(says_nothing);
    if !(passes || stores && stored_is_raised(file, drain)) {
        return None;
    }
    let stmt = file.tree.stmt(drain.loop_stmt).node;
    let indent = file.indentation(stmt)?;
    let (newline, unit) = (file.newline(), file.indent_unit_of(stmt));
    let task = file.source.slice(drain.task.range());
    // Beside the header of the handler one may stand.
    let comment = match file.comments_in(stmt.range()).as_slice() {
        [] => String::new(),
        [only] => format!("  {only}"),
        _ => return None,
    };
    let wait_inside = |scope: &str, wait: &str| {
        format!("with {scope}(shield=True):{comment}{newline}{indent}{unit}await {wait}([{task}])")
    };
    let (replacement, import) = if stores {
        let names = ["CancelScope", "wait", "lowlevel"];
        let ([scope, wait, lowlevel], import) = file.asyncbis_at(names, drain.loop_stmt)?;
        let wait = wait_inside(&scope, &wait);
        let text = format!("{wait}{newline}{indent}await {lowlevel}.checkpoint()");
        (text, import)
    } else {
        let names = ["CancelScope", "wait"];
        let ([scope, wait], import) = file.asyncbis_at(names, drain.loop_stmt)?;
        (wait_inside(&scope, &wait), import)
    };
    let mut edits = vec![Edit::replacement(stmt.range(), replacement)];
    edits.extend(import);
    let keeps_outcome = drain.form == DrainForm::Wait || outcome_is_taken(file, drain);
    let applicability = if passes && keeps_outcome {
        Applicability::Safe
    } else {
        Applicability::Unsafe
    };
    file.fix("Wait inside a shield", applicability, edits, true)
}

/// `error = exc`, and `if error is None: error = exc`.
fn is_store(stmt: &Stmt) -> bool {
    match stmt {
        Stmt::Assign(node) => matches!(
            &*node.value,
            Expr::Name(_) | Expr::BooleanLiteral(_) | Expr::NoneLiteral(_)
        ),
        Stmt::If(node) => node.elif_else_clauses.is_empty() && node.body.iter().all(is_store),
        _ => false,
    }
}

fn says_nothing(stmt: &Stmt) -> bool {
    match stmt {
        Stmt::Pass(_) | Stmt::Continue(_) => true,
        Stmt::Expr(node) => node.value.is_ellipsis_literal_expr(),
        _ => false,
    }
}

/// Whether the statement after the loop is `if error: raise error`.
fn stored_is_raised(file: &File, drain: &Drain) -> bool {
    let next = file
        .statements_after(drain.loop_stmt)
        .and_then(<[Stmt]>::first);
    matches!(next, Some(Stmt::If(node))
        if matches!(&*node.body, [Stmt::Raise(_)]) && node.elif_else_clauses.is_empty())
}

/// Whether the statement after the loop asks for the task's result: `wait()` doesn't raise what
/// `await shield(task)` raised.
fn outcome_is_taken(file: &File, drain: &Drain) -> bool {
    let text = dotted_text(drain.task);
    let next = file
        .statements_after(drain.loop_stmt)
        .and_then(<[Stmt]>::first);
    next.is_some_and(|next| {
        file.tree
            .exprs_of(file.tree.stmt_id(next))
            .any(|expr| match expr {
                Expr::Call(call) => matches!(&*call.func, Expr::Attribute(method)
                    if method.attr.as_str() == "result" && dotted_text(&method.value) == text),
                Expr::Await(node) => dotted_text(&node.value) == text,
                _ => false,
            })
    })
}
