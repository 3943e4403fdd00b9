//! BIS107 suppress-cancelled: a `suppress()` that swallows the cancellation.

use crate::diagnostic::Severity;
use crate::model::File;
use crate::model::fate::Fate;
use crate::prefilter::{ASYNC_DEF, CATCHES, Needles};
use crate::report::Report;
use crate::reraise;

/// An alias of `contextlib.suppress` still names it in the import.
pub(crate) const NEEDLES: Needles = &[ASYNC_DEF, CATCHES, &["suppress"]];

pub(crate) fn check(file: &File, report: &mut Report) {
    for (catcher, fate) in file.fates() {
        if catcher.handler().is_some() {
            continue;
        }
        let source = catcher.sources[0].range;
        let class = file.source.slice(catcher.range());
        let message = format!("`suppress({class})` swallows the cancellation");
        let again = match fate {
            Fate::AwaitsAgain { at, .. } => Some(at),
            _ => None,
        };
        match fate {
            Fate::Spins(spin) => {
                let severity = if spin.bounded {
                    Severity::Warning
                } else {
                    Severity::Error
                };
                report
                    .add(severity, catcher.range(), message)
                    .label("swallowed here")
                    .and(file.loop_keyword(spin.loop_stmt), file.spin_label(spin))
                    .and(source, "raises at once in every round")
            }
            Fate::AwaitsAgain { at, .. } => report
                .add(Severity::Warning, catcher.range(), message)
                .label("swallowed here")
                .and(source, "cancelled here first")
                .and(at.range, "cancelled again: nothing from here on runs"),
            Fate::Swallowed => report
                .add(Severity::Warning, catcher.range(), message)
                .label("swallowed here")
                .and(source, "cancelled here"),
            _ => continue,
        }
        .help(format!(
            "Take `{class}` out of `suppress()`, so that the cancellation goes on"
        ))
        .fix(reraise::unsuppress(file, catcher, again));
    }
}
