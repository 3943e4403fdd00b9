//! The linter without I/O: text in, diagnostics and edits out.
//!
//! [`check`] is the whole of it: prefilter, parse, model, rules, suppressions, selection.
//! A rule is one file in `rules/` beside this one and one page in the repository's `rules/`;
//! it asks the [`model`] and never walks the syntax tree itself.

pub mod diagnostic;
mod import_place;
pub mod imports;
pub mod model;
pub mod registry;
pub mod report;
pub mod source;

pub mod apply;
mod check;
mod compile_errors;
mod enclosing;
pub mod fix;
mod names_at;
mod nesting;
mod notebook_json;
mod prefilter;
mod reraise;
pub mod rounds;
mod rules;
mod shield_fix;
pub mod suppress;

pub use check::{Checked, RulePanic, check, unreadable};
pub use diagnostic::{Applicability, Diagnostic, Edit, Fix, Label, Severity};
pub use enclosing::{MODULE, enclosing};
pub use prefilter::wanted;
pub use registry::{Rule, RuleInfo, RuleSet};
pub use source::{Location, NotANotebook, SourceFile, SourceKind};

/// How much stack a thread needs that checks texts of strangers, whatever they contain.
///
/// Address space, not memory: only a deep syntax tree, which is walked recursively, touches much of
/// it. The deepest that are not refused needed less than 64 MiB in debug builds.
pub const STACK_SIZE: usize = 256 * 1024 * 1024;

/// What to look for.
#[derive(Debug, Clone)]
pub struct Settings {
    pub rules: RuleSet,
    /// Findings below are dropped, after suppressions were matched.
    pub min_severity: Severity,
    /// Rules whose findings are kept whatever their severity.
    pub always_shown: RuleSet,
    /// The severity of every finding of a rule, where the user wants another than the rule's own.
    pub severities: Vec<(Rule, Severity)>,
    /// The oldest Python that the code runs on, as (major, minor).
    pub target_version: (u8, u8),
    /// The code runs on asyncbis, whatever it imports.
    pub target_asyncbis: bool,
    /// The imports of asyncio become imports of asyncbis: files that run on asyncio target asyncbis.
    pub rewrites_imports: bool,
    /// The project runs on other event loops, too: a file that imports none doesn't say on which.
    pub other_loops: bool,
    /// For how many seconds fixes shield a cleanup at most; without end where it is not said.
    pub cleanup_timeout: Option<f64>,
    /// Whether files are skipped that can't contain a finding, unless they have syntax errors.
    pub prefilter: bool,
    /// Whether `noqa` comments count.
    pub respect_suppressions: bool,
}

impl Settings {
    /// The rules of which the user may see a finding: no file has to be parsed for the others.
    #[must_use]
    pub fn shown_rules(&self) -> RuleSet {
        let is_shown = |rule: &Rule| {
            let wished = self.severities.iter().find(|(other, _)| other == rule);
            let highest = match wished {
                Some((_, severity)) => Some(*severity),
                None => rule.info().severities.first().copied(),
            };
            self.always_shown.contains(*rule) || highest >= Some(self.min_severity)
        };
        self.rules.iter().filter(is_shown).collect()
    }

    /// Whether a finding is severe enough to be shown.
    #[must_use]
    pub fn shows(&self, diagnostic: &Diagnostic) -> bool {
        diagnostic.severity >= self.min_severity || self.always_shown.contains(diagnostic.rule)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            rules: RuleSet::all(),
            min_severity: Severity::Warning,
            always_shown: RuleSet::EMPTY,
            severities: Vec::new(),
            target_version: (3, 11),
            target_asyncbis: false,
            rewrites_imports: false,
            other_loops: false,
            cleanup_timeout: None,
            prefilter: true,
            respect_suppressions: true,
        }
    }
}
