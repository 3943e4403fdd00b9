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

/// The needle of a call of `cancel` with an argument, a message.
pub(crate) const CANCEL_WITH: &str = "cancel(_";

/// The needle of an assignment to an attribute of something else than `self` and `cls`.
pub(crate) const CHANGES_ATTRIBUTE: &str = "x.y =";

/// The needle of a rule that looks into asynchronous functions.
pub(crate) const ASYNC_DEF: &[&str] = &["async def"];

/// The needles of a handler that catches a cancellation.
pub(crate) const CATCHES: &[&str] = &[
    "except:",
    "CancelledError",
    "BaseException",
    "get_cancelled_exc_class",
];

/// The needles of a block that runs while a cancellation passes.
pub(crate) const CLEANS_UP: &[&str] = &[
    "finally",
    "except:",
    "CancelledError",
    "BaseException",
    "get_cancelled_exc_class",
];

/// Whether a text can contain a finding of one of the rules.
///
/// It may be asked about bytes before they are decoded: the words are ASCII, and every encoding
/// that Python reads writes ASCII as ASCII.
#[must_use]
pub fn wanted(text: &[u8], rules: RuleSet) -> bool {
    let mut seen = Seen::new(text);
    rules.iter().any(|rule| wants(rule, &mut seen))
}

/// The rules that can have a finding in a text, and those that look at every file.
pub(crate) fn rules_for(text: &[u8], rules: RuleSet) -> RuleSet {
    let mut seen = Seen::new(text);
    rules
        .iter()
        .filter(|rule| rule.info().needles.is_empty() || wants(*rule, &mut seen))
        .collect()
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
        let found = match needle {
            "async def" => after(self.text, b"async").any(|rest| rest.starts_with(b"def")),
            "except:" => after(self.text, b"except").any(|rest| rest.starts_with(b":")),
            CHANGES_ATTRIBUTE => memchr::memchr_iter(b'.', self.text)
                .any(|dot| is_changed_attribute(&self.text[..dot], &self.text[dot + 1..])),
            CANCEL_WITH => after(self.text, b"cancel").any(has_argument),
            word => memmem::find(self.text, word.as_bytes()).is_some(),
        };
        self.known.push((needle, found));
        found
    }
}

/// What follows each occurrence of a word, white space and joined lines aside.
fn after<'a>(text: &'a [u8], word: &'static [u8]) -> impl Iterator<Item = &'a [u8]> {
    memmem::find_iter(text, word).map(|at| skip_space(&text[at + word.len()..]))
}

fn skip_space(text: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\x0c' | b'\\' | b'\r' | b'\n');
    let gap = text.iter().take_while(|byte| is_space(byte)).count();
    &text[gap..]
}

/// Whether the texts before and behind a dot are those of an attribute that is assigned to.
fn is_changed_attribute(before: &[u8], behind: &[u8]) -> bool {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || !byte.is_ascii();
    let behind = skip_space(behind);
    let name = behind.iter().take_while(|byte| is_word(byte)).count();
    let rest = skip_space(&behind[name..]);
    let is_operator = |byte: &u8| b"+-*/%@&|^<>".contains(byte);
    let operator = rest.iter().take_while(|byte| is_operator(byte)).count();
    // `x.y: type = value` assigns, too.
    let assigns = match rest[operator.min(rest.len())..] {
        [b'=', b'=', ..] => false,
        [b'=', ..] => true,
        [b':', ..] => operator == 0,
        _ => false,
    };
    let owner = before.iter().rev().take_while(|byte| is_word(byte)).count();
    name > 0 && assigns && !matches!(&before[before.len() - owner..], b"self" | b"cls")
}

/// Whether a text begins with a call's parentheses that aren't empty.
fn has_argument(text: &[u8]) -> bool {
    text.strip_prefix(b"(")
        .is_some_and(|inside| !skip_space(inside).starts_with(b")"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_attributes_are_found() {
        let finds = |text: &'static str| Seen::new(text.as_bytes()).contains(CHANGES_ATTRIBUTE);
        let rows = [
            ("asyncio.sleep = fake", true),
            ("asyncio.tasks . sleep= fake", true),
            ("asyncio.Task.cancel += 1", true),
            ("asyncio.sleep: object = fake", true),
            ("asyncio.a = asyncio.b = fake", true),
            ("self.sleep = fake", false),
            ("cls.sleep = fake", false),
            ("asyncio.sleep == fake", false),
            ("asyncio.sleep(delay=1)", false),
            ("x <= asyncio.sleep", false),
        ];
        for (text, expected) in rows {
            assert_eq!(finds(text), expected, "{text}");
        }
    }

    #[test]
    fn tokens_are_found_whatever_stands_between_them() {
        let needles = |text: &'static str| {
            let mut seen = Seen::new(text.as_bytes());
            (seen.contains("async def"), seen.contains("except:"))
        };
        let cancels = |text: &'static str| Seen::new(text.as_bytes()).contains(CANCEL_WITH);
        assert!(cancels("task.cancel(\n    msg=STOP)") && cancels("x.cancel (1)"));
        assert!(!cancels("task.cancel( )") && !cancels("task.cancel") && !cancels("cancelled(1)"));
        let rows = [
            ("async def f(): ...", (true, false)),
            ("async  \\\r\n def f(): ...", (true, false)),
            ("asynchronous definition", (false, false)),
            ("try: ...\nexcept : ...", (false, true)),
            ("try: ...\nexcept Exception: ...", (false, false)),
            ("except", (false, false)),
        ];
        for (text, expected) in rows {
            assert_eq!(needles(text), expected, "{text}");
        }
    }
}
