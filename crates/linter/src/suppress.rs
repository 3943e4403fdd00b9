//! Suppression comments: `# noqa`, `# noqa: BIS201` and, for a file, `# asyncbis-lint: noqa`.
//!
//! The reading is ruff's, so that one comment serves both: `noqa` in any case, codes in capitals
//! after a colon, separated by commas or spaces; the list ends at the first word that is no code.
//! A comment suppresses the findings whose primary span starts on its line; where that line lies
//! in a string of several lines, or is continued by a backslash, the comment stands at the end.
//!
//! Invariants: only comments count, never the text of a string; syntax errors can't be suppressed;
//! of other tools' codes nothing is said and nothing removed.

use ruff_python_ast::token::{TokenKind, Tokens};
use ruff_text_size::{Ranged, TextRange, TextSize};

use crate::RuleSet;
use crate::diagnostic::{Applicability, Diagnostic, Edit, Fix, Severity};
use crate::model::File;
use crate::registry::Rule;
use crate::source::SourceFile;

/// The suppressions of a file, and which of them were needed.
pub struct Suppressions {
    comments: Vec<Suppression>,
    lines: NoqaLines,
}

/// A comment that suppresses.
#[derive(Debug)]
struct Suppression {
    scope: Scope,
    /// From the `#` before `noqa` to the end of the last code.
    range: TextRange,
    /// `None` for all rules.
    codes: Option<Vec<Code>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    File,
    /// Findings of the line at this offset.
    Line(TextSize),
}

/// A code in a comment.
#[derive(Debug)]
struct Code {
    range: TextRange,
    used: bool,
}

impl Suppressions {
    pub(crate) fn of(file: &File) -> Self {
        let source = file.source;
        if !mentions_noqa(source.text()) {
            return Suppressions {
                comments: Vec::new(),
                lines: NoqaLines::default(),
            };
        }
        Suppressions {
            comments: comments(source, file.tokens()),
            lines: NoqaLines::of(file),
        }
    }

    /// Whether a comment suppresses the finding; the comment then counts as used.
    pub(crate) fn matches(&mut self, file: &File, diagnostic: &Diagnostic) -> bool {
        if diagnostic.rule == Rule::SYNTAX_ERROR || self.comments.is_empty() {
            return false;
        }
        let text = file.source.text();
        let line = self.lines.line_of(text, diagnostic.range.start());
        let code = diagnostic.rule.code();
        // A comment for the file makes one for the line superfluous.
        let for_file = |comment: &&mut Suppression| comment.scope == Scope::File;
        let for_line = |comment: &&mut Suppression| comment.scope == Scope::Line(line);
        self.comments
            .iter_mut()
            .filter(for_file)
            .any(|comment| comment.covers(text, code))
            || self
                .comments
                .iter_mut()
                .filter(for_line)
                .any(|comment| comment.covers(text, code))
    }

    /// The findings of BIS001: codes of ours that suppressed nothing, of the enabled rules, and
    /// those that no rule has.
    ///
    /// A file that can't be parsed has none, since not every rule saw all of it.
    pub(crate) fn unused(&mut self, file: &File, enabled: RuleSet) -> Vec<Diagnostic> {
        if !enabled.contains(Rule::UNUSED_SUPPRESSION) || !file.syntax_errors().is_empty() {
            return Vec::new();
        }
        let text = file.source.text();
        let found: Vec<Diagnostic> = self
            .comments
            .iter()
            .filter_map(|comment| comment.unused(text, enabled))
            .collect();
        found
            .into_iter()
            .filter(|diagnostic| !self.matches(file, diagnostic))
            .collect()
    }
}

impl Suppression {
    /// Whether it suppresses the rule with this code; the code then counts as used.
    fn covers(&mut self, text: &str, rule: &str) -> bool {
        let Some(codes) = &mut self.codes else {
            return true;
        };
        let code = codes.iter_mut().find(|code| &text[code.range] == rule);
        if let Some(code) = code {
            code.used = true;
            return true;
        }
        false
    }

    fn unused(&self, text: &str, enabled: RuleSet) -> Option<Diagnostic> {
        let codes = self.codes.as_deref()?;
        let is_unused = |code: &Code| !code.used && is_ours(&text[code.range], enabled);
        let unused: Vec<&str> = codes
            .iter()
            .filter(|code| is_unused(code))
            .map(|code| &text[code.range])
            .collect();
        if unused.is_empty() {
            return None;
        }
        let kept: Vec<&str> = codes
            .iter()
            .filter(|code| !is_unused(code))
            .map(|code| &text[code.range])
            .collect();
        let (title, edit) = if kept.is_empty() {
            ("Remove the comment", self.removal(text))
        } else {
            let range = TextRange::new(codes.first()?.range.start(), codes.last()?.range.end());
            (
                "Remove what suppresses nothing",
                Edit::replacement(range, kept.join(", ")),
            )
        };
        let verb = if unused.len() == 1 {
            "suppresses"
        } else {
            "suppress"
        };
        let unknown: Vec<&str> = unused
            .iter()
            .copied()
            .filter(|code| Rule::from_code(code).is_none())
            .collect();
        Some(Diagnostic {
            rule: Rule::UNUSED_SUPPRESSION,
            severity: Severity::Warning,
            range: self.range,
            message: format!("{} {verb} nothing here", quoted(&unused)),
            label: None,
            labels: Vec::new(),
            help: no_such_rule(&unknown),
            fix: Some(Fix {
                title: title.to_owned(),
                applicability: Applicability::Safe,
                on_asyncbis: None,
                region: edit.range,
                edits: vec![edit],
            }),
        })
    }

    /// The edit that removes the comment; what is written behind the codes stays.
    fn removal(&self, text: &str) -> Edit {
        let (start, end) = (
            usize::from(self.range.start()),
            usize::from(self.range.end()),
        );
        let line_end = end + line_length(&text[end..]);
        let rest = text[end..line_end].trim();
        let space = text[..start].trim_end_matches([' ', '\t', '\x0c']).len();
        let alone = text[..space].is_empty() || text[..space].ends_with(['\n', '\r']);
        let range = match () {
            () if rest.starts_with('#') => {
                let space = text[end..line_end].len() - text[end..line_end].trim_start().len();
                start..end + space
            }
            () if !rest.is_empty() => {
                let space = text[end..line_end].len() - text[end..line_end].trim_start().len();
                return Edit::replacement(range(start..end + space), "# ");
            }
            () if alone => space..line_end + line_break_length(&text[line_end..]),
            () => space..line_end,
        };
        Edit::deletion(self::range(range))
    }
}

/// The edits that add suppressions for findings, and how many findings they suppress.
///
/// Syntax errors can't be suppressed, and an unused suppression isn't mended by another.
#[must_use]
pub fn noqa_edits(source: &SourceFile, diagnostics: &[Diagnostic]) -> (Vec<Edit>, usize) {
    let parsed = crate::model::Parsed::new(source);
    let settings = crate::Settings::default();
    let file = File::new(source, &parsed, &settings);
    let text = source.text();
    let lines = NoqaLines::of(&file);
    let comments = comments(source, file.tokens());
    let mut wanted: Vec<(TextSize, Vec<&'static str>)> = Vec::new();
    let mut count = 0;
    for diagnostic in diagnostics {
        if [Rule::SYNTAX_ERROR, Rule::UNUSED_SUPPRESSION].contains(&diagnostic.rule) {
            continue;
        }
        count += 1;
        let line = lines.line_of(text, diagnostic.range.start());
        match wanted.iter_mut().find(|(known, _)| *known == line) {
            Some((_, codes)) => codes.push(diagnostic.rule.code()),
            None => wanted.push((line, vec![diagnostic.rule.code()])),
        }
    }
    wanted.sort_by_key(|(line, _)| *line);
    let edits = wanted
        .into_iter()
        .map(|(line, mut codes)| {
            codes.sort_unstable();
            codes.dedup();
            add_to_line(text, line, &codes.join(", "), &comments)
        })
        .collect();
    (edits, count)
}

fn add_to_line(text: &str, line: TextSize, codes: &str, comments: &[Suppression]) -> Edit {
    let known = comments
        .iter()
        .filter(|comment| comment.scope == Scope::Line(line))
        .find_map(|comment| comment.codes.as_ref()?.last());
    if let Some(last) = known {
        return Edit::insertion(last.range.end(), format!(", {codes}"));
    }
    let start = usize::from(line);
    let content = &text[start..start + line_length(&text[start..])];
    let end = start + content.trim_end().len();
    Edit::replacement(
        range(end..start + content.len()),
        format!("  # noqa: {codes}"),
    )
}

/// Where the suppression of a finding has to stand.
#[derive(Debug, Clone, Default)]
pub struct NoqaLines {
    /// Sorted, apart: what starts inside is suppressed on the line of the end.
    ranges: Vec<TextRange>,
}

impl NoqaLines {
    /// The lines of a file that belong together.
    pub(crate) fn of(file: &File) -> Self {
        Self::new(file.source, file.tokens())
    }

    fn new(source: &SourceFile, tokens: &Tokens) -> Self {
        let text = source.text();
        let mut lines = NoqaLines::default();
        let mut open_strings: Vec<TextSize> = Vec::new();
        let mut previous_end = TextSize::new(0);
        for token in tokens {
            let gap = &text[TextRange::new(previous_end.min(token.start()), token.start())];
            if gap.contains('\\') && gap.contains(['\n', '\r']) {
                lines.join(text, TextRange::new(previous_end, token.start()));
            }
            previous_end = token.end();
            match token.kind() {
                TokenKind::String | TokenKind::IpyEscapeCommand => lines.join(text, token.range()),
                TokenKind::FStringStart | TokenKind::TStringStart => {
                    open_strings.push(token.start());
                }
                TokenKind::FStringEnd | TokenKind::TStringEnd => {
                    // What stands inside another such string belongs to that one.
                    if let Some(start) = open_strings.pop().filter(|_| open_strings.is_empty()) {
                        lines.join(text, TextRange::new(start, token.end()));
                    }
                }
                _ => {}
            }
        }
        lines
    }

    /// Joins the lines of a range, where there are several.
    fn join(&mut self, text: &str, range: TextRange) {
        if memchr::memchr2(b'\n', b'\r', text[range].as_bytes()).is_none() {
            return;
        }
        let mut joined = TextRange::new(line_start(text, range.start()), range.end());
        while let Some(last) = self.ranges.last().copied() {
            // Ranges that end on the line where the next one starts belong together.
            if last.end() < joined.start() {
                break;
            }
            joined = last.cover(joined);
            self.ranges.pop();
        }
        self.ranges.push(joined);
    }

    /// The start of the line whose end has the suppression of a finding at an offset.
    #[must_use]
    pub fn line_of(&self, text: &str, offset: TextSize) -> TextSize {
        let index = self.ranges.partition_point(|range| range.end() <= offset);
        let offset = match self.ranges.get(index) {
            Some(range) if range.start() <= offset => range.end(),
            _ => offset,
        };
        line_start(text, offset)
    }
}

/// The comments of a text that suppress.
fn comments(source: &SourceFile, tokens: &Tokens) -> Vec<Suppression> {
    let text = source.text();
    tokens
        .iter()
        .filter(|token| token.kind() == TokenKind::Comment)
        .flat_map(|token| parse(text, token.range()))
        .collect()
}

/// Reads a comment, which may hold several suppressions: `# noqa: E501  # noqa: BIS201`.
fn parse(text: &str, range: TextRange) -> Vec<Suppression> {
    let comment = &text[range];
    let start = line_start(text, range.start());
    let suppression = |scope: Scope, hash: usize, after: usize| {
        let (end, codes) = parse_codes(&comment[after..])?;
        Some(Suppression {
            scope,
            range: sub_range(range.start(), hash..after + end),
            codes: shifted(codes, range.start() + TextSize::of(&comment[..after])),
        })
    };
    let alone = text[TextRange::new(start, range.start())].trim().is_empty();
    if let Some(after) = file_level(comment).filter(|_| alone) {
        return Vec::from_iter(suppression(Scope::File, 0, after));
    }
    inline(comment)
        .filter_map(|(hash, after)| suppression(Scope::Line(start), hash, after))
        .collect()
}

/// The end of `# asyncbis-lint: noqa`.
fn file_level(comment: &str) -> Option<usize> {
    let rest = comment.strip_prefix('#')?.trim_start();
    let rest = rest.strip_prefix("asyncbis-lint")?.trim_start();
    let rest = rest.strip_prefix(':')?.trim_start();
    let word = rest.get(..4)?;
    word.eq_ignore_ascii_case("noqa")
        .then(|| comment.len() - rest.len() + word.len())
}

/// The start of every `# noqa` and its end.
fn inline(comment: &str) -> impl Iterator<Item = (usize, usize)> {
    comment.match_indices('#').filter_map(|(hash, _)| {
        let rest = comment[hash + 1..].trim_start();
        let start = comment.len() - rest.len();
        rest.get(..4)
            .is_some_and(|word| word.eq_ignore_ascii_case("noqa"))
            .then_some((hash, start + 4))
    })
}

type Ranges = Option<Vec<std::ops::Range<usize>>>;

/// What follows `noqa`: where the directive ends and the codes, `None` for all.
///
/// Nothing at all comes out where it is not a directive: `noqa:` without codes, `noqable`.
fn parse_codes(after: &str) -> Option<(usize, Ranges)> {
    let Some(list) = after.trim_start().strip_prefix(':') else {
        let ends = after
            .chars()
            .next()
            .is_none_or(|c| c.is_whitespace() || "#,;.".contains(c));
        return ends.then_some((0, None));
    };
    let mut codes = Vec::new();
    let mut at = after.len() - list.len();
    loop {
        at += after[at..].len() - after[at..].trim_start_matches([',', ' ', '\t']).len();
        let length = code_length(&after[at..]);
        if length == 0 {
            break;
        }
        codes.push(at..at + length);
        at += length;
    }
    let end = codes.last()?.end;
    Some((end, Some(codes)))
}

/// The length of the code at the start: capitals, then digits, then nothing that belongs to a word.
fn code_length(text: &str) -> usize {
    let letters = text.bytes().take_while(u8::is_ascii_uppercase).count();
    let digits = text[letters..]
        .bytes()
        .take_while(u8::is_ascii_digit)
        .count();
    let rest = &text[letters + digits..];
    let ends = rest
        .chars()
        .next()
        .is_none_or(|c| !c.is_alphanumeric() && c != '_');
    // Codes may follow each other without a separator, as in ruff: `F401F841`.
    let next = rest
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_uppercase());
    if letters > 0 && digits > 0 && (ends || next) {
        letters + digits
    } else {
        0
    }
}

fn shifted(codes: Ranges, by: TextSize) -> Option<Vec<Code>> {
    codes.map(|codes| {
        codes
            .into_iter()
            .map(|code| Code {
                range: sub_range(by, code),
                used: false,
            })
            .collect()
    })
}

/// Whether BIS001 speaks about a code: of an enabled rule, or like ours but of none.
fn is_ours(code: &str, enabled: RuleSet) -> bool {
    match Rule::from_code(code) {
        Some(rule) => enabled.contains(rule),
        None => code
            .strip_prefix("BIS")
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit())),
    }
}

/// Whether a text contains `noqa` in any case: `q` is rare, so that is what is looked for.
fn mentions_noqa(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memchr2_iter(b'q', b'Q', bytes).any(|at| {
        at >= 2
            && bytes
                .get(at - 2..at + 2)
                .is_some_and(|word| word.eq_ignore_ascii_case(b"noqa"))
    })
}

/// Codes in backticks: `` `BIS201`, `BIS202` and `BIS203` ``.
fn quoted(codes: &[&str]) -> String {
    match codes {
        [] => String::new(),
        [one] => format!("`{one}`"),
        [first @ .., last] => format!("`{}` and `{last}`", first.join("`, `")),
    }
}

fn no_such_rule(codes: &[&str]) -> Option<String> {
    match codes {
        [] => None,
        [code] => Some(format!("No rule has the code `{code}`")),
        codes => Some(format!("No rules have the codes {}", quoted(codes))),
    }
}

fn line_start(text: &str, offset: TextSize) -> TextSize {
    let before = &text.as_bytes()[..usize::from(offset)];
    match memchr::memrchr2(b'\n', b'\r', before) {
        Some(at) => TextSize::try_from(at + 1).expect("inside the text"),
        None => TextSize::new(0),
    }
}

/// How long the rest of the line is, without its end.
fn line_length(text: &str) -> usize {
    memchr::memchr2(b'\n', b'\r', text.as_bytes()).unwrap_or(text.len())
}

fn line_break_length(text: &str) -> usize {
    match text.as_bytes() {
        [b'\r', b'\n', ..] => 2,
        [b'\r' | b'\n', ..] => 1,
        _ => 0,
    }
}

fn range(range: std::ops::Range<usize>) -> TextRange {
    sub_range(TextSize::new(0), range)
}

fn sub_range(start: TextSize, range: std::ops::Range<usize>) -> TextRange {
    let at = |offset: usize| start + TextSize::try_from(offset).expect("a text below 4 GiB");
    TextRange::new(at(range.start), at(range.end))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a comment says: `*` for all rules, else its codes; `file` before those of a file.
    fn said(comment: &str) -> Vec<String> {
        let range = TextRange::up_to(TextSize::of(comment));
        parse(comment, range)
            .iter()
            .map(|suppression| {
                let scope = match suppression.scope {
                    Scope::File => "file ",
                    Scope::Line(_) => "",
                };
                let codes = suppression.codes.as_ref().map_or("*".to_owned(), |codes| {
                    let codes: Vec<_> = codes.iter().map(|code| &comment[code.range]).collect();
                    codes.join(" ")
                });
                format!("{scope}{codes}")
            })
            .collect()
    }

    #[test]
    fn comments_are_read_as_ruff_reads_them() {
        let table: &[(&str, &[&str])] = &[
            ("# noqa", &["*"]),
            ("#noqa", &["*"]),
            ("# NoQA", &["*"]),
            ("# noqa because", &["*"]),
            ("# noqa: BIS201", &["BIS201"]),
            ("# noqa:BIS201,E501", &["BIS201 E501"]),
            ("# noqa : BIS201 ,, E501", &["BIS201 E501"]),
            ("# noqa: BIS201 E501 because", &["BIS201 E501"]),
            ("# noqa: F401F841", &["F401 F841"]),
            ("# noqa: because BIS201", &[]),
            ("# noqa: bis201", &[]),
            ("# noqa:", &[]),
            ("# noqable", &[]),
            ("# noqa: BIS201x", &[]),
            ("# see noqa", &[]),
            ("# type: ignore # noqa: BIS201", &["BIS201"]),
            ("# noqa: E501 # noqa: BIS201", &["E501", "BIS201"]),
            ("# noqa: x # noqa", &["*"]),
            ("# asyncbis-lint: noqa", &["file *"]),
            ("#asyncbis-lint:NOQA:BIS201, BIS1", &["file BIS201 BIS1"]),
            ("# asyncbis-lint: noqable", &[]),
            ("# asyncbis-lint: noqa:", &[]),
            ("# ruff: noqa", &[]),
            ("# é noqa", &[]),
            ("# noqé", &[]),
        ];
        for (comment, expected) in table {
            assert_eq!(said(comment), *expected, "{comment}");
        }
    }

    #[test]
    fn a_line_that_goes_on_is_suppressed_at_its_end() {
        let table = [
            ("a = 1\nb = 2\n", 6, 6),
            ("a = '''\n''' + b\n", 0, 8),
            ("a = f'''\n{b}\n''' + c\n", 0, 13),
            ("a = 1 + \\\n  b + '''\n'''\n", 0, 20),
            ("a = '''\n''' + '''\n'''\nb", 0, 18),
            ("a = '''\n''' + '''\n'''\nb", 22, 22),
            ("a = 'x\\\ny'\n", 0, 8),
        ];
        for (text, offset, expected) in table {
            let source = SourceFile::python("a.py", text);
            let parsed = crate::model::Parsed::new(&source);
            let settings = crate::Settings::default();
            let lines = NoqaLines::of(&File::new(&source, &parsed, &settings));
            let line = lines.line_of(text, TextSize::new(offset));
            assert_eq!(u32::from(line), expected, "{text:?}");
        }
    }
}
