//! The whole check on the Python standard library: the prefilter loses nothing, no rule panics,
//! every span can be shown, every fix leaves a file that parses.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use linter::{Checked, Diagnostic, Rule, RuleSet, Settings, Severity, SourceFile, check};
use ruff_text_size::TextRange;

/// The standard library of the first Python that answers.
fn standard_library() -> PathBuf {
    let program = "import sysconfig; print(sysconfig.get_path('stdlib'))";
    for python in ["python3", "python"] {
        let output = Command::new(python).args(["-c", program]).output();
        if let Ok(output) = output.filter_success() {
            return PathBuf::from(output.trim());
        }
    }
    panic!("the test needs Python: neither `python3` nor `python` answers");
}

trait FilterSuccess {
    fn filter_success(self) -> Result<String, ()>;
}

impl FilterSuccess for std::io::Result<std::process::Output> {
    fn filter_success(self) -> Result<String, ()> {
        let output = self.map_err(|_| ())?;
        if !output.status.success() {
            return Err(());
        }
        String::from_utf8(output.stdout).map_err(|_| ())
    }
}

fn python_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    entries.sort();
    for path in entries {
        if path.is_dir() && !path.is_symlink() {
            if path.file_name().is_some_and(|name| name != "site-packages") {
                python_files(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "py") {
            found.push(path);
        }
    }
}

fn all_settings(prefilter: bool) -> Settings {
    Settings {
        min_severity: Severity::Info,
        prefilter,
        ..Settings::default()
    }
}

fn assert_can_be_shown(source: &SourceFile, found: &Diagnostic) {
    let text = source.text();
    let shown = |range: TextRange| text.get(std::ops::Range::<usize>::from(range)).is_some();
    assert!(shown(found.range), "{}: {found:?}", source.name());
    for label in &found.labels {
        assert!(shown(label.range), "{}: {found:?}", source.name());
    }
    for edit in found.fix.iter().flat_map(|fix| &fix.edits) {
        assert!(shown(edit.range), "{}: {found:?}", source.name());
    }
}

/// A fix alone leaves a text that parses as well as before.
fn assert_fix_parses(source: &SourceFile, found: &Diagnostic) {
    let Some(fix) = &found.fix else { return };
    let errors = |source: &SourceFile| {
        let only_syntax = Settings {
            rules: RuleSet::from_selector("BIS000").expect("exists"),
            ..all_settings(false)
        };
        check(source, &only_syntax).diagnostics
    };
    if !errors(source).is_empty() {
        return;
    }
    let fixed = linter::apply::apply(source.text(), &[fix]);
    let after = SourceFile::python(source.name(), fixed.text);
    assert_eq!(errors(&after), [], "{}: {found:?}", source.name());
}

#[test]
fn the_prefilter_loses_nothing() {
    let mut files = Vec::new();
    python_files(&standard_library(), &mut files);
    assert!(files.len() > 500, "that is no standard library");
    // A file that no rule wants isn't parsed, so its syntax errors are Python's business.
    let syntax_error = Rule::from_code("BIS000").expect("exists");
    let mut skipped = 0;
    let mut findings = 0;
    for path in files {
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        let source = SourceFile::python(path.display().to_string(), text);
        let with: Checked = check(&source, &all_settings(true));
        let mut without = check(&source, &all_settings(false));
        assert_eq!(without.panics, [], "{}", path.display());
        if !with.parsed {
            skipped += 1;
            without
                .diagnostics
                .retain(|found| found.rule != syntax_error);
        }
        assert_eq!(with.diagnostics, without.diagnostics, "{}", path.display());
        findings += without.diagnostics.len();
        for found in &without.diagnostics {
            assert_can_be_shown(&source, found);
            assert_fix_parses(&source, found);
        }
    }
    assert!(skipped > 500, "the prefilter skips nothing");
    assert!(findings > 0, "asyncio's own sources have findings");
}

/// Each rule alone, so that one rule's words can't hide that another's are missing.
#[test]
fn the_prefilter_loses_nothing_for_a_rule_alone() {
    let folder = standard_library().join("asyncio");
    let mut files = Vec::new();
    python_files(&folder, &mut files);
    let tests = standard_library().join("test/test_asyncio");
    python_files(&tests, &mut files);
    for path in files {
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        let source = SourceFile::python(path.display().to_string(), text);
        let all = check(&source, &all_settings(false));
        for rule in Rule::all().filter(|rule| rule.code() > "BIS001") {
            let settings = Settings {
                rules: RuleSet::from_iter([rule]),
                ..all_settings(true)
            };
            let alone = check(&source, &settings).diagnostics;
            let expected: Vec<&Diagnostic> = all
                .diagnostics
                .iter()
                .filter(|found| found.rule == rule)
                .collect();
            assert_eq!(
                alone.iter().collect::<Vec<_>>(),
                expected,
                "{}",
                path.display()
            );
        }
    }
}
