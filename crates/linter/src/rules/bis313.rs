//! BIS313 manual-cancelled-error: `CancelledError` that is raised or set by hand.

use ruff_python_ast::{ExceptHandler, Expr, Stmt};
use ruff_text_size::Ranged;

use crate::diagnostic::Severity;
use crate::model::File;
use crate::model::kinds::Kind;
use crate::model::tree::{Part, StmtId};
use crate::prefilter::{ASYNC, Needles};
use crate::report::Report;

/// The class has to be named somewhere.
pub(crate) const NEEDLES: Needles = &[ASYNC, &["CancelledError"]];

pub(crate) fn check(file: &File, report: &mut Report) {
    for id in file.tree.stmt_ids() {
        let data = file.tree.stmt(id);
        if let Stmt::Raise(node) = data.node
            && let Some(raised) = &node.exc
            && makes_cancellation(file, raised)
            && !passes_on(file, id)
        {
            add(
                file,
                report,
                id,
                raised,
                "`CancelledError` is raised by hand",
            );
        }
    }
    for (expr, call) in file.tree.calls() {
        if let Expr::Attribute(method) = &*call.func
            && method.attr.as_str() == "set_exception"
            && let [exception] = &*call.arguments.args
            && makes_cancellation(file, exception)
        {
            let message = "`CancelledError` is set as the exception of a future";
            add(file, report, file.tree.stmt_of(expr), exception, message);
        }
    }
}

fn add<'a>(file: &File<'a>, report: &mut Report, stmt: StmtId, at: &'a Expr, message: &str) {
    let scope = scope_around(file, stmt);
    let severity = if scope.is_some() {
        Severity::Warning
    } else {
        Severity::Info
    };
    let diagnostic = report.add(severity, at, message);
    diagnostic.help(
        "Cancel something real (`scope.cancel()`, `task.cancel()`, `future.cancel()`), or raise an \
         exception of your own",
    );
    match scope {
        Some(scope) => diagnostic
            .label("no scope is cancelled by it")
            .and(scope, "takes it for its own if it is cancelled, too"),
        None => diagnostic.label("no scope is cancelled by it: the next await works as before"),
    };
}

/// `CancelledError`, `CancelledError("why")`
fn makes_cancellation<'a>(file: &File<'a>, expr: &'a Expr) -> bool {
    let class = expr.as_call_expr().map_or(expr, |call| &*call.func);
    file.is_asyncio(class, "CancelledError")
}

/// Whether a statement stands in a handler that caught a cancellation.
fn passes_on(file: &File, stmt: StmtId) -> bool {
    file.tree.ancestors_in_function(stmt).any(|(parent, part)| {
        match (file.tree.stmt(parent).node, part) {
            (Stmt::Try(node), Part::Handler(index)) => {
                let ExceptHandler::ExceptHandler(handler) = &node.handlers[index];
                file.catches(handler).is_some()
            }
            _ => false,
        }
    })
}

/// The manager of the scope that a statement stands in, in its own function.
fn scope_around(file: &File, stmt: StmtId) -> Option<ruff_text_size::TextRange> {
    file.tree
        .ancestors_in_function(stmt)
        .filter(|(_, part)| *part == Part::Body)
        .find_map(|(parent, _)| {
            let Stmt::With(node) = file.tree.stmt(parent).node else {
                return None;
            };
            let item = node.items.iter().find(|item| {
                matches!(
                    file.kind(&item.context_expr),
                    Some(Kind::Scope | Kind::TaskGroup)
                )
            })?;
            Some(item.context_expr.range())
        })
}
