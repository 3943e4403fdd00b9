//! The rules that exist: the table that `build.rs` makes of `rules/*.md` and `src/rules/*.rs`.

use std::fmt;

use crate::diagnostic::Severity;
use crate::model::File;
use crate::report::Report;

/// A rule, as the index of its row in the table; ordered by code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule(pub(crate) u8);

/// A row of the table.
pub struct RuleInfo {
    /// `BIS101`
    pub code: &'static str,
    /// `cancel-spin-loop`
    pub name: &'static str,
    pub summary: &'static str,
    /// The severities that its findings can have, highest first.
    pub severities: &'static [Severity],
    /// `none`, `safe`, `unsafe` or `safe, unsafe`.
    pub fix: &'static str,
    /// The version that brought the rule.
    pub since: &'static str,
    /// The whole Markdown page.
    pub page: &'static str,
    /// A file is worth parsing for this rule only if it contains one word of every group.
    pub(crate) needles: &'static [&'static [&'static str]],
    pub(crate) check: fn(&File, &mut Report),
}

include!(concat!(env!("OUT_DIR"), "/rules.rs"));

impl Rule {
    /// BIS000: always on, because what the parser could not read no rule has seen.
    pub const SYNTAX_ERROR: Rule = Rule(0);
    /// BIS001.
    pub(crate) const UNUSED_SUPPRESSION: Rule = Rule(1);

    /// Every rule, by code.
    pub fn all() -> impl ExactSizeIterator<Item = Rule> {
        (0..u8::try_from(TABLE.len()).expect("fewer than 128 rules")).map(Rule)
    }

    #[must_use]
    pub fn info(self) -> &'static RuleInfo {
        &TABLE[usize::from(self.0)]
    }

    #[must_use]
    pub fn code(self) -> &'static str {
        self.info().code
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        self.info().name
    }

    /// The page on the web.
    #[must_use]
    pub fn url(self) -> String {
        format!(
            "https://github.com/asyncbis/asyncbis/blob/main/rules/{}.md",
            self.code()
        )
    }

    /// The rule with this code, in any case, or with this name.
    #[must_use]
    pub fn from_code(text: &str) -> Option<Rule> {
        Rule::all().find(|rule| rule.code().eq_ignore_ascii_case(text) || rule.name() == text)
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// A set of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RuleSet(u128);

impl RuleSet {
    pub const EMPTY: RuleSet = RuleSet(0);

    #[must_use]
    pub fn all() -> Self {
        Rule::all().collect()
    }

    /// The rules that are on where nobody selects any: all but BIS801, which would find every import
    /// of asyncio.
    #[must_use]
    pub fn on_by_default() -> Self {
        let imports = RuleSet::from_selector("BIS801").expect("it has its row");
        Self::all().difference(imports)
    }

    /// The rules that a selector names: a code (`BIS101`), a family (`BIS1`), a name, or `ALL`.
    #[must_use]
    pub fn from_selector(selector: &str) -> Option<Self> {
        if selector.eq_ignore_ascii_case("ALL") {
            return Some(Self::all());
        }
        let upper = selector.to_ascii_uppercase();
        let set: RuleSet = Rule::all()
            .filter(|rule| {
                rule.name() == selector || (upper.len() >= 3 && rule.code().starts_with(&upper))
            })
            .collect();
        (!set.is_empty()).then_some(set)
    }

    #[must_use]
    pub fn contains(self, rule: Rule) -> bool {
        self.0 & (1 << rule.0) != 0
    }

    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    #[must_use]
    pub fn union(self, other: RuleSet) -> RuleSet {
        RuleSet(self.0 | other.0)
    }

    #[must_use]
    pub fn difference(self, other: RuleSet) -> RuleSet {
        RuleSet(self.0 & !other.0)
    }

    pub fn iter(self) -> impl Iterator<Item = Rule> {
        Rule::all().filter(move |rule| self.contains(*rule))
    }
}

impl FromIterator<Rule> for RuleSet {
    fn from_iter<T: IntoIterator<Item = Rule>>(rules: T) -> Self {
        RuleSet(rules.into_iter().fold(0, |set, rule| set | (1 << rule.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_with_a_name_in_the_code_have_their_rows() {
        assert_eq!(Rule::SYNTAX_ERROR.code(), "BIS000");
        assert_eq!(Rule::UNUSED_SUPPRESSION.code(), "BIS001");
        let left_out = RuleSet::all().difference(RuleSet::on_by_default());
        assert!(left_out.iter().map(Rule::code).eq(["BIS801"]));
    }
}
