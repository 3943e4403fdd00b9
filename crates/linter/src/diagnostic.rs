//! A diagnostic: what was found, where, why it matters and how to mend it.
//!
//! Invariants: every range lies inside the checked text and on character boundaries; the edits of
//! a fix are sorted and don't overlap.

use ruff_text_size::TextRange;

use crate::registry::Rule;

/// How much a finding matters.
///
/// `Error`: hangs, loses data or raises. `Warning`: changes meaning. `Info`: could be simpler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    Info,
    Warning,
    Error,
}

impl Severity {
    pub const ALL: [Severity; 3] = [Severity::Info, Severity::Warning, Severity::Error];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }

    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|severity| severity.as_str() == name)
    }
}

/// Who may apply a fix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Applicability {
    /// Shown, never applied: it needs a decision, or a name that the code does not have yet.
    DisplayOnly,
    /// May change what the program does; applied on request.
    Unsafe,
    /// Keeps the program's meaning.
    Safe,
}

impl Applicability {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Applicability::DisplayOnly => "display-only",
            Applicability::Unsafe => "unsafe",
            Applicability::Safe => "safe",
        }
    }
}

/// A replacement of one range of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    pub range: TextRange,
    pub content: String,
    /// It adds an import: where several fixes need the same, it is made once.
    pub is_import: bool,
}

impl Edit {
    #[must_use]
    pub fn insertion(at: ruff_text_size::TextSize, content: impl Into<String>) -> Self {
        Self::replacement(TextRange::empty(at), content)
    }

    #[must_use]
    pub fn replacement(range: TextRange, content: impl Into<String>) -> Self {
        Edit {
            range,
            content: content.into(),
            is_import: false,
        }
    }

    /// The insertion of an import.
    #[must_use]
    pub fn import(at: ruff_text_size::TextSize, content: impl Into<String>) -> Self {
        Edit {
            is_import: true,
            ..Self::insertion(at, content)
        }
    }

    #[must_use]
    pub fn deletion(range: TextRange) -> Self {
        Self::replacement(range, "")
    }
}

/// Edits that belong together: applied whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// An instruction without full stop: "Re-raise the cancellation".
    pub title: String,
    pub applicability: Applicability,
    /// Of a fix that is only shown because it brings a name of asyncbis, which the code doesn't
    /// target: what it would be if it did.
    pub on_asyncbis: Option<Applicability>,
    /// The lines that it changes, imports aside: another fix that inserts something there was made
    /// for other lines.
    pub region: TextRange,
    pub edits: Vec<Edit>,
}

/// A second place that explains the finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    pub range: TextRange,
    pub message: String,
}

/// A finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    pub rule: Rule,
    pub severity: Severity,
    /// The primary span.
    pub range: TextRange,
    /// What is there, in present tense, code in backticks, no full stop.
    pub message: String,
    /// The text under the primary span, where it says more than the message.
    pub label: Option<String>,
    pub labels: Vec<Label>,
    /// The advice.
    pub help: Option<String>,
    pub fix: Option<Fix>,
}
