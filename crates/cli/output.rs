//! Where the output goes: standard output or a file, with or without colours.
//!
//! Invariant: a reader that went away (`| head`) ends the output silently.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use anyhow::Context;

use crate::args::ColorChoice;

/// Writes to standard output.
pub fn print(bytes: &[u8]) -> anyhow::Result<()> {
    let choice = anstream::ColorChoice::Always;
    let mut stdout = anstream::AutoStream::new(io::stdout().lock(), choice);
    let outcome = stdout.write_all(bytes).and_then(|()| stdout.flush());
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("writing to standard output"),
    }
}

/// Writes to the file, or to standard output where there is none.
pub fn write(file: Option<&Path>, bytes: &[u8]) -> anyhow::Result<()> {
    match file {
        Some(file) => write_file("--output-file", file, bytes),
        None => print(bytes),
    }
}

/// Writes a file that an option names, and makes its folder.
pub fn write_file(option: &str, file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)
            .with_context(|| format!("{option}: creating the folder {}", folder.display()))?;
    }
    fs::write(file, bytes).with_context(|| format!("{option}: writing {}", file.display()))
}

/// Whether the output gets colours.
///
/// `--color` decides; a file gets none else; then `NO_COLOR`, `FORCE_COLOR`, `CLICOLOR_FORCE` and `CLICOLOR`; then whether
/// it is a terminal.
pub fn wants_color(choice: ColorChoice, file: Option<&Path>) -> bool {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let on = |name: &str| set(name).is_some_and(|value| value != "0");
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto if file.is_some() => false,
        ColorChoice::Auto if set("NO_COLOR").is_some() => false,
        ColorChoice::Auto if on("FORCE_COLOR") || on("CLICOLOR_FORCE") => true,
        ColorChoice::Auto if set("CLICOLOR").is_some_and(|value| value == "0") => false,
        ColorChoice::Auto => {
            set("TERM").is_none_or(|value| value != "dumb") && io::stdout().is_terminal()
        }
    }
}
