//! The numbers of a run: the last line for people, and `--statistics`.

use std::fmt;
use std::fmt::Write as _;

use linter::{Applicability, Diagnostic, Rule, Severity};
use serde_json::json;

use crate::args::OutputFormat;
use crate::baseline::Counts;

/// The numbers of a file, or of all.
#[derive(Debug, Default)]
pub struct Summary {
    pub checked: usize,
    /// How many files have findings.
    pub files: usize,
    /// In the order in which the rules are met first.
    pub rules: Vec<RuleCount>,
    /// How many findings `--add-noqa` suppressed.
    pub added: usize,
    pub baseline: Counts,
}

/// The numbers of a rule.
#[derive(Debug)]
pub struct RuleCount {
    pub rule: Rule,
    /// By severity, as the severities are ordered.
    found: [usize; 3],
    safe: usize,
    unsafe_: usize,
}

impl RuleCount {
    pub fn new(rule: Rule) -> Self {
        RuleCount {
            rule,
            found: [0; 3],
            safe: 0,
            unsafe_: 0,
        }
    }

    pub fn count(&mut self, diagnostic: &Diagnostic) {
        self.found[diagnostic.severity as usize] += 1;
        match diagnostic.fix.as_ref().map(|fix| fix.applicability) {
            Some(Applicability::Safe) => self.safe += 1,
            Some(Applicability::Unsafe) => self.unsafe_ += 1,
            Some(Applicability::DisplayOnly) | None => {}
        }
    }

    fn all(&self) -> usize {
        self.found.iter().sum()
    }
}

impl Summary {
    /// Adds the numbers of a file.
    pub fn add(&mut self, other: &Summary) {
        self.checked += other.checked;
        self.files += other.files;
        self.added += other.added;
        self.baseline.hidden += other.baseline.hidden;
        self.baseline.gone += other.baseline.gone;
        for row in &other.rules {
            let index = match self.rules.iter().position(|known| known.rule == row.rule) {
                Some(index) => index,
                None => {
                    self.rules.push(RuleCount::new(row.rule));
                    self.rules.len() - 1
                }
            };
            let known = &mut self.rules[index];
            known.safe += row.safe;
            known.unsafe_ += row.unsafe_;
            for (sum, number) in known.found.iter_mut().zip(row.found) {
                *sum += number;
            }
        }
    }

    /// The first rule met whose page says more than its message; a syntax error's does not.
    pub fn first_to_explain(&self) -> Option<Rule> {
        let mut rules = self.rules.iter().map(|row| row.rule);
        rules.find(|rule| *rule != Rule::SYNTAX_ERROR)
    }

    fn found(&self, severity: Severity) -> usize {
        self.rules
            .iter()
            .map(|row| row.found[severity as usize])
            .sum()
    }
}

/// `Found 3 errors, 2 warnings in 2 files (checked 14 files).`
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_found(f)?;
        match self.baseline.hidden {
            0 => {}
            1 => writeln!(f, "1 finding is in the baseline.")?,
            hidden => writeln!(f, "{hidden} findings are in the baseline.")?,
        }
        match self.gone() {
            Some(text) => writeln!(f, "{text}."),
            None => Ok(()),
        }
    }
}

impl Summary {
    /// What to do about entries of the baseline that have no finding.
    pub fn gone(&self) -> Option<String> {
        let again = "write it again with --write-baseline";
        match self.baseline.gone {
            0 => None,
            1 => Some(format!("1 finding of the baseline is gone: {again}")),
            gone => Some(format!("{gone} findings of the baseline are gone: {again}")),
        }
    }

    fn write_found(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checked = files(self.checked);
        if self.rules.is_empty() {
            let new = if self.baseline.hidden > 0 { " new" } else { "" };
            return writeln!(f, "Nothing{new} found (checked {checked}).");
        }
        let counts: Vec<String> = [
            (Severity::Error, "error", "errors"),
            (Severity::Warning, "warning", "warnings"),
            (Severity::Info, "info", "infos"),
        ]
        .into_iter()
        .map(|(severity, one, many)| (self.found(severity), one, many))
        .filter(|(count, _, _)| *count > 0)
        .map(|(count, one, many)| format!("{count} {}", if count == 1 { one } else { many }))
        .collect();
        let found = files(self.files);
        writeln!(
            f,
            "Found {} in {found} (checked {checked}).",
            counts.join(", ")
        )?;
        let safe: usize = self.rules.iter().map(|row| row.safe).sum();
        let unsafe_: usize = self.rules.iter().map(|row| row.unsafe_).sum();
        match (safe, unsafe_) {
            (0, 0) => Ok(()),
            (safe, 0) => writeln!(f, "{safe} with a safe fix."),
            (0, unsafe_) => writeln!(f, "{unsafe_} with an unsafe fix."),
            (safe, unsafe_) => writeln!(f, "{safe} with a safe fix, {unsafe_} with an unsafe fix."),
        }
    }
}

/// `1 file`, `2 files`
pub fn files(count: usize) -> String {
    if count == 1 {
        "1 file".to_owned()
    } else {
        format!("{count} files")
    }
}

/// The findings counted by rule, the most frequent first.
pub fn statistics(format: OutputFormat, summary: &Summary) -> String {
    let mut rows: Vec<&RuleCount> = summary.rules.iter().collect();
    rows.sort_by_key(|row| (std::cmp::Reverse(row.all()), row.rule));
    if !format.is_text() {
        let rows: Vec<_> = rows.into_iter().map(as_json).collect();
        return serde_json::to_string_pretty(&rows).expect("plain values are JSON") + "\n";
    }
    let width = rows.first().map_or(0, |row| row.all().to_string().len());
    let name = rows
        .iter()
        .map(|row| row.rule.name().len())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for row in rows {
        let severities: Vec<String> = Severity::ALL
            .into_iter()
            .rev()
            .map(|severity| (row.found[severity as usize], severity))
            .filter(|(count, _)| *count > 0)
            .map(|(count, severity)| format!("{count} {}", severity.as_str()))
            .collect();
        writeln!(
            text,
            "{:width$}  {}  {:name$}  {}",
            row.all(),
            row.rule.code(),
            row.rule.name(),
            severities.join(", "),
        )
        .expect("writing to a string");
    }
    text
}

fn as_json(row: &RuleCount) -> serde_json::Value {
    json!({
        "code": row.rule.code(),
        "name": row.rule.name(),
        "count": row.all(),
        "errors": row.found[Severity::Error as usize],
        "warnings": row.found[Severity::Warning as usize],
        "infos": row.found[Severity::Info as usize],
        "safe_fixes": row.safe,
        "unsafe_fixes": row.unsafe_,
    })
}
