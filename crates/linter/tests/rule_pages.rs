//! The rule pages as tests: marked lines are reported, others aren't, fixes give the fixed block.
//!
//! `RULE=BIS101 cargo test -p asyncbis-linter --test rule_pages` checks one page.

use std::fs;
use std::path::PathBuf;

use linter::{
    Applicability, Checked, Diagnostic, Rule, Settings, Severity, SourceFile, apply, check,
};
use rule_page::{Block, Mark, Page};

const ROUNDS: usize = 10;

fn pages() -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../rules");
    let only = std::env::var("RULE").ok();
    let mut pages: Vec<(String, String)> = fs::read_dir(folder)
        .expect("rules/ exists")
        .map(|entry| entry.expect("readable").path())
        .filter_map(|path| {
            let stem = path.file_stem()?.to_str()?.to_owned();
            let wanted = stem.starts_with("BIS") && only.as_ref().is_none_or(|code| *code == stem);
            wanted.then(|| (stem, fs::read_to_string(&path).expect("readable")))
        })
        .collect();
    pages.sort();
    assert!(!pages.is_empty(), "no page for RULE={only:?}");
    pages
}

fn settings() -> Settings {
    Settings {
        min_severity: Severity::Info,
        ..Settings::default()
    }
}

fn run(code: &str, settings: &Settings) -> Checked {
    let checked = check(&SourceFile::python("example.py", code), settings);
    assert_eq!(checked.panics, [], "a rule panicked on:\n{code}");
    checked
}

/// What an example's comments must announce: every finding of the page's rule, and those of other
/// rules from warning on.
fn expected_marks(own: &str, source: &SourceFile, checked: &Checked) -> Vec<Mark> {
    let mut marks: Vec<Mark> = checked
        .diagnostics
        .iter()
        .filter(|found| found.rule.code() == own || found.severity >= Severity::Warning)
        .map(|found| Mark {
            line: source.location(found.range.start()).row,
            severity: found.severity.as_str().to_owned(),
            code: found.rule.code().to_owned(),
        })
        .collect();
    marks.sort();
    marks
}

fn check_block(page: &str, block: &Block<'_>, problems: &mut Vec<String>) {
    let source = SourceFile::python("example.py", block.code);
    let checked = run(block.code, &settings());
    let found = expected_marks(page, &source, &checked);
    let marked = block.marks();
    for mark in found.iter().filter(|mark| !marked.contains(mark)) {
        problems.push(describe(page, block, mark, "is reported but not marked"));
    }
    for mark in marked.iter().filter(|mark| !found.contains(mark)) {
        problems.push(describe(page, block, mark, "is marked but not reported"));
    }
}

fn describe(page: &str, block: &Block<'_>, mark: &Mark, what: &str) -> String {
    let text = block.code.lines().nth(mark.line - 1).unwrap_or_default();
    let (severity, code) = (&mark.severity, &mark.code);
    let line = block.line + mark.line;
    format!(
        "rules/{page}.md:{line}: {severity} {code} {what}: {}",
        text.trim()
    )
}

/// The text after every fix of one rule, where the code targets asyncbis.
fn fixed_by(rule: Rule, code: &str) -> String {
    let settings = Settings {
        target_asyncbis: true,
        ..settings()
    };
    let mut text = code.to_owned();
    for _ in 0..ROUNDS {
        let checked = run(&text, &settings);
        let fixes: Vec<_> = checked
            .diagnostics
            .iter()
            .filter(|found| found.rule == rule)
            .filter_map(|found| found.fix.as_ref())
            .filter(|fix| fix.applicability >= Applicability::Unsafe)
            .collect();
        if fixes.is_empty() {
            return text;
        }
        text = apply::apply(&text, &fixes).text;
    }
    panic!("no end of fixes after {ROUNDS} rounds:\n{text}");
}

#[test]
fn examples_are_reported_where_they_are_marked() {
    let mut problems = Vec::new();
    for (code, text) in pages() {
        let page = Page::parse(&text).unwrap_or_else(|error| panic!("{code}: {error}"));
        for block in page.blocks.iter().filter(|block| block.info == "python") {
            check_block(&code, block, &mut problems);
        }
    }
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn fixes_give_the_fixed_blocks() {
    let mut problems = Vec::new();
    for (code, text) in pages() {
        let page = Page::parse(&text).unwrap_or_else(|error| panic!("{code}: {error}"));
        let rule = Rule::from_code(&code).expect("every page has a rule");
        let mut previous: Option<&Block<'_>> = None;
        for block in &page.blocks {
            match (block.info, previous) {
                ("python", _) => previous = Some(block),
                ("python fixed", Some(before)) => {
                    let fixed = fixed_by(rule, before.code);
                    if fixed != block.code {
                        problems.push(format!(
                            "rules/{code}.md:{}: expected\n{}\ngot\n{fixed}",
                            block.line, block.code
                        ));
                    }
                }
                ("python fixed", None) => {
                    problems.push(format!("rules/{code}.md:{}: nothing to fix", block.line));
                }
                _ => {}
            }
        }
    }
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn severities_and_fixes_are_those_that_the_page_names() {
    for (code, text) in pages() {
        let page = Page::parse(&text).unwrap_or_else(|error| panic!("{code}: {error}"));
        let rule = Rule::from_code(&code).expect("every page has a rule");
        let target = Settings {
            target_asyncbis: true,
            ..settings()
        };
        for block in page.blocks.iter().filter(|block| block.info == "python") {
            for found in run(block.code, &target).diagnostics {
                if found.rule != rule {
                    continue;
                }
                let severity = found.severity.as_str();
                assert!(page.severities.contains(&severity), "{code}: {severity}");
                if let Some(fix) = &found.fix {
                    let named = page
                        .fix
                        .split(", ")
                        .any(|it| it == fix.applicability.as_str());
                    assert!(named, "{code}: fix is {}", fix.applicability.as_str());
                }
            }
        }
    }
}

/// What is written on a finding: messages and labels go on from `error:` or a line of code, so they
/// begin with a small letter; advice is a sentence of its own. None has a full stop.
fn check_wording(found: &Diagnostic, problems: &mut Vec<String>) {
    let code = found.rule.code();
    let labels = found.labels.iter().map(|label| label.message.as_str());
    let phrases = labels
        .chain(found.label.as_deref())
        .chain([found.message.as_str()]);
    for text in phrases.filter(|text| !is_worded(text, char::is_lowercase)) {
        problems.push(format!(
            "{code}: not a small letter, or a full stop: {text}"
        ));
    }
    let titles = found.fix.iter().map(|fix| fix.title.as_str());
    let sentences = titles.chain(found.help.as_deref());
    for text in sentences.filter(|text| !is_worded(text, char::is_uppercase)) {
        problems.push(format!(
            "{code}: not a capital letter, or a full stop: {text}"
        ));
    }
}

fn is_worded(text: &str, begins_with: fn(char) -> bool) -> bool {
    !text.ends_with('.') && text.starts_with(|c| c == '`' || begins_with(c))
}

#[test]
fn texts_begin_alike_and_have_no_full_stop() {
    let mut problems = Vec::new();
    let target = Settings {
        target_asyncbis: true,
        ..settings()
    };
    for (code, text) in pages() {
        let page = Page::parse(&text).unwrap_or_else(|error| panic!("{code}: {error}"));
        for block in page.blocks.iter().filter(|block| block.info == "python") {
            for settings in [&settings(), &target] {
                for found in run(block.code, settings).diagnostics {
                    check_wording(&found, &mut problems);
                }
            }
        }
    }
    problems.sort();
    problems.dedup();
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}
