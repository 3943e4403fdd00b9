//! Rule selectors: `BIS101`, `BIS2`, `cancel-spin-loop`, `ALL`; and what a list of them selects.
//!
//! Invariant: of two selectors that disagree about a rule the more exact one wins, and `ignore`
//! wins over `select` where they are equally exact, as in ruff.

use linter::{Rule, RuleSet};

/// A selector, resolved.
#[derive(Debug, Clone)]
pub struct Selector {
    text: String,
    rules: RuleSet,
    /// How exact it is: the length of its code, of `ALL` 0.
    exactness: usize,
}

/// The length of a whole code; a name counts the same.
const WHOLE: usize = "BIS101".len();

impl Selector {
    /// Reads a selector.
    ///
    /// # Errors
    ///
    /// What is wrong and what was perhaps meant, for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let rules = RuleSet::from_selector(text).ok_or_else(|| unknown(text))?;
        let exactness = if text.eq_ignore_ascii_case("ALL") {
            0
        } else if Rule::from_code(text).is_some() {
            WHOLE
        } else {
            text.len()
        };
        Ok(Selector {
            text: text.to_owned(),
            rules,
            exactness,
        })
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn rules(&self) -> RuleSet {
        self.rules
    }

    pub fn exactness(&self) -> usize {
        self.exactness
    }

    /// Whether it names one rule by its whole code or name.
    pub fn names_a_rule(&self) -> bool {
        self.exactness == WHOLE
    }
}

/// Reads a selector of rules to leave out.
///
/// # Errors
///
/// As [`Selector::parse`]; also where it names the syntax errors, which are always reported.
pub fn parse_ignored(text: &str) -> Result<Selector, String> {
    let selector = Selector::parse(text)?;
    if selector.names_a_rule() && selector.rules.contains(Rule::SYNTAX_ERROR) {
        return Err(format!(
            "`{text}` can't be ignored: exclude the file where its syntax is not Python's"
        ));
    }
    Ok(selector)
}

/// The rules that are left when `select` adds to a set and `ignore` takes from it.
pub fn apply(before: RuleSet, select: &[Selector], ignore: &[Selector]) -> RuleSet {
    let mut rules = before;
    for exactness in 0..=WHOLE {
        let level = |selector: &&Selector| selector.exactness == exactness;
        for selector in select.iter().filter(level) {
            rules = rules.union(selector.rules);
        }
        for selector in ignore.iter().filter(level) {
            rules = rules.difference(selector.rules);
        }
    }
    rules
}

/// The text of an error about a selector that selects nothing.
pub fn unknown(text: &str) -> String {
    let upper = text.to_ascii_uppercase();
    let candidates = || Rule::all().flat_map(|rule| [rule.code(), rule.name()]);
    let closest = closest(&upper, candidates()).or_else(|| closest(text, candidates()));
    match closest {
        Some(closest) => format!("unknown rule `{text}`: did you mean `{closest}`?"),
        None => format!("unknown rule `{text}`: `asyncbis-lint rule --all` lists the rules"),
    }
}

/// The candidate that a text was perhaps meant to be.
pub fn closest<'a>(text: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(text, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(4).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selectors(texts: &[&str]) -> Vec<Selector> {
        texts
            .iter()
            .map(|text| Selector::parse(text).unwrap())
            .collect()
    }

    #[test]
    fn the_more_exact_selector_wins() {
        let table: &[(&[&str], &[&str], bool)] = &[
            (&["ALL"], &[], true),
            (&["ALL"], &["BIS0"], false),
            (&["BIS001"], &["BIS0"], true),
            (&["BIS0"], &["BIS001"], false),
            (&["BIS001"], &["BIS001"], false),
            (&["unused-suppression"], &["ALL"], true),
            (&["bis0"], &[], true),
        ];
        let rule = Rule::from_code("BIS001").unwrap();
        for (select, ignore, expected) in table {
            let rules = apply(RuleSet::EMPTY, &selectors(select), &selectors(ignore));
            assert_eq!(rules.contains(rule), *expected, "{select:?} {ignore:?}");
        }
    }

    #[test]
    fn what_was_perhaps_meant_is_named() {
        let table = [
            ("BIS0O1", "did you mean `BIS001`?"),
            ("unused-supression", "did you mean `unused-suppression`?"),
            ("E501", "`asyncbis-lint rule --all` lists the rules"),
            ("", "`asyncbis-lint rule --all` lists the rules"),
        ];
        for (text, expected) in table {
            let error = Selector::parse(text).unwrap_err();
            assert!(error.ends_with(expected), "{error}");
        }
    }
}
