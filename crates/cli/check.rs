//! The command `check`: find, read, check and show.
//!
//! Files are read, checked and rendered in parallel; what is kept of a file is its rendered text
//! and its numbers, so that memory does not grow with the files. The output is put together in
//! the order of the files.
//!
//! Not here: which files (`session`), what is a finding (`linter`), how it looks (`render`).

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use linter::{Checked, Diagnostic, RulePanic, Settings, Severity};

use crate::add_noqa;
use crate::args::{CheckArgs, Common, Global};
use crate::baseline::{self, Baseline, Entries, Entry};
use crate::input::Input;
use crate::render::{self, FileView, Summary};
use crate::session::{Given, Session};
use crate::{EXIT_ERROR, Problems, output, panics, warn};

/// What came of a file.
#[derive(Default)]
struct Outcome {
    rendered: String,
    summary: Summary,
    /// Whether a finding reaches the fail level.
    failed: bool,
    /// What went wrong, for standard error.
    problems: Vec<String>,
    /// The same, of what changes no exit code.
    warnings: Vec<String>,
    /// What `--write-baseline` writes: the file and its findings.
    entries: Option<(PathBuf, Vec<Entry>)>,
}

pub fn run(global: &Global, args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let session = Session::new(global, &args.common, None)?;
    let color = output::wants_color(global.color, args.common.output_file.as_deref());
    if args.write_baseline.is_none() {
        session.require_baseline()?;
    }
    let work = |given: Given<'_>| file(args, color, &given);
    let outcomes = if session.reads_stdin()? {
        if args.add_noqa {
            bail!("--add-noqa changes files: it can't be used with standard input");
        }
        if args.write_baseline.is_some() {
            bail!("--write-baseline needs files: it can't be used with standard input");
        }
        let stdin = session.read_stdin()?;
        if stdin.excluded {
            Vec::new()
        } else {
            vec![session.stdin(&stdin, work)?]
        }
    } else {
        let found = session.find()?;
        let found = if args.add_noqa { found.once() } else { found };
        session.each(found, work)?
    };
    let outcomes = outcomes
        .into_iter()
        .map(|outcome| outcome.unwrap_or_else(Outcome::problem))
        .collect();
    finish(global, args, &session, outcomes)
}

/// Shows what came of the files, and says how it ended.
fn finish(
    global: &Global,
    args: &CheckArgs,
    session: &Session<'_>,
    outcomes: Vec<Outcome>,
) -> anyhow::Result<ExitCode> {
    let common = &args.common;
    let mut summary = Summary::default();
    let mut parts = Vec::new();
    let mut entries = Vec::new();
    let mut problems = Problems::default();
    let mut failed = false;
    for outcome in outcomes {
        summary.add(&outcome.summary);
        failed |= outcome.failed;
        entries.extend(outcome.entries);
        outcome.warnings.iter().for_each(|warning| warn(warning));
        problems.tell(outcome.problems);
        if !outcome.rendered.is_empty() {
            parts.push(outcome.rendered);
        }
    }
    let broken = problems.any();
    summary.baseline.gone += session.baselines.without_file();
    let text = if let Some(file) = &args.write_baseline {
        if broken {
            bail!(
                "{}: not written, as not every file could be checked",
                file.display()
            );
        }
        let path = session.absolute(file);
        write_baseline(file, &path, entries, summary.checked)?
    } else if args.add_noqa {
        failed = false;
        add_noqa::summary(&summary)
    } else if args.statistics {
        render::statistics(common.output_format, &summary)
    } else {
        let quiet = global.quiet;
        render::document(common.output_format, &parts, (!quiet).then_some(&summary))
    };
    output::write(common.output_file.as_deref(), text.as_bytes())?;
    let in_text = common.output_format.is_text() && !args.statistics;
    if let Some(gone) = summary.gone().filter(|_| !in_text && !global.quiet) {
        warn(&gone);
    }
    Ok(exit_code(common, broken, failed))
}

/// Writes the baseline, and says what it has.
fn write_baseline(
    shown: &Path,
    path: &Path,
    found: Vec<(PathBuf, Vec<Entry>)>,
    checked: usize,
) -> anyhow::Result<String> {
    let folder = baseline::folder_of(path);
    let mut entries = Entries::new();
    for (file, found) in found {
        let key = baseline::path_in(&folder, &file);
        entries.entry(key).or_default().extend(found);
    }
    baseline::write(path, &entries)?;
    let count: usize = entries.values().map(Vec::len).sum();
    let findings = if count == 1 { "finding" } else { "findings" };
    Ok(format!(
        "Wrote {count} {findings} in {} to {} (checked {}).\n",
        render::files(entries.len()),
        shown.display(),
        render::files(checked),
    ))
}

/// The exit code: `broken` where something went wrong, `failed` where there is a finding.
pub fn exit_code(args: &Common, broken: bool, failed: bool) -> ExitCode {
    match (broken, failed && !args.exit_zero) {
        (true, _) => ExitCode::from(EXIT_ERROR),
        (false, true) => ExitCode::from(1),
        (false, false) => ExitCode::SUCCESS,
    }
}

impl Outcome {
    fn problem(text: String) -> Self {
        Outcome {
            problems: vec![text],
            ..Outcome::default()
        }
    }
}

fn file(args: &CheckArgs, color: bool, given: &Given<'_>) -> Outcome {
    let settings = given.settings();
    let baseline = match given.baseline() {
        _ if args.write_baseline.is_some() => None,
        Ok(baseline) => baseline,
        Err(problem) => return Outcome::problem(problem),
    };
    let mut outcome = Outcome::default();
    outcome.summary.checked = 1;
    // What holds nothing of interest is not even decoded.
    if settings.prefilter && !linter::wanted(given.bytes, settings.shown_rules()) {
        if let Some(baseline) = baseline {
            let mut none = Vec::new();
            outcome.summary.baseline =
                baseline.hide(given.path, None, settings.rules, |_| true, &mut none);
        }
        return outcome;
    }
    let input = match Input::new(given) {
        Ok(input) => input,
        Err(problem) => return Outcome::problem(problem),
    };
    let checked = match baseline {
        None => input.check(&settings),
        Some(baseline) => new_findings(&baseline, &input, &settings, &mut outcome),
    };
    for panic in &checked.panics {
        outcome.problems.push(report(panic, &input.shown));
    }
    outcome.failed = checked
        .diagnostics
        .iter()
        .any(|diagnostic| diagnostic.severity >= given.config.fail_level);
    outcome.summary.count(&checked.diagnostics);
    if args.write_baseline.is_some() {
        note_findings(&input, checked, &mut outcome);
    } else if args.add_noqa {
        match add_noqa::write(&input, given.bytes, &checked.diagnostics) {
            Ok(added) => outcome.summary.added += added,
            Err(error) => outcome.problems.push(format!("{}: {error}", input.shown)),
        }
    } else if !checked.diagnostics.is_empty() && !args.statistics {
        outcome.rendered = render(&args.common, color, &input, &checked);
    }
    outcome
}

/// The findings of a file that are not in the baseline.
fn new_findings(
    baseline: &Baseline,
    input: &Input,
    settings: &Settings,
    outcome: &mut Outcome,
) -> Checked {
    // Also what is not shown: an entry whose finding is not shown today is not gone.
    let everything = Settings {
        min_severity: Severity::Info,
        ..settings.clone()
    };
    let mut checked = input.check(&everything);
    outcome.summary.baseline = baseline.hide(
        &input.path,
        Some(&input.source),
        settings.rules,
        |diagnostic| settings.shows(diagnostic),
        &mut checked.diagnostics,
    );
    checked
}

/// Keeps the findings of a file for the baseline that is written in the end.
fn note_findings(input: &Input, mut checked: Checked, outcome: &mut Outcome) {
    let found = checked.diagnostics.len();
    checked
        .diagnostics
        .retain(|diagnostic| !baseline::is_syntax_error(diagnostic));
    outcome.failed = checked.diagnostics.len() < found;
    if outcome.failed {
        let shown = &input.shown;
        outcome.warnings.push(format!(
            "{shown}: a syntax error can't be in a baseline: mend or exclude the file"
        ));
    }
    if !checked.diagnostics.is_empty() {
        let entries = baseline::entries(&input.source, &checked.diagnostics);
        outcome.entries = Some((input.path.clone(), entries));
    }
}

/// The findings of a file as the user wants them shown.
pub fn render(args: &Common, color: bool, input: &Input, checked: &Checked) -> String {
    render::file(
        args.output_format,
        &FileView {
            shown: &input.shown,
            path: &input.path,
            source: &input.source,
            diagnostics: &checked.diagnostics,
            noqa: &checked.noqa_lines,
            color,
        },
    )
}

/// What to tell the user about a rule's panic.
pub fn report(panic: &RulePanic, shown: &str) -> String {
    let mut texts = panics::take();
    if texts.is_empty() {
        texts.push(panic.message.clone());
    }
    panics::report(panic.rule, Some(shown), &texts)
}

impl Summary {
    pub fn count(&mut self, diagnostics: &[Diagnostic]) {
        self.files = usize::from(!diagnostics.is_empty());
        for diagnostic in diagnostics {
            let row = match self
                .rules
                .iter_mut()
                .find(|row| row.rule == diagnostic.rule)
            {
                Some(row) => row,
                None => {
                    self.rules.push(render::RuleCount::new(diagnostic.rule));
                    self.rules.last_mut().expect("just pushed")
                }
            };
            row.count(diagnostic);
        }
    }
}
