//! The command `check`: find, read, check and show.
//!
//! Files are read, checked and rendered in parallel; what is kept of a file is its rendered text
//! and its numbers, so that memory does not grow with the files. The output is put together in
//! the order of the files.
//!
//! Not here: what is a finding (`linter`), how it looks (`render`).

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use linter::{Checked, Diagnostic, RulePanic, Settings, SourceFile, SourceKind};
use rayon::prelude::*;
use ruff_text_size::{TextRange, TextSize};

use crate::add_noqa;
use crate::args::{CheckArgs, Global};
use crate::config::{Configs, Overrides};
use crate::discover::{self, Target};
use crate::render::{self, FileView, Summary};
use crate::{EXIT_ERROR, complain, files, output, panics, read, warn};

/// What all files share.
struct Run<'a> {
    cwd: &'a Path,
    configs: &'a Configs,
    args: &'a CheckArgs,
    color: bool,
}

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
    let cwd = std::env::current_dir().context("the working folder")?;
    let configs = Configs::new(global, Overrides::new(args, &cwd)?, &cwd)?;
    let run = Run {
        cwd: &cwd,
        configs: &configs,
        args,
        color: output::wants_color(global.color, args.output_file.as_deref()),
    };
    let outcomes = if discover::reads_stdin(&args.paths, args.stdin_filename.as_deref())? {
        if args.add_noqa {
            bail!("--add-noqa changes files: it can't be used with standard input");
        }
        on_threads(1, || run.stdin())??
    } else {
        let threads = args.threads.map_or_else(processors, usize::from);
        let here = [PathBuf::from(".")];
        let paths = if args.paths.is_empty() {
            &here[..]
        } else {
            &args.paths
        };
        let found = discover::find(paths, &cwd, &configs, threads)?;
        if found.targets.is_empty() && found.problems.is_empty() && !global.quiet {
            warn("no Python files found under the given paths");
        }
        let threads = threads.min(found.targets.len()).max(1);
        let mut outcomes = on_threads(threads, || run.files(&found.targets))?;
        outcomes.extend(found.problems.into_iter().map(Outcome::problem));
        outcomes
    };
    finish(global, args, outcomes)
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Runs something on threads with stacks that are deep enough for any syntax tree.
fn on_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> anyhow::Result<T> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .stack_size(linter::STACK_SIZE)
        .build()
        .context("starting threads")?;
    Ok(pool.install(work))
}

/// Shows what came of the files, and says how it ended.
fn finish(global: &Global, args: &CheckArgs, outcomes: Vec<Outcome>) -> anyhow::Result<ExitCode> {
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
    if args.add_noqa {
        let text = add_noqa::summary(&summary);
        output::write(args.output_file.as_deref(), text.as_bytes())?;
        failed = false;
    } else {
        let text = if args.statistics {
            render::statistics(args.output_format, &summary)
        } else {
            let quiet = global.quiet;
            render::document(args.output_format, &parts, (!quiet).then_some(&summary))
        };
        output::write(args.output_file.as_deref(), text.as_bytes())?;
    }
    Ok(match (broken, failed && !args.exit_zero) {
        (true, _) => ExitCode::from(EXIT_ERROR),
        (false, true) => ExitCode::from(1),
        (false, false) => ExitCode::SUCCESS,
    })
}

impl Outcome {
    fn problem(text: String) -> Self {
        Outcome {
            problems: vec![text],
            ..Outcome::default()
        }
    }
}

impl Run<'_> {
    fn files(&self, targets: &[Target]) -> Vec<Outcome> {
        targets
            .par_iter()
            .map_init(Vec::new, |buffer, target| self.file(target, buffer))
            .collect()
    }

    fn file(&self, target: &Target, buffer: &mut Vec<u8>) -> Outcome {
        let shown = files::shown(&target.path, self.cwd);
        match read::file(&target.path, buffer) {
            Ok(bytes) => self.bytes(&target.path, shown, bytes, target.named),
            Err(error) => Outcome::problem(format!("{shown}: {}", files::reason(&error))),
        }
    }

    fn stdin(&self) -> anyhow::Result<Vec<Outcome>> {
        let mut bytes = Vec::new();
        std::io::stdin()
            .read_to_end(&mut bytes)
            .context("reading standard input")?;
        let Some(name) = &self.args.stdin_filename else {
            let path = self.cwd.join("-");
            return Ok(vec![self.bytes(&path, "-".to_owned(), &bytes, true)]);
        };
        let path = files::absolute(name, self.cwd);
        let force = self.configs.of_folder(self.cwd)?.force_exclude;
        if force && discover::is_excluded(&path, self.configs)? {
            return Ok(Vec::new());
        }
        let shown = files::shown(&path, self.cwd);
        Ok(vec![self.bytes(&path, shown, &bytes, true)])
    }

    fn bytes(&self, path: &Path, shown: String, bytes: &[u8], named: bool) -> Outcome {
        let config = match self.configs.of_file(path) {
            Ok(config) => config,
            Err(error) => return Outcome::problem(files::told(&error)),
        };
        let mut settings = config.settings(path);
        let mut outcome = Outcome::default();
        outcome.summary.checked = 1;
        // What holds nothing of interest is not even decoded.
        settings.prefilter = !named && !may_hide_words(path, bytes);
        if settings.prefilter && !linter::wanted(bytes, settings.rules) {
            return outcome;
        }
        if u32::try_from(bytes.len()).is_err() {
            return Outcome::problem(format!("{shown}: larger than 4 GiB"));
        }
        let input = Input::new(path, shown, bytes);
        let checked = input.check(&settings);
        for panic in &checked.panics {
            outcome.problems.push(report(panic, &input.shown));
        }
        outcome.failed = checked
            .diagnostics
            .iter()
            .any(|diagnostic| diagnostic.severity >= config.fail_level);
        outcome.summary.count(&checked.diagnostics);
        if self.args.add_noqa {
            match add_noqa::write(&input, bytes, &checked.diagnostics) {
                Ok(added) => outcome.summary.added += added,
                Err(error) => outcome.problems.push(format!("{}: {error}", input.shown)),
            }
        } else if !checked.diagnostics.is_empty() && !self.args.statistics {
            outcome.rendered = self.render(&input, &checked);
        }
        outcome
    }

    fn render(&self, input: &Input, checked: &Checked) -> String {
        render::file(
            self.args.output_format,
            &FileView {
                shown: &input.shown,
                path: &input.path,
                source: &input.source,
                diagnostics: &checked.diagnostics,
                noqa: &checked.noqa_lines,
                color: self.color,
            },
        )
    }
}

/// Whether a notebook writes letters as escapes, so that the words of the prefilter are hidden.
fn may_hide_words(path: &Path, bytes: &[u8]) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "ipynb")
        && memchr::memmem::find_iter(bytes, br"\u00")
            .any(|at| matches!(bytes.get(at + 4), Some(b'2'..=b'7')))
}

fn report(panic: &RulePanic, shown: &str) -> String {
    let mut texts = panics::take();
    if texts.is_empty() {
        texts.push(panic.message.clone());
    }
    panics::report(panic.rule, Some(shown), &texts)
}

/// A file that was read, decoded where possible.
pub struct Input {
    pub path: PathBuf,
    pub shown: String,
    pub source: SourceFile,
    /// How the text is written; `None` where it could not be decoded.
    pub encoding: Option<read::Encoding>,
    /// Why it can't be checked.
    error: Option<(TextSize, String)>,
}

impl Input {
    fn new(path: &Path, shown: String, bytes: &[u8]) -> Self {
        let kind = SourceKind::from_name(&shown);
        let decoded = if kind == SourceKind::Notebook {
            read::json(bytes)
        } else {
            read::python(bytes)
        };
        let path = path.to_owned();
        let text = match decoded {
            Ok(text) => text,
            Err(error) => {
                let offset = TextSize::try_from(error.offset).unwrap_or_default();
                return Input {
                    path,
                    source: SourceFile::python(&shown, error.lossy),
                    shown,
                    encoding: None,
                    error: Some((offset, error.message)),
                };
            }
        };
        match SourceFile::from_text(&shown, text.text, kind) {
            Ok(source) => Input {
                path,
                shown,
                source,
                encoding: Some(text.encoding),
                error: None,
            },
            Err(error) => Input {
                path,
                shown,
                source: error.source,
                encoding: None,
                error: Some((error.offset, error.message)),
            },
        }
    }

    fn check(&self, settings: &Settings) -> Checked {
        match &self.error {
            None => linter::check(&self.source, settings),
            Some((offset, message)) => {
                let length = self.source.text()[usize::from(*offset)..]
                    .chars()
                    .next()
                    .filter(|c| !matches!(c, '\n' | '\r'))
                    .map_or(0, char::len_utf8);
                let length = u32::try_from(length).unwrap_or(0);
                linter::unreadable(TextRange::at(*offset, length.into()), message.as_str())
            }
        }
    }
}

impl Summary {
    fn count(&mut self, diagnostics: &[Diagnostic]) {
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
