//! BIS206 unbounded-shield: shielded cleanup without a deadline.

use ruff_python_ast::{Expr, Stmt, WithItem};
use ruff_text_size::{Ranged, TextRange};

use crate::diagnostic::Severity;
use crate::model::File;
use crate::model::cleanup::Cleanup;
use crate::model::kinds::Kind;
use crate::model::suspend::{Suspension, SuspensionKind};
use crate::model::tree::StmtId;
use crate::prefilter::{ASYNC_DEF, Needles};
use crate::report::Report;

/// A shield, and a block that runs while a task is cancelled.
pub(crate) const NEEDLES: Needles = &[ASYNC_DEF, &["shield", "Shield", "SHIELD"]];

pub(crate) fn check(file: &File, report: &mut Report) {
    for cleanup in file.cleanups() {
        for suspension in file.suspensions(cleanup.function) {
            if cleanup.contains(file, suspension.stmt)
                && file.is_call_of_shield(suspension)
                && !has_deadline(file, cleanup, suspension.stmt)
            {
                add(file, report, suspension.range);
            }
        }
        let mut seen: Vec<StmtId> = Vec::new();
        for suspension in file.suspensions(cleanup.function) {
            let Some(shield) = suspension.shield else {
                continue;
            };
            if !seen.contains(&shield)
                && cleanup.contains(file, shield)
                && may_hang(file, suspension)
                && !has_deadline(file, cleanup, suspension.stmt)
            {
                seen.push(shield);
                add(file, report, shield_range(file, shield));
            }
        }
    }
}

fn add(file: &File, report: &mut Report, at: TextRange) {
    let text = file.source.slice(at).lines().next().unwrap_or_default();
    report
        .add(
            Severity::Info,
            at,
            format!("`{text}` shields cleanup without a deadline"),
        )
        .label("nothing ends this if the other side never answers")
        .help("Give it a deadline: `async with asyncbis.timeout(5, shield=True):`");
}

/// A task that was cancelled, and one that was given a time, end by themselves.
fn may_hang<'a>(file: &File<'a>, suspension: &Suspension<'a>) -> bool {
    let SuspensionKind::Await(operand) = suspension.kind else {
        return !matches!(suspension.kind, SuspensionKind::Exit(_));
    };
    if file.is_pause(suspension) || file.awaits_cancelled_task(operand, suspension.stmt) {
        return false;
    }
    let Expr::Call(call) = operand else {
        return true;
    };
    if let Some(callee) = file.callee(call) {
        return file.can_be_cut(callee);
    }
    let is_bounded = ["wait_for", "cancel_and_wait"]
        .iter()
        .any(|name| file.is_asyncio(&call.func, name));
    let has_timeout = call.arguments.find_keyword("timeout").is_some();
    !is_bounded && !has_timeout
}

/// Whether a scope with a deadline stands around a statement, inside the block.
fn has_deadline<'a>(file: &File<'a>, cleanup: &Cleanup<'a>, stmt: StmtId) -> bool {
    std::iter::once(stmt)
        .chain(file.tree.ancestors_in_function(stmt).map(|(id, _)| id))
        .take_while(|id| cleanup.contains(file, *id))
        .any(|id| match file.tree.stmt(id).node {
            Stmt::With(node) => node.items.iter().any(|item| is_bounded(file, item)),
            _ => false,
        })
}

/// `timeout(5)`, `move_on_after(5)`, `CancelScope(deadline=..)`.
fn is_bounded<'a>(file: &File<'a>, item: &'a WithItem) -> bool {
    let Expr::Call(call) = &item.context_expr else {
        return false;
    };
    let has_deadline = ["deadline", "timeout", "delay"]
        .iter()
        .any(|name| call.arguments.find_keyword(name).is_some());
    let first = call.arguments.args.first();
    has_deadline
        || (file.kind(&item.context_expr) == Some(Kind::Scope)
            && first.is_some_and(|limit| !limit.is_none_literal_expr()))
}

/// The item of a `with` that shields.
fn shield_range(file: &File, shield: StmtId) -> TextRange {
    let Stmt::With(node) = file.tree.stmt(shield).node else {
        return file.tree.stmt(shield).node.range();
    };
    let item = node.items.iter().find(|item| file.is_shield(item));
    item.unwrap_or(&node.items[0]).context_expr.range()
}
