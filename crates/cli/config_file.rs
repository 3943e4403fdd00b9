//! One configuration file: `[tool.asyncbis-lint]` of a pyproject.toml, or an asyncbis-lint.toml.
//!
//! Invariant: what is wrong in the file is named with file and line; nothing unknown is skipped.

use std::ops::Range;
use std::path::{Path, PathBuf};

use linter::{Rule, Severity};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::args;
use crate::globs::Globs;
use crate::select::{self, Selector};

/// The name of the file that needs no section.
pub const OWN_FILE: &str = "asyncbis-lint.toml";
pub const PYPROJECT: &str = "pyproject.toml";
/// The section of a pyproject.toml below `tool`.
const SECTION: &str = "asyncbis-lint";

const KEYS: [&str; 15] = [
    "baseline",
    "cleanup-timeout",
    "exclude",
    "extend-exclude",
    "extend-select",
    "fail-level",
    "force-exclude",
    "ignore",
    "min-severity",
    "per-file-ignores",
    "respect-gitignore",
    "select",
    "severity",
    "target",
    "target-version",
];

/// What a file says; `None` and empty where it says nothing.
#[derive(Debug, Clone, Default)]
pub struct FileConfig {
    pub select: Option<Vec<Selector>>,
    pub extend_select: Vec<Selector>,
    pub ignore: Vec<Selector>,
    pub per_file_ignores: Vec<PerFileIgnore>,
    pub exclude: Option<Globs>,
    pub extend_exclude: Globs,
    pub severities: Vec<(Rule, Severity)>,
    pub target_version: Option<(u8, u8)>,
    pub target_asyncbis: Option<bool>,
    pub min_severity: Option<Severity>,
    pub fail_level: Option<Severity>,
    pub respect_gitignore: Option<bool>,
    pub force_exclude: Option<bool>,
    /// Relative to the folder of the configuration file.
    pub baseline: Option<PathBuf>,
    pub cleanup_timeout: Option<f64>,
}

/// Rules that don't count in the files that match; with `!` in those that don't.
#[derive(Debug, Clone)]
pub struct PerFileIgnore {
    pub pattern: String,
    pub globs: Globs,
    pub negated: bool,
    pub ignore: Vec<Selector>,
}

/// Reads the text of a configuration file; `None` where a pyproject.toml has no section of ours.
///
/// # Errors
///
/// The first thing wrong, with the place: `pyproject.toml:3: ...`.
pub fn parse(text: &str, path: &Path) -> Result<Option<FileConfig>, String> {
    let reader = Reader { text, path };
    let document = reader.document()?;
    if path.file_name().is_some_and(|name| name == PYPROJECT) {
        let section = table(document.get_ref(), "tool").and_then(|tool| tool.get(SECTION));
        return match section {
            None => Ok(None),
            Some(section) => reader.section(reader.table(section, SECTION)?).map(Some),
        };
    }
    reader.section(document.get_ref()).map(Some)
}

/// The oldest Python that a pyproject.toml's `project.requires-python` allows.
pub fn requires_python(text: &str) -> Option<(u8, u8)> {
    let document = DeTable::parse(text).ok()?;
    let value = table(document.get_ref(), "project")?.get("requires-python")?;
    oldest(value.get_ref().as_str()?)
}

/// The highest of the lower bounds: `>=3.11,<4` gives 3.11.
fn oldest(specifier: &str) -> Option<(u8, u8)> {
    let bound = |clause: &str| {
        let clause = clause.trim();
        let version = [">=", "~=", "===", "==", ">"]
            .iter()
            .find_map(|operator| clause.strip_prefix(operator))?;
        let mut parts = version.trim().split('.');
        let major = parts.next()?.parse().ok()?;
        let minor = parts.next().and_then(|part| part.parse().ok()).unwrap_or(0);
        Some((major, minor))
    };
    specifier.split(',').filter_map(bound).max()
}

/// A Python version, as `3.11` or `py311`.
pub fn version(text: &str) -> Result<(u8, u8), String> {
    let parts = text
        .strip_prefix("py3")
        .map(|minor| ("3", minor))
        .or_else(|| text.split_once('.'));
    match parts.and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?))) {
        Some((3, minor)) if (7..=20).contains(&minor) => Ok((3, minor)),
        _ => Err(format!(
            "unknown Python version `{text}`: expected one like 3.11 or py311"
        )),
    }
}

fn table<'a, 'i>(table: &'a DeTable<'i>, key: &str) -> Option<&'a DeTable<'i>> {
    table.get(key)?.get_ref().as_table()
}

struct Reader<'a> {
    text: &'a str,
    path: &'a Path,
}

type Value<'i> = Spanned<DeValue<'i>>;

impl<'a> Reader<'a> {
    fn document(&self) -> Result<Spanned<DeTable<'a>>, String> {
        DeTable::parse(self.text)
            .map_err(|error| self.fail(error.span().unwrap_or_default(), error.message().trim()))
    }

    fn fail(&self, at: Range<usize>, message: &str) -> String {
        let before = &self.text.as_bytes()[..at.start.min(self.text.len())];
        let line = memchr::memchr_iter(b'\n', before).count() + 1;
        format!(
            "{}:{line}: {}",
            self.path.display(),
            message.replace('\n', ", ")
        )
    }

    fn section(&self, section: &DeTable<'_>) -> Result<FileConfig, String> {
        let mut config = FileConfig::default();
        for (key, value) in section {
            self.key(&mut config, key.get_ref(), key.span(), value)?;
        }
        Ok(config)
    }

    fn key(
        &self,
        config: &mut FileConfig,
        key: &str,
        at: Range<usize>,
        value: &Value<'_>,
    ) -> Result<(), String> {
        match key {
            "select" => config.select = Some(self.selectors(value, key)?),
            "extend-select" => config.extend_select = self.selectors(value, key)?,
            "ignore" => config.ignore = self.ignored(value, key)?,
            "per-file-ignores" => config.per_file_ignores = self.per_file_ignores(value, key)?,
            "exclude" => config.exclude = Some(self.globs(value, key)?),
            "extend-exclude" => config.extend_exclude = self.globs(value, key)?,
            "severity" => config.severities = self.severities(value, key)?,
            "target-version" => {
                let version = version(self.string(value, key)?);
                config.target_version = Some(self.at(value, version)?);
            }
            "target" => config.target_asyncbis = Some(self.target(value, key)?),
            "min-severity" => config.min_severity = Some(self.severity(value, key)?),
            "fail-level" => config.fail_level = Some(self.severity(value, key)?),
            "respect-gitignore" => config.respect_gitignore = Some(self.boolean(value, key)?),
            "cleanup-timeout" => config.cleanup_timeout = Some(self.seconds(value, key)?),
            "force-exclude" => config.force_exclude = Some(self.boolean(value, key)?),
            "baseline" => config.baseline = Some(PathBuf::from(self.string(value, key)?)),
            _ => {
                let hint = match select::closest(key, KEYS.into_iter()) {
                    Some(closest) => format!("did you mean `{closest}`?"),
                    None if key == "tool" => {
                        format!("the keys of `tool.{SECTION}` stand at the top of this file")
                    }
                    None => format!("expected one of {}", KEYS.join(", ")),
                };
                return Err(self.fail(at, &format!("unknown key `{key}`: {hint}")));
            }
        }
        Ok(())
    }

    fn at<T>(&self, value: &Value<'_>, result: Result<T, String>) -> Result<T, String> {
        result.map_err(|message| self.fail(value.span(), &message))
    }

    fn wrong<T>(&self, value: &Value<'_>, key: &str, expected: &str) -> Result<T, String> {
        let got = value.get_ref().type_str();
        let article = if got.starts_with(['a', 'i']) {
            "an"
        } else {
            "a"
        };
        Err(self.fail(
            value.span(),
            &format!("`{key}` must be {expected}, not {article} {got}"),
        ))
    }

    fn table<'v, 'i>(&self, value: &'v Value<'i>, key: &str) -> Result<&'v DeTable<'i>, String> {
        match value.get_ref().as_table() {
            Some(table) => Ok(table),
            None => self.wrong(value, key, "a table"),
        }
    }

    fn string<'v>(&self, value: &'v Value<'_>, key: &str) -> Result<&'v str, String> {
        match value.get_ref().as_str() {
            Some(text) => Ok(text),
            None => self.wrong(value, key, "a string"),
        }
    }

    fn boolean(&self, value: &Value<'_>, key: &str) -> Result<bool, String> {
        match value.get_ref().as_bool() {
            Some(value) => Ok(value),
            None => self.wrong(value, key, "true or false"),
        }
    }

    fn seconds(&self, value: &Value<'_>, key: &str) -> Result<f64, String> {
        let number = match value.get_ref() {
            DeValue::Integer(number) => number.as_str(),
            DeValue::Float(number) => number.as_str(),
            _ => return self.wrong(value, key, "a number"),
        };
        self.at(value, args::seconds(number))
    }

    fn strings<'v, 'i>(
        &self,
        value: &'v Value<'i>,
        key: &str,
    ) -> Result<Vec<(&'v str, &'v Value<'i>)>, String> {
        let Some(array) = value.get_ref().as_array() else {
            return self.wrong(value, key, "an array of strings");
        };
        array
            .iter()
            .map(|item| match item.get_ref().as_str() {
                Some(text) => Ok((text, item)),
                None => self.wrong(item, key, "an array of strings"),
            })
            .collect()
    }

    fn selectors(&self, value: &Value<'_>, key: &str) -> Result<Vec<Selector>, String> {
        self.strings(value, key)?
            .into_iter()
            .map(|(text, item)| self.at(item, Selector::parse(text)))
            .collect()
    }

    /// Selectors of rules to leave out: syntax errors can't be.
    fn ignored(&self, value: &Value<'_>, key: &str) -> Result<Vec<Selector>, String> {
        self.strings(value, key)?
            .into_iter()
            .map(|(text, item)| self.at(item, select::parse_ignored(text)))
            .collect()
    }

    fn globs(&self, value: &Value<'_>, key: &str) -> Result<Globs, String> {
        let items = self.strings(value, key)?;
        let patterns = items.iter().map(|(text, _)| (*text).to_owned()).collect();
        Globs::new(patterns, self.root())
            .map_err(|(index, message)| self.fail(items[index].1.span(), &message))
    }

    fn root(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    fn severity(&self, value: &Value<'_>, key: &str) -> Result<Severity, String> {
        let text = self.string(value, key)?;
        self.at(
            value,
            Severity::from_name(text).ok_or_else(|| {
                format!("unknown severity `{text}`: expected error, warning or info")
            }),
        )
    }

    fn severities(&self, value: &Value<'_>, key: &str) -> Result<Vec<(Rule, Severity)>, String> {
        let mut severities: Vec<(usize, Rule, Severity)> = Vec::new();
        for (name, value) in self.table(value, key)? {
            let severity = self.severity(value, name.get_ref())?;
            let selector = Selector::parse(name.get_ref())
                .map_err(|message| self.fail(name.span(), &message))?;
            if selector.names_a_rule() && selector.rules().contains(Rule::SYNTAX_ERROR) {
                let message = "the severity of syntax errors can't be changed";
                return Err(self.fail(name.span(), message));
            }
            let exactness = selector.exactness();
            severities.extend(
                selector
                    .rules()
                    .iter()
                    .filter(|rule| *rule != Rule::SYNTAX_ERROR)
                    .map(|rule| (exactness, rule, severity)),
            );
        }
        // The most exact selector comes first, and the first row of a rule counts.
        severities.sort_by_key(|(exactness, _, _)| std::cmp::Reverse(*exactness));
        Ok(severities
            .into_iter()
            .map(|(_, rule, severity)| (rule, severity))
            .collect())
    }

    fn target(&self, value: &Value<'_>, key: &str) -> Result<bool, String> {
        match self.string(value, key)? {
            "asyncio" => Ok(false),
            "asyncbis" => Ok(true),
            other => self.at(
                value,
                Err(format!(
                    "unknown target `{other}`: expected asyncio or asyncbis"
                )),
            ),
        }
    }

    fn per_file_ignores(&self, value: &Value<'_>, key: &str) -> Result<Vec<PerFileIgnore>, String> {
        let mut ignores = Vec::new();
        for (pattern, selectors) in self.table(value, key)? {
            let text: &str = pattern.get_ref();
            let (negated, glob) = match text.strip_prefix('!') {
                Some(glob) => (true, glob),
                None => (false, text),
            };
            let globs = Globs::new(vec![glob.to_owned()], self.root())
                .map_err(|(_, message)| self.fail(pattern.span(), &message))?;
            ignores.push(PerFileIgnore {
                pattern: text.to_owned(),
                globs,
                negated,
                ignore: self.ignored(selectors, text)?,
            });
        }
        Ok(ignores)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named_with_file_and_line() {
        let table = [
            (
                "selct = []",
                "1: unknown key `selct`: did you mean `select`?",
            ),
            (
                "\n\nfoo = 1",
                "3: unknown key `foo`: expected one of baseline, ",
            ),
            (
                "select = 'BIS1'",
                "1: `select` must be an array of strings, not a string",
            ),
            (
                "select = [\n  'BIS001',\n  'BIS0O1',\n]",
                "3: unknown rule `BIS0O1`: did you mean",
            ),
            (
                "ignore = [1]",
                "1: `ignore` must be an array of strings, not an integer",
            ),
            ("ignore = ['BIS000']", "1: `BIS000` can't be ignored"),
            ("exclude = ['a', '[']", "1: not a glob: "),
            (
                "min-severity = 'fatal'",
                "1: unknown severity `fatal`: expected error, ",
            ),
            (
                "target-version = 'py2'",
                "1: unknown Python version `py2`: expected one like ",
            ),
            (
                "target = 'trio'",
                "1: unknown target `trio`: expected asyncio or asyncbis",
            ),
            (
                "force-exclude = 1",
                "1: `force-exclude` must be true or false, not an integer",
            ),
            (
                "cleanup-timeout = '5'",
                "1: `cleanup-timeout` must be a number, not a string",
            ),
            (
                "cleanup-timeout = 0",
                "1: expected seconds, a number above 0",
            ),
            ("[severity]\nBIS9 = 'info'", "2: unknown rule `BIS9`"),
            ("[severity]\nBIS0 = 'inf'", "2: unknown severity `inf`"),
            (
                "[severity]\nBIS000 = 'info'",
                "2: the severity of syntax errors can't be changed",
            ),
            ("[per-file-ignores]\n'a' = ['X']", "2: unknown rule `X`"),
            ("select = [", "1: "),
        ];
        for (text, expected) in table {
            let error = parse(text, Path::new("/p/asyncbis-lint.toml")).unwrap_err();
            let place = format!("/p/asyncbis-lint.toml:{expected}");
            assert!(error.starts_with(&place), "{text}: {error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn a_pyproject_needs_the_section() {
        let path = Path::new("/p/pyproject.toml");
        assert!(parse("[tool.ruff]\nselct = 1", path).unwrap().is_none());
        assert!(parse("[tool.asyncbis-lint]", path).unwrap().is_some());
        assert_eq!(
            parse("[tool]\nasyncbis-lint = 1", path).unwrap_err(),
            "/p/pyproject.toml:2: `asyncbis-lint` must be a table, not an integer"
        );
    }

    #[test]
    fn the_oldest_python_is_the_highest_lower_bound() {
        let table = [
            (">=3.11", Some((3, 11))),
            (">= 3.9, <4", Some((3, 9))),
            ("~=3.12.1", Some((3, 12))),
            ("==3.13.*", Some((3, 13))),
            (">=3", Some((3, 0))),
            ("<3.14", None),
            ("nonsense", None),
        ];
        for (text, expected) in table {
            let pyproject = format!("[project]\nrequires-python = '{text}'");
            assert_eq!(requires_python(&pyproject), expected, "{text}");
        }
    }

    #[test]
    fn the_most_exact_severity_counts() {
        let text = "[severity]\nBIS001 = 'error'\nBIS0 = 'info'";
        let config = parse(text, Path::new(OWN_FILE)).unwrap().unwrap();
        let rule = Rule::from_code("BIS001").unwrap();
        let first = config.severities.iter().find(|(found, _)| *found == rule);
        assert_eq!(first, Some(&(rule, Severity::Error)));
    }
}
