//! BIS109 aexit-suppresses-cancel: an `__aexit__` that returns true whatever the exception is.

use crate::diagnostic::Severity;
use crate::model::File;
use crate::prefilter::{ASYNC_DEF, Needles};
use crate::report::Report;

/// The method's name, and the constant that it returns.
pub(crate) const NEEDLES: Needles = &[ASYNC_DEF, &["__aexit__"], &["True"]];

pub(crate) fn check(file: &File, report: &mut Report) {
    for found in file.swallowing_exits() {
        let data = file.tree.function(found.function);
        let Some(def) = data.def() else { continue };
        report
            .add(
                Severity::Warning,
                file.tree.stmt(found.stmt).node,
                "`__aexit__` returns `True` for a cancellation, too",
            )
            .label("swallows whatever left the `async with` block")
            .and(&def.name, "called with the cancellation of the block")
            .help(
                "Return true only for the exceptions that this context manager is about: \
                 `return exc_type is not None and issubclass(exc_type, ...)`",
            );
    }
}
