//! The text of a baseline: entries below the paths of their files, one line for each finding.
//!
//! ```text
//! src/app/pool.py
//!   BIS201 Pool.close: await self.connection.close()
//! ```
//!
//! Invariants: everything is sorted, so that the same entries give the same bytes, and a finding
//! that was mended is one line less; what can't be read is told with its line.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Component, Path};

/// How the first line begins; the number of the format follows.
const TITLE: &str = "# asyncbis-lint baseline, format ";
const FORMAT: &str = "1";
const EXPLANATION: &str = "\
# The findings that are listed here are not reported.
# `asyncbis-lint check --write-baseline FILE` writes the file again.
";

/// A finding as the baseline knows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// `BIS201`
    pub rule: String,
    /// `Pool.close`
    pub scope: String,
    /// `await self.connection.close()`
    pub code: String,
}

/// The entries of each file, sorted.
pub type Entries = BTreeMap<String, Vec<Entry>>;

impl Entry {
    fn parse(line: &str) -> Option<Self> {
        let (rule, rest) = line.split_once(' ')?;
        let (scope, code) = rest.split_once(':')?;
        let letters = rule.trim_end_matches(|c: char| c.is_ascii_digit());
        let is_code = !letters.is_empty()
            && letters.len() < rule.len()
            && letters.chars().all(|c| c.is_ascii_uppercase());
        (is_code && !scope.is_empty() && !scope.contains(char::is_whitespace)).then(|| Entry {
            rule: rule.to_owned(),
            scope: scope.to_owned(),
            code: code.trim().to_owned(),
        })
    }
}

/// The path of a file as a baseline in a folder names it: relative, with forward slashes.
pub fn path_in(folder: &Path, file: &Path) -> String {
    let (mut from, mut to) = (folder.components().peekable(), file.components().peekable());
    while from.peek().is_some() && from.peek() == to.peek() {
        from.next();
        to.next();
    }
    let mut parts: Vec<String> = from.map(|_| "..".to_owned()).collect();
    parts.extend(to.map(|part| match part {
        // The rest of an absolute path on another drive.
        Component::RootDir => String::new(),
        part => part.as_os_str().to_string_lossy().into_owned(),
    }));
    let mut path = String::new();
    for c in parts.join("/").chars() {
        if c.is_control() {
            path.extend(c.escape_default());
        } else {
            path.push(c);
        }
    }
    // It must not look like an entry, a comment or the mark of a merge conflict.
    if path.starts_with(|c: char| c.is_whitespace() || "#<=>|".contains(c)) {
        path.insert_str(0, "./");
    }
    path
}

/// The text of a baseline.
pub fn text(entries: &Entries) -> String {
    let mut text = format!("{TITLE}{FORMAT}\n{EXPLANATION}");
    for (path, entries) in entries.iter().filter(|(_, entries)| !entries.is_empty()) {
        let mut entries: Vec<&Entry> = entries.iter().collect();
        entries.sort();
        write!(text, "\n{path}\n").expect("writing to a string");
        for Entry { rule, scope, code } in entries {
            let space = if code.is_empty() { "" } else { " " };
            writeln!(text, "  {rule} {scope}:{space}{code}").expect("writing to a string");
        }
    }
    text
}

/// Reads the text of a baseline.
///
/// # Errors
///
/// The first thing wrong, with its line, counted from 1.
pub fn parse(text: &str) -> Result<Entries, (usize, String)> {
    let again = "write it again with --write-baseline";
    let title = text.lines().next().unwrap_or_default();
    match title.strip_prefix(TITLE) {
        Some(FORMAT) => {}
        Some(other) => {
            let message = format!(
                "the baseline has format {other}, and this version of asyncbis-lint reads format \
                 {FORMAT}: {again}"
            );
            return Err((1, message));
        }
        None => return Err((1, format!("not a baseline: {again}"))),
    }
    let mut entries = Entries::new();
    let mut current: Option<&mut Vec<Entry>> = None;
    for (index, line) in text.lines().enumerate().skip(1) {
        let number = index + 1;
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        if ["<<<<<<<", "=======", ">>>>>>>", "|||||||"]
            .iter()
            .any(|mark| line.starts_with(mark))
        {
            return Err((number, format!("a merge conflict: resolve it, or {again}")));
        }
        if !line.starts_with(char::is_whitespace) {
            current = Some(entries.entry(line.to_owned()).or_default());
            continue;
        }
        match (Entry::parse(line.trim()), &mut current) {
            (Some(entry), Some(current)) => current.push(entry),
            (Some(_), None) => return Err((number, "an entry before the first path".to_owned())),
            (None, _) => {
                let message = format!("expected an entry like `BIS201 function: code`; {again}");
                return Err((number, message));
            }
        }
    }
    Ok(entries)
}
