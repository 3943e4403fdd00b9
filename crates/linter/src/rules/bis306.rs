//! BIS306 uncancel-or-cancelling: cancellation bookkeeping by hand.

use ruff_python_ast::Expr;
use ruff_text_size::Ranged;

use crate::diagnostic::Severity;
use crate::model::File;
use crate::model::kinds::Kind;
use crate::prefilter::{ASYNC, Needles};
use crate::report::Report;

pub(crate) const NEEDLES: Needles = &[ASYNC, &["uncancel", "cancelling"]];

pub(crate) fn check(file: &File, report: &mut Report) {
    for (expr, call) in file.tree.calls() {
        let Expr::Attribute(method) = &*call.func else {
            continue;
        };
        let name = method.attr.as_str();
        if !call.arguments.is_empty() || !may_be_task(file, &method.value) {
            continue;
        }
        match name {
            "cancelling" => {
                report
                    .add(
                        Severity::Info,
                        expr.range(),
                        "`cancelling()` asks how often this task was cancelled",
                    )
                    .help("It keeps its meaning; a block that is to be stopped on its own is a `CancelScope`, which knows `cancel_called`");
            }
            "uncancel" => {
                report
                    .add(
                        Severity::Info,
                        expr.range(),
                        "`uncancel()` takes one cancellation of the task back",
                    )
                    .help("It keeps its meaning; `timeout()` and `CancelScope` interrupt a block without cancelling the task");
            }
            _ => {}
        }
    }
}

/// Whether the receiver is a task, or may be one: what the file shows to be something else, an
/// instance of one of its classes, isn't.
fn may_be_task<'a>(file: &File<'a>, receiver: &'a Expr) -> bool {
    match file.kind(receiver) {
        Some(kind) => kind == Kind::Task,
        None => file.class_of_instance(receiver).is_none(),
    }
}
