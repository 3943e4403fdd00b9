//! The command `check`: find, read, check and show.
//!
//! Files are read, checked and rendered in parallel; what is kept of a file is its rendered text
//! and its numbers, so that memory does not grow with the files. The output is put together in
//! the order of the files.
//!
//! Not here: which files (`session`), what is a finding (`linter`), how it looks (`render`).

use std::process::ExitCode;

use anyhow::bail;
use linter::{Checked, Diagnostic, RulePanic};

use crate::add_noqa;
use crate::args::{CheckArgs, Common, Global};
use crate::input::Input;
use crate::render::{self, FileView, Summary};
use crate::session::{Given, Session};
use crate::{EXIT_ERROR, complain, output, panics};

/// What came of a file.
#[derive(Default)]
struct Outcome {
    rendered: String,
    summary: Summary,
    /// Whether a finding reaches the fail level.
    failed: bool,
    /// What went wrong, for standard error.
    problems: Vec<String>,
}

pub fn run(global: &Global, args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let session = Session::new(global, &args.common, None)?;
    let color = output::wants_color(global.color, args.common.output_file.as_deref());
    let work = |given: Given<'_>| file(args, color, &given);
    let outcomes = if session.reads_stdin()? {
        if args.add_noqa {
            bail!("--add-noqa changes files: it can't be used with standard input");
        }
        let stdin = session.read_stdin()?;
        if stdin.excluded {
            Vec::new()
        } else {
            vec![session.stdin(&stdin, work)?]
        }
    } else {
        session.each(session.find()?, work)?
    };
    let outcomes = outcomes
        .into_iter()
        .map(|outcome| outcome.unwrap_or_else(Outcome::problem))
        .collect();
    finish(global, args, outcomes)
}

/// Shows what came of the files, and says how it ended.
fn finish(global: &Global, args: &CheckArgs, outcomes: Vec<Outcome>) -> anyhow::Result<ExitCode> {
    let common = &args.common;
    let mut summary = Summary::default();
    let mut parts = Vec::new();
    let (mut failed, mut broken) = (false, false);
    for outcome in outcomes {
        summary.add(&outcome.summary);
        failed |= outcome.failed;
        for problem in outcome.problems {
            broken = true;
            complain(&problem);
        }
        if !outcome.rendered.is_empty() {
            parts.push(outcome.rendered);
        }
    }
    let text = if args.add_noqa {
        failed = false;
        add_noqa::summary(&summary)
    } else if args.statistics {
        render::statistics(common.output_format, &summary)
    } else {
        let quiet = global.quiet;
        render::document(common.output_format, &parts, (!quiet).then_some(&summary))
    };
    output::write(common.output_file.as_deref(), text.as_bytes())?;
    Ok(exit_code(common, broken, failed))
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
    let mut outcome = Outcome::default();
    outcome.summary.checked = 1;
    // What holds nothing of interest is not even decoded.
    if settings.prefilter && !linter::wanted(given.bytes, settings.rules) {
        return outcome;
    }
    let input = match Input::new(given) {
        Ok(input) => input,
        Err(problem) => return Outcome::problem(problem),
    };
    let checked = input.check(&settings);
    for panic in &checked.panics {
        outcome.problems.push(report(panic, &input.shown));
    }
    outcome.failed = checked
        .diagnostics
        .iter()
        .any(|diagnostic| diagnostic.severity >= given.config.fail_level);
    outcome.summary.count(&checked.diagnostics);
    if args.add_noqa {
        match add_noqa::write(&input, given.bytes, &checked.diagnostics) {
            Ok(added) => outcome.summary.added += added,
            Err(error) => outcome.problems.push(format!("{}: {error}", input.shown)),
        }
    } else if !checked.diagnostics.is_empty() && !args.statistics {
        outcome.rendered = render(&args.common, color, &input, &checked);
    }
    outcome
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
