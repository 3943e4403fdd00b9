//! BIS312 cancel-message-protocol: the message of a cancellation is used as a signal.

use ruff_python_ast::{ExceptHandler, Expr, ExprCall, Stmt};
use ruff_text_size::Ranged;

use crate::diagnostic::Severity;
use crate::model::File;
use crate::model::exceptions::Catches;
use crate::model::kinds::Kind;
use crate::model::names::{BindingKind, last_name};
use crate::model::tree::{Part, StmtId};
use crate::prefilter::{ASYNC, CANCEL_WITH, Needles};
use crate::report::Report;

/// A `cancel()` with a message, or a handler for `CancelledError` (by whatever name).
pub(crate) const NEEDLES: Needles = &[
    ASYNC,
    &[CANCEL_WITH, "CancelledError", "get_cancelled_exc_class"],
];

pub(crate) fn check(file: &File, report: &mut Report) {
    let compared = check_handlers(file, report);
    for (_, call) in file.tree.calls() {
        if let Some(message) = message_of(file, call)
            && (is_object(file, message) || is_name_of(message, &compared))
        {
            report
                .add(
                    Severity::Info,
                    message,
                    "the message of a cancellation is a signal",
                )
                .label("a later cancellation, or a scope with another message, replaces it")
                .help(HELP);
        }
    }
}

/// Reports what handlers do with messages; returns the plain names that they compare them with.
fn check_handlers<'a>(file: &File<'a>, report: &mut Report) -> Vec<&'a str> {
    let mut compared = Vec::new();
    for stmt in file.tree.stmt_ids() {
        if let Stmt::Try(node) = file.tree.stmt(stmt).node {
            for (index, handler) in node.handlers.iter().enumerate() {
                let ExceptHandler::ExceptHandler(handler) = handler;
                if let Some(name) = &handler.name
                    && file.catches(handler) == Some(Catches::Cancelled)
                {
                    compared.extend(check_handler(file, stmt, index, name.as_str(), report));
                }
            }
        }
    }
    compared
}

fn is_name_of(expr: &Expr, names: &[&str]) -> bool {
    matches!(expr, Expr::Name(name) if names.contains(&name.id.as_str()))
}

const HELP: &str = "Ask the scope (`scope.cancel_called`), or set an attribute before cancelling";

/// The message that is given to the `cancel()` of a task, future or scope.
fn message_of<'a>(file: &File<'a>, call: &'a ExprCall) -> Option<&'a Expr> {
    let Expr::Attribute(method) = &*call.func else {
        return None;
    };
    if ["call_soon", "call_soon_threadsafe"].contains(&method.attr.as_str())
        && let [Expr::Attribute(callback), message] = &*call.arguments.args
        && callback.attr.as_str() == "cancel"
    {
        return Some(message);
    }
    if method.attr.as_str() != "cancel" || method.value.is_call_expr() {
        return None;
    }
    if let Some(keyword) = call.arguments.find_keyword("msg") {
        return Some(&keyword.value);
    }
    let [message] = &*call.arguments.args else {
        return None;
    };
    let cancels = matches!(
        file.kind(&method.value),
        Some(Kind::Task | Kind::Future | Kind::Scope | Kind::TaskGroup)
    );
    (cancels && call.arguments.keywords.is_empty()).then_some(message)
}

/// Whether a message is no text: a sentinel, an exception, a class.
fn is_object<'a>(file: &File<'a>, message: &'a Expr) -> bool {
    match message {
        Expr::Call(call) => is_object_call(file, call),
        Expr::Name(name) => {
            let bindings = file.bindings_of(message);
            !bindings.is_empty()
                && bindings.iter().all(|binding| match binding.kind {
                    BindingKind::Assign(value) => is_object(file, value),
                    BindingKind::Parameter(Some(annotation)) => {
                        !is_text_annotation(file, annotation)
                    }
                    BindingKind::Class(_) | BindingKind::Except(_) => true,
                    _ => name.id.chars().all(|c| c.is_uppercase() || c == '_') && name.id != "_",
                })
        }
        Expr::Attribute(_) => {
            let values = file.values_of(message);
            !values.is_empty() && values.iter().all(|value| is_object(file, value))
        }
        Expr::Tuple(_) | Expr::List(_) | Expr::Dict(_) | Expr::NumberLiteral(_) => true,
        _ => false,
    }
}

/// `object()`, or the call of a class.
fn is_object_call(file: &File, call: &ExprCall) -> bool {
    if file.is_builtin(&call.func, "object") {
        return true;
    }
    let Some(name) = last_name(&call.func) else {
        return false;
    };
    name.starts_with(char::is_uppercase)
}

/// `str`, `Any`, `object`, or an annotation with one of them in it.
fn is_text_annotation(file: &File, annotation: &Expr) -> bool {
    let text = file.source.slice(annotation.range());
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .any(|word| ["str", "Any", "object"].contains(&word))
}

/// Comparisons of the caught exception's arguments or text; returns the names in them.
fn check_handler<'a>(
    file: &File<'a>,
    stmt: StmtId,
    index: usize,
    name: &str,
    report: &mut Report,
) -> Vec<&'a str> {
    let mut compared = Vec::new();
    let end = file.tree.stmt(stmt).end;
    for inner in (stmt.0 + 1..=end.0).map(StmtId) {
        if file.tree.part_of(stmt, inner) != Some(Part::Handler(index)) {
            continue;
        }
        for expr in file.tree.exprs_of(inner) {
            let parts = || file.tree.exprs_in(expr);
            if !expr.is_compare_expr() || !parts().any(|part| reads_message(file, part, name)) {
                continue;
            }
            compared.extend(parts().filter_map(|part| match part {
                Expr::Name(node) if node.id != name => Some(node.id.as_str()),
                _ => None,
            }));
            report
                .add(
                    Severity::Info,
                    expr,
                    "the message of a cancellation decides what happens",
                )
                .label("a cancelled scope or a later `cancel()` brings its own message")
                .help(HELP);
        }
    }
    compared
}

/// `error.args`, `str(error)`, `repr(error)`
fn reads_message(file: &File, expr: &Expr, name: &str) -> bool {
    let is_caught = |expr: &Expr| matches!(expr, Expr::Name(node) if node.id == name);
    match expr {
        Expr::Attribute(attribute) => {
            attribute.attr.as_str() == "args" && is_caught(&attribute.value)
        }
        Expr::Call(call) => {
            let reads = file.is_builtin(&call.func, "str") || file.is_builtin(&call.func, "repr");
            reads && call.arguments.args.first().is_some_and(is_caught)
        }
        _ => false,
    }
}
