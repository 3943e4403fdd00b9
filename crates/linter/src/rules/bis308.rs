//! BIS308 self-cancelling-cleanup: a method cancels the task that it may run in, and then awaits.

use ruff_python_ast::Expr;
use ruff_text_size::Ranged;

use crate::diagnostic::{Applicability, Fix, Severity};
use crate::model::File;
use crate::model::names::dotted_text;
use crate::model::tasks::SelfCancel;
use crate::prefilter::{ASYNC, Needles};
use crate::report::Report;

pub(crate) const NEEDLES: Needles = &[
    ASYNC,
    &["cancel"],
    &["current_task", "create_task", "ensure_future"],
];

pub(crate) fn check(file: &File, report: &mut Report) {
    for found in file.self_cancels() {
        let task = file.source.slice(found.task.range());
        let message = match found.started {
            Some(_) => format!("`{task}` is cancelled by code that runs in it"),
            None => "the current task cancels itself, and awaits afterwards".to_owned(),
        };
        let diagnostic = report.add(Severity::Error, found.cancel, message);
        if let Some(started) = found.started {
            diagnostic.and(started.range(), "the task");
        }
        if let Some(called) = found.called {
            diagnostic.and(called.range(), "called in the task");
        }
        diagnostic
            .and(
                found.raises.range,
                "raises `CancelledError` then, as does every `await` after it",
            )
            .help(match found.started {
                Some(_) => {
                    format!("Leave the current task out: `if {task} is not asyncio.current_task()`")
                }
                None => "Return, or raise `CancelledError`, when everything is done".to_owned(),
            })
            .fix(guard(file, &found));
    }
}

/// `if task is not current_task():` around the cancel. Safe where the task has nothing left to
/// await after the method; elsewhere it goes on where it used to end. No fix where the method also
/// awaits the task: a task can't await itself.
fn guard<'a>(file: &File<'a>, found: &SelfCancel<'a>) -> Option<Fix> {
    found.started?;
    let task = file.source.slice(found.task.range());
    if awaits(file, found.cancel, task) {
        return None;
    }
    let current = file.asyncio_text("current_task", file.tree.stmt_of(found.cancel))?;
    let stmt = file.tree.stmt(file.tree.stmt_of(found.cancel)).node;
    let edits = file.wrap(
        std::slice::from_ref(stmt),
        &format!("if {task} is not {current}():"),
    )?;
    let applicability = if found.is_last {
        Applicability::Safe
    } else {
        Applicability::Unsafe
    };
    file.fix("Leave the current task out", applicability, edits, false)
}

/// Whether the function of an expression awaits something that has the task in it.
fn awaits<'a>(file: &File<'a>, cancel: &'a Expr, task: &str) -> bool {
    let function = file.tree.function_of(cancel);
    file.suspensions(function).iter().any(|it| {
        it.expr.is_some_and(|awaited| {
            file.tree
                .exprs_in(awaited)
                .any(|part| dotted_text(part).is_some_and(|text| text == task))
        })
    })
}
