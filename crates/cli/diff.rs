//! The difference of two texts, as `patch` reads it.

use similar::{ChangeTag, TextDiff};

const HEADER: &str = "\x1b[1m";
const HUNK: &str = "\x1b[36m";
const REMOVED: &str = "\x1b[31m";
const ADDED: &str = "\x1b[32m";
const RESET: &str = "\x1b[0m";

/// How many lines that stay are shown around those that change.
const CONTEXT: usize = 3;

/// The unified diff of a file.
///
/// Lines end with `\n`, as they do for `patch`: another line ending is a part of its line.
pub fn unified(name: &str, before: &str, after: &str, color: bool) -> String {
    let lines =
        |text: &'_ str| -> Vec<String> { text.split_inclusive('\n').map(str::to_owned).collect() };
    let (old, new) = (lines(before), lines(after));
    let old: Vec<&str> = old.iter().map(String::as_str).collect();
    let new: Vec<&str> = new.iter().map(String::as_str).collect();
    let diff = TextDiff::configure().diff_slices(&old, &new);
    let mut text = String::new();
    let mut line = |style: &str, start: &str, content: &str| {
        let body = content.strip_suffix('\n');
        let (on, off) = if color { (style, RESET) } else { ("", "") };
        let off = if style.is_empty() { "" } else { off };
        text.push_str(&format!("{on}{start}{}{off}\n", body.unwrap_or(content)));
        if body.is_none() && style != HEADER && style != HUNK {
            text.push_str("\\ No newline at end of file\n");
        }
    };
    line(HEADER, "--- ", name);
    line(HEADER, "+++ ", name);
    for hunk in diff.unified_diff().context_radius(CONTEXT).iter_hunks() {
        line(HUNK, "", hunk.header().to_string().trim_end());
        for change in hunk.iter_changes() {
            let (style, start) = match change.tag() {
                ChangeTag::Delete => (REMOVED, "-"),
                ChangeTag::Insert => (ADDED, "+"),
                ChangeTag::Equal => ("", " "),
            };
            line(style, start, change.value());
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_changed_lines_and_those_around_are_shown() {
        let before = "a\nb\nc\nd\ne\nf\ng\n";
        let after = "a\nb\nc\nd\ne\nF\ng\n";
        let expected = "--- x.py\n+++ x.py\n@@ -3,5 +3,5 @@\n c\n d\n e\n-f\n+F\n g\n";
        assert_eq!(unified("x.py", before, after, false), expected);
    }

    #[test]
    fn line_ends_are_shown_as_they_are() {
        let expected =
            "--- x\n+++ x\n@@ -1,2 +1,2 @@\n-a\r\n+b\r\n c\n\\ No newline at end of file\n";
        assert_eq!(unified("x", "a\r\nc", "b\r\nc", false), expected);
        let expected = "--- x\n+++ x\n@@ -1 +1,2 @@\n-a\n\\ No newline at end of file\n+a\n+b\n";
        assert_eq!(unified("x", "a", "a\nb\n", false), expected);
    }

    #[test]
    fn colours_end_with_their_line() {
        let text = unified("x", "a\n", "b\n", true);
        assert!(
            text.contains("\x1b[31m-a\x1b[0m\n\x1b[32m+b\x1b[0m\n"),
            "{text:?}"
        );
    }
}
