//! GitLab's code quality report.

use linter::Severity;
use rustc_hash::{FxHashMap, FxHasher};
use serde_json::json;
use std::hash::{Hash, Hasher};

use super::FileView;
use super::json::item;

pub fn file(view: &FileView<'_>) -> String {
    let mut seen: FxHashMap<u64, usize> = FxHashMap::default();
    let items: Vec<String> = view
        .diagnostics
        .iter()
        .map(|diagnostic| {
            let start = view.source.location(diagnostic.range.start());
            let end = view.source.location(diagnostic.range.end());
            let code = diagnostic.rule.code();
            // The line number is no part of it, so that code above can change; findings that are
            // the same otherwise are told apart by their order.
            let identity = fingerprint(&(view.shown, code, diagnostic.message.as_str()));
            let nth = seen.entry(identity).or_default();
            let print = fingerprint(&(identity, *nth));
            *nth += 1;
            item(&json!({
                "check_name": code,
                "description": format!("{code}: {}", diagnostic.message),
                "fingerprint": format!("{print:016x}"),
                "location": {
                    "path": view.shown,
                    "positions": {
                        "begin": { "line": start.row, "column": start.column },
                        "end": { "line": end.row, "column": end.column },
                    },
                },
                "severity": match diagnostic.severity {
                    Severity::Error => "major",
                    Severity::Warning => "minor",
                    Severity::Info => "info",
                },
            }))
        })
        .collect();
    items.join(",\n")
}

fn fingerprint(of: &impl Hash) -> u64 {
    let mut hasher = FxHasher::default();
    of.hash(&mut hasher);
    hasher.finish()
}
