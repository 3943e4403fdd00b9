//! SARIF 2.1.0, which GitHub code scanning and other services read.
//!
//! Columns count UTF-16 code units nowhere: the run says that they count code points.

use linter::{Diagnostic, Rule, SourceFile};
use ruff_text_size::TextRange;
use serde_json::{Value, json};

use super::json::item;
use super::{FileView, note_level, url};
use crate::rule;

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

pub fn file(view: &FileView<'_>) -> String {
    let items: Vec<String> = view
        .diagnostics
        .iter()
        .map(|diagnostic| item(&result(view, diagnostic)))
        .collect();
    items.join(",\n")
}

/// The parts as the results of one run.
pub fn document(parts: &[String]) -> String {
    let rules: Vec<Value> = Rule::all().map(descriptor).collect();
    let driver = json!({
        "name": env!("CARGO_PKG_NAME"),
        "version": env!("CARGO_PKG_VERSION"),
        "semanticVersion": env!("CARGO_PKG_VERSION"),
        "informationUri": "https://github.com/asyncbis/asyncbis",
        "rules": rules,
    });
    let driver = serde_json::to_string_pretty(&driver).expect("plain values are JSON");
    let results = if parts.is_empty() {
        "[]".to_owned()
    } else {
        format!("[\n{}\n]", parts.join(",\n"))
    };
    format!(
        "{{\n\"$schema\": \"{SCHEMA}\",\n\"version\": \"2.1.0\",\n\"runs\": [\n{{\n\
         \"columnKind\": \"unicodeCodePoints\",\n\"tool\": {{ \"driver\": {driver} }},\n\
         \"results\": {results}\n}}\n]\n}}\n"
    )
}

fn descriptor(rule: Rule) -> Value {
    let info = rule.info();
    let level = info
        .severities
        .first()
        .map_or("none", |severity| note_level(*severity));
    json!({
        "id": info.code,
        "name": info.name,
        "shortDescription": { "text": info.summary },
        "fullDescription": { "text": info.summary },
        "help": { "text": rule::body(info), "markdown": rule::body(info) },
        "helpUri": rule.url(),
        "defaultConfiguration": { "level": level },
        "properties": { "tags": ["asyncio", "cancellation"] },
    })
}

fn result(view: &FileView<'_>, diagnostic: &Diagnostic) -> Value {
    let artifact = json!({ "uri": uri(view.shown) });
    let place = |range: TextRange| {
        json!({
            "artifactLocation": artifact,
            "region": region(view.source, range),
        })
    };
    let index = Rule::all().position(|rule| rule == diagnostic.rule);
    let text = match &diagnostic.help {
        Some(help) => format!("{}\n{help}", diagnostic.message),
        None => diagnostic.message.clone(),
    };
    let mut result = json!({
        "ruleId": diagnostic.rule.code(),
        "ruleIndex": index,
        "level": note_level(diagnostic.severity),
        "message": { "text": text },
        "locations": [{ "physicalLocation": place(diagnostic.range) }],
    });
    if !diagnostic.labels.is_empty() {
        let related: Vec<Value> = diagnostic
            .labels
            .iter()
            .enumerate()
            .map(|(id, label)| {
                json!({
                    "id": id,
                    "message": { "text": label.message },
                    "physicalLocation": place(label.range),
                })
            })
            .collect();
        result["relatedLocations"] = related.into();
    }
    // Places in a notebook count inside a cell, so that an edit of the file can't be told.
    let fix = diagnostic.fix.as_ref().filter(|fix| !fix.edits.is_empty());
    if let Some(fix) = fix.filter(|_| view.source.notebook().is_none()) {
        let replacements: Vec<Value> = fix
            .edits
            .iter()
            .map(|edit| {
                json!({
                    "deletedRegion": region(view.source, edit.range),
                    "insertedContent": { "text": edit.content },
                })
            })
            .collect();
        result["fixes"] = json!([{
            "description": { "text": fix.title },
            "artifactChanges": [{
                "artifactLocation": artifact,
                "replacements": replacements,
            }],
            "properties": { "applicability": fix.applicability.as_str() },
        }]);
    }
    if url(diagnostic.rule).is_none() {
        result["properties"] = json!({ "syntaxError": true });
    }
    result
}

fn region(source: &SourceFile, range: TextRange) -> Value {
    let start = source.location(range.start());
    let end = source.location(range.end());
    json!({
        "startLine": start.row,
        "startColumn": start.column,
        "endLine": end.row,
        "endColumn": end.column,
    })
}

/// A path as a relative or absolute URI.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    if path.starts_with('/') {
        uri.push_str("file://");
    }
    for byte in path.bytes() {
        match byte {
            b'\\' if cfg!(windows) => uri.push('/'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
                uri.push(char::from(byte));
            }
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_becomes_a_uri() {
        let table = [
            ("src/a b.py", "src/a%20b.py"),
            ("/tmp/é.py", "file:///tmp/%C3%A9.py"),
            ("a#b?.py", "a%23b%3F.py"),
        ];
        for (path, expected) in table {
            assert_eq!(uri(path), expected);
        }
    }
}
