//! The command `fix`: applies fixes, and shows what remains.
//!
//! It looks for what `check` with the same options would show, and fixes of that what may be
//! fixed. Every file is written by itself, whole; what went wrong with one doesn't stop the others.
//!
//! Invariant: a file is written only where its text changed.
//!
//! Not here: which fixes (`linter::rounds`), how a file is replaced (`files`), the numbers at the
//! end (`fix_summary`).

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context, bail};
use linter::imports::{Library, Migrations};
use linter::rounds::{self, Broken, FixOptions, Outcome as Rounded, Rounds};
use linter::{Checked, Settings, imports};

use crate::args::{FixArgs, Global};
use crate::check::{self, exit_code, report};
use crate::fix_summary::FixSummary;
use crate::input::Input;
use crate::migration_report::{self, FileReport};
use crate::render::{self, document};
use crate::session::{Given, Session};
use crate::{Problems, diff, files, interrupt, output, panics};

/// What came of a file.
#[derive(Default)]
struct Outcome {
    /// The findings and notes that remain, or the differences.
    rendered: String,
    summary: FixSummary,
    /// Whether a finding that remains reaches the fail level.
    failed: bool,
    changed: bool,
    /// What went wrong, for standard error.
    problems: Vec<String>,
    /// The new text of standard input.
    text: Vec<u8>,
    /// What the report about a rewrite needs to know.
    report: Option<FileReport>,
}

/// What the rewrite of a file's imports left to people.
#[derive(Default)]
struct Left {
    notes: Vec<imports::Note>,
    facts: imports::Facts,
    rewritten: bool,
    /// Whether nothing could be done with the file.
    untouched: bool,
}

impl Left {
    fn untouched() -> Self {
        Left {
            untouched: true,
            ..Left::default()
        }
    }
}

/// What all files share.
struct Run<'a> {
    args: &'a FixArgs,
    options: FixOptions,
    color: bool,
    is_stdin: bool,
}

pub fn run(global: &Global, args: &FixArgs) -> anyhow::Result<ExitCode> {
    let common = &args.common;
    let session = Session::new(global, common, args.cleanup_timeout)?;
    session.require_baseline()?;
    let is_stdin = session.reads_stdin()?;
    let mut run = Run {
        args,
        options: options(args)?,
        // Findings beside the fixed text go to standard error.
        color: (args.diff || !is_stdin)
            && output::wants_color(global.color, common.output_file.as_deref()),
        is_stdin,
    };
    if is_stdin {
        if args.report.is_some() {
            bail!("--report is about a project: it can't be used with standard input");
        }
        return run.stdin(global, &session);
    }
    interrupt::defer().context("waiting for signals")?;
    let found = session.find()?.once();
    if let Some(options) = &mut run.options.rewrite {
        let paths = found.targets.iter().filter_map(|it| it.path.to_str());
        options.modules = imports::Modules::of_paths(paths);
        options.other_loops =
            session.any(&found, |bytes| imports::names_other_loops(bytes, options))?;
    }
    let outcomes = session.each(found, |given| {
        if interrupt::came() {
            return Outcome::default();
        }
        run.file(&given)
    })?;
    let code = run.finish(global, outcomes)?;
    interrupt::end_if_it_came();
    Ok(code)
}

fn options(args: &FixArgs) -> anyhow::Result<FixOptions> {
    let mut options = imports::Options {
        style: if args.alias {
            imports::Style::Alias
        } else {
            imports::Style::Rename
        },
        minimal: args.minimal,
        docs: args.docs,
        ..imports::Options::default()
    };
    if let Some(names) = &args.migrate {
        options.migrations = migrations(names)?;
    }
    Ok(FixOptions {
        unsafe_fixes: args.unsafe_fixes,
        rewrite: args.rewrite_imports.then_some(options),
        ..FixOptions::default()
    })
}

/// The libraries that `--migrate` names.
fn migrations(names: &[String]) -> anyhow::Result<Migrations> {
    if names.iter().any(|name| name == "none") {
        return match names {
            [_] => Ok(Migrations::NONE),
            _ => bail!("--migrate: `none` stands alone"),
        };
    }
    names.iter().try_fold(Migrations::default(), |all, name| {
        let library = Library::from_name(name).with_context(|| {
            let known = Library::ALL.map(Library::name).join(", ");
            format!("--migrate: unknown library `{name}`: expected one of {known}, none")
        })?;
        Ok(all.with(library))
    })
}

impl Run<'_> {
    /// Prints the fixed text, and what remains to standard error.
    fn stdin(&self, global: &Global, session: &Session<'_>) -> anyhow::Result<ExitCode> {
        let stdin = session.read_stdin()?;
        if stdin.excluded {
            if !self.args.diff {
                output::print(&stdin.bytes)?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        let outcome = session.stdin(&stdin, |given| self.file(&given))?;
        if !self.args.diff {
            // What could not be fixed goes through unchanged: an editor replaces its text by it.
            let text = outcome.as_ref().map_or(&stdin.bytes, |it| &it.text);
            output::print(text)?;
        }
        self.finish(global, vec![outcome])
    }

    fn file(&self, given: &Given<'_>) -> Outcome {
        let settings = given.settings();
        let mut outcome = Outcome {
            text: if self.is_stdin {
                given.bytes.to_vec()
            } else {
                Vec::new()
            },
            ..Outcome::default()
        };
        outcome.summary.checked = 1;
        // Before anything is written.
        if let Err(problem) = given.baseline() {
            outcome.problems.push(problem);
            return outcome;
        }
        // What holds nothing of interest is not even decoded.
        if settings.prefilter && !rounds::wanted(given.bytes, &settings, &self.options) {
            let rewrites = self.options.rewrite.is_some();
            outcome.report = rewrites.then(|| FileReport::untouched(&given.shown));
            return outcome;
        }
        let input = match Input::new(given) {
            Ok(input) => input,
            Err(problem) => return Outcome::problem(problem),
        };
        if let Some(checked) = input.unreadable() {
            self.remain(&mut outcome, given, &input, checked, &Left::untouched());
            return outcome;
        }
        self.rounds(&mut outcome, given, input, &settings);
        outcome
    }

    fn rounds(
        &self,
        outcome: &mut Outcome,
        given: &Given<'_>,
        mut input: Input,
        settings: &Settings,
    ) {
        let before = input.source.file_text().to_owned();
        let rounds = rounds::fix(input.source.clone(), settings, &self.options);
        let shown = &given.shown;
        outcome.problems.extend(bugs(&rounds, &self.options, shown));
        let after = rounds.source.file_text();
        outcome.changed = after != before;
        if outcome.changed
            && let Err(problem) = self.write(outcome, given, &input, after)
        {
            outcome.problems.push(format!("{shown}: {problem}"));
            outcome.changed = false;
            let checked = input.check(settings);
            self.remain(outcome, given, &input, checked, &Left::untouched());
            return;
        }
        outcome.summary.fixed(&rounds);
        if outcome.changed && self.args.diff {
            outcome.rendered = diff::unified(shown, &before, after, self.color);
        }
        let untouched = rounds.is_left_alone();
        input.source = rounds.source;
        let left = Left {
            untouched,
            notes: rounds.notes,
            facts: rounds.facts,
            rewritten: rounds.rewritten,
        };
        self.remain(outcome, given, &input, rounds.checked, &left);
    }

    /// Writes the new text, where something is to be written.
    fn write(
        &self,
        outcome: &mut Outcome,
        given: &Given<'_>,
        input: &Input,
        after: &str,
    ) -> Result<(), String> {
        let bytes = input
            .encode(after, given.bytes)
            .ok_or("the file's encoding can't be written back unchanged: it is left alone")?;
        if self.is_stdin {
            outcome.text = bytes;
        } else if !self.args.diff {
            files::replace(given.path, given.bytes, &bytes)
                .map_err(|error| format!("writing: {}", files::reason(&error)))?;
        }
        Ok(())
    }

    /// Takes down what remains.
    fn remain(
        &self,
        outcome: &mut Outcome,
        given: &Given<'_>,
        input: &Input,
        mut checked: Checked,
        left: &Left,
    ) {
        let notes = &left.notes;
        let fail_level = given.config.fail_level;
        if let Ok(Some(baseline)) = given.baseline() {
            let rules = given.settings().rules;
            let source = Some(&input.source);
            let all = &mut checked.diagnostics;
            let counts = baseline.hide(given.path, source, rules, |_| true, all);
            outcome.summary.hidden += counts.hidden;
        }
        if self.options.rewrite.is_some() {
            let (shown, found) = (&input.shown, &checked.diagnostics);
            let Left { notes, facts, .. } = left;
            let rewritten = left.rewritten;
            let report = FileReport::new(shown, &input.source, facts, notes, found, rewritten);
            outcome.report = Some(report);
        }
        let found = &checked.diagnostics;
        outcome.failed = found.iter().any(|it| it.severity >= fail_level);
        let options = (!left.untouched).then_some(&self.options);
        outcome.summary.remain(found, notes, options);
        if self.args.diff {
            return;
        }
        if !found.is_empty() {
            outcome.rendered = check::render(&self.args.common, self.color, input, &checked);
        }
        if self.args.common.output_format.is_text() {
            for note in notes {
                let format = self.args.common.output_format;
                let text = render::note(format, &input.shown, &input.source, note);
                outcome.rendered.push_str(&text);
            }
        }
    }

    /// Shows what came of the files, and says how it ended.
    fn finish(
        &self,
        global: &Global,
        outcomes: Vec<Result<Outcome, String>>,
    ) -> anyhow::Result<ExitCode> {
        let common = &self.args.common;
        let mut summary = FixSummary::default();
        let mut parts = Vec::new();
        let mut problems = Problems::default();
        let mut failed = false;
        let mut reports = Vec::new();
        for outcome in outcomes {
            let outcome = outcome.unwrap_or_else(Outcome::problem);
            reports.extend(outcome.report);
            summary.add(&outcome.summary);
            failed |= outcome.failed || self.args.diff && outcome.changed;
            problems.tell(outcome.problems);
            if !outcome.rendered.is_empty() {
                parts.push(outcome.rendered);
            }
        }
        let broken = problems.any();
        let mut text = if self.args.diff {
            parts.concat()
        } else {
            document(common.output_format, &parts, None)
        };
        let mut last = String::new();
        if !global.quiet && (self.args.diff || common.output_format.is_text()) {
            if !text.is_empty() && !text.ends_with("\n\n") {
                last.push('\n');
            }
            last.push_str(&summary.sentences(self.args.diff));
            // One file is no project.
            if reports.len() > 1 {
                last.push_str(&migration_report::summary(&reports));
            }
        }
        if self.args.diff || self.is_stdin {
            // Standard output has the differences, or the text, and nothing else.
            let mut told = std::mem::take(&mut text);
            if self.args.diff {
                output::write(common.output_file.as_deref(), told.as_bytes())?;
                told.clear();
            }
            let has_findings = !told.is_empty();
            told.push_str(if has_findings {
                &last
            } else {
                last.trim_start()
            });
            // Nobody is left to be told where standard error can't be written.
            let _ = std::io::stderr().write_all(told.as_bytes());
        } else {
            text.push_str(&last);
            output::write(common.output_file.as_deref(), text.as_bytes())?;
        }
        if let Some(file) = &self.args.report {
            let report = migration_report::markdown(&reports);
            output::write_file("--report", file, report.as_bytes())?;
        }
        Ok(exit_code(common, broken, failed))
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

/// What the rounds say of the linter itself.
fn bugs(rounds: &Rounds, options: &FixOptions, shown: &str) -> Vec<String> {
    let mut bugs: Vec<String> = rounds
        .checked
        .panics
        .iter()
        .map(|panic| report(panic, shown))
        .collect();
    if rounds.outcome == Rounded::NoFixpoint {
        let limit = options.limit;
        bugs.push(panics::bug(&format!(
            "{shown}: the fixes came to no end in {limit} rounds, the file is left as it was"
        )));
    }
    bugs.extend(rounds.broken.iter().map(|broken| {
        let whose = match broken {
            Broken::Rule(rule) => format!("a fix of {}", rule.code()),
            Broken::Rewrite => "the rewrite of the imports".to_owned(),
        };
        panics::bug(&format!(
            "{shown}: {whose} is left out, because the file could not be parsed with it"
        ))
    }));
    bugs
}
