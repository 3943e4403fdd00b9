//! From the paths of the command line to the files to check.
//!
//! Folders are searched for `*.py`, `*.pyi` and `*.ipynb`; what `.gitignore` and its kin or the
//! excludes leave out is skipped, as are symbolic links to folders, so that loops end. A file that
//! is named is taken whatever its name, unless excludes are forced.
//!
//! Invariants: the files come sorted by path and once each, whatever the number of threads.

use std::fs::{self, FileType};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::bail;
use ignore::{DirEntry, WalkBuilder, WalkState};
use rustc_hash::FxHashSet;

use crate::config::{Config, Configs};
use crate::files;

/// A file to check.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// Absolute.
    pub path: PathBuf,
    /// Whether the user named it, rather than a folder above it.
    pub named: bool,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    pub targets: Vec<Target>,
    /// The paths that could not be read, with the reasons.
    pub problems: Vec<String>,
}

impl Found {
    /// Without the links to files that are among them, too: a file is written once.
    pub fn once(mut self) -> Self {
        let mut seen = FxHashSet::default();
        self.targets.retain(|target| {
            let real = fs::canonicalize(&target.path);
            real.map_or(true, |real| seen.insert(real))
        });
        self
    }
}

/// Finds the files to check.
///
/// # Errors
///
/// A configuration file with an error.
pub fn find(
    paths: &[PathBuf],
    cwd: &Path,
    configs: &Configs,
    threads: usize,
) -> anyhow::Result<Found> {
    // Whether to look at .gitignore, and whether excludes are forced, is said by the configuration
    // of the working folder.
    let here = configs.of_folder(cwd)?;
    let mut found = Found::default();
    let mut folders = Vec::new();
    for path in paths {
        let full = files::absolute(path, cwd);
        match fs::metadata(&full) {
            Err(error) => {
                found
                    .problems
                    .push(format!("{}: {}", path.display(), files::reason(&error)))
            }
            Ok(_) if here.force_exclude && is_excluded(&full, configs)? => {}
            Ok(metadata) if metadata.is_dir() => folders.push(full),
            Ok(_) => found.targets.push(Target {
                path: full,
                named: true,
            }),
        }
    }
    if !folders.is_empty() {
        walk(&folders, cwd, &here, configs, threads, &mut found)?;
    }
    found.problems.sort();
    // A file that was named and found as well counts as named.
    found
        .targets
        .sort_by(|a, b| a.path.cmp(&b.path).then(b.named.cmp(&a.named)));
    found.targets.dedup_by(|b, a| a.path == b.path);
    Ok(found)
}

/// Whether a path or one of the folders above it is excluded.
pub fn is_excluded(path: &Path, configs: &Configs) -> anyhow::Result<bool> {
    for ancestor in path.ancestors() {
        let Some(parent) = ancestor.parent() else {
            break;
        };
        if configs.of_folder(parent)?.excludes(ancestor) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn walk(
    folders: &[PathBuf],
    cwd: &Path,
    here: &Config,
    configs: &Configs,
    threads: usize,
    found: &mut Found,
) -> anyhow::Result<()> {
    let mut builder = WalkBuilder::new(&folders[0]);
    for folder in &folders[1..] {
        builder.add(folder);
    }
    builder
        .standard_filters(here.respect_gitignore)
        .hidden(false)
        .threads(threads);
    let shared = Mutex::new(Ok(Found::default()));
    builder.build_parallel().run(|| {
        let mut local = Local {
            found: Found::default(),
            shared: &shared,
        };
        Box::new(move |entry| {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    local.found.problems.push(describe(&error, cwd));
                    return WalkState::Continue;
                }
            };
            match visit(&entry, configs) {
                Ok(Visit::Enter) => WalkState::Continue,
                Ok(Visit::Skip) => WalkState::Skip,
                Ok(Visit::Take) => {
                    local.found.targets.push(Target {
                        path: entry.into_path(),
                        named: false,
                    });
                    WalkState::Continue
                }
                Err(error) => {
                    *local
                        .shared
                        .lock()
                        .unwrap_or_else(|error| error.into_inner()) = Err(error);
                    WalkState::Quit
                }
            }
        })
    });
    let mut walked = shared
        .into_inner()
        .unwrap_or_else(|error| error.into_inner())?;
    found.targets.append(&mut walked.targets);
    found.problems.append(&mut walked.problems);
    Ok(())
}

/// What one thread found; handed over when the thread ends.
struct Local<'a> {
    found: Found,
    shared: &'a Mutex<anyhow::Result<Found>>,
}

impl Drop for Local<'_> {
    fn drop(&mut self) {
        let mut shared = self
            .shared
            .lock()
            .unwrap_or_else(|error| error.into_inner());
        if let Ok(shared) = shared.as_mut() {
            shared.targets.append(&mut self.found.targets);
            shared.problems.append(&mut self.found.problems);
        }
    }
}

enum Visit {
    Enter,
    Skip,
    Take,
}

fn visit(entry: &DirEntry, configs: &Configs) -> anyhow::Result<Visit> {
    let path = entry.path();
    // A folder that was named is searched even where it is excluded.
    let named = entry.depth() == 0;
    let is_folder = entry.file_type().is_none_or(|kind| kind.is_dir()) || named;
    if !is_folder && !has_python_name(path) {
        return Ok(Visit::Skip);
    }
    let Some(parent) = path.parent() else {
        return Ok(Visit::Enter);
    };
    if !named && configs.of_folder(parent)?.excludes(path) {
        return Ok(Visit::Skip);
    }
    if is_folder {
        return Ok(Visit::Enter);
    }
    let take = entry.file_type().is_some_and(|kind| is_regular(kind, path));
    Ok(if take { Visit::Take } else { Visit::Skip })
}

fn has_python_name(path: &Path) -> bool {
    path.extension().is_some_and(|extension| {
        ["py", "pyi", "ipynb"]
            .iter()
            .any(|known| extension == *known)
    })
}

/// A file, or a link to one: not to a folder, a pipe, or to nowhere as editors make them for locks.
fn is_regular(kind: FileType, path: &Path) -> bool {
    if kind.is_symlink() {
        return fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    }
    kind.is_file()
}

fn describe(error: &ignore::Error, cwd: &Path) -> String {
    match error {
        ignore::Error::WithPath { path, err } => {
            format!("{}: {}", files::shown(path, cwd), describe(err, cwd))
        }
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => {
            describe(err, cwd)
        }
        ignore::Error::Io(error) => match error.get_ref() {
            Some(inner) => inner.to_string(),
            None => files::reason(error),
        },
        other => other.to_string(),
    }
}

/// Whether standard input is checked: `-` says so, or a name for it without any path.
///
/// # Errors
///
/// Other paths beside it.
pub fn reads_stdin(paths: &[PathBuf], stdin_filename: Option<&Path>) -> anyhow::Result<bool> {
    let is_stdin = |path: &PathBuf| path.as_os_str() == "-";
    if paths.iter().all(is_stdin) {
        return Ok(!paths.is_empty() || stdin_filename.is_some());
    }
    if stdin_filename.is_some() {
        bail!("--stdin-filename names standard input: paths can't be checked in the same run");
    }
    if paths.iter().any(is_stdin) {
        bail!("`-` reads standard input: other paths can't be checked in the same run");
    }
    Ok(false)
}
