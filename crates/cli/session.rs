//! What `check` and `fix` share: the files that the arguments name are found, read and handed out
//! with their settings, in parallel.
//!
//! Invariant: the answers come in the order of the files, whatever the threads.
//!
//! Not here: decoding (`input.rs`), and what is done with a file.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use linter::Settings;
use rayon::prelude::*;

use crate::args::{Common, Global};
use crate::baseline::{Baseline, Baselines};
use crate::config::{Config, Configs, Overrides};
use crate::discover::{self, Found, Target};
use crate::{files, input, read, warn};

/// What all files of a run share.
pub struct Session<'a> {
    pub args: &'a Common,
    pub quiet: bool,
    cwd: PathBuf,
    configs: Configs,
    pub baselines: Baselines,
}

/// The bytes of a file, with what is configured for it.
pub struct Given<'a> {
    pub path: &'a Path,
    /// The path as messages name it.
    pub shown: String,
    pub bytes: &'a [u8],
    /// Named on the command line: checked whatever it contains.
    pub named: bool,
    pub config: Arc<Config>,
    baselines: &'a Baselines,
}

/// What stands on standard input.
pub struct Stdin {
    path: PathBuf,
    shown: String,
    pub bytes: Vec<u8>,
    /// Whether the name that it was given is left out.
    pub excluded: bool,
}

impl<'a> Session<'a> {
    /// The session of a command; `cleanup_timeout` where the command takes it.
    pub fn new(
        global: &Global,
        args: &'a Common,
        cleanup_timeout: Option<f64>,
    ) -> anyhow::Result<Self> {
        let cwd = std::env::current_dir().context("the working folder")?;
        let mut overrides = Overrides::new(args, &cwd)?;
        overrides.cleanup_timeout = cleanup_timeout;
        Ok(Session {
            args,
            quiet: global.quiet,
            configs: Configs::new(global, overrides, &cwd)?,
            cwd,
            baselines: Baselines::default(),
        })
    }

    /// Looks at the baseline of the working folder, before any file is checked.
    pub fn require_baseline(&self) -> anyhow::Result<()> {
        match &self.configs.of_folder(&self.cwd)?.baseline {
            None => Ok(()),
            Some(path) => match self.baselines.of(path) {
                Ok(_) => Ok(()),
                Err(problem) => bail!(problem),
            },
        }
    }

    /// A path of the command line.
    pub fn absolute(&self, path: &Path) -> PathBuf {
        files::absolute(path, &self.cwd)
    }

    pub fn reads_stdin(&self) -> anyhow::Result<bool> {
        discover::reads_stdin(&self.args.paths, self.args.stdin_filename.as_deref())
    }

    /// Finds the files.
    pub fn find(&self) -> anyhow::Result<Found> {
        let here = [PathBuf::from(".")];
        let paths = if self.args.paths.is_empty() {
            &here[..]
        } else {
            &self.args.paths
        };
        let found = discover::find(paths, &self.cwd, &self.configs, self.threads())?;
        if found.targets.is_empty() && found.problems.is_empty() && !self.quiet {
            warn("no Python files found under the given paths");
        }
        Ok(found)
    }

    /// Works on every file; where one can't be read there is an error for the user instead.
    pub fn each<T: Send>(
        &self,
        found: Found,
        work: impl Fn(Given<'_>) -> T + Sync,
    ) -> anyhow::Result<Vec<Result<T, String>>> {
        let threads = self.threads().min(found.targets.len()).max(1);
        let mut outcomes = on_threads(threads, || {
            found
                .targets
                .par_iter()
                .map_init(Vec::new, |buffer, target| self.file(target, buffer, &work))
                .collect::<Vec<_>>()
        })?;
        outcomes.extend(found.problems.into_iter().map(Err));
        Ok(outcomes)
    }

    /// Whether something is so of the bytes of any file that can be read.
    pub fn any(&self, found: &Found, is_so: impl Fn(&[u8]) -> bool + Sync) -> anyhow::Result<bool> {
        let is_so_of = |buffer: &mut Vec<u8>, target: &Target| {
            read::file(&target.path, buffer).is_ok_and(&is_so)
        };
        on_threads(self.threads(), || {
            let targets = found.targets.par_iter();
            targets.map_init(Vec::new, is_so_of).any(|is_so| is_so)
        })
    }

    fn threads(&self) -> usize {
        self.args.threads.map_or_else(processors, usize::from)
    }

    fn file<T>(
        &self,
        target: &Target,
        buffer: &mut Vec<u8>,
        work: impl Fn(Given<'_>) -> T,
    ) -> Result<T, String> {
        let shown = files::shown(&target.path, &self.cwd);
        let bytes = read::file(&target.path, buffer)
            .map_err(|error| format!("{shown}: {}", files::reason(&error)))?;
        let config = self.configs.of_file(&target.path);
        Ok(work(Given {
            path: &target.path,
            shown,
            bytes,
            named: target.named,
            config: config.map_err(|error| files::told(&error))?,
            baselines: &self.baselines,
        }))
    }

    /// Reads standard input.
    pub fn read_stdin(&self) -> anyhow::Result<Stdin> {
        let mut bytes = Vec::new();
        std::io::stdin()
            .read_to_end(&mut bytes)
            .context("reading standard input")?;
        let Some(name) = &self.args.stdin_filename else {
            return Ok(Stdin {
                path: self.cwd.join("-"),
                shown: "-".to_owned(),
                bytes,
                excluded: false,
            });
        };
        let path = files::absolute(name, &self.cwd);
        let force = self.configs.of_folder(&self.cwd)?.force_exclude;
        Ok(Stdin {
            excluded: force && discover::is_excluded(&path, &self.configs)?,
            shown: files::shown(&path, &self.cwd),
            path,
            bytes,
        })
    }

    /// Works on what stands on standard input.
    pub fn stdin<T: Send>(
        &self,
        stdin: &Stdin,
        work: impl Fn(Given<'_>) -> T + Sync,
    ) -> anyhow::Result<Result<T, String>> {
        on_threads(1, || {
            let config = self.configs.of_file(&stdin.path);
            Ok(work(Given {
                path: &stdin.path,
                shown: stdin.shown.clone(),
                bytes: &stdin.bytes,
                named: true,
                config: config.map_err(|error| files::told(&error))?,
                baselines: &self.baselines,
            }))
        })
    }
}

impl Given<'_> {
    /// The findings of the project that are not reported.
    ///
    /// # Errors
    ///
    /// A text for the user, the same one for each file.
    pub fn baseline(&self) -> Result<Option<Arc<Baseline>>, String> {
        let path = self.config.baseline.as_deref();
        path.map(|path| self.baselines.of(path)).transpose()
    }

    /// The linter's settings for the file.
    pub fn settings(&self) -> Settings {
        let mut settings = self.config.settings(self.path);
        settings.prefilter = !self.named && !input::may_hide_words(self.path, self.bytes);
        settings
    }
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
