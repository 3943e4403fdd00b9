//! `--add-noqa`: writes a suppression for every finding, in the file's own encoding.

use linter::Diagnostic;
use linter::suppress::noqa_edits;

use crate::files;
use crate::input::Input;
use crate::render::Summary;

/// Adds suppressions to a file; returns how many findings they suppress.
pub fn write(input: &Input, bytes: &[u8], diagnostics: &[Diagnostic]) -> Result<usize, String> {
    if diagnostics.is_empty() || input.unreadable().is_some() {
        return Ok(0);
    }
    let (edits, count) = noqa_edits(&input.source, diagnostics);
    if edits.is_empty() {
        return Ok(0);
    }
    let Some(encoded) = input.encode(&input.source.edited(&edits), bytes) else {
        return Err(
            "the file's encoding can't be written back unchanged: add the suppressions by hand"
                .to_owned(),
        );
    };
    files::replace(&input.path, bytes, &encoded)
        .map_err(|error| format!("writing: {}", files::reason(&error)))?;
    Ok(count)
}

/// The last line of the output.
pub fn summary(summary: &Summary) -> String {
    match summary.added {
        0 => "Added no suppressions.\n".to_owned(),
        1 => "Added a suppression of 1 finding.\n".to_owned(),
        n => format!("Added suppressions of {n} findings.\n"),
    }
}
