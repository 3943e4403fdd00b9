//! BIS315 future-subclass: a subclass of `Future` that refuses to be cancelled.

use ruff_python_ast::{self as ast, Expr};

use crate::diagnostic::Severity;
use crate::model::File;
use crate::model::flow::NodeId;
use crate::model::tree::{ClassId, FunctionId, StmtId};
use crate::prefilter::{ASYNC, Needles};
use crate::report::Report;

/// A class of futures with one of the two methods.
pub(crate) const NEEDLES: Needles = &[ASYNC, &["Future"], &["cancel", "__await__"]];

pub(crate) fn check(file: &File, report: &mut Report) {
    for class in file.tree.class_ids() {
        if !is_future_class(file, class) {
            continue;
        }
        for method in &file.tree.class(class).methods {
            let Some(def) = file.tree.function(*method).def() else {
                continue;
            };
            match def.name.as_str() {
                "cancel" if may_refuse(file, *method) => {
                    add(
                        report,
                        def,
                        "the `cancel()` of a future can end without cancelling it",
                    );
                }
                "__await__" if shields_itself(file, *method) => {
                    add(report, def, "a future shields itself from who awaits it");
                }
                _ => {}
            }
        }
    }
}

fn add(report: &mut Report, def: &ast::StmtFunctionDef, message: &str) {
    report
        .add(Severity::Warning, &def.name, message)
        .label("a cancelled task that awaits it waits on until it is done")
        .help(
            "Let it be cancelled, and protect what lies behind it: keep a private future for each \
             waiter",
        );
}

/// Whether a base of a class, or of one of its bases in the file, is asyncio's `Future`.
fn is_future_class(file: &File, class: ClassId) -> bool {
    file.class_and_bases(class).into_iter().any(|class| {
        file.tree
            .class(class)
            .node
            .bases()
            .iter()
            .any(|base| file.is_asyncio(base, "Future"))
    })
}

/// Whether some way through a `cancel()` returns without a call of the base class's.
fn may_refuse(file: &File, method: FunctionId) -> bool {
    let flow = file.flow(method);
    let cancels = |stmt: StmtId| {
        file.tree.exprs_of(stmt).any(|expr| match expr {
            Expr::Call(call) => matches!(&*call.func,
                Expr::Attribute(attribute) if attribute.attr.as_str() == "cancel"),
            _ => false,
        })
    };
    flow.reach_uncancelled([flow.entry()], |id| flow.node(id).stmt.is_some_and(cancels))
        .contains(NodeId::RETURNED)
}

/// `return shield(self).__await__()`
fn shields_itself(file: &File, method: FunctionId) -> bool {
    let Some(stmt) = file.tree.function(method).stmt else {
        return false;
    };
    file.tree
        .calls_below(stmt)
        .any(|(_, call)| file.is_asyncio(&call.func, "shield"))
}
