//! BIS205 spawned-cleanup: cleanup that is given to a new task.

use ruff_python_ast::{Expr, ExprCall, Stmt};
use ruff_text_size::{Ranged, TextRange};

use super::unshielded::short;
use crate::diagnostic::{Applicability, Edit, Fix, Severity};
use crate::model::File;
use crate::model::cleanup::{Cleanup, CleanupKind};
use crate::model::kinds::Kind;
use crate::model::names::last_name;
use crate::model::suspend::Suspension;
use crate::model::tree::StmtId;
use crate::prefilter::Needles;
use crate::report::Report;

/// A spawn, in a block that runs while a task is cancelled or an object goes away.
pub(crate) const NEEDLES: Needles = &[
    &["create_task", "ensure_future"],
    &[
        "__del__",
        "finally",
        "except:",
        "CancelledError",
        "BaseException",
        "get_cancelled_exc_class",
    ],
];

pub(crate) fn check(file: &File, report: &mut Report) {
    for (expr, call) in file.tree.calls() {
        if !spawns(file, call) {
            continue;
        }
        let stmt = file.tree.stmt_of(expr);
        let Some(place) = place_of(file, stmt) else {
            continue;
        };
        if !is_cleanup(call) || is_waited_for(file, expr, stmt) {
            continue;
        }
        let name = short(file, &call.func);
        let diagnostic = report.add(
            place.severity,
            call.range(),
            format!(
                "cleanup is given to a new task by `{name}()` {}",
                place.text
            ),
        );
        diagnostic
            .label("cancelled at its first await if the program is shutting down")
            .help(
                "Await it here, in `with asyncbis.CancelScope(shield=True):` or \
                 `async with asyncbis.timeout(5, shield=True):`",
            )
            .fix(fix(file, stmt, expr, call));
        if let Some(source) = place.source {
            diagnostic.and(
                source,
                "a cancellation that arrives here leads to the cleanup",
            );
        }
    }
}

struct Place {
    text: &'static str,
    severity: Severity,
    source: Option<TextRange>,
}

fn place_of(file: &File, stmt: StmtId) -> Option<Place> {
    let function = file.tree.function(file.tree.stmt(stmt).function);
    if function.class.is_some() && function.name() == "__del__" {
        return Some(Place {
            text: "in `__del__`",
            severity: Severity::Warning,
            source: None,
        });
    }
    let cleanup = file.cleanup_around(stmt)?;
    let text = match cleanup.kind {
        CleanupKind::Finally => "in a `finally`",
        CleanupKind::Handler(_) => "in a handler that catches the cancellation",
        CleanupKind::Exit => return None,
    };
    Some(Place {
        text,
        severity: Severity::Error,
        source: source(cleanup),
    })
}

fn source(cleanup: &Cleanup) -> Option<TextRange> {
    cleanup.source.map(|source| source.range)
}

/// `asyncio.create_task()`, `asyncio.ensure_future()`, and `create_task()` of an event loop.
fn spawns<'a>(file: &File<'a>, call: &'a ExprCall) -> bool {
    if let Some(name) = file.asyncio_name(&call.func) {
        return ["create_task", "ensure_future"].contains(&name.as_str());
    }
    let Expr::Attribute(method) = &*call.func else {
        return false;
    };
    method.attr.as_str() == "create_task"
        && (file.kind(&method.value) == Some(Kind::EventLoop) || is_called_loop(&method.value))
}

/// Words in the names of coroutines that end or give back something.
const CLEANUP: [&str; 24] = [
    "abort",
    "aclose",
    "clean",
    "cleanup",
    "close",
    "delete",
    "discard",
    "disconnect",
    "exit",
    "finalization",
    "finalize",
    "flush",
    "free",
    "logout",
    "release",
    "remove",
    "reset",
    "rollback",
    "shutdown",
    "stop",
    "teardown",
    "terminate",
    "unregister",
    "unsubscribe",
];

/// Whether the spawned coroutine cleans up, by its name; what isn't a call says nothing.
fn is_cleanup(call: &ExprCall) -> bool {
    let Some(Expr::Call(coroutine)) = call.arguments.args.first() else {
        return false;
    };
    let Some(name) = last_name(&coroutine.func) else {
        return false;
    };
    let name = name.to_ascii_lowercase();
    name.split('_').any(|word| CLEANUP.contains(&word))
}

/// A name that says it is the event loop.
fn is_called_loop(expr: &Expr) -> bool {
    last_name(expr).is_some_and(|name| ["loop", "_loop", "event_loop"].contains(&name))
}

/// Whether the task is awaited where it is made, or handed to a shield in the same block.
fn is_waited_for<'a>(file: &File<'a>, expr: &'a Expr, stmt: StmtId) -> bool {
    let mut current = expr;
    while let Some(parent) = file.tree.parent(current) {
        if parent.is_await_expr() {
            return true;
        }
        current = parent;
    }
    let target = match file.tree.stmt(stmt).node {
        Stmt::Assign(node) => match node.targets.as_slice() {
            [target] => target,
            _ => return false,
        },
        Stmt::AnnAssign(node) => &*node.target,
        _ => return false,
    };
    let (Expr::Name(target), Some(cleanup)) = (target, file.cleanup_around(stmt)) else {
        return false;
    };
    let name = target.id.as_str();
    let suspensions = file.suspensions(cleanup.function).iter();
    let mut own = suspensions.filter(|it| cleanup.contains(file, it.stmt));
    own.any(|it| waits_for(file, it, name)) || passed_to_shield(file, cleanup, name)
}

/// Whether an await waits for a task under a shield, or hands it to a helper that may.
fn waits_for<'a>(file: &File<'a>, suspension: &Suspension<'a>, task: &str) -> bool {
    let names_it = file.tree.exprs_of(suspension.stmt).any(|expr| {
        matches!(expr, Expr::Name(name) if name.id == task)
            && suspension.range.contains_range(expr.range())
    });
    let is_helper = suspension.call().is_some_and(|call| {
        let plain = ["wait", "wait_for", "gather"];
        !plain.iter().any(|name| file.is_asyncio(&call.func, name))
    });
    names_it && (suspension.shield.is_some() || is_helper)
}

/// Whether `shield()` is called on a name, or on another name for it, in a block.
fn passed_to_shield<'a>(file: &File<'a>, cleanup: &Cleanup<'a>, task: &str) -> bool {
    let mut names = vec![task.to_owned()];
    for stmt in file.tree.stmt_ids() {
        if !cleanup.contains(file, stmt) {
            continue;
        }
        if let Stmt::Assign(assign) = file.tree.stmt(stmt).node
            && let (Expr::Name(value), [Expr::Name(target)]) =
                (&*assign.value, assign.targets.as_slice())
            && names.contains(&value.id.to_string())
        {
            names.push(target.id.to_string());
        }
    }
    file.tree.calls_below(cleanup.stmt).any(|(expr, call)| {
        cleanup.contains(file, file.tree.stmt_of(expr))
            && file.is_asyncio(&call.func, "shield")
            && matches!(call.arguments.args.first(),
                Some(Expr::Name(name)) if names.contains(&name.id.to_string()))
    })
}

/// Awaits the coroutine in place, where the call is a statement of its own in an asynchronous
/// function and says nothing but the coroutine (and a name).
fn fix<'a>(file: &File<'a>, stmt: StmtId, expr: &'a Expr, call: &'a ExprCall) -> Option<Fix> {
    let data = file.tree.stmt(stmt);
    let Stmt::Expr(node) = data.node else {
        return None;
    };
    let [Expr::Call(coroutine)] = &*call.arguments.args else {
        return None;
    };
    let only_name = call
        .arguments
        .keywords
        .iter()
        .all(|keyword| keyword.arg.as_deref() == Some("name"));
    let is_async = file.tree.function(data.function).is_async();
    if !std::ptr::eq(&raw const *node.value, expr) || !only_name || !is_async {
        return None;
    }
    let (mut edits, needs_asyncbis) = file.shield_cleanup(std::slice::from_ref(data.node))?;
    let before = TextRange::new(call.start(), coroutine.start());
    let after = TextRange::new(coroutine.end(), call.end());
    edits.push(Edit::replacement(before, "await "));
    edits.push(Edit::deletion(after));
    file.fix(
        "Await it under a shield",
        Applicability::Unsafe,
        edits,
        needs_asyncbis,
    )
}
