//! The command `asyncbis-lint`: arguments, files, configuration and output around the `linter`.
//!
//! Invariants: only this crate reads files, the environment and the clock; an error of the user is
//! one line on standard error and exit code 2; a panic never ends the process without a report.
//!
//! Not here: what is a finding (the `linter` decides).

mod add_noqa;
mod args;
mod baseline;
mod check;
mod config;
mod config_file;
mod diff;
mod discover;
mod files;
mod fix;
mod fix_summary;
mod globs;
mod input;
mod interrupt;
mod migration_report;
mod output;
mod panics;
mod read;
mod render;
mod rule;
mod select;
mod session;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use rustc_hash::FxHashSet;

use crate::args::{Args, Command};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The exit code of a usage, I/O or internal error.
const EXIT_ERROR: u8 = 2;

fn main() -> ExitCode {
    panics::keep_quiet();
    let args = Args::parse();
    match std::panic::catch_unwind(|| run(args)) {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => {
            complain(&files::told(&error));
            ExitCode::from(EXIT_ERROR)
        }
        Err(_) => {
            complain(&panics::report(None, None, &panics::take()));
            ExitCode::from(EXIT_ERROR)
        }
    }
}

fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Check(check) => check::run(&args.global, &check),
        Command::Fix(fix) => fix::run(&args.global, &fix),
        Command::Rule(rule) => rule::run(&rule),
        Command::Config(show) => config::show(&args.global, &show),
        Command::Completions { shell } => {
            output::print(completions(shell).as_bytes())?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn completions(shell: clap_complete::Shell) -> String {
    let mut script = Vec::new();
    let name = env!("CARGO_PKG_NAME");
    clap_complete::generate(shell, &mut Args::command(), name, &mut script);
    // For bash clap writes the hyphen of the name in two ways, so that no subcommand is found.
    String::from_utf8_lossy(&script).replace("asyncbis__subcmd__lint", "asyncbis__lint")
}

/// Writes one message for the user to standard error.
fn complain(message: &str) {
    // Nobody is left to be told where standard error can't be written.
    let _ = writeln!(io::stderr(), "error: {message}");
}

/// What went wrong with files: of a broken configuration each of its files says the same, the user
/// is told once.
#[derive(Default)]
struct Problems(FxHashSet<String>);

impl Problems {
    fn tell(&mut self, problems: Vec<String>) {
        for problem in problems {
            if !self.0.contains(&problem) {
                complain(&problem);
                self.0.insert(problem);
            }
        }
    }

    fn any(&self) -> bool {
        !self.0.is_empty()
    }
}

/// As [`complain`], for what does not stop the run or change its exit code.
fn warn(message: &str) {
    let _ = writeln!(io::stderr(), "warning: {message}");
}
