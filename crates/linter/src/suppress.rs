//! Suppression comments.

use crate::RuleSet;
use crate::diagnostic::Diagnostic;
use crate::model::File;

/// The suppressions of a file.
pub struct Suppressions {}

impl Suppressions {
    pub(crate) fn of(_file: &File) -> Self {
        Suppressions {}
    }

    pub(crate) fn matches(&mut self, _file: &File, _diagnostic: &Diagnostic) -> bool {
        false
    }

    pub(crate) fn unused(&self, _file: &File, _enabled: RuleSet) -> Vec<Diagnostic> {
        Vec::new()
    }
}
