//! The lines of a text that a rendered finding needs, with its ranges moved to them.
//!
//! Invariants: lines end with `\n`, whatever they ended with; a line keeps at most some hundred
//! bytes around what is marked in it, so that a minified file prints no megabytes; lines far from
//! every mark are empty, so that the renderer folds them; ranges stay on character boundaries.

use std::ops::Range;

use linter::SourceFile;
use ruff_source_file::OneIndexed;
use ruff_text_size::{TextRange, TextSize};

/// Longer lines are cut, to this much before and after a mark.
const LONG: usize = 300;
const AROUND: usize = 100;
/// How many lines before and after a mark keep their text.
const NEAR: usize = 2;

/// Some lines of a text.
pub struct Window {
    pub text: String,
    /// The number of the first line, in its notebook cell where there is one.
    pub first_row: usize,
    /// Where the pieces of the text went: (old range, new start), sorted.
    pieces: Vec<(Range<usize>, usize)>,
}

impl Window {
    /// The lines that some ranges are on.
    pub fn new(source: &SourceFile, ranges: &[TextRange]) -> Self {
        let lines = source.lines();
        let mut marks: Vec<usize> = ranges
            .iter()
            .flat_map(|range| [range.start(), range.end()])
            .map(usize::from)
            .collect();
        marks.sort_unstable();
        marks.dedup();
        let row = |offset: usize| lines.line_index(size(offset)).to_zero_indexed();
        let rows: Vec<usize> = marks.iter().map(|mark| row(*mark)).collect();
        let (Some(first), Some(last)) = (rows.first().copied(), rows.last().copied()) else {
            return Window {
                text: String::new(),
                first_row: 1,
                pieces: Vec::new(),
            };
        };
        let mut window = Window {
            text: String::new(),
            first_row: source.location(line_start(source, first)).row,
            pieces: Vec::new(),
        };
        for number in first..=last {
            let start = usize::from(line_start(source, number));
            let end = start + content_length(&source.text()[start..]);
            let near = rows.iter().any(|row| row.abs_diff(number) <= NEAR);
            if near {
                let next = usize::from(line_start(source, number + 1)).max(end);
                let inside = marks
                    .iter()
                    .copied()
                    .filter(|mark| (start..=next).contains(mark));
                window.line(source.text(), start..end, inside);
            }
            // An offset at, or inside, the line's end is shown at the end of its content.
            window.pieces.push((end..end, window.text.len()));
            window.text.push('\n');
        }
        window
    }

    fn line(&mut self, text: &str, line: Range<usize>, marks: impl Iterator<Item = usize>) {
        if line.len() <= LONG {
            self.keep(text, line);
            return;
        }
        let mut shown = line.start;
        for mark in marks {
            let from = text
                .floor_char_boundary(mark.saturating_sub(AROUND))
                .max(shown);
            let to = text.ceil_char_boundary(mark + AROUND).min(line.end);
            if to <= from {
                continue;
            }
            if from > shown {
                self.text.push('…');
            }
            self.keep(text, from..to);
            shown = to;
        }
        if shown < line.end {
            self.text.push('…');
        }
    }

    fn keep(&mut self, text: &str, range: Range<usize>) {
        self.pieces.push((range.clone(), self.text.len()));
        self.text.push_str(&text[range]);
    }

    /// Where a range went.
    pub fn moved(&self, range: TextRange) -> Range<usize> {
        let start = self.offset(range.start().into());
        start..self.offset(range.end().into()).max(start)
    }

    fn offset(&self, offset: usize) -> usize {
        let index = self.pieces.partition_point(|(old, _)| old.start <= offset);
        let Some((old, new)) = index
            .checked_sub(1)
            .and_then(|index| self.pieces.get(index))
        else {
            return 0;
        };
        new + (offset - old.start).min(old.len())
    }
}

fn line_start(source: &SourceFile, row: usize) -> TextSize {
    let row = OneIndexed::from_zero_indexed(row);
    source.lines().line_start(row, source.text())
}

/// How long the first line is, without its end.
fn content_length(text: &str) -> usize {
    memchr::memchr2(b'\n', b'\r', text.as_bytes()).unwrap_or(text.len())
}

fn size(offset: usize) -> TextSize {
    TextSize::try_from(offset).expect("a text below 4 GiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(text: &str, ranges: &[(u32, u32)]) -> (Window, Vec<String>) {
        let source = SourceFile::python("a.py", text);
        let ranges: Vec<TextRange> = ranges
            .iter()
            .map(|(start, end)| TextRange::new((*start).into(), (*end).into()))
            .collect();
        let window = Window::new(&source, &ranges);
        let shown = ranges
            .iter()
            .map(|range| window.text[window.moved(*range)].to_owned())
            .collect();
        (window, shown)
    }

    #[test]
    fn only_the_marked_lines_are_kept() {
        let (found, shown) = window("a\nbc\nd\n", &[(2, 4)]);
        assert_eq!((found.text.as_str(), found.first_row), ("bc\n", 2));
        assert_eq!(shown, ["bc"]);
    }

    #[test]
    fn line_ends_become_newlines() {
        for end in ["\n", "\r\n", "\r"] {
            let text = format!("ab{end}cd{end}");
            let second = 2 + u32::try_from(end.len()).unwrap();
            let (found, shown) = window(&text, &[(0, 2), (second, second + 2)]);
            assert_eq!(found.text, "ab\ncd\n");
            assert_eq!(shown, ["ab", "cd"]);
        }
    }

    #[test]
    fn lines_far_from_marks_are_empty() {
        let text = "x\n".repeat(20);
        let (found, shown) = window(&text, &[(0, 1), (38, 39)]);
        let expected = format!("x\nx\nx\n{}x\nx\nx\n", "\n".repeat(14));
        assert_eq!(found.text, expected);
        assert_eq!(shown, ["x", "x"]);
    }

    #[test]
    fn long_lines_are_cut_around_the_marks() {
        let text = format!("{}MARK{}", "é".repeat(500_000), "€".repeat(500_000));
        let (found, shown) = window(&text, &[(1_000_000, 1_000_004)]);
        assert!(found.text.len() < 4 * AROUND, "{}", found.text.len());
        assert!(found.text.starts_with('…') && found.text.ends_with("…\n"));
        assert_eq!(shown, ["MARK"]);
    }

    #[test]
    fn the_end_of_the_file_is_a_place() {
        let (found, shown) = window("ab\n", &[(3, 3)]);
        assert_eq!((found.text.as_str(), found.first_row), ("\n", 2));
        assert_eq!(shown, [""]);
        let (_, shown) = window("ab", &[(2, 2)]);
        assert_eq!(shown, [""]);
        let (_, shown) = window("", &[(0, 0)]);
        assert_eq!(shown, [""]);
    }
}
