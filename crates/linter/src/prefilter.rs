//! Which files are worth parsing: those that contain the words a finding can't do without.
//!
//! A rule declares groups of words, its needles; a file that lacks a whole group can't have a
//! finding of that rule. The test is lossless for the enabled rules because a rule only reports
//! what contains its needles. Files that no rule wants are not parsed: their syntax errors are
//! Python's business.

use memchr::memmem;

use crate::registry::{Rule, RuleSet};

/// The groups of words of which a file must contain one each.
pub(crate) type Needles = &'static [&'static [&'static str]];

/// The needles of a rule that looks at asynchronous functions or asyncio's names.
///
/// Every name of asyncio, asyncbis, anyio's and trio's scopes needs an `async def`, or the word
/// `asyncio` or `asyncbis`: all contain `async`.
pub(crate) const ASYNC: &[&str] = &["async"];

/// Whether a text can contain a finding of one of the rules.
///
/// It may be asked about bytes before they are decoded: the words are ASCII, and every encoding
/// that Python reads writes ASCII as ASCII.
#[must_use]
pub fn wanted(text: &[u8], rules: RuleSet) -> bool {
    let mut seen = Seen::new(text);
    rules.iter().any(|rule| wants(rule, &mut seen))
}

fn wants(rule: Rule, seen: &mut Seen<'_>) -> bool {
    let groups = rule.info().needles;
    !groups.is_empty()
        && groups
            .iter()
            .all(|group| group.iter().any(|needle| seen.contains(needle)))
}

/// Remembers which words were already looked for.
struct Seen<'a> {
    text: &'a [u8],
    known: Vec<(&'static str, bool)>,
}

impl<'a> Seen<'a> {
    fn new(text: &'a [u8]) -> Self {
        Seen {
            text,
            known: Vec::new(),
        }
    }

    fn contains(&mut self, needle: &'static str) -> bool {
        if let Some((_, found)) = self.known.iter().find(|(word, _)| *word == needle) {
            return *found;
        }
        let found = memmem::find(self.text, needle.as_bytes()).is_some();
        self.known.push((needle, found));
        found
    }
}
