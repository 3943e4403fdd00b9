//! BIS203 unshielded-await-in-aexit: an `__aexit__` that awaits after a cancelled body.

use super::unshielded::{self, CutOff};
use crate::diagnostic::Severity;
use crate::model::File;
use crate::model::cleanup::CleanupKind;
use crate::prefilter::{ASYNC_DEF, Needles};
use crate::report::Report;

/// The method, or what gives a callback to an exit stack.
pub(crate) const NEEDLES: Needles = &[ASYNC_DEF, &["__aexit__", "push_async_"]];

pub(crate) fn check(file: &File, report: &mut Report) {
    for found in unshielded::cut_off(file) {
        if found.cleanup.kind != CleanupKind::Exit || is_delegation(&found) {
            continue;
        }
        let message = format!("{} {} is not shielded", found.subject(file), found.place());
        let diagnostic = report.add(Severity::Warning, found.at.suspension.range, message);
        found.explain(file, diagnostic);
        if let Some(method) = only_method(file, &found) {
            diagnostic.help(format!(
                "Shield inside `{method}()`, so that everyone who calls it is helped, or wrap the \
                 call in `with asyncbis.CancelScope(shield=True):`"
            ));
        }
    }
}

/// Whether the method only hands the exit on to another object's `__aexit__`, or to a generator,
/// whose own affair the shield is.
fn is_delegation(found: &CutOff) -> bool {
    let delegates = |name: Option<&str>| matches!(name, Some("__aexit__" | "athrow"));
    let mut cuts = found.cleanup.cut.iter();
    found.missed.is_empty() && cuts.all(|cut| delegates(cut.suspension.call_name()))
}

/// The method of the same class that the block calls, where that is all it waits for.
fn only_method<'a>(file: &File<'a>, found: &CutOff<'_, 'a>) -> Option<&'a str> {
    if found.cleanup.cut.len() != 1 || !found.missed.is_empty() {
        return None;
    }
    let call = found.at.suspension.call()?;
    let callee = file.callee(call)?;
    file.tree.function(callee).class?;
    found.at.suspension.call_name()
}
