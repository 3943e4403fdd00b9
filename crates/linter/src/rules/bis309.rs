//! BIS309 cancel-and-wait: a task is cancelled and awaited by hand.

use ruff_python_ast::{ExceptHandler, Expr, ExprCall, Stmt};
use ruff_text_size::{Ranged, TextRange};

use crate::diagnostic::{Applicability, Edit, Fix, Severity};
use crate::model::File;
use crate::model::exceptions::Catches;
use crate::model::handlers::{Catcher, Mode};
use crate::model::names::dotted_text;
use crate::model::shield_calls::Verdict;
use crate::model::suspend::{Cut, Suspension, SuspensionKind};
use crate::prefilter::{ASYNC, Needles};
use crate::report::Report;

pub(crate) const NEEDLES: Needles = &[
    ASYNC,
    &["cancel"],
    &["except", "suppress", "gather"],
    &["await"],
];

const ADVICE: &str =
    "`asyncbis.cancel_and_wait(task)` waits, and raises only when its caller is cancelled";

pub(crate) fn check(file: &File, report: &mut Report) {
    for catcher in file.catchers() {
        if file.exits(catcher, Mode::Level).swallows() {
            for source in &catcher.sources {
                caught_wait(file, report, catcher, source);
            }
        }
    }
    for shield in file.shield_calls() {
        if let Verdict::Ending {
            awaited,
            handler: Some(handler),
        } = shield.verdict
        {
            report
                .add(
                    Severity::Info,
                    awaited,
                    "a task is cancelled and awaited by hand",
                )
                .and(handler, "expects the task's cancellation")
                .help(ADVICE);
        }
    }
    for function in file.tree.function_ids() {
        for wait in file.suspensions(function) {
            gathered_wait(file, report, wait);
        }
    }
}

fn caught_wait<'a>(
    file: &File<'a>,
    report: &mut Report,
    catcher: &Catcher<'a>,
    wait: &Suspension<'a>,
) {
    let SuspensionKind::Await(task) = wait.kind else {
        return;
    };
    if wait.cut != Cut::Waits || dotted_text(task).is_none() {
        return;
    }
    let name = file.source.slice(task.range());
    // Where more than the task is awaited, or cleanup is under way, other rules have their say.
    let is_pure = catcher.sources.iter().all(|it| it.cut == Cut::Waits);
    let is_cleanup = file.is_in_cleanup(catcher.stmt);
    let next = file.cut_after(catcher).into_iter().next();
    let fix = replacement(file, catcher, task);
    match next {
        Some(next) if is_pure && !is_cleanup => {
            report
                .add(
                    Severity::Warning,
                    wait.range,
                    format!("waiting for `{name}` also catches the cancellation of this function"),
                )
                .and(catcher.range(), "can't tell whose cancellation it is")
                .and(
                    next.range,
                    "raises `CancelledError` if it was this function's own",
                )
                .help(ADVICE)
                .fix(fix);
        }
        _ => {
            report
                .add(
                    Severity::Info,
                    wait.range,
                    format!("`{name}` is cancelled and awaited by hand"),
                )
                .and(catcher.range(), "can't tell whose cancellation it is")
                .help(ADVICE)
                .fix(fix);
        }
    }
}

/// `await gather(*tasks, return_exceptions=True)` after each of them was cancelled.
fn gathered_wait<'a>(file: &File<'a>, report: &mut Report, wait: &Suspension<'a>) {
    let SuspensionKind::Await(operand @ Expr::Call(call)) = wait.kind else {
        return;
    };
    let keeps_errors = call.arguments.find_keyword("return_exceptions").is_some();
    if !keeps_errors
        || !file.is_asyncio(&call.func, "gather")
        || !file.awaits_cancelled_task(operand, wait.stmt)
    {
        return;
    }
    report
        .add(
            Severity::Info,
            wait.range,
            "tasks are cancelled and awaited by hand",
        )
        .help("`asyncbis.cancel_and_wait(tasks)` does both; tasks of one block belong to a `TaskGroup`, which can `cancel()`")
        .fix(gather_replacement(file, wait, call));
}

/// `await cancel_and_wait(task)` for `task.cancel()` and the `try` or `with` right after it, where
/// that does nothing else.
fn replacement<'a>(file: &File<'a>, catcher: &Catcher<'a>, task: &'a Expr) -> Option<Fix> {
    // A handler for more than the cancellation also swallows what the task raises.
    if catcher.catches != Catches::Cancelled || names_several(catcher) {
        return None;
    }
    let block = file.block_of(catcher.stmt);
    let index = block
        .iter()
        .position(|stmt| file.tree.stmt_id(stmt) == catcher.stmt)?;
    let (cancel, wait) = (block.get(index.checked_sub(1)?)?, &block[index]);
    let text = dotted_text(task)?;
    if !is_cancel_of(cancel, &text) || !only_awaits(wait, task) {
        return None;
    }
    cancel_and_wait(file, cancel, wait, &text)
}

fn gather_replacement<'a>(
    file: &File<'a>,
    wait: &Suspension<'a>,
    call: &'a ExprCall,
) -> Option<Fix> {
    let block = file.block_of(wait.stmt);
    let index = block
        .iter()
        .position(|stmt| file.tree.stmt_id(stmt) == wait.stmt)?;
    let (cancel, gather) = (block.get(index.checked_sub(1)?)?, &block[index]);
    let [Expr::Starred(tasks)] = &*call.arguments.args else {
        return None;
    };
    let text = dotted_text(&tasks.value)?;
    let Stmt::For(node) = cancel else {
        return None;
    };
    let element = dotted_text(&node.target)?;
    let [body] = node.body.as_slice() else {
        return None;
    };
    let is_loop = dotted_text(&node.iter).is_some_and(|it| it == text) && node.orelse.is_empty();
    let is_dropped = gather
        .as_expr_stmt()
        .is_some_and(|it| it.value.range() == wait.range);
    if !is_loop || !is_dropped || !is_cancel_of(body, &element) {
        return None;
    }
    cancel_and_wait(file, cancel, gather, &text)
}

fn names_several(catcher: &Catcher) -> bool {
    let class = catcher.handler().and_then(|it| it.type_.as_deref());
    class.is_some_and(Expr::is_tuple_expr)
}

/// `text.cancel()`, without a message.
fn is_cancel_of(stmt: &Stmt, text: &str) -> bool {
    let call = stmt.as_expr_stmt().and_then(|it| it.value.as_call_expr());
    call.is_some_and(|call| {
        call.arguments.is_empty()
            && call.func.as_attribute_expr().is_some_and(|method| {
                method.attr.as_str() == "cancel"
                    && dotted_text(&method.value).is_some_and(|it| it == text)
            })
    })
}

/// Whether a `try` or `with suppress()` awaits the task and does nothing else.
fn only_awaits(stmt: &Stmt, task: &Expr) -> bool {
    let is_wait = |body: &[Stmt]| {
        let [Stmt::Expr(only)] = body else {
            return false;
        };
        matches!(&*only.value, Expr::Await(node) if node.value.range() == task.range())
    };
    match stmt {
        Stmt::Try(node) => {
            let [ExceptHandler::ExceptHandler(handler)] = node.handlers.as_slice() else {
                return false;
            };
            is_wait(&node.body)
                && node.orelse.is_empty()
                && node.finalbody.is_empty()
                && handler.body.iter().all(Stmt::is_pass_stmt)
        }
        Stmt::With(node) => {
            let [item] = node.items.as_slice() else {
                return false;
            };
            let is_single = item
                .context_expr
                .as_call_expr()
                .is_some_and(|call| call.arguments.len() == 1);
            !node.is_async && is_single && is_wait(&node.body)
        }
        _ => false,
    }
}

fn cancel_and_wait<'a>(
    file: &File<'a>,
    first: &'a Stmt,
    last: &'a Stmt,
    tasks: &str,
) -> Option<Fix> {
    file.indentation(first)?;
    if !file.ends_its_line(last.end()) {
        return None;
    }
    let ([cancel_and_wait], import) =
        file.asyncbis_at(["cancel_and_wait"], file.tree.stmt_id(first))?;
    // One comment finds its place behind the new line; of several none would be right.
    let range = TextRange::new(first.start(), file.line_end(last.end()));
    let comment = match file.comments_in(range).as_slice() {
        [] => String::new(),
        [only] if !file.has_comment_line(range) => format!("  {only}"),
        _ => return None,
    };
    let mut edits = vec![Edit::replacement(
        range,
        format!("await {cancel_and_wait}({tasks}){comment}"),
    )];
    edits.extend(import);
    file.fix(
        "Cancel and wait in one call",
        Applicability::Unsafe,
        edits,
        true,
    )
}
