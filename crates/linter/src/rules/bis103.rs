//! BIS103 swallowed-cancel-then-await: code after a swallowed cancellation awaits again.

use crate::diagnostic::{Applicability, Fix, Severity};
use crate::model::File;
use crate::model::fate::Fate;
use crate::model::handlers::Catcher;
use crate::model::suspend::Suspension;
use crate::prefilter::{ASYNC_DEF, CATCHES, Needles};
use crate::report::Report;
use crate::reraise;

/// Only handlers that name the class are reported, or a tuple of classes that contains it.
pub(crate) const NEEDLES: Needles = &[ASYNC_DEF, CATCHES];

pub(crate) fn check(file: &File, report: &mut Report) {
    for (catcher, fate) in file.fates() {
        let (Some(_), Fate::AwaitsAgain { at, in_loop }) = (catcher.handler(), fate) else {
            continue;
        };
        let (severity, what, help) = if *in_loop {
            (
                Severity::Warning,
                "the next round of the loop ends here",
                "End the handler with `raise`: that is how the loop ends anyway",
            )
        } else {
            (
                Severity::Error,
                "raises `CancelledError`: nothing from here on runs",
                "End the handler with `raise`, and put what must run all the same into `finally`, \
                 shielded by `with asyncbis.CancelScope(shield=True):`",
            )
        };
        let message = format!(
            "{} swallows the cancellation, and the function awaits again",
            file.described(catcher)
        );
        report
            .add(severity, catcher.range(), message)
            .label("swallowed here")
            .and(catcher.sources[0].range, "cancelled here first")
            .and(at.range, what)
            .help(help)
            .fix(
                shield_rest(file, catcher, at).or_else(|| raise_again(file, catcher, at, *in_loop)),
            );
    }
}

/// Raises where going on is not the point of the handler: in a loop, or where it takes the
/// cancellation for one of several errors. A handler for the cancellation alone that lets the code
/// below run may mean just that.
fn raise_again<'a>(
    file: &File<'a>,
    catcher: &Catcher<'a>,
    at: &Suspension<'a>,
    in_loop: bool,
) -> Option<Fix> {
    let is_one_of_several = catcher
        .handler()
        .and_then(|handler| handler.type_.as_deref())
        .is_some_and(|class| !file.is_cancelled_error(class));
    (in_loop || is_one_of_several)
        .then(|| reraise::raise_again(file, catcher, Some(at)))
        .flatten()
}

/// Shields the statements that only a handler leads to, because the loop before them is endless.
/// Nothing else is cleanup for certain.
fn shield_rest<'a>(file: &File<'a>, catcher: &Catcher<'a>, at: &Suspension<'a>) -> Option<Fix> {
    let rest = file.rest_after(catcher, at)?;
    // A scope must not be open while a generator is suspended.
    if file.tree.function(catcher.function).is_generator {
        return None;
    }
    let (edits, needs_asyncbis) = file.shield_cleanup(rest)?;
    file.fix(
        "Shield what runs after the cancellation",
        Applicability::Unsafe,
        edits,
        needs_asyncbis,
    )
}
