//! Which settings apply to a file: the nearest configuration file's, changed by the arguments.
//!
//! Invariants: one file configures a checked file, nothing is merged; `asyncbis-lint.toml` wins
//! over the `pyproject.toml` beside it, which counts only with a section of ours.
//!
//! Not here: reading one such file (`config_file.rs`).

use std::collections::hash_map::Entry;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use anyhow::{Context, anyhow, bail};
use linter::{Rule, RuleSet, Settings, Severity};
use rustc_hash::FxHashMap;

use crate::args::{Common, ConfigArgs, Global, Target};
use crate::config_file::{self, FileConfig, OWN_FILE, PYPROJECT};
use crate::files;
use crate::globs::{DEFAULT_EXCLUDES, Globs};
use crate::output;
use crate::select::{self, Selector};

/// What the arguments change.
#[derive(Debug, Default)]
pub struct Overrides {
    select: Option<Vec<Selector>>,
    extend_select: Vec<Selector>,
    ignore: Vec<Selector>,
    exclude: Option<Globs>,
    extend_exclude: Globs,
    target_version: Option<(u8, u8)>,
    target_asyncbis: Option<bool>,
    min_severity: Option<Severity>,
    fail_level: Option<Severity>,
    respect_gitignore: Option<bool>,
    force_exclude: Option<bool>,
    no_noqa: bool,
    /// Absolute.
    baseline: Option<PathBuf>,
    no_baseline: bool,
    pub cleanup_timeout: Option<f64>,
}

impl Overrides {
    /// Reads them from the arguments; globs are relative to the working folder.
    pub fn new(args: &Common, cwd: &Path) -> anyhow::Result<Self> {
        let globs = |name: &str, patterns: &[String]| {
            Globs::new(patterns.to_vec(), cwd)
                .map_err(|(index, error)| anyhow!("{name} {}: {error}", patterns[index]))
        };
        Ok(Overrides {
            select: args
                .select
                .as_deref()
                .map(|texts| selectors("--select", texts, Selector::parse))
                .transpose()?,
            extend_select: selectors("--extend-select", &args.extend_select, Selector::parse)?,
            ignore: selectors("--ignore", &args.ignore, select::parse_ignored)?,
            exclude: args
                .exclude
                .as_deref()
                .map(|patterns| globs("--exclude", patterns))
                .transpose()?,
            extend_exclude: globs("--extend-exclude", &args.extend_exclude)?,
            target_version: args
                .target_version
                .as_deref()
                .map(config_file::version)
                .transpose()
                .map_err(|error| anyhow!("--target-version: {error}"))?,
            target_asyncbis: args.target.map(|target| target == Target::Asyncbis),
            min_severity: args.min_severity,
            fail_level: args.fail_level,
            respect_gitignore: flag(args.respect_gitignore, args.no_respect_gitignore),
            force_exclude: flag(args.force_exclude, args.no_force_exclude),
            no_noqa: args.no_noqa,
            baseline: args
                .baseline
                .as_deref()
                .map(|path| files::absolute(path, cwd)),
            no_baseline: args.no_baseline,
            cleanup_timeout: None,
        })
    }
}

fn selectors(
    name: &str,
    texts: &[String],
    parse: fn(&str) -> Result<Selector, String>,
) -> anyhow::Result<Vec<Selector>> {
    texts
        .iter()
        .map(|text| parse(text).map_err(|error| anyhow!("{name}: {error}")))
        .collect()
}

fn flag(on: bool, off: bool) -> Option<bool> {
    (on || off).then_some(on)
}

/// The settings of the files below a folder.
#[derive(Debug)]
pub struct Config {
    /// The file that they come from.
    pub file: Option<PathBuf>,
    pub exclude: Option<Globs>,
    pub extend_exclude: Globs,
    pub fail_level: Severity,
    pub respect_gitignore: bool,
    pub force_exclude: bool,
    /// The findings that are not reported; absolute.
    pub baseline: Option<PathBuf>,
    per_file_ignores: Vec<config_file::PerFileIgnore>,
    settings: Settings,
}

impl Config {
    fn new(
        file: Option<PathBuf>,
        found: FileConfig,
        requires_python: Option<(u8, u8)>,
        overrides: &Overrides,
    ) -> Self {
        let defaults = Settings::default();
        let (rules, shown) = rules(&found, overrides);
        let min_severity = overrides.min_severity.or(found.min_severity);
        let baseline = match (&overrides.baseline, overrides.no_baseline) {
            (Some(given), _) => Some(given.clone()),
            (None, true) => None,
            (None, false) => file
                .as_deref()
                .and_then(Path::parent)
                .zip(found.baseline)
                .map(|(folder, path)| files::absolute(&path, folder)),
        };
        Config {
            baseline,
            file,
            exclude: overrides.exclude.clone().or(found.exclude),
            extend_exclude: if overrides.extend_exclude.patterns().is_empty() {
                found.extend_exclude
            } else {
                overrides.extend_exclude.clone()
            },
            fail_level: overrides
                .fail_level
                .or(found.fail_level)
                .unwrap_or(Severity::Warning),
            respect_gitignore: overrides
                .respect_gitignore
                .or(found.respect_gitignore)
                .unwrap_or(true),
            force_exclude: overrides
                .force_exclude
                .or(found.force_exclude)
                .unwrap_or(false),
            per_file_ignores: found.per_file_ignores,
            settings: Settings {
                rules,
                always_shown: if min_severity.is_some() {
                    RuleSet::EMPTY
                } else {
                    shown
                },
                min_severity: min_severity.unwrap_or(defaults.min_severity),
                severities: found.severities,
                target_version: overrides
                    .target_version
                    .or(found.target_version)
                    .or(requires_python)
                    .unwrap_or(defaults.target_version),
                target_asyncbis: overrides
                    .target_asyncbis
                    .or(found.target_asyncbis)
                    .unwrap_or(defaults.target_asyncbis),
                cleanup_timeout: overrides.cleanup_timeout.or(found.cleanup_timeout),
                respect_suppressions: !overrides.no_noqa,
                ..defaults
            },
        }
    }

    /// Whether a path is left out; its parents are asked separately.
    pub fn excludes(&self, path: &Path) -> bool {
        let excluded = match &self.exclude {
            Some(globs) => globs.matches(path),
            None => path
                .file_name()
                .is_some_and(|name| DEFAULT_EXCLUDES.iter().any(|exclude| name == *exclude)),
        };
        excluded || self.extend_exclude.matches(path)
    }

    /// The linter's settings for a file.
    pub fn settings(&self, path: &Path) -> Settings {
        let mut settings = self.settings.clone();
        for ignore in &self.per_file_ignores {
            if ignore.globs.matches(path) != ignore.negated {
                for selector in &ignore.ignore {
                    settings.rules = settings.rules.difference(selector.rules());
                }
            }
        }
        settings.rules = settings.rules.union(syntax_errors());
        settings
    }
}

/// The enabled rules, and those that were selected by their whole code or name.
///
/// The arguments' `--select` begins anew; without it they change what the file selects.
fn rules(found: &FileConfig, overrides: &Overrides) -> (RuleSet, RuleSet) {
    let mut select = Vec::new();
    let mut rules = RuleSet::EMPTY;
    if overrides.select.is_none() {
        match &found.select {
            Some(selectors) => select.extend_from_slice(selectors),
            None => rules = RuleSet::on_by_default(),
        }
        select.extend_from_slice(&found.extend_select);
        rules = select::apply(rules, &select, &found.ignore);
    }
    let mut added = overrides.select.clone().unwrap_or_default();
    added.extend_from_slice(&overrides.extend_select);
    rules = select::apply(rules, &added, &overrides.ignore);
    select.append(&mut added);
    let named = select
        .iter()
        .filter(|selector| selector.names_a_rule())
        .fold(RuleSet::EMPTY, |set, selector| set.union(selector.rules()));
    (rules.union(syntax_errors()), named)
}

fn syntax_errors() -> RuleSet {
    [Rule::SYNTAX_ERROR].into_iter().collect()
}

/// Finds the configuration of folders, and remembers it.
pub struct Configs {
    overrides: Overrides,
    /// The one for all files, where `--config` or `--isolated` is given.
    fixed: Option<Arc<Config>>,
    known: Mutex<FxHashMap<PathBuf, Arc<Config>>>,
}

impl Configs {
    pub fn new(global: &Global, overrides: Overrides, cwd: &Path) -> anyhow::Result<Self> {
        let fixed = if global.isolated {
            Some(Config::new(None, FileConfig::default(), None, &overrides))
        } else if let Some(file) = &global.config {
            Some(named(&files::absolute(file, cwd), &overrides).context("--config")?)
        } else {
            None
        };
        Ok(Configs {
            overrides,
            fixed: fixed.map(Arc::new),
            known: Mutex::default(),
        })
    }

    /// The configuration of what lies in a folder.
    pub fn of_folder(&self, folder: &Path) -> anyhow::Result<Arc<Config>> {
        if let Some(fixed) = &self.fixed {
            return Ok(Arc::clone(fixed));
        }
        // A panic while it is locked leaves the map whole: it only ever gets new entries.
        let mut known = self.known.lock().unwrap_or_else(|error| error.into_inner());
        self.nearest(folder, &mut known)
    }

    /// The configuration of a file.
    pub fn of_file(&self, file: &Path) -> anyhow::Result<Arc<Config>> {
        self.of_folder(file.parent().unwrap_or(file))
    }

    fn nearest(
        &self,
        folder: &Path,
        known: &mut FxHashMap<PathBuf, Arc<Config>>,
    ) -> anyhow::Result<Arc<Config>> {
        if let Some(config) = known.get(folder) {
            return Ok(Arc::clone(config));
        }
        let config = match in_folder(folder, &self.overrides)? {
            Some(config) => Arc::new(config),
            None => match folder.parent() {
                Some(parent) => {
                    let parent = self.nearest(parent, known)?;
                    self.with_requires_python(folder, parent)?
                }
                None => Arc::new(Config::new(
                    None,
                    FileConfig::default(),
                    None,
                    &self.overrides,
                )),
            },
        };
        if let Entry::Vacant(entry) = known.entry(folder.to_owned()) {
            entry.insert(Arc::clone(&config));
        }
        Ok(config)
    }

    /// Where nothing is configured, the nearest pyproject.toml still says which Python it needs.
    fn with_requires_python(
        &self,
        folder: &Path,
        parent: Arc<Config>,
    ) -> anyhow::Result<Arc<Config>> {
        if parent.file.is_some() {
            return Ok(parent);
        }
        let requires = requires_python(&folder.join(PYPROJECT))?;
        Ok(match requires {
            None => parent,
            Some(_) => Arc::new(Config::new(
                None,
                FileConfig::default(),
                requires,
                &self.overrides,
            )),
        })
    }
}

/// The configuration that the user named.
fn named(file: &Path, overrides: &Overrides) -> anyhow::Result<Config> {
    let Some(bytes) = read(file)? else {
        bail!("{}: no such file", file.display());
    };
    let text = utf8(&bytes, file)?;
    let Some(found) = config_file::parse(text, file).map_err(|error| anyhow!(error))? else {
        bail!("{}: no section [tool.asyncbis-lint]", file.display());
    };
    let requires = config_file::requires_python(text);
    Ok(Config::new(
        Some(file.to_owned()),
        found,
        requires,
        overrides,
    ))
}

/// The configuration that a folder itself has.
fn in_folder(folder: &Path, overrides: &Overrides) -> anyhow::Result<Option<Config>> {
    let pyproject = folder.join(PYPROJECT);
    let own = folder.join(OWN_FILE);
    if let Some(bytes) = read(&own)? {
        let found = config_file::parse(utf8(&bytes, &own)?, &own)
            .map_err(|error| anyhow!(error))?
            .unwrap_or_default();
        let requires = requires_python(&pyproject)?;
        return Ok(Some(Config::new(Some(own), found, requires, overrides)));
    }
    let Some(bytes) = read(&pyproject)? else {
        return Ok(None);
    };
    // Most have no section of ours; then what else is wrong with the file is not our business.
    if memchr::memmem::find(&bytes, b"asyncbis-lint").is_none() {
        return Ok(None);
    }
    let text = utf8(&bytes, &pyproject)?;
    let found = config_file::parse(text, &pyproject).map_err(|error| anyhow!(error))?;
    Ok(found.map(|found| {
        let requires = config_file::requires_python(text);
        Config::new(Some(pyproject), found, requires, overrides)
    }))
}

/// What a pyproject.toml says about Python, whatever else is wrong with it.
fn requires_python(path: &Path) -> anyhow::Result<Option<(u8, u8)>> {
    let bytes = read(path)?;
    let text = bytes.as_deref().map(str::from_utf8).and_then(Result::ok);
    Ok(text.and_then(config_file::requires_python))
}

fn utf8<'a>(bytes: &'a [u8], path: &Path) -> anyhow::Result<&'a str> {
    str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = memchr::memchr_iter(b'\n', before).count() + 1;
        anyhow!("{}:{line}: not UTF-8", path.display())
    })
}

/// The bytes of a file; `None` where there is none.
fn read(path: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound
                    | io::ErrorKind::NotADirectory
                    | io::ErrorKind::IsADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(anyhow!("{}: {}", path.display(), files::reason(&error))),
    }
}

/// The command `config`.
pub fn show(global: &Global, args: &ConfigArgs) -> anyhow::Result<ExitCode> {
    let cwd = std::env::current_dir().context("the working folder")?;
    let configs = Configs::new(global, Overrides::default(), &cwd)?;
    let path = files::absolute(&args.path, &cwd);
    let Ok(metadata) = fs::metadata(&path) else {
        bail!("{}: no such file or folder", args.path.display());
    };
    let config = if metadata.is_dir() {
        configs.of_folder(&path)?
    } else {
        configs.of_file(&path)?
    };
    output::print(describe(&config, &path).as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// The settings as TOML that could be written into the file.
fn describe(config: &Config, path: &Path) -> String {
    let settings = config.settings(path);
    let list = |items: &mut dyn Iterator<Item = String>| {
        let items: Vec<String> = items.map(|item| format!("{item:?}")).collect();
        format!("[{}]", items.join(", "))
    };
    let mut text = match &config.file {
        Some(file) => format!(
            "# The settings of {}, from {}\n",
            path.display(),
            file.display()
        ),
        None => format!("# The settings of {}, from no file\n", path.display()),
    };
    let mut line = |key: &str, value: String| {
        writeln!(text, "{key} = {value}").expect("writing to a string");
    };
    let codes = &mut settings.rules.iter().map(|rule| rule.code().to_owned());
    line("select", list(codes));
    let excludes = match &config.exclude {
        Some(globs) => list(&mut globs.patterns().iter().cloned()),
        None => list(&mut DEFAULT_EXCLUDES.iter().map(|name| (*name).to_owned())),
    };
    line("exclude", excludes);
    let extend = &mut config.extend_exclude.patterns().iter().cloned();
    line("extend-exclude", list(extend));
    line(
        "min-severity",
        format!("{:?}", settings.min_severity.as_str()),
    );
    line("fail-level", format!("{:?}", config.fail_level.as_str()));
    let (major, minor) = settings.target_version;
    line("target-version", format!("\"{major}.{minor}\""));
    let target = if settings.target_asyncbis {
        "asyncbis"
    } else {
        "asyncio"
    };
    line("target", format!("{target:?}"));
    if let Some(seconds) = settings.cleanup_timeout {
        line("cleanup-timeout", seconds.to_string());
    }
    line("respect-gitignore", config.respect_gitignore.to_string());
    line("force-exclude", config.force_exclude.to_string());
    if let Some(baseline) = &config.baseline {
        line("baseline", format!("{:?}", baseline.to_string_lossy()));
    }
    text.push_str("\n[severity]\n");
    let mut seen = RuleSet::EMPTY;
    for (rule, severity) in &settings.severities {
        if !seen.contains(*rule) {
            writeln!(text, "{} = {:?}", rule.code(), severity.as_str())
                .expect("writing to a string");
            seen = seen.union([*rule].into_iter().collect());
        }
    }
    text.push_str("\n[per-file-ignores]\n");
    for ignore in &config.per_file_ignores {
        let selectors = &mut ignore
            .ignore
            .iter()
            .map(|selector| selector.text().to_owned());
        writeln!(text, "{:?} = {}", ignore.pattern, list(selectors)).expect("writing to a string");
    }
    text
}
