//! What a string or a comment says, and where in the file each part of it stands.
//!
//! A string's value is not its text: escapes, prefixes and implicit concatenation stand between. The
//! value is read as Python here, so an edit needs to know where a part of it is in the file.
//!
//! Invariant: where a part of the value has a range, the file says there exactly that part.

use ruff_python_ast::{ExprStringLiteral, StringLiteral};
use ruff_text_size::{Ranged, TextRange, TextSize};

/// A text that stands in a file, maybe in pieces.
pub(super) struct Text {
    pub value: String,
    pieces: Vec<Piece>,
}

/// A part of the value that the file says word for word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    start: usize,
    len: usize,
    at: usize,
}

impl Text {
    /// A part of the file as it stands.
    pub fn verbatim(source: &str, range: TextRange) -> Self {
        Text {
            value: source[range].to_owned(),
            pieces: vec![Piece {
                start: 0,
                len: range.len().to_usize(),
                at: range.start().to_usize(),
            }],
        }
    }

    /// Lines of a text, put together: `lines` are ranges in the value of `text`.
    pub fn lines(text: &Text, lines: &[(usize, usize)]) -> Self {
        let mut result = Text {
            value: String::new(),
            pieces: Vec::new(),
        };
        for (start, end) in lines {
            let offset = result.value.len();
            for piece in &text.pieces {
                let from = piece.start.max(*start);
                let to = (piece.start + piece.len).min(*end);
                if from < to {
                    result.pieces.push(Piece {
                        start: offset + from - start,
                        len: to - from,
                        at: piece.at + from - piece.start,
                    });
                }
            }
            result.value.push_str(&text.value[*start..*end]);
        }
        result
    }

    /// What a string says.
    pub fn of(source: &str, string: &ExprStringLiteral) -> Self {
        let mut text = Text {
            value: String::new(),
            pieces: Vec::new(),
        };
        for part in &string.value {
            let offset = text.value.len();
            let found = pieces_of(source, part).unwrap_or_default();
            text.pieces.extend(found.into_iter().map(|piece| Piece {
                start: offset + piece.start,
                ..piece
            }));
            text.value.push_str(part.as_str());
        }
        text
    }

    /// What a string says that stands in the value of this text.
    pub fn inner(&self, string: &ExprStringLiteral) -> Self {
        let inner = Text::of(&self.value, string);
        let pieces = inner.pieces.iter().flat_map(|piece| {
            Text::lines(self, &[(piece.at, piece.at + piece.len)])
                .pieces
                .into_iter()
                .map(|below| Piece {
                    start: piece.start + below.start,
                    ..below
                })
                .collect::<Vec<_>>()
        });
        Text {
            pieces: pieces.collect(),
            value: inner.value,
        }
    }

    /// Where the file says a part of the value; `None` where it doesn't say it in one piece.
    pub fn range(&self, start: usize, end: usize) -> Option<TextRange> {
        let inside = |piece: &&Piece| piece.start <= start && end <= piece.start + piece.len;
        // At the border of two pieces an empty part belongs to the second: text goes before it.
        let piece = self.pieces.iter().rfind(inside)?;
        let at = piece.at + start - piece.start;
        Some(TextRange::new(size(at), size(at + end - start)))
    }

    /// The same for a node of the parsed value.
    pub fn range_of(&self, node: TextRange) -> Option<TextRange> {
        self.range(node.start().to_usize(), node.end().to_usize())
    }
}

fn size(offset: usize) -> TextSize {
    TextSize::try_from(offset).expect("the parser refuses texts of 4 GiB")
}

/// The parts of a string's value that its text says word for word; `None` where an escape is used
/// that only a table of all characters could read (`\N{BULLET}`).
fn pieces_of(source: &str, string: &StringLiteral) -> Option<Vec<Piece>> {
    let content = string.content_range();
    let raw = &source[content];
    let value = string.as_str();
    let is_raw = source[TextRange::new(string.start(), content.start())].contains(['r', 'R']);
    let mut pieces: Vec<Piece> = Vec::new();
    let (mut at, mut start) = (0, 0);
    while at < raw.len() {
        let (consumed, produced, is_verbatim) = step(&raw[at..], is_raw)?;
        if is_verbatim {
            if raw[at..at + consumed] != *value.get(start..start + produced)? {
                return None;
            }
            let here = content.start().to_usize() + at;
            match pieces.last_mut() {
                Some(last) if last.start + last.len == start && last.at + last.len == here => {
                    last.len += produced;
                }
                _ => pieces.push(Piece {
                    start,
                    len: produced,
                    at: here,
                }),
            }
        }
        at += consumed;
        start += produced;
    }
    (start == value.len()).then_some(pieces)
}

/// The length of the next character or escape, the length of its value, and whether they are the
/// same.
fn step(raw: &str, is_raw: bool) -> Option<(usize, usize, bool)> {
    let mut chars = raw.chars();
    let first = chars.next()?;
    if first != '\\' || is_raw {
        return Some((first.len_utf8(), first.len_utf8(), true));
    }
    let hexadecimal = |digits: usize| {
        let code = u32::from_str_radix(raw.get(2..2 + digits)?, 16).ok()?;
        Some((2 + digits, char::from_u32(code)?.len_utf8(), false))
    };
    match chars.next()? {
        '\r' if raw.starts_with("\\\r\n") => Some((3, 0, false)),
        '\n' | '\r' => Some((2, 0, false)),
        '\\' | '\'' | '"' | 'a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' => Some((2, 1, false)),
        'x' => hexadecimal(2),
        'u' => hexadecimal(4),
        'U' => hexadecimal(8),
        'N' => None,
        '0'..='7' => {
            let is_octal = |byte: &u8| matches!(byte, b'0'..=b'7');
            let digits = raw.bytes().skip(1).take(3).take_while(is_octal).count();
            let code = u32::from_str_radix(&raw[1..=digits], 8).ok()?;
            Some((1 + digits, char::from_u32(code)?.len_utf8(), false))
        }
        // No escape: the backslash is text, and so is what follows it.
        _ => Some((1, 1, true)),
    }
}

#[cfg(test)]
mod tests {
    use ruff_python_parser::parse_expression;

    use super::Text;

    /// Where each word of a string's value is found in its text, `-` where it isn't.
    fn places(source: &str) -> String {
        let parsed = parse_expression(source).expect("valid");
        let string = parsed.expr().as_string_literal_expr().expect("a string");
        let text = Text::of(source, string);
        let mut found = Vec::new();
        let mut start = 0;
        for word in text.value.split(' ') {
            let place = text.range(start, start + word.len());
            found.push(place.map_or("-".to_owned(), |range| {
                assert_eq!(&source[range], word);
                range.start().to_u32().to_string()
            }));
            start += word.len() + 1;
        }
        found.join(" ")
    }

    #[test]
    fn a_part_of_a_value_is_found_in_the_text() {
        let table = [
            (r#""one two""#, "1 5"),
            (r#"r'one two'"#, "2 6"),
            ("'''one\\\n two'''", "3 9"),
            ("'''one\r\ntwo x'''", "3 12"),
            (r"'\x41 two'", "- 6"),
            (r"'\u00e9 two'", "- 8"),
            (r"'\101 two'", "- 6"),
            (r"'a\d two'", "1 5"),
            (r"r'\x41 two'", "2 7"),
            (r"'\N{BULLET} two'", "- -"),
            (r#"'one ' "two""#, "1 8"),
            (r#"'one t' "wo six""#, "1 - 12"),
            (r"u'é two'", "2 5"),
        ];
        for (source, expected) in table {
            assert_eq!(places(source), expected, "{source}");
        }
    }

    #[test]
    fn a_string_in_a_string_is_found_in_the_file() {
        let source = r#"r"List['one two']""#;
        let parsed = parse_expression(source).expect("valid");
        let text = Text::of(source, parsed.expr().as_string_literal_expr().expect("one"));
        let below = parse_expression(&text.value).expect("valid");
        let subscript = below.expr().as_subscript_expr().expect("a subscript");
        let inner = text.inner(subscript.slice.as_string_literal_expr().expect("one"));
        assert_eq!(inner.value, "one two");
        let range = inner.range(4, 7).expect("in one piece");
        assert_eq!(&source[range], "two");
    }

    proptest::proptest! {
        /// Whatever escapes, prefixes and parts a string has: where a part of its value has a
        /// range, the file says there exactly that.
        #[test]
        fn a_range_says_what_the_value_says(
            parts in proptest::collection::vec(("[rRuU]?", "(asyncio|[a-zé. ]|\\\\[nx\\\\'\"047uNU]|41|e9|\r?\n){0,8}"), 1..4)
        ) {
            let literals: Vec<String> = parts
                .iter()
                .map(|(prefix, raw)| format!("{prefix}\"\"\"{raw}\"\"\""))
                .collect();
            let source = literals.join(" ");
            let Ok(parsed) = parse_expression(&source) else {
                return Ok(());
            };
            let Some(string) = parsed.expr().as_string_literal_expr() else {
                return Ok(());
            };
            let text = Text::of(&source, string);
            proptest::prop_assert_eq!(&text.value, string.value.to_str());
            let places: Vec<usize> = text.value.char_indices().map(|(at, _)| at).collect();
            for start in &places {
                for end in places.iter().filter(|end| start <= end) {
                    if let Some(range) = text.range(*start, *end) {
                        proptest::prop_assert_eq!(&source[range], &text.value[*start..*end]);
                    }
                }
            }
        }
    }
}
