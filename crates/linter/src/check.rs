//! The check of one text: prefilter, parse, model, rules, suppressions, selection.

use std::panic::{self, AssertUnwindSafe};

use crate::Settings;
use ruff_text_size::TextRange;

use crate::diagnostic::{Diagnostic, Severity};
use crate::model::{File, Parsed};
use crate::nesting;
use crate::prefilter;
use crate::registry::Rule;
use crate::report::Report;
use crate::source::SourceFile;
use crate::suppress::{NoqaLines, Suppressions};

/// What came of a check.
#[derive(Debug, Default)]
pub struct Checked {
    /// Sorted by place, then by code.
    pub diagnostics: Vec<Diagnostic>,
    /// The rules that panicked: bugs of the linter.
    pub panics: Vec<RulePanic>,
    /// Where a suppression of a finding would have to stand.
    pub noqa_lines: NoqaLines,
    /// How many findings a comment suppressed.
    pub suppressed: usize,
    /// False where the prefilter skipped the file.
    pub parsed: bool,
}

/// A rule that panicked on a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulePanic {
    /// `None` where the model, not a rule, failed.
    pub rule: Option<Rule>,
    pub message: String,
}

/// Checks a text.
///
/// A panic of a rule is caught and returned; the other rules go on.
#[must_use]
pub fn check(source: &SourceFile, settings: &Settings) -> Checked {
    if settings.prefilter && !prefilter::wanted(source.text().as_bytes(), settings.shown_rules()) {
        return Checked::default();
    }
    if let Some(offset) = nesting::too_deep(source.text()) {
        return unreadable(TextRange::empty(offset), "too deeply nested to be checked");
    }
    let mut checked = Checked {
        parsed: true,
        ..Checked::default()
    };
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| {
        run(source, settings, &mut checked);
    }));
    if let Err(payload) = outcome {
        checked.panics.push(RulePanic {
            rule: None,
            message: panic_message(payload.as_ref()),
        });
    }
    checked
}

/// What comes of a text that can't even be parsed.
#[must_use]
pub fn unreadable(range: TextRange, message: impl Into<String>) -> Checked {
    Checked {
        diagnostics: vec![Diagnostic {
            rule: Rule::SYNTAX_ERROR,
            severity: Severity::Error,
            range,
            message: message.into(),
            label: None,
            labels: Vec::new(),
            help: None,
            fix: None,
        }],
        ..Checked::default()
    }
}

fn run(source: &SourceFile, settings: &Settings, checked: &mut Checked) {
    let parsed = Parsed::new(source);
    let file = File::new(source, &parsed, settings);
    let mut found = Vec::new();
    let rules = if settings.prefilter {
        prefilter::rules_for(source.text().as_bytes(), settings.rules)
    } else {
        settings.rules
    };
    for rule in rules.iter() {
        let mut report = Report::new(rule);
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| {
            panic_on_request(source, rule);
            (rule.info().check)(&file, &mut report);
        }));
        match outcome {
            Ok(()) => found.append(&mut report.diagnostics),
            Err(payload) => checked.panics.push(RulePanic {
                rule: Some(rule),
                message: panic_message(payload.as_ref()),
            }),
        }
    }
    if settings.respect_suppressions {
        let mut suppressions = Suppressions::of(&file);
        let before = found.len();
        found.retain(|diagnostic| !suppressions.matches(&file, diagnostic));
        checked.suppressed = before - found.len();
        let panicked = checked.panics.iter().filter_map(|panic| panic.rule);
        let judged = settings.rules.difference(panicked.collect());
        found.append(&mut suppressions.unused(&file, judged));
    }
    for diagnostic in &mut found {
        if let Some((_, severity)) = settings
            .severities
            .iter()
            .find(|(rule, _)| *rule == diagnostic.rule)
        {
            diagnostic.severity = *severity;
        }
    }
    found.retain(|diagnostic| settings.shows(diagnostic));
    found.sort_by_key(|d| (d.range.start(), d.rule, d.range.end()));
    if !found.is_empty() {
        checked.noqa_lines = NoqaLines::of(&file);
    }
    checked.diagnostics = found;
}

/// Panics where a text begins with the wish for it, so that tests see what becomes of a panic.
///
/// Release builds know nothing of it.
fn panic_on_request(source: &SourceFile, rule: Rule) {
    if cfg!(debug_assertions) {
        let request = format!("# test: panic in {}\n", rule.code());
        assert!(!source.text().starts_with(&request), "asked to panic");
    }
}

pub(crate) fn panic_message(payload: &(dyn std::any::Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}
