//! The SARIF output against the published schema of version 2.1.0.
//!
//! `tests/data/sarif-2.1.0.schema.json` is the OASIS schema as the crate serde-sarif ships it.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

fn sarif(folder: &Path) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_asyncbis-lint"))
        .args([
            "check",
            "--isolated",
            "--min-severity",
            "info",
            "--output-format",
            "sarif",
        ])
        .current_dir(folder)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn check_schema(document: &Value) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let schema = fs::read_to_string(root.join("tests/data/sarif-2.1.0.schema.json")).unwrap();
    // The published pattern of `language` is no regular expression of every dialect: its last
    // bracket is not escaped. We write no `language`.
    let broken = "^[a-zA-Z]{2}|^[a-zA-Z]{2}-[a-zA-Z]{2}]?$";
    assert!(schema.contains(broken));
    let schema: Value = serde_json::from_str(&schema.replace(broken, "")).unwrap();
    let validator = jsonschema::draft7::new(&schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
}

#[test]
fn the_schema_finds_mistakes() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("clean.py"), "import asyncio\n").unwrap();
    let mut document = sarif(folder.path());
    check_schema(&document);
    document["runs"][0]["columnKind"] = "characters".into();
    assert!(std::panic::catch_unwind(|| check_schema(&document)).is_err());
}

#[test]
fn findings_and_no_findings_are_valid() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("clean.py"), "async def main(): ...\n").unwrap();
    let document = sarif(folder.path());
    check_schema(&document);
    assert_eq!(document["runs"][0]["results"], serde_json::json!([]));

    let program = "import asyncio\n\n\nasync def one(pool):\n    try:\n        await \
                   asyncio.sleep(1)\n    finally:\n        await pool.close()\n\n\nx = 1  # noqa: \
                   BIS777\n";
    fs::create_dir(folder.path().join("é b")).unwrap();
    fs::write(folder.path().join("é b/a.py"), program).unwrap();
    fs::write(
        folder.path().join("broken.py"),
        "async def f(:  # noqa: BIS777\n",
    )
    .unwrap();
    let document = sarif(folder.path());
    check_schema(&document);
    let run = &document["runs"][0];
    let results = run["results"].as_array().unwrap();
    let codes: Vec<&str> = results
        .iter()
        .map(|result| result["ruleId"].as_str().unwrap())
        .collect();
    assert_eq!(codes[0], "BIS000");
    assert!(codes.ends_with(&["BIS201", "BIS001"]), "{codes:?}");
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(
            run["tool"]["driver"]["rules"][index]["id"],
            result["ruleId"]
        );
    }
    let last = &results[results.len() - 2];
    let uri = &last["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    assert_eq!(uri, "%C3%A9%20b/a.py");
    assert!(!last["relatedLocations"].as_array().unwrap().is_empty());
    assert!(!last["fixes"].as_array().unwrap().is_empty());
}
