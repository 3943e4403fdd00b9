//! BIS106 cancel-replaced: a handler that raises another exception instead of the cancellation.

use crate::diagnostic::Severity;
use crate::model::File;
use crate::model::exceptions::Catches;
use crate::model::fate::Fate;
use crate::prefilter::{ASYNC_DEF, CATCHES, Needles};
use crate::report::Report;
use crate::reraise;

/// The handler raises.
pub(crate) const NEEDLES: Needles = &[ASYNC_DEF, CATCHES];

pub(crate) fn check(file: &File, report: &mut Report) {
    for (catcher, fate) in file.fates() {
        let (Some(_), Fate::Replaced(raises)) = (catcher.handler(), fate) else {
            continue;
        };
        let help = if catcher.catches == Catches::Cancelled {
            "Raise the cancellation; if it may be that of an awaited future, convert it only where \
             `asyncio.current_task().cancelling()` is 0"
        } else {
            "Catch `Exception`, which lets the cancellation through, or put \
             `except asyncio.CancelledError: raise` above"
        };
        let message = format!(
            "{} raises another exception in place of the cancellation",
            file.described(catcher)
        );
        let found = report
            .add(Severity::Error, catcher.range(), message)
            .label("catches the cancellation")
            .and(catcher.sources[0].range, "cancelled here")
            .help(help)
            .fix(reraise::raise_unreplaced(file, catcher));
        for raise in raises {
            found.and(
                file.tree.stmt(*raise).node,
                "the task fails with this instead of being cancelled",
            );
        }
    }
}
