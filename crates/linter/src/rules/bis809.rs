//! BIS809 patched-asyncio: asyncio is changed from outside where asyncbis has its own.

use crate::diagnostic::Severity;
use crate::imports::patches;
use crate::model::File;
use crate::prefilter::{CHANGES_ATTRIBUTE, Needles};
use crate::report::Report;

pub(crate) const NEEDLES: Needles = &[&["asyncio"], &["setattr", CHANGES_ATTRIBUTE]];

pub(crate) fn check(file: &File, report: &mut Report) {
    for patch in patches(file) {
        let name = &patch.name;
        report
            .add(
                Severity::Error,
                patch.range,
                format!("`asyncio.{name}` is changed from outside"),
            )
            .label(format!(
                "asyncbis has its own `{name}`, which stays as it is"
            ))
            .help("Change what the code itself calls, or change `asyncbis` too");
    }
}
