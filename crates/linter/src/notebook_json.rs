//! A notebook's JSON with other code in some of its cells.
//!
//! Invariant: every byte outside the changed lines stays: key order, indentation, escapes, what
//! other tools left out. A line of code that was there before keeps the way it was written.
//!
//! Not here: what a notebook is (`ruff_notebook` has read the text before, so it is valid JSON).

use std::ops::Range;

use rustc_hash::FxHashMap;

/// The JSON after the code of some cells, numbered from 0, became other code.
pub(crate) fn with_sources(json: &str, cells: &[(usize, String)]) -> String {
    let places = source_values(json);
    let mut result = String::with_capacity(json.len() + 256);
    let mut done = 0;
    for (cell, code) in cells {
        let Some(Some(place)) = places.get(*cell) else {
            continue;
        };
        result.push_str(&json[done..place.start]);
        result.push_str(&written(json, place.clone(), code));
        done = place.end;
    }
    result.push_str(&json[done..]);
    result
}

/// Where the value of `source` stands in each cell.
fn source_values(json: &str) -> Vec<Option<Range<usize>>> {
    let mut scan = Scan { json, at: 0 };
    let mut places = Vec::new();
    scan.members(|scan, key| {
        if key != "cells" {
            scan.value();
            return;
        }
        places.clear();
        scan.elements(|scan| {
            let mut place = None;
            scan.members(|scan, key| {
                let value = scan.value();
                if key == "source" {
                    place = Some(value);
                }
            });
            places.push(place);
        });
    });
    places
}

/// Code in the place of a `source`: a string, or an array of strings, as the place has it.
fn written(json: &str, place: Range<usize>, code: &str) -> String {
    let old = &json[place.clone()];
    let ascii = json.is_ascii();
    let mut pieces = Vec::new();
    let mut scan = Scan {
        json,
        at: place.start,
    };
    if old.starts_with('[') {
        scan.elements(|scan| pieces.push(scan.value()));
    } else {
        pieces.push(scan.value());
    }
    let mut known = FxHashMap::default();
    for piece in &pieces {
        // Between the quotes.
        let content = &json[piece.start + 1..piece.end - 1];
        for raw in lines_of(content) {
            known.insert(decoded(raw), raw);
        }
    }
    let lines = code.split_inclusive('\n').map(|line| {
        let raw = known.get(line).map(|raw| (*raw).to_owned());
        raw.unwrap_or_else(|| encoded(line, ascii))
    });
    if !old.starts_with('[') {
        return format!("\"{}\"", lines.collect::<String>());
    }
    let (Some(first), Some(last)) = (pieces.first(), pieces.last()) else {
        let lines: Vec<String> = lines.map(|line| format!("\"{line}\"")).collect();
        return format!("[{}]", lines.join(", "));
    };
    let before = &json[place.start..first.start];
    let between = match pieces.get(1) {
        Some(second) => json[first.end..second.start].to_owned(),
        None => format!(",{}", &before[1..]),
    };
    let after = &json[last.end..place.end];
    let lines: Vec<String> = lines.map(|line| format!("\"{line}\"")).collect();
    if lines.is_empty() {
        return "[]".to_owned();
    }
    format!("{before}{}{after}", lines.join(&between))
}

/// The lines in the content of a string, as they are written.
fn lines_of(content: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let (mut start, mut at) = (0, 0);
    let bytes = content.as_bytes();
    while at < bytes.len() {
        let is_escape = bytes[at] == b'\\';
        let ends_line = is_escape
            && (bytes.get(at + 1) == Some(&b'n')
                || content
                    .get(at..at + 6)
                    .is_some_and(|it| it.eq_ignore_ascii_case("\\u000a")));
        let length = match (is_escape, bytes.get(at + 1)) {
            (true, Some(b'u')) => 6,
            (true, _) => 2,
            (false, _) => 1,
        };
        at = (at + length).min(bytes.len());
        if ends_line {
            lines.push(&content[start..at]);
            start = at;
        }
    }
    if start < content.len() {
        lines.push(&content[start..]);
    }
    lines
}

fn decoded(raw: &str) -> String {
    serde_json::from_str(&format!("\"{raw}\"")).unwrap_or_else(|_| raw.to_owned())
}

/// A text as it stands between the quotes; in a file without other letters only ASCII.
fn encoded(text: &str, ascii: bool) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    let content = &quoted[1..quoted.len() - 1];
    if !ascii || content.is_ascii() {
        return content.to_owned();
    }
    let mut result = String::new();
    for c in content.chars() {
        if c.is_ascii() {
            result.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                result.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    result
}

/// A walk over JSON that is known to be valid.
struct Scan<'a> {
    json: &'a str,
    at: usize,
}

impl Scan<'_> {
    fn peek(&mut self) -> u8 {
        let rest = &self.json.as_bytes()[self.at..];
        self.at += rest
            .iter()
            .take_while(|it| it.is_ascii_whitespace())
            .count();
        self.json.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    /// Calls something for the key of each member, which has to take the value.
    fn members(&mut self, mut each: impl FnMut(&mut Self, &str)) {
        if self.peek() != b'{' {
            self.value();
            return;
        }
        self.at += 1;
        while self.peek() == b'"' {
            let key = self.value();
            let key = decoded(&self.json[key.start + 1..key.end - 1]);
            self.skip(b':');
            self.peek();
            each(self, &key);
            self.skip(b',');
        }
        self.skip(b'}');
    }

    /// Calls something for each element, which has to take it.
    fn elements(&mut self, mut each: impl FnMut(&mut Self)) {
        if self.peek() != b'[' {
            self.value();
            return;
        }
        self.at += 1;
        while !matches!(self.peek(), b']' | 0) {
            each(self);
            self.skip(b',');
        }
        self.skip(b']');
    }

    fn skip(&mut self, byte: u8) {
        if self.peek() == byte {
            self.at += 1;
        }
    }

    /// Takes one value, whatever it is.
    fn value(&mut self) -> Range<usize> {
        self.peek();
        let start = self.at;
        let bytes = self.json.as_bytes();
        let mut depth = 0_usize;
        while let Some(byte) = bytes.get(self.at) {
            match byte {
                b'"' => self.string(),
                b'[' | b'{' => {
                    depth += 1;
                    self.at += 1;
                    continue;
                }
                b']' | b'}' => {
                    depth = depth.saturating_sub(1);
                    self.at += 1;
                }
                b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' => {
                    self.at += 1;
                    continue;
                }
                _ => {
                    let rest = &bytes[self.at..];
                    let is_part = |it: &&u8| !b",:]} \t\r\n".contains(it);
                    self.at += rest.iter().take_while(is_part).count();
                }
            }
            if depth == 0 {
                break;
            }
        }
        start..self.at
    }

    fn string(&mut self) {
        let bytes = self.json.as_bytes();
        self.at += 1;
        while let Some(byte) = bytes.get(self.at) {
            self.at += if *byte == b'\\' { 2 } else { 1 };
            if *byte == b'"' {
                break;
            }
        }
        self.at = self.at.min(bytes.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// JSON of a notebook, the number of the cell with other code, the code, the JSON then.
    #[test]
    fn all_but_the_changed_lines_stays() {
        let table = [
            (
                r#"{"cells": [{"source": "a\nb"}], "x": 1.50}"#,
                "a\nc",
                r#"{"cells": [{"source": "a\nc"}], "x": 1.50}"#,
            ),
            (
                "{ \"z\":[],\"cells\":[\n {\"source\":[\n  \"a\\n\",\n  \"b\"\n ],\"k\":{}}]}\n\n",
                "a\nx\nb",
                "{ \"z\":[],\"cells\":[\n {\"source\":[\n  \"a\\n\",\n  \"x\\n\",\n  \"b\"\n ],\"k\":{}}]}\n\n",
            ),
            (
                // Escapes of lines that stay, and another kind of line end.
                r#"{"cells":[{"source":["\u00e9\/\n","b\r\n","c"],"id":"\u0061"}]}"#,
                "é/\nb\r\nd",
                r#"{"cells":[{"source":["\u00e9\/\n","b\r\n","d"],"id":"\u0061"}]}"#,
            ),
            (
                r#"{"cells":[{"source":["one"]}]}"#,
                "é\none",
                r#"{"cells":[{"source":["\u00e9\n","one"]}]}"#,
            ),
            (
                r#"{"cells":[{"source":["one"], "o": "ü"}]}"#,
                "\"é\"\t\n",
                r#"{"cells":[{"source":["\"é\"\t\n"], "o": "ü"}]}"#,
            ),
            (
                r#"{"cells":[{"source":[ ]}]}"#,
                "a\nb",
                r#"{"cells":[{"source":["a\n", "b"]}]}"#,
            ),
            (
                r#"{"cells":[{"source":["a\n", "b"]}]}"#,
                "",
                r#"{"cells":[{"source":[]}]}"#,
            ),
            (
                // `source` of something else, brackets in strings.
                r#"{"m":{"source":"}]"},"cells":[{"metadata":{"source":["x"]},"source":"a]"}]}"#,
                "b",
                r#"{"m":{"source":"}]"},"cells":[{"metadata":{"source":["x"]},"source":"b"}]}"#,
            ),
        ];
        for (json, code, expected) in table {
            assert_eq!(with_sources(json, &[(0, code.to_owned())]), expected);
        }
    }

    #[test]
    fn several_cells_change_at_once() {
        let json = r#"{"cells":[{"source":"a"},{"n":[[1,{"a":2}],true]},{"source":"c"}]}"#;
        let cells = [(0, "x".to_owned()), (2, "y".to_owned())];
        let expected = r#"{"cells":[{"source":"x"},{"n":[[1,{"a":2}],true]},{"source":"y"}]}"#;
        assert_eq!(with_sources(json, &cells), expected);
    }
}
