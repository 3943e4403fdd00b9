//! The rendered diagnostics on the rule pages and in the README are what the command prints.
//!
//! `UPDATE_PAGES=1 cargo test --test rule_output` rewrites them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rule_page::{Block, Page};

fn rules() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("rules")
}

/// What the command prints for an example, with this rule alone.
fn rendered(code: &str, example: &str) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("example.py"), example).expect("writable");
    let output = Command::new(env!("CARGO_BIN_EXE_asyncbis-lint"))
        .args([
            "check",
            "--isolated",
            "--color",
            "never",
            "--min-severity",
            "info",
        ])
        .args(["--quiet", "--select", code, "example.py"])
        .current_dir(folder.path())
        .output()
        .expect("the command runs");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "for {code}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The blocks to be filled, each with the example before it.
fn output_blocks<'p, 'a>(page: &'p Page<'a>) -> Vec<(&'p Block<'a>, &'p Block<'a>)> {
    let mut example = None;
    let mut found = Vec::new();
    for block in &page.blocks {
        match block.info {
            "python" => example = Some(block),
            "text output" => found.push((example.expect("an example comes first"), block)),
            _ => {}
        }
    }
    found
}

#[test]
fn rendered_diagnostics_are_up_to_date() {
    let update = std::env::var_os("UPDATE_PAGES").is_some();
    let mut paths: Vec<PathBuf> = fs::read_dir(rules())
        .expect("rules/ exists")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| {
            path.file_stem()
                .is_some_and(|stem| stem.to_string_lossy().starts_with("BIS"))
        })
        .collect();
    paths.sort();
    for path in paths {
        let text = fs::read_to_string(&path).expect("readable");
        let page = Page::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut updated = text.clone();
        for (example, block) in output_blocks(&page).into_iter().rev() {
            let output = rendered(page.code, example.code);
            assert_ne!(output.trim(), "", "{}: nothing is reported", path.display());
            if update {
                let start = block.code.as_ptr() as usize - text.as_ptr() as usize;
                updated.replace_range(start..start + block.code.len(), &output);
            } else {
                assert_eq!(
                    block.code,
                    output,
                    "{}: run with UPDATE_PAGES=1",
                    path.display()
                );
            }
        }
        if updated != text {
            fs::write(&path, updated).expect("writable");
        }
    }
}

/// The README's block names the file whose diagnostics it shows.
#[test]
fn the_readme_shows_what_the_command_prints() {
    const OPENING: &str = "```text output ";
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = root.join("README.md");
    let text = fs::read_to_string(&path).expect("readable");
    let opening = text.find(OPENING).expect("the README shows a diagnostic");
    let line_end = opening + text[opening..].find('\n').expect("a line");
    let file = &text[opening + OPENING.len()..line_end];
    let start = line_end + 1;
    let end = start + text[start..].find("```").expect("the block ends");
    let output = Command::new(env!("CARGO_BIN_EXE_asyncbis-lint"))
        .args(["check", "--isolated", "--color", "never", "--quiet", file])
        .current_dir(root)
        .output()
        .expect("the command runs");
    let output = String::from_utf8(output.stdout).expect("UTF-8");
    assert_ne!(output.trim(), "", "{file}: nothing is reported");
    if std::env::var_os("UPDATE_PAGES").is_some() {
        let updated = format!("{}{output}{}", &text[..start], &text[end..]);
        fs::write(&path, updated).expect("writable");
    } else {
        assert_eq!(&text[start..end], output, "run with UPDATE_PAGES=1");
    }
}
