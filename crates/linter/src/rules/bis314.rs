//! BIS314 cancel-before-start: a task that is cancelled before it had a chance to start.

use ruff_python_ast::{Expr, Stmt};
use ruff_text_size::{Ranged, TextRange};

use crate::diagnostic::Severity;
use crate::model::File;
use crate::model::flow::NodeId;
use crate::model::kinds::Kind;
use crate::model::names::dotted_text;
use crate::model::tree::StmtId;
use crate::prefilter::{ASYNC, Needles};
use crate::report::Report;

/// A spawn and a `cancel()`.
pub(crate) const NEEDLES: Needles = &[ASYNC, &["create_task", "ensure_future"], &[".cancel"]];

pub(crate) fn check(file: &File, report: &mut Report) {
    for (expr, call) in file.tree.calls() {
        let stmt = file.tree.stmt_of(expr);
        let is_spawn = matches!(&*call.func, Expr::Name(_) | Expr::Attribute(_))
            && file.kind(expr) == Some(Kind::Task)
            && file.asyncio_name(&call.func).as_deref() != Some("current_task");
        if !is_spawn {
            continue;
        }
        if let Some(task) = assigned_name(file, stmt, expr)
            && let Some(cancel) = cancel_before_await(file, stmt, &task)
        {
            report
                .add(
                    Severity::Info,
                    cancel,
                    format!("`{task}` is cancelled before it had a chance to start"),
                )
                .label("the task runs to its first await all the same")
                .and(expr, "created here, with no await in between")
                .help("Decide before the task is created whether it is needed");
        }
    }
}

/// The dotted name that a statement assigns a task to.
fn assigned_name(file: &File, stmt: StmtId, task: &Expr) -> Option<String> {
    match file.tree.stmt(stmt).node {
        Stmt::Assign(node) if node.value.range() == task.range() => match node.targets.as_slice() {
            [target] => dotted_text(target),
            _ => None,
        },
        Stmt::AnnAssign(node) => {
            let value = node.value.as_deref()?;
            (value.range() == task.range())
                .then(|| dotted_text(&node.target))
                .flatten()
        }
        _ => None,
    }
}

/// The `task.cancel()` that is reached from a statement without an await on the way.
fn cancel_before_await(file: &File, spawn: StmtId, task: &str) -> Option<TextRange> {
    let flow = file.flow(file.tree.stmt(spawn).function);
    let starts: Vec<NodeId> = flow
        .node_ids()
        .filter(|id| flow.node(*id).stmt == Some(spawn))
        .flat_map(|id| flow.node(id).next.clone())
        .collect();
    let ends_the_way = |stmt: StmtId| {
        stmt == spawn
            || file.suspensions_of(stmt).next().is_some()
            || file.tree.exprs_of(stmt).any(|it| gives_it_time(it, task))
            || assigns(file, stmt, task)
    };
    let reached = flow.reach_uncancelled(starts, |id| flow.node(id).stmt.is_some_and(ends_the_way));
    let mut found: Vec<TextRange> = reached
        .iter()
        .filter_map(|id| flow.node(id).stmt)
        .filter(|stmt| !ends_the_way(*stmt))
        .filter_map(|stmt| cancel_in(file, stmt, task))
        .collect();
    found.sort_by_key(|range| range.start());
    found.first().copied()
}

/// A `yield`, a loop that is run, or a test whether the task is done.
fn gives_it_time(expr: &Expr, task: &str) -> bool {
    match expr {
        Expr::Yield(_) | Expr::YieldFrom(_) => true,
        Expr::Call(call) => match &*call.func {
            Expr::Attribute(method) => match method.attr.as_str() {
                "run_until_complete" | "run_forever" => true,
                "done" => dotted_text(&method.value).as_deref() == Some(task),
                _ => false,
            },
            _ => false,
        },
        _ => false,
    }
}

fn cancel_in(file: &File, stmt: StmtId, task: &str) -> Option<TextRange> {
    file.tree.exprs_of(stmt).find_map(|expr| {
        let Expr::Call(call) = expr else { return None };
        let Expr::Attribute(method) = &*call.func else {
            return None;
        };
        // A lambda in the statement runs another time.
        if file.tree.function_of(expr) != file.tree.stmt(stmt).function {
            return None;
        }
        (method.attr.as_str() == "cancel" && dotted_text(&method.value).as_deref() == Some(task))
            .then(|| expr.range())
    })
}

fn assigns(file: &File, stmt: StmtId, name: &str) -> bool {
    match file.tree.stmt(stmt).node {
        Stmt::Assign(node) => node
            .targets
            .iter()
            .any(|target| dotted_text(target).as_deref() == Some(name)),
        Stmt::For(node) => dotted_text(&node.target).as_deref() == Some(name),
        _ => false,
    }
}
