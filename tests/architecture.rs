//! The rules that the source itself keeps: who may use whom, where I/O happens, what a page has.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rule_page::Page;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files below a folder with an extension, sorted.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Dependencies between the workspace's crates point down only.
#[test]
fn crates_use_only_what_lies_below() {
    const ALLOWED: [(&str, &[&str]); 5] = [
        ("asyncbis-lint", &["asyncbis-linter", "asyncbis-rule-page"]),
        ("asyncbis-kernel", &[]),
        ("asyncbis-linter", &["asyncbis-rule-page"]),
        ("asyncbis-rule-page", &[]),
        ("asyncbis-runtime", &["asyncbis-kernel"]),
    ];
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--offline",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut seen = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let allowed = ALLOWED
            .iter()
            .find(|(known, _)| *known == name)
            .unwrap_or_else(|| panic!("{name} has no row in this test's table"))
            .1;
        for dependency in package["dependencies"].as_array().unwrap() {
            let to = dependency["name"].as_str().unwrap();
            let ours = to.starts_with("asyncbis");
            assert!(!ours || allowed.contains(&to), "{name} must not use {to}");
            let python = to.starts_with("pyo3");
            assert!(
                !python || name == "asyncbis-runtime",
                "{name} must not know Python's objects"
            );
        }
        seen.push(name.to_owned());
    }
    assert_eq!(
        seen.len(),
        ALLOWED.len(),
        "crates in the workspace: {seen:?}"
    );
}

/// The linter is a function of its text, and the kernel of the operations on it: no files, no
/// environment, no processes, no clock.
#[test]
fn the_linter_and_the_kernel_do_no_io() {
    const FORBIDDEN: [&str; 11] = [
        "std::fs",
        "std::env",
        "std::process",
        "std::net",
        "std::io",
        "Instant::now",
        "SystemTime",
        "println!",
        "eprintln!",
        "print!",
        "from_path(",
    ];
    for folder in [
        "crates/linter/src",
        "crates/rule_page/src",
        "crates/kernel/src",
    ] {
        for path in files(folder, "rs") {
            let text = fs::read_to_string(&path).unwrap();
            for (index, line) in text.lines().enumerate() {
                let code = line.split("//").next().unwrap();
                for word in FORBIDDEN {
                    let place = format!("{}:{}", path.display(), index + 1);
                    assert!(!code.contains(word), "{place}: {word} is I/O");
                }
            }
        }
    }
}

/// `cargo fmt` does not see files that are included by a path.
#[test]
fn rule_files_are_formatted() {
    let paths = files("crates/linter/src/rules", "rs");
    let output = Command::new("rustfmt")
        .args(["--check", "--edition", "2024"])
        .args(paths.iter().filter(|path| !path.ends_with("mod.rs")))
        .current_dir(root())
        .output();
    let Ok(output) = output else {
        // Not every machine that builds the linter has rustfmt; those that change it do.
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "`make fmt` formats them:\n{text}");
}

/// A page has every section, an example of each kind, and the code as the front matter says.
#[test]
fn rule_pages_are_complete() {
    const SECTIONS: [&str; 5] = ["What it reports", "Why", "Bad", "Good", "When to ignore it"];
    let mut wrong = String::new();
    for path in files("rules", "md") {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if !name.starts_with("BIS") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let page = Page::parse(&text).unwrap();
        for message in problems(&page, &SECTIONS) {
            writeln!(wrong, "rules/{name}.md: {message}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn problems(page: &Page<'_>, sections: &[&str]) -> Vec<String> {
    let mut problems = Vec::new();
    let title = format!("# {}: {}\n", page.code, page.name);
    if !page.body.starts_with(&title) {
        problems.push(format!("begins with another title than `{}`", title.trim()));
    }
    let titles: Vec<&str> = page.sections.iter().map(|section| section.title).collect();
    if titles != sections {
        problems.push(format!(
            "has the sections {titles:?} instead of {sections:?}"
        ));
    }
    for section in page
        .sections
        .iter()
        .filter(|section| section.text.is_empty())
    {
        problems.push(format!("says nothing under `{}`", section.title));
    }
    if page.summary.ends_with('.') {
        problems.push("has a summary with a full stop".to_owned());
    }
    let lowest = ["error", "warning", "info"];
    let order: Vec<_> = page
        .severities
        .iter()
        .map(|severity| lowest.iter().position(|known| known == severity))
        .collect();
    if !order.is_sorted() {
        problems.push("does not name the highest severity first".to_owned());
    }
    const FENCES: [&str; 4] = ["python", "python fixed", "python run", "text output"];
    for block in &page.blocks {
        // A block with a mistyped fence would be tested by nobody.
        if page.code.starts_with("BIS0") || FENCES.contains(&block.info) {
            continue;
        }
        problems.push(format!(
            "line {}: unknown fence `{}`",
            block.line, block.info
        ));
    }
    // What the parser and the suppressions report needs no examples of asyncio code.
    if page.code.starts_with("BIS0") {
        return problems;
    }
    let python = |section: &str| {
        page.blocks
            .iter()
            .filter(|block| block.section == section && block.info == "python")
            .collect::<Vec<_>>()
    };
    let marks: Vec<_> = python("Bad")
        .iter()
        .flat_map(|block| block.marks())
        .collect();
    let own: Vec<_> = marks.iter().filter(|mark| mark.code == page.code).collect();
    if own.is_empty() {
        problems.push("has no finding of its own under `Bad`".to_owned());
    }
    for severity in &page.severities {
        if !own.iter().any(|mark| mark.severity == *severity) {
            problems.push(format!("has no finding of severity {severity} under `Bad`"));
        }
    }
    for mark in &own {
        if !page.severities.contains(&mark.severity.as_str()) {
            problems.push(format!(
                "marks a finding as {}, which is not its severity",
                mark.severity
            ));
        }
    }
    if !python("Good").iter().any(|block| block.marks().is_empty()) {
        problems.push("has no clean example under `Good`".to_owned());
    }
    let fixed = page.blocks.iter().any(|block| block.info == "python fixed");
    if fixed == (page.fix == "none") {
        problems.push(format!(
            "says `fix: {}` but has fixed examples: {fixed}",
            page.fix
        ));
    }
    problems
}

/// `UPDATE_PAGES=1 cargo test` writes it anew.
#[test]
fn the_index_of_the_rules_is_up_to_date() {
    let mut index = String::from(
        "# Rules\n\n\
         Generated from the pages; `UPDATE_PAGES=1 cargo test --test architecture` writes it anew.\n\n\
         | code | name | finds | severity | fix |\n|---|---|---|---|---|\n",
    );
    for path in files("rules", "md") {
        let text = fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        if !name.starts_with("BIS") {
            continue;
        }
        let page = Page::parse(&text).unwrap();
        writeln!(
            index,
            "| [{}]({name}) | {} | {} | {} | {} |",
            page.code,
            page.name,
            page.summary.replace('|', "\\|"),
            page.severities.join(", "),
            page.fix,
        )
        .unwrap();
    }
    let path = root().join("rules/README.md");
    if std::env::var_os("UPDATE_PAGES").is_some() {
        fs::write(&path, &index).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == index,
        "rules/README.md is not up to date: UPDATE_PAGES=1 cargo test --test architecture"
    );
}
