//! The arguments: one definition that gives parsing, `--help` and the shell completions.

use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use linter::Severity;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Finds asyncio code that breaks under level cancellation, explains it and offers fixes.
#[derive(Debug, Parser)]
#[command(name = "asyncbis-lint", version, styles = STYLES, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 nothing found, 1 findings at or above --fail-level, \
                        2 wrong usage, unreadable files or an internal error."
)]
pub struct Args {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Use this file for every checked file, instead of the nearest pyproject.toml or
    /// asyncbis-lint.toml
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "isolated")]
    pub config: Option<PathBuf>,
    /// Read no configuration file
    #[arg(long, global = true)]
    pub isolated: bool,
    /// When to use colours [also: NO_COLOR, FORCE_COLOR, CLICOLOR]
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: ColorChoice,
    /// Print findings and errors only
    #[arg(long, short, global = true)]
    pub quiet: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check files and folders
    Check(Box<CheckArgs>),
    /// Fix what is found, and show what remains
    Fix(Box<FixArgs>),
    /// Explain a rule, or all of them
    #[command(override_usage = "asyncbis-lint rule [OPTIONS] <RULE>\n       \
                                asyncbis-lint rule [OPTIONS] --all")]
    Rule(RuleArgs),
    /// Show the settings that apply to a file or folder, and where they come from
    Config(ConfigArgs),
    /// Print a shell's completion script
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Debug, Default, clap::Args)]
pub struct CheckArgs {
    #[command(flatten)]
    pub common: Common,
    /// Count findings by rule instead of showing them
    #[arg(long, help_heading = "Output")]
    pub statistics: bool,
    /// Add a `noqa` comment for every finding that is shown
    #[arg(long, conflicts_with_all = ["no_noqa", "statistics"])]
    pub add_noqa: bool,
    /// Write the findings into a baseline, so that only new ones are reported from now on
    #[arg(long, value_name = "FILE", conflicts_with_all = ["no_noqa", "statistics", "add_noqa"])]
    #[arg(conflicts_with_all = ["baseline", "no_baseline"])]
    pub write_baseline: Option<PathBuf>,
}

/// What `check` and `fix` have in common: the files, the rules, how findings are shown.
#[derive(Debug, Default, clap::Args)]
pub struct Common {
    /// Files and folders to check, by default the working folder; `-` reads standard input
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    /// Look for these rules instead of the configured ones: codes (BIS101), families (BIS2),
    /// names, ALL
    #[arg(
        long,
        value_name = "RULES",
        value_delimiter = ',',
        help_heading = "Rules"
    )]
    pub select: Option<Vec<String>>,
    /// Look for these rules too
    #[arg(
        long,
        value_name = "RULES",
        value_delimiter = ',',
        help_heading = "Rules"
    )]
    pub extend_select: Vec<String>,
    /// Leave out these rules
    #[arg(
        long,
        value_name = "RULES",
        value_delimiter = ',',
        help_heading = "Rules"
    )]
    pub ignore: Vec<String>,
    /// Hide findings below this severity [default: warning]
    #[arg(long, value_name = "SEVERITY", value_parser = severity, help_heading = "Rules")]
    pub min_severity: Option<Severity>,
    /// The oldest Python that the code runs on, as 3.11 or py311
    #[arg(long, value_name = "VERSION", help_heading = "Rules")]
    pub target_version: Option<String>,
    /// The runtime that the code runs on, whatever it imports
    #[arg(long, value_name = "RUNTIME", help_heading = "Rules")]
    pub target: Option<Target>,
    /// Report what `noqa` comments suppress
    #[arg(long, alias = "ignore-noqa", help_heading = "Rules")]
    pub no_noqa: bool,
    /// Leave out the findings that are listed in this file, which --write-baseline wrote
    #[arg(
        long,
        value_name = "FILE",
        overrides_with = "no_baseline",
        help_heading = "Rules"
    )]
    pub baseline: Option<PathBuf>,
    /// Report also what is in the configured baseline
    #[arg(long, overrides_with = "baseline", help_heading = "Rules")]
    pub no_baseline: bool,

    /// Leave out paths that match these globs, instead of the configured ones
    #[arg(
        long,
        value_name = "GLOBS",
        value_delimiter = ',',
        help_heading = "Files"
    )]
    pub exclude: Option<Vec<String>>,
    /// Leave out paths that match these globs, too
    #[arg(
        long,
        value_name = "GLOBS",
        value_delimiter = ',',
        help_heading = "Files"
    )]
    pub extend_exclude: Vec<String>,
    /// Leave out excluded files even where they are named on the command line
    #[arg(long, overrides_with = "no_force_exclude", help_heading = "Files")]
    pub force_exclude: bool,
    #[arg(long, hide = true)]
    pub no_force_exclude: bool,
    /// Check files that .gitignore and the like leave out
    #[arg(long, help_heading = "Files")]
    pub no_respect_gitignore: bool,
    #[arg(long, hide = true, overrides_with = "no_respect_gitignore")]
    pub respect_gitignore: bool,
    /// Check standard input under this name, which decides its kind and its configuration
    #[arg(long, value_name = "PATH", help_heading = "Files")]
    pub stdin_filename: Option<PathBuf>,

    /// How to show findings
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "full",
        help_heading = "Output"
    )]
    pub output_format: OutputFormat,
    /// Write to this file instead of standard output
    #[arg(long, short, value_name = "FILE", help_heading = "Output")]
    pub output_file: Option<PathBuf>,
    /// The lowest severity that makes the exit code 1 [default: warning]
    #[arg(long, value_name = "SEVERITY", value_parser = severity, help_heading = "Output")]
    pub fail_level: Option<Severity>,
    /// Exit with 0 even where there are findings
    #[arg(long, help_heading = "Output")]
    pub exit_zero: bool,

    /// How many threads to use [default: the number of processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,
}

#[derive(Debug, Default, clap::Args)]
#[command(
    after_help = "Exit codes: 0 nothing at or above --fail-level remains, 1 something does, or with \
                  --diff something would change, 2 wrong usage, files that can't be read or \
                  written, or an internal error."
)]
pub struct FixArgs {
    #[command(flatten)]
    pub common: Common,
    /// Apply the fixes, too, that may change what the program does
    #[arg(long, help_heading = "Fixes")]
    pub unsafe_fixes: bool,
    /// Show what would change, and change nothing
    #[arg(long, help_heading = "Fixes")]
    pub diff: bool,
    /// Shield cleanup for so long at most: `asyncbis.timeout(SECONDS, shield=True)` instead of an
    /// endless `CancelScope`
    #[arg(long, value_name = "SECONDS", value_parser = seconds, help_heading = "Fixes")]
    pub cleanup_timeout: Option<f64>,
    /// Import asyncbis instead of asyncio; then fixes that need its names apply, too
    #[arg(long, help_heading = "Imports")]
    pub rewrite_imports: bool,
    /// Write `import asyncbis as asyncio`, so that the code below stays as it is
    #[arg(long, requires = "rewrite_imports", help_heading = "Imports")]
    pub alias: bool,
    /// Leave files alone that use only what is the same in asyncbis
    #[arg(long, requires = "rewrite_imports", help_heading = "Imports")]
    pub minimal: bool,
    /// Rewrite the imports in doctests, too
    #[arg(long, requires = "rewrite_imports", help_heading = "Imports")]
    pub docs: bool,
    /// Move from these libraries to asyncbis as far as it has counterparts, also where the program
    /// may then do something else: async_timeout, aiotools, asynkit, anyio; or `none`, for not even
    /// what means the same
    #[arg(
        long,
        value_name = "LIBRARIES",
        value_delimiter = ',',
        requires = "rewrite_imports",
        help_heading = "Imports"
    )]
    pub migrate: Option<Vec<String>>,
    /// Write into this Markdown file what is left to do by hand, as a check list
    #[arg(
        long,
        value_name = "FILE",
        requires = "rewrite_imports",
        help_heading = "Imports"
    )]
    pub report: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct RuleArgs {
    /// A code (BIS101) or a name (cancel-spin-loop)
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub rule: Option<String>,
    /// List all rules
    #[arg(long)]
    pub all: bool,
    /// How to show rules
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub output_format: RuleFormat,
}

#[derive(Debug, clap::Args)]
pub struct ConfigArgs {
    /// The file or folder whose settings to show
    #[arg(default_value = ".")]
    pub path: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum OutputFormat {
    /// The code with the places marked, help and fixes
    #[default]
    Full,
    /// One line per finding
    Concise,
    /// An array with ruff's field names
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Annotations of GitHub Actions
    Github,
    /// GitLab's code quality report
    Gitlab,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RuleFormat {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Target {
    Asyncio,
    Asyncbis,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ColorChoice {
    #[default]
    Auto,
    Always,
    Never,
}

impl OutputFormat {
    /// Whether people read it: then it ends with a summary.
    pub fn is_text(self) -> bool {
        matches!(self, OutputFormat::Full | OutputFormat::Concise)
    }
}

fn severity(text: &str) -> Result<Severity, String> {
    Severity::from_name(text).ok_or_else(|| "expected error, warning or info".to_owned())
}

/// A time limit in seconds.
pub fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if f64::is_finite(seconds) && seconds > 0.0 => Ok(seconds),
        _ => Err("expected seconds, a number above 0".to_owned()),
    }
}
