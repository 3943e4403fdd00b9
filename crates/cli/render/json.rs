//! An array of findings with ruff's field names, plus `severity`, `labels`, `help`.

use linter::{Diagnostic, Fix, SourceFile};
use ruff_text_size::TextSize;
use serde_json::{Value, json};

use super::{FileView, url};

pub fn file(view: &FileView<'_>) -> String {
    let items: Vec<String> = view
        .diagnostics
        .iter()
        .map(|diagnostic| item(&finding(view, diagnostic)))
        .collect();
    items.join(",\n")
}

/// The parts as one array, readable.
pub fn array(parts: &[String]) -> String {
    if parts.is_empty() {
        return "[]\n".to_owned();
    }
    format!("[\n{}\n]\n", parts.join(",\n"))
}

/// An item of an array, indented; a string of JSON has no line breaks of its own.
pub fn item(value: &Value) -> String {
    let text = serde_json::to_string_pretty(value).expect("plain values are JSON");
    let lines: Vec<String> = text.lines().map(|line| format!("  {line}")).collect();
    lines.join("\n")
}

fn finding(view: &FileView<'_>, diagnostic: &Diagnostic) -> Value {
    let source = view.source;
    let labels: Vec<Value> = diagnostic
        .labels
        .iter()
        .map(|label| {
            json!({
                "message": label.message,
                "location": location(source, label.range.start()),
                "end_location": location(source, label.range.end()),
            })
        })
        .collect();
    let noqa_line = view.noqa.line_of(source.text(), diagnostic.range.start());
    json!({
        "cell": source.location(diagnostic.range.start()).cell,
        "code": diagnostic.rule.code(),
        "end_location": location(source, diagnostic.range.end()),
        "filename": view.path.to_string_lossy(),
        "fix": diagnostic.fix.as_ref().map(|fix| fix_json(source, fix)),
        "help": diagnostic.help,
        "labels": labels,
        "location": location(source, diagnostic.range.start()),
        "message": diagnostic.message,
        "name": diagnostic.rule.name(),
        "noqa_row": source.location(noqa_line).row,
        "severity": diagnostic.severity.as_str(),
        "url": url(diagnostic.rule),
    })
}

fn fix_json(source: &SourceFile, fix: &Fix) -> Value {
    let edits: Vec<Value> = fix
        .edits
        .iter()
        .map(|edit| {
            json!({
                "content": edit.content,
                "end_location": location(source, edit.range.end()),
                "location": location(source, edit.range.start()),
            })
        })
        .collect();
    json!({
        "applicability": fix.applicability.as_str(),
        "edits": edits,
        "message": fix.title,
    })
}

fn location(source: &SourceFile, offset: TextSize) -> Value {
    let location = source.location(offset);
    json!({ "column": location.column, "row": location.row })
}
