//! A guard against texts whose syntax tree is too deep for any stack.
//!
//! The parser, the walks over the tree and its release all recurse, so the depth of the tree has
//! to be bounded before it exists. CPython refuses such texts as well: 200 nested brackets, 100
//! levels of indentation, some thousands of operators in a row.
//!
//! Invariant: a tree is at most [`LIMIT`] plus a few levels deep where [`too_deep`] finds nothing.
//!
//! The depth is over-estimated by a scan that knows strings, comments and brackets only: every
//! operator, dot, bracket and keyword that can nest counts one level, until a comma, a semicolon
//! or the end of the logical line begins anew.

use memchr::memmem;
use ruff_text_size::TextSize;

/// How deep a tree may be. [`crate::STACK_SIZE`] is enough for it, also in debug builds.
pub(crate) const LIMIT: usize = 20_000;

/// Keywords that nest expressions without a bracket.
const KEYWORDS: [&[u8]; 7] = [
    b"not", b"lambda", b"await", b"else", b"yield", b"if", b"from",
];

/// Where a text gets too deep.
pub(crate) fn too_deep(text: &str) -> Option<TextSize> {
    let bytes = text.as_bytes();
    // Almost every file ends here: it does not have enough of what nests.
    if bytes.len() <= LIMIT || can_nest_at_most(bytes) <= LIMIT || can_nest(bytes) <= LIMIT {
        return None;
    }
    Scan::new(bytes).run()
}

/// At most how many levels a text can have, in one pass: what nests, and words like a keyword.
///
/// There are no branches in the loop, so that the compiler makes vector instructions of it.
fn can_nest_at_most(bytes: &[u8]) -> usize {
    // A word may be the first of the text.
    let mut count = 1;
    for (chunk, next) in bytes.chunks(255).zip(bytes[1..].chunks(255)) {
        let (mut marks, mut words) = (0u8, 0u8);
        for (&byte, &next) in chunk.iter().zip(next) {
            let mark = (byte > b' ') & (byte < b'0')
                | (byte > b'9') & (byte < b'A')
                | (byte > b'Z') & (byte < b'a') & (byte != b'_')
                | (byte > b'z') & (byte < 0x7f);
            let counts = mark & (byte != b'"') & (byte != b'\'') & (byte != b',');
            // `1if` is a number and a word, so a digit does not belong to the word after it.
            let ends = mark | (byte <= b' ') | byte.is_ascii_digit() | (byte == 0x7f);
            let begins = (next == b'n')
                | (next == b'l')
                | (next == b'a')
                | (next == b'e')
                | (next == b'y')
                | (next == b'i')
                | (next == b'f');
            marks += u8::from(counts);
            words += u8::from(ends & begins);
        }
        count += usize::from(marks) + usize::from(words);
    }
    // The last byte has no next one.
    count + 1
}

/// At most how many levels a text can have, counted without looking at its structure.
fn can_nest(bytes: &[u8]) -> usize {
    let punctuation: usize = bytes
        .chunks(255)
        .map(|chunk| usize::from(chunk.iter().map(|byte| u8::from(nests(*byte))).sum::<u8>()))
        .sum();
    let keywords: usize = KEYWORDS
        .iter()
        .map(|word| memmem::find_iter(bytes, word).count())
        .sum();
    punctuation + keywords
}

fn nests(byte: u8) -> bool {
    byte.is_ascii_punctuation()
        && !matches!(
            byte,
            b'_' | b'"' | b'\'' | b',' | b';' | b'#' | b')' | b']' | b'}'
        )
}

/// A bracket, a replacement field of an f-string, or the parameters of a lambda.
struct Level {
    /// The levels since the last comma.
    chain: usize,
    closer: u8,
    /// The f-string that goes on after the field.
    string: Option<Quote>,
}

#[derive(Clone, Copy)]
struct Quote {
    byte: u8,
    triple: bool,
    interpolated: bool,
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
    levels: Vec<Level>,
    /// The sum of all chains.
    depth: usize,
    indents: Vec<usize>,
}

impl<'a> Scan<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Scan {
            bytes,
            at: 0,
            levels: vec![Level {
                chain: 0,
                closer: 0,
                string: None,
            }],
            depth: 0,
            indents: Vec::new(),
        }
    }

    fn run(mut self) -> Option<TextSize> {
        self.indentation();
        while let Some(&byte) = self.bytes.get(self.at) {
            let start = self.at;
            self.step(byte);
            if self.depth + self.indents.len() > LIMIT {
                return TextSize::try_from(start).ok();
            }
        }
        None
    }

    fn step(&mut self, byte: u8) {
        self.at += 1;
        match byte {
            b'#' => {
                let rest = &self.bytes[self.at..];
                self.at += memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
            }
            b'"' | b'\'' => self.string(byte, self.at - 1),
            b'(' => self.open(b')', None),
            b'[' => self.open(b']', None),
            b'{' => self.open(b'}', None),
            b')' | b']' | b'}' => self.close(byte),
            b',' | b';' => self.restart(),
            b'\n' | b'\r' if self.levels.len() == 1 => {
                self.restart();
                self.indentation();
            }
            b'\\' => self.at += 1,
            b':' if self.levels.last().is_some_and(|level| level.closer == b':') => {
                self.close(b':');
            }
            _ if byte.is_ascii_alphabetic() || byte == b'_' || !byte.is_ascii() => self.word(),
            _ if nests(byte) => self.deeper(),
            _ => {}
        }
    }

    fn deeper(&mut self) {
        self.depth += 1;
        if let Some(level) = self.levels.last_mut() {
            level.chain += 1;
        }
    }

    fn restart(&mut self) {
        if let Some(level) = self.levels.last_mut() {
            self.depth -= level.chain;
            level.chain = 0;
        }
    }

    /// A bracket counts as a level of what it stands in: `a()()()` nests as well.
    fn open(&mut self, closer: u8, string: Option<Quote>) {
        self.deeper();
        self.levels.push(Level {
            chain: 0,
            closer,
            string,
        });
    }

    fn close(&mut self, closer: u8) {
        let Some(open) = self.levels.iter().rposition(|level| level.closer == closer) else {
            return;
        };
        while self.levels.len() > open {
            let Some(level) = self.levels.pop() else {
                return;
            };
            self.depth -= level.chain;
            if let Some(quote) = level.string {
                self.string_rest(quote);
            }
        }
    }

    fn word(&mut self) {
        let start = self.at - 1;
        let rest = &self.bytes[self.at..];
        let is_word =
            |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_' || !byte.is_ascii();
        self.at += rest.iter().take_while(is_word).count();
        let word = &self.bytes[start..self.at];
        let quote = self.bytes.get(self.at).copied();
        if word.len() <= 2 && matches!(quote, Some(b'"' | b'\'')) {
            let quote = self.bytes[self.at];
            self.at += 1;
            self.string(quote, start);
        } else if word == b"lambda" {
            self.open(b':', None);
        } else if KEYWORDS.contains(&word) {
            self.deeper();
        }
    }

    /// A string whose first quote was just passed.
    fn string(&mut self, byte: u8, prefix: usize) {
        let interpolated = self.bytes[prefix..self.at - 1]
            .iter()
            .any(|byte| matches!(byte.to_ascii_lowercase(), b'f' | b't'));
        let triple = self.bytes[self.at..].starts_with(&[byte, byte]);
        if triple {
            self.at += 2;
        }
        self.string_rest(Quote {
            byte,
            triple,
            interpolated,
        });
    }

    fn string_rest(&mut self, quote: Quote) {
        while let Some(&byte) = self.bytes.get(self.at) {
            self.at += 1;
            match byte {
                b'\\' => self.at += 1,
                b'\n' | b'\r' if !quote.triple => {
                    self.at -= 1;
                    return;
                }
                b'{' if quote.interpolated => {
                    if self.bytes.get(self.at) == Some(&b'{') {
                        self.at += 1;
                    } else {
                        return self.open(b'}', Some(quote));
                    }
                }
                _ if byte == quote.byte => {
                    if !quote.triple {
                        return;
                    }
                    if self.bytes[self.at..].starts_with(&[byte, byte]) {
                        self.at += 2;
                        return;
                    }
                }
                _ => {}
            }
        }
    }

    /// The blank at the start of a logical line.
    fn indentation(&mut self) {
        let rest = &self.bytes[self.at..];
        let width = rest
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t' | b'\x0c'))
            .count();
        if matches!(rest.get(width), None | Some(b'\n' | b'\r' | b'#')) {
            return;
        }
        while self.indents.last().is_some_and(|top| *top > width) {
            self.indents.pop();
        }
        if width > self.indents.last().copied().unwrap_or(0) {
            self.indents.push(width);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quick_bound_counts_all_that_the_scan_counts() {
        for byte in 0..=0x7f {
            let text = [byte; 1000];
            assert!(!nests(byte) || can_nest_at_most(&text) >= 1000, "{byte}");
            for keyword in KEYWORDS {
                // A letter, a digit in a name or `_` continues a word; a number does not.
                if byte.is_ascii_alphabetic() || byte == b'_' {
                    continue;
                }
                let text = [&[byte], keyword].concat().repeat(1000);
                assert!(can_nest_at_most(&text) >= 1000, "{byte} {keyword:?}");
            }
        }
    }

    fn repeated(before: &str, unit: &str, after: &str, count: usize) -> String {
        format!("{before}{}{after}", unit.repeat(count))
    }

    #[test]
    fn what_nests_deeper_than_the_limit_is_found() {
        let table = [
            ("x = ", "("),
            ("x = ", "["),
            ("x = ", "{"),
            ("x = ", "f("),
            ("x = ", "-"),
            ("x = ", "not "),
            ("x = a", " + a"),
            ("x = a", " +\\\n a"),
            ("x = (a", " +\n a"),
            ("x = a", ".b"),
            ("x = a", "()"),
            ("x = a", "[0, 1]"),
            ("x = ", "lambda: "),
            ("x = ", "lambda a, b: "),
            ("x = ", "await "),
            ("x = ", "1 if a else "),
            ("x = ", "f'{f\"{"),
            ("x = ", "f'''{"),
            ("x = 'unclosed\ny = ", "("),
            ("x = \"\"\"( # ' \"\"\" + ", "("),
            ("x = ') # (' + ", "(')' + "),
            ("x = ", "a**"),
        ];
        for (before, unit) in table {
            let deep = repeated(before, unit, "", LIMIT + 1);
            assert!(too_deep(&deep).is_some(), "{before}{unit}");
            let shallow = repeated(before, unit, "", LIMIT / 4);
            assert_eq!(too_deep(&shallow), None, "{before}{unit}");
        }
    }

    #[test]
    fn what_is_long_but_flat_is_not() {
        let count = 3 * LIMIT;
        let table = [
            repeated("x = [", "a.b(c + d), ", "]", count),
            repeated("", "a.b(c + d)\n", "", count),
            repeated("", "a.b(c + d); ", "", count),
            repeated("x = {", "'a.b': f'{a.b} {c}', ", "}", count),
            repeated("x = [", "lambda a, b: a + b, ", "]", count),
            repeated("x = '", "((((", "'", count),
            repeated("# ", "((((", "\n", count),
            repeated("x = \"\"\"", "(\n", "\"\"\"", count),
            repeated("", "if a:\n    b(c)\n", "", count),
            repeated("f(", "a=not b,\n", ")", count),
        ];
        for text in table {
            assert_eq!(too_deep(&text), None, "{}", &text[..40]);
        }
    }

    #[test]
    fn blocks_count() {
        let text: String = (0..1000)
            .map(|level| format!("{}if a:\n", " ".repeat(level)))
            .collect();
        let mut scan = Scan::new(text.as_bytes());
        scan.indentation();
        while let Some(&byte) = scan.bytes.get(scan.at) {
            scan.step(byte);
        }
        assert_eq!(scan.indents.len(), 999);
    }
}
