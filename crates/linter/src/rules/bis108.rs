//! BIS108 jump-in-finally: a jump out of `finally` that drops the cancellation on its way.

use ruff_python_ast::Stmt;

use crate::diagnostic::Severity;
use crate::model::File;
use crate::prefilter::{ASYNC_DEF, Needles};
use crate::report::Report;

/// The jump stands in a `finally` of an async function.
pub(crate) const NEEDLES: Needles = &[ASYNC_DEF, &["finally"], &["return", "break", "continue"]];

pub(crate) fn check(file: &File, report: &mut Report) {
    for found in file.finally_jumps() {
        let jump = file.tree.stmt(found.jump).node;
        let keyword = match jump {
            Stmt::Return(_) => "return",
            Stmt::Break(_) => "break",
            _ => "continue",
        };
        report
            .add(
                Severity::Error,
                jump,
                format!("`{keyword}` in `finally` drops the cancellation"),
            )
            .label("discards the exception that is on its way")
            .and(found.source.range, "a cancellation raised here")
            .help(format!(
                "Move the `{keyword}` behind the `try` statement; say with `except` which errors \
                 are dropped"
            ));
    }
}
