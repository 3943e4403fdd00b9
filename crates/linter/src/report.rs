//! Where a rule puts its findings.

use ruff_text_size::{Ranged, TextRange};

use crate::Settings;
use crate::diagnostic::{Diagnostic, Fix, Label, Severity};
use crate::registry::Rule;

/// The findings of one rule on one file.
pub struct Report {
    rule: Rule,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

impl Report {
    pub(crate) fn new(rule: Rule) -> Self {
        Report {
            rule,
            diagnostics: Vec::new(),
        }
    }

    /// Whether the user may see a finding of the rule.
    pub(crate) fn is_shown(&self, settings: &Settings) -> bool {
        settings.shown_rules().contains(self.rule)
    }

    /// Adds a finding; what it returns adds labels, help and a fix.
    pub fn add(
        &mut self,
        severity: Severity,
        at: impl Ranged,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        self.diagnostics.push(Diagnostic {
            rule: self.rule,
            severity,
            range: at.range(),
            message: message.into(),
            label: None,
            labels: Vec::new(),
            help: None,
            fix: None,
        });
        self.diagnostics.last_mut().expect("just pushed")
    }
}

impl Diagnostic {
    /// The text under the primary span.
    pub fn label(&mut self, message: impl Into<String>) -> &mut Self {
        self.label = Some(message.into());
        self
    }

    /// A second place that explains the finding.
    pub fn and(&mut self, at: impl Ranged, message: impl Into<String>) -> &mut Self {
        let range: TextRange = at.range();
        self.labels.push(Label {
            range,
            message: message.into(),
        });
        self
    }

    pub fn help(&mut self, message: impl Into<String>) -> &mut Self {
        self.help = Some(message.into());
        self
    }

    pub fn fix(&mut self, fix: Option<Fix>) -> &mut Self {
        self.fix = fix;
        self
    }
}
