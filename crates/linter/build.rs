//! Pairs every `rules/BISnnn.md` with its `src/rules/bisnnn.rs` and writes the rule table.
//!
//! A missing half, a page that can't be read, or a page whose code isn't its file name stops the
//! build with the name of the file.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, process};

fn main() {
    let crate_root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let pages = crate_root.join("../../rules");
    let sources = crate_root.join("src/rules");
    println!("cargo::rerun-if-changed={}", pages.display());
    println!("cargo::rerun-if-changed={}", sources.display());
    let codes: BTreeSet<String> = stems(&pages, "md")
        .chain(stems(&sources, "rs").map(|stem| stem.to_uppercase()))
        .filter(|stem| stem.starts_with("BIS"))
        .collect();
    let mut table = String::from("static TABLE: &[RuleInfo] = &[\n");
    let mut modules = String::new();
    for code in &codes {
        let page = pages.join(format!("{code}.md"));
        let source = sources.join(format!("{}.rs", code.to_lowercase()));
        for half in [&page, &source] {
            if !half.exists() {
                fail(half, "is missing: a rule is a page and a source file");
            }
        }
        add_rule(code, &page, &source, &mut table, &mut modules);
    }
    table.push_str("];\n");
    let out = PathBuf::from(env::var("OUT_DIR").expect("set by cargo"));
    write(&out.join("rules.rs"), &table);
    write(&out.join("rule_modules.rs"), &modules);
}

fn add_rule(code: &str, page: &Path, source: &Path, table: &mut String, modules: &mut String) {
    println!("cargo::rerun-if-changed={}", page.display());
    let text = fs::read_to_string(page).unwrap_or_else(|error| fail(page, &error.to_string()));
    let parsed =
        rule_page::Page::parse(&text).unwrap_or_else(|error| fail(page, &error.to_string()));
    if parsed.code != code {
        fail(page, &format!("says that its code is {}", parsed.code));
    }
    let module = code.to_lowercase();
    let severities: Vec<String> = parsed
        .severities
        .iter()
        .map(|name| format!("Severity::{}{}", name[..1].to_uppercase(), &name[1..]))
        .collect();
    writeln!(
        table,
        "RuleInfo {{ code: {code:?}, name: {:?}, summary: {:?}, severities: &[{}], fix: {:?}, \
         since: {:?}, page: include_str!({:?}), needles: crate::rules::{module}::NEEDLES, \
         check: crate::rules::{module}::check }},",
        parsed.name,
        parsed.summary,
        severities.join(", "),
        parsed.fix,
        parsed.since,
        canonical(page),
    )
    .expect("writing to a string");
    writeln!(
        modules,
        "#[path = {:?}]\npub(crate) mod {module};",
        canonical(source)
    )
    .expect("writing to a string");
}

fn stems(folder: &Path, extension: &str) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| fail(folder, &error.to_string()));
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(move |path| path.extension().is_some_and(|found| found == extension))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
}

fn canonical(path: &Path) -> PathBuf {
    path.canonicalize()
        .unwrap_or_else(|error| fail(path, &error.to_string()))
}

fn write(path: &Path, text: &str) {
    if let Err(error) = fs::write(path, text) {
        fail(path, &error.to_string());
    }
}

fn fail(path: &Path, message: &str) -> ! {
    println!("cargo::error={}: {message}", path.display());
    process::exit(1);
}
