//! A rule's Markdown page read into its parts: front matter, sections and examples.
//!
//! The page is at once the rule's documentation, the text of `asyncbis-lint rule`, and its tests.
//!
//! Invariants:
//! - Line numbers count from 1 and refer to the page, so that a failing example can be opened.
//! - An example's code is the text between its fences, byte for byte.
//!
//! Not here: the judgement whether an example holds (the tests do that), and any I/O.

use std::fmt;

/// One page of `rules/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<'a> {
    /// `BIS101`
    pub code: &'a str,
    /// `cancel-spin-loop`
    pub name: &'a str,
    /// One sentence without a full stop, what the rule finds.
    pub summary: &'a str,
    /// The severities that the rule's findings can have, highest first: `error, warning`.
    pub severities: Vec<&'a str>,
    /// `none`, `safe`, `unsafe` or `safe, unsafe`.
    pub fix: &'a str,
    /// The version that brought the rule.
    pub since: &'a str,
    /// Everything after the front matter.
    pub body: &'a str,
    /// The second-level headings, in order.
    pub sections: Vec<Section<'a>>,
    /// The fenced blocks, in order.
    pub blocks: Vec<Block<'a>>,
}

/// A second-level heading and the text below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section<'a> {
    pub title: &'a str,
    pub text: &'a str,
    pub line: usize,
}

/// A fenced block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block<'a> {
    /// The words after the opening fence: `python fixed`.
    pub info: &'a str,
    pub code: &'a str,
    /// The line of the opening fence.
    pub line: usize,
    /// The second-level heading above.
    pub section: &'a str,
}

/// What an example expects on one of its lines: `# error: BIS101, warning: BIS201`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// The line inside the block, from 1.
    pub line: usize,
    pub severity: String,
    pub code: String,
}

/// Why a page can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageError {
    pub line: usize,
    pub message: String,
}

impl fmt::Display for PageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for PageError {}

const KEYS: [&str; 6] = ["code", "name", "summary", "severity", "fix", "since"];
const SEVERITIES: [&str; 3] = ["error", "warning", "info"];
const FIXES: [&str; 4] = ["none", "safe", "unsafe", "safe, unsafe"];

impl<'a> Page<'a> {
    /// Reads a page.
    ///
    /// # Errors
    ///
    /// The first thing wrong with the page, with its line.
    pub fn parse(text: &'a str) -> Result<Self, PageError> {
        let (values, body_start, body_line) = front_matter(text)?;
        let body = &text[body_start..];
        let [code, name, summary, severity, fix, since] = values;
        let severities: Vec<&str> = severity.split(',').map(str::trim).collect();
        if let Some(unknown) = severities.iter().find(|s| !SEVERITIES.contains(s)) {
            return Err(error(
                1,
                format!("unknown severity `{unknown}`, expected one of {SEVERITIES:?}"),
            ));
        }
        if !FIXES.contains(&fix) {
            return Err(error(
                1,
                format!("unknown fix `{fix}`, expected one of {FIXES:?}"),
            ));
        }
        let (sections, blocks) = sections_and_blocks(body, body_line)?;
        Ok(Page {
            code,
            name,
            summary,
            severities,
            fix,
            since,
            body,
            sections,
            blocks,
        })
    }

    /// The section with this title.
    #[must_use]
    pub fn section(&self, title: &str) -> Option<&Section<'a>> {
        self.sections.iter().find(|section| section.title == title)
    }
}

impl Block<'_> {
    /// The findings that the block's comments announce, sorted.
    #[must_use]
    pub fn marks(&self) -> Vec<Mark> {
        let mut marks = Vec::new();
        for (index, line) in self.code.lines().enumerate() {
            for comment in line.split('#').skip(1) {
                marks.extend(comment_marks(comment, index + 1));
            }
        }
        marks.sort();
        marks
    }
}

fn comment_marks(comment: &str, line: usize) -> impl Iterator<Item = Mark> {
    comment.split(',').filter_map(move |part| {
        let (severity, code) = part.split_once(':')?;
        let (severity, code) = (severity.trim(), code.trim());
        let known = SEVERITIES.contains(&severity) && code.starts_with("BIS");
        known.then(|| Mark {
            line,
            severity: severity.to_owned(),
            code: code.to_owned(),
        })
    })
}

/// The values of `KEYS`, the offset of the body and its first line.
fn front_matter(text: &str) -> Result<([&str; 6], usize, usize), PageError> {
    let rest = text
        .strip_prefix("---\n")
        .ok_or_else(|| error(1, "the page must begin with `---`".to_owned()))?;
    let end = rest
        .find("\n---\n")
        .ok_or_else(|| error(1, "the front matter is not closed by `---`".to_owned()))?;
    let mut values = [None; KEYS.len()];
    for (index, line) in rest[..end].lines().enumerate() {
        let (key, value) = line
            .split_once(':')
            .ok_or_else(|| error(index + 2, format!("expected `key: value`, got `{line}`")))?;
        let slot = KEYS
            .iter()
            .position(|known| *known == key)
            .ok_or_else(|| error(index + 2, format!("unknown key `{key}`")))?;
        values[slot] = Some(value.trim());
    }
    let mut filled = [""; KEYS.len()];
    for (slot, value) in values.into_iter().enumerate() {
        filled[slot] =
            value.ok_or_else(|| error(1, format!("the key `{}` is missing", KEYS[slot])))?;
    }
    let body_start = "---\n".len() + end + "\n---\n".len();
    let body_line = text[..body_start].lines().count() + 1;
    Ok((filled, body_start, body_line))
}

type Parts<'a> = (Vec<Section<'a>>, Vec<Block<'a>>);

fn sections_and_blocks(body: &str, first_line: usize) -> Result<Parts<'_>, PageError> {
    struct Open<'a> {
        info: &'a str,
        code_start: usize,
        line: usize,
        fence: &'a str,
    }
    let mut sections: Vec<Section<'_>> = Vec::new();
    let mut starts: Vec<(usize, usize)> = Vec::new();
    let mut blocks = Vec::new();
    let mut open: Option<Open<'_>> = None;
    let mut offset = 0;
    for (index, full_line) in body.split_inclusive('\n').enumerate() {
        let line = first_line + index;
        let text = full_line.trim_end_matches(['\n', '\r']);
        let fence_length = text.bytes().take_while(|byte| *byte == b'`').count();
        match &open {
            Some(block) if text == block.fence => {
                blocks.push(Block {
                    info: block.info,
                    code: &body[block.code_start..offset],
                    line: block.line,
                    section: sections.last().map_or("", |section| section.title),
                });
                open = None;
            }
            Some(_) => {}
            None if fence_length >= 3 => {
                open = Some(Open {
                    info: text[fence_length..].trim(),
                    code_start: offset + full_line.len(),
                    line,
                    fence: &text[..fence_length],
                });
            }
            None => {
                if let Some(title) = text.strip_prefix("## ") {
                    starts.push((offset, offset + full_line.len()));
                    sections.push(Section {
                        title: title.trim(),
                        text: "",
                        line,
                    });
                }
            }
        }
        offset += full_line.len();
    }
    if let Some(block) = open {
        return Err(error(block.line, "the block is not closed".to_owned()));
    }
    for index in 0..sections.len() {
        let end = starts
            .get(index + 1)
            .map_or(body.len(), |(start, _)| *start);
        sections[index].text = body[starts[index].1..end].trim();
    }
    Ok((sections, blocks))
}

fn error(line: usize, message: String) -> PageError {
    PageError { line, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "---\ncode: BIS101\nname: a-b\nsummary: Finds it\nseverity: error, warning\nfix: unsafe\nsince: 0.1.0\n---\n# BIS101\n\n## Bad\n\nText.\n\n```python\nx  # error: BIS101, warning: BIS201\n## not a heading\n```\n\n## Good\n\nMore.\n";

    #[test]
    fn a_page_gives_its_parts() {
        let page = Page::parse(PAGE).unwrap();
        assert_eq!(page.code, "BIS101");
        assert_eq!(page.severities, ["error", "warning"]);
        let titles: Vec<_> = page.sections.iter().map(|s| (s.title, s.line)).collect();
        assert_eq!(titles, [("Bad", 11), ("Good", 20)]);
        assert_eq!(page.section("Good").unwrap().text, "More.");
        assert_eq!(page.blocks.len(), 1);
        assert_eq!((page.blocks[0].line, page.blocks[0].section), (15, "Bad"));
    }

    #[test]
    fn marks_carry_line_severity_and_code() {
        let page = Page::parse(PAGE).unwrap();
        let marks: Vec<_> = page.blocks[0]
            .marks()
            .into_iter()
            .map(|mark| (mark.line, mark.severity, mark.code))
            .collect();
        assert_eq!(
            marks,
            [
                (1, "error".to_owned(), "BIS101".to_owned()),
                (1, "warning".to_owned(), "BIS201".to_owned()),
            ]
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let table = [
            ("# no front matter\n", 1),
            ("---\ncode: BIS1\n", 1),
            ("---\ncode: BIS1\nfoo: bar\n---\n", 3),
            ("---\ncode: BIS1\n---\n", 1),
            (&PAGE.replace("error, warning", "fatal"), 1),
            (&PAGE.replace("fix: unsafe", "fix: maybe"), 1),
            (&PAGE.replace("heading\n```\n", "heading\n"), 15),
        ];
        for (text, line) in table {
            assert_eq!(Page::parse(text).unwrap_err().line, line, "{text}");
        }
    }
}
