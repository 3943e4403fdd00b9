//! BIS801 import-asyncio: an import of asyncio that can be one of asyncbis.

use crate::diagnostic::{Applicability, Severity};
use crate::imports::{Options, rewrite, statements_to_rewrite};
use crate::model::File;
use crate::prefilter::Needles;
use crate::report::Report;

pub(crate) const NEEDLES: Needles = &[&["asyncio"]];

pub(crate) fn check(file: &File, report: &mut Report) {
    // Its findings are information that few ask for, and looking for them is not cheap.
    let is_suppressed = || file.source.text().contains("BIS801");
    if !report.is_shown(file.settings) && !is_suppressed() {
        return;
    }
    if !file.syntax_errors().is_empty() {
        return;
    }
    let mut fix = None;
    for (index, range) in statements_to_rewrite(file).into_iter().enumerate() {
        if index == 0 {
            fix = rewrite(file, &Options::default()).fix;
        }
        let found = report.add(Severity::Info, range, "asyncio is imported, not asyncbis");
        found.help("`asyncbis-lint fix --rewrite-imports` rewrites the imports of all files");
        // The rewrite is one fix for the whole file.
        if let Some(fix) = fix.take() {
            found.fix = file.fix(
                "Import asyncbis instead of asyncio in this file",
                Applicability::Unsafe,
                fix.edits,
                true,
            );
        }
    }
}
