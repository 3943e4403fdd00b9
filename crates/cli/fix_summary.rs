//! The numbers of `fix`: what was fixed, what remains and why.

use std::collections::BTreeMap;

use linter::imports::Note;
use linter::rounds::{FixOptions, Rounds};
use linter::{Applicability, Diagnostic, Rule};

/// The numbers of a file, or of all.
#[derive(Debug, Default)]
pub struct FixSummary {
    pub checked: usize,
    fixed: BTreeMap<Rule, usize>,
    /// The files whose imports were rewritten.
    rewritten: usize,
    remaining: BTreeMap<Why, usize>,
    /// The findings that remain, but are in the baseline.
    pub hidden: usize,
}

/// Why something remains, in the order in which it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    NoFix,
    /// It has a fix that was not asked for.
    Unsafe,
    /// Its fix needs a name of asyncbis, which the code doesn't target.
    NeedsAsyncbis,
    /// The same, and then it is not asked for.
    NeedsAsyncbisAndUnsafe,
    /// The same, in a file that runs on other event loops, too.
    OtherLoops,
    /// Its fix is only a suggestion.
    Suggestion,
    /// Its fix was left out: it would lead to more findings, or break the file.
    LeftOut,
    /// Nothing could be done with its file.
    Untouched,
    /// The import rewrite left something to the reader.
    Note,
}

impl FixSummary {
    /// Takes down what was fixed in a file.
    pub fn fixed(&mut self, rounds: &Rounds) {
        for (rule, count) in &rounds.applied {
            *self.fixed.entry(*rule).or_default() += count;
        }
        self.rewritten += usize::from(rounds.rewritten);
    }

    /// Takes down what remains in a file; without options where nothing could be done with it.
    pub fn remain(&mut self, found: &[Diagnostic], notes: &[Note], options: Option<&FixOptions>) {
        for diagnostic in found {
            let why = options.map_or(Why::Untouched, |options| why(diagnostic, options));
            *self.remaining.entry(why).or_default() += 1;
        }
        if !notes.is_empty() {
            *self.remaining.entry(Why::Note).or_default() += notes.len();
        }
    }

    /// Adds the numbers of a file.
    pub fn add(&mut self, other: &FixSummary) {
        self.checked += other.checked;
        self.rewritten += other.rewritten;
        self.hidden += other.hidden;
        for (rule, count) in &other.fixed {
            *self.fixed.entry(*rule).or_default() += count;
        }
        for (why, count) in &other.remaining {
            *self.remaining.entry(*why).or_default() += count;
        }
    }

    /// `12 fixed, 3 need a decision (checked 14 files).`, and what that was; of differences what
    /// would be fixed.
    pub fn sentences(&self, would: bool) -> String {
        let fixed: usize = self.fixed.values().sum();
        let remaining: usize = self.remaining.values().sum();
        let be = if would { "would be " } else { "" };
        let mut parts = Vec::new();
        if fixed > 0 {
            parts.push(format!("{fixed} {be}fixed"));
        }
        if self.rewritten > 0 {
            let files = files(self.rewritten);
            parts.push(format!("the imports of {files} {be}rewritten"));
        }
        if parts.is_empty() {
            parts.push("nothing to fix".to_owned());
        }
        match remaining {
            0 => {}
            1 => parts.push("1 needs a decision".to_owned()),
            _ => parts.push(format!("{remaining} need a decision")),
        }
        let mut text = format!("{} (checked {}).\n", parts.join(", "), files(self.checked));
        text[..1].make_ascii_uppercase();
        if fixed > 0 {
            let rules: Vec<String> = self
                .fixed
                .iter()
                .map(|(rule, count)| format!("{count} {}", rule.code()))
                .collect();
            text.push_str(&format!("Fixed: {}.\n", rules.join(", ")));
        }
        if remaining > 0 {
            let reasons: Vec<String> = self
                .remaining
                .iter()
                .map(|(why, count)| why.told(*count))
                .collect();
            text.push_str(&format!("To decide: {}.\n", reasons.join(", ")));
        }
        match self.hidden {
            0 => {}
            1 => text.push_str("1 finding is in the baseline.\n"),
            hidden => text.push_str(&format!("{hidden} findings are in the baseline.\n")),
        }
        text
    }
}

fn why(found: &Diagnostic, options: &FixOptions) -> Why {
    let Some(fix) = &found.fix else {
        return Why::NoFix;
    };
    match fix.applicability {
        Applicability::DisplayOnly => match fix.on_asyncbis {
            // Its file imports neither asyncio nor asyncbis, and somebody imports AnyIO or Trio.
            Some(_) if options.rewrite.is_some() => Why::OtherLoops,
            Some(Applicability::Unsafe) if !options.unsafe_fixes => Why::NeedsAsyncbisAndUnsafe,
            Some(_) => Why::NeedsAsyncbis,
            None => Why::Suggestion,
        },
        Applicability::Unsafe if !options.unsafe_fixes => Why::Unsafe,
        Applicability::Safe | Applicability::Unsafe => Why::LeftOut,
    }
}

impl Why {
    fn told(self, count: usize) -> String {
        let one = count == 1;
        let has = if one { "has" } else { "have" };
        match self {
            Why::NoFix => format!("{count} {has} no fix"),
            Why::Unsafe => format!("{count} {has} an unsafe fix (--unsafe-fixes)"),
            Why::NeedsAsyncbis => {
                let need = if one { "needs" } else { "need" };
                format!("{count} {need} asyncbis (--rewrite-imports)")
            }
            Why::NeedsAsyncbisAndUnsafe => {
                let need = if one { "needs" } else { "need" };
                format!("{count} {need} asyncbis (--rewrite-imports --unsafe-fixes)")
            }
            Why::OtherLoops => {
                let need = if one { "needs" } else { "need" };
                format!(
                    "{count} {need} asyncbis in code that may run on other loops, too (--target asyncbis)"
                )
            }
            Why::Suggestion => format!("{count} {has} a suggestion"),
            Why::LeftOut => format!("{count} {has} a fix that would do harm here"),
            Why::Untouched => {
                let stands = if one { "stands" } else { "stand" };
                format!("{count} {stands} in a file that is left alone")
            }
            Why::Note if one => "1 is a note on the imports".to_owned(),
            Why::Note => format!("{count} are notes on the imports"),
        }
    }
}

fn files(count: usize) -> String {
    match count {
        1 => "1 file".to_owned(),
        count => format!("{count} files"),
    }
}
