//! Globs of `exclude` and `per-file-ignores`: they match a path's last part or the whole path.
//!
//! As in ruff: `migrations` matches every file and folder of that name, `src/gen/*.py` what lies
//! below the folder of the configuration file; `*` also matches `/`.

use std::path::Path;

use globset::{Glob, GlobSet, GlobSetBuilder};

/// Folders that nobody wants to be checked.
pub const DEFAULT_EXCLUDES: &[&str] = &[
    ".bzr",
    ".direnv",
    ".eggs",
    ".git",
    ".git-rewrite",
    ".hg",
    ".ipynb_checkpoints",
    ".mypy_cache",
    ".nox",
    ".pants.d",
    ".pyenv",
    ".pytest_cache",
    ".pytype",
    ".ruff_cache",
    ".svn",
    ".tox",
    ".venv",
    ".vscode",
    "__pypackages__",
    "_build",
    "buck-out",
    "build",
    "dist",
    "node_modules",
    "site-packages",
    "venv",
];

/// Compiled globs.
#[derive(Debug, Clone)]
pub struct Globs {
    patterns: Vec<String>,
    set: GlobSet,
}

impl Default for Globs {
    fn default() -> Self {
        Globs {
            patterns: Vec::new(),
            set: GlobSet::empty(),
        }
    }
}

impl Globs {
    /// Compiles patterns that are relative to a folder.
    ///
    /// # Errors
    ///
    /// The index of the pattern that is no glob, and why.
    pub fn new(patterns: Vec<String>, root: &Path) -> Result<Self, (usize, String)> {
        let mut builder = GlobSetBuilder::new();
        for (index, pattern) in patterns.iter().enumerate() {
            let fail = |error: globset::Error| (index, format!("not a glob: {}", error.kind()));
            let name = pattern.trim_end_matches('/');
            builder.add(Glob::new(name).map_err(fail)?);
            let root = globset::escape(&root.to_string_lossy());
            let whole = format!(
                "{}/{}",
                root.trim_end_matches('/'),
                name.trim_start_matches("./")
            );
            builder.add(Glob::new(&whole).map_err(fail)?);
        }
        let set = builder.build().map_err(|error| (0, error.to_string()))?;
        Ok(Globs { patterns, set })
    }

    pub fn patterns(&self) -> &[String] {
        &self.patterns
    }

    /// Whether the path or its last part matches.
    pub fn matches(&self, path: &Path) -> bool {
        !self.patterns.is_empty()
            && (self.set.is_match(path)
                || path.file_name().is_some_and(|name| self.set.is_match(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_a_name_anywhere_or_a_path_below_the_root() {
        let table = [
            ("migrations", "/p/src/migrations", true),
            ("migrations/", "/p/src/migrations", true),
            ("*_pb2.py", "/p/a/b/x_pb2.py", true),
            ("src/gen/*.py", "/p/src/gen/a.py", true),
            ("src/gen/*.py", "/q/src/gen/a.py", false),
            ("./src/gen", "/p/src/gen", true),
            ("gen", "/p/src/genuine", false),
            ("src/**/x.py", "/p/src/a/b/x.py", true),
        ];
        for (pattern, path, expected) in table {
            let globs = Globs::new(vec![pattern.to_owned()], Path::new("/p")).unwrap();
            assert_eq!(globs.matches(Path::new(path)), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn brackets_in_the_root_are_no_globs() {
        let globs = Globs::new(vec!["a/b".to_owned()], Path::new("/p[1]")).unwrap();
        assert!(globs.matches(Path::new("/p[1]/a/b")));
    }
}
