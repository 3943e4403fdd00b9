//! GitLab's code quality report.

use linter::Severity;
use rustc_hash::FxHashMap;
use serde_json::json;

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
            let identity = fingerprint(&[view.shown, code, &diagnostic.message]);
            let nth = seen.entry(identity).or_default();
            let print = fingerprint(&[&identity.to_string(), &nth.to_string()]);
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

/// A hash that stays the same in all versions and on all machines: 64-bit FNV-1a.
fn fingerprint(parts: &[&str]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_is_fnv_1a() {
        // A published value of FNV-1a for "a"; ours ends every part with a zero.
        assert_eq!(fingerprint(&[]), 0xcbf2_9ce4_8422_2325);
        let a = 0xaf63_dc4c_8601_ec8c_u64;
        assert_eq!(fingerprint(&["a"]), a.wrapping_mul(0x0100_0000_01b3));
        assert_ne!(fingerprint(&["ab", "c"]), fingerprint(&["a", "bc"]));
    }
}
