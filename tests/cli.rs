//! Runs the transcripts of `tests/cli/*.md` with the built command and compares what it prints, and
//! the hooks for pre-commit.
//!
//! A section (`##`) is a test with a folder of its own. A block ```` ```text a.py ```` (any
//! language, then a path) becomes a file; in a block ```` ```console ```` every line that begins
//! with `$ ` is run by `sh` in the folder, and what follows has to be its output: standard output,
//! then standard error with `2> ` before each line, then `[exit 1]` where it is not 0.
//! `UPDATE_TRANSCRIPTS=1 cargo test --test cli` writes the output into the files.
//!
//! Not here: inputs that are no text, or large (`cli_bad_input.rs`).

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const FENCE: &str = "```";

#[test]
fn transcripts_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli");
    let mut paths: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty());
    let update = std::env::var_os("UPDATE_TRANSCRIPTS").is_some();
    let mut wrong = String::new();
    for path in paths {
        let expected = fs::read_to_string(&path).unwrap();
        let actual = replay(&expected);
        if update {
            fs::write(&path, &actual).unwrap();
        } else if actual != expected {
            let diff = similar::TextDiff::from_lines(&expected, &actual);
            let name = path.file_name().unwrap().to_string_lossy();
            writeln!(wrong, "{}", diff.unified_diff().header(&name, "now")).unwrap();
        }
    }
    assert!(wrong.is_empty(), "transcripts differ:\n{wrong}");
}

/// The transcript with the output that the commands have now.
fn replay(transcript: &str) -> String {
    let mut folder = tempfile::tempdir().unwrap();
    let mut result = String::new();
    let mut lines = transcript.lines();
    while let Some(line) = lines.next() {
        result.push_str(line);
        result.push('\n');
        if line.starts_with("## ") {
            folder = tempfile::tempdir().unwrap();
        }
        let Some(info) = line.strip_prefix(FENCE) else {
            continue;
        };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != FENCE).collect();
        if info == "console" {
            for command in block.iter().filter_map(|line| line.strip_prefix("$ ")) {
                writeln!(result, "$ {command}").unwrap();
                let output = run(command, folder.path());
                let holds_fence = output.lines().any(|line| line.starts_with(FENCE));
                assert!(
                    !holds_fence,
                    "the output of `{command}` would end its block"
                );
                result.push_str(&output);
            }
        } else {
            let text: String = block.iter().map(|line| format!("{line}\n")).collect();
            if let Some((_, name)) = info.split_once(' ') {
                let path = folder.path().join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, &text).unwrap();
            }
            result.push_str(&text);
        }
        result.push_str(FENCE);
        result.push('\n');
    }
    result
}

fn run(command: &str, folder: &Path) -> String {
    let binary = Path::new(env!("CARGO_BIN_EXE_asyncbis-lint"));
    let path = format!(
        "{}:{}",
        binary.parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    let output = Command::new("sh")
        .args(["-c", command])
        .current_dir(folder)
        .env("PATH", path)
        .env_remove("RUST_BACKTRACE")
        .env_remove("NO_COLOR")
        .env_remove("FORCE_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .output()
        .unwrap();
    let folder = folder.display().to_string();
    let clean = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&folder, "[FOLDER]");
    let mut text = clean(&output.stdout);
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    for line in clean(&output.stderr).lines() {
        writeln!(text, "2> {line}").unwrap();
    }
    match output.status.code() {
        Some(0) => {}
        Some(code) => writeln!(text, "[exit {code}]").unwrap(),
        None => writeln!(text, "[{}]", output.status).unwrap(),
    }
    text
}

/// The hooks of the manifest, each with its keys.
fn hooks() -> Vec<Vec<(String, String)>> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join(".pre-commit-hooks.yaml");
    let text = fs::read_to_string(manifest).unwrap();
    let mut hooks: Vec<Vec<(String, String)>> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((key, value)) = line.split_once(": ") else {
            assert_eq!(line, "", "a line without a key");
            continue;
        };
        let key = match key.strip_prefix("- ") {
            Some(key) => {
                hooks.push(Vec::new());
                key
            }
            None => key.trim_start(),
        };
        let value = value.trim_matches('"').to_owned();
        hooks.last_mut().unwrap().push((key.to_owned(), value));
    }
    hooks
}

/// pre-commit names every changed file: the hooks leave out what is excluded, and do the rest.
#[test]
fn the_pre_commit_hooks_do_what_they_promise() {
    const COMMON: [(&str, &str); 5] = [
        ("language", "rust"),
        ("language_version", "stable"),
        ("types_or", "[python, pyi, jupyter]"),
        ("require_serial", "true"),
        ("minimum_pre_commit_version", "2.21.0"),
    ];
    let hooks = hooks();
    let value = |hook: usize, key: &str| {
        let found = hooks[hook].iter().find(|(known, _)| known == key);
        found.unwrap_or_else(|| panic!("no key `{key}`")).1.as_str()
    };
    for hook in 0..hooks.len() {
        for (key, expected) in COMMON {
            assert_eq!(value(hook, key), expected, "{key}");
        }
        let entry = value(hook, "entry");
        assert!(entry.ends_with(" --force-exclude"), "{entry}");
    }
    let ids: Vec<&str> = (0..hooks.len()).map(|hook| value(hook, "id")).collect();
    assert_eq!(ids, ["asyncbis-lint", "asyncbis-lint-fix"]);

    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let bad = "x = 1  # noqa: BIS777\n";
    write("asyncbis-lint.toml", "exclude = ['vendor']\n");
    write("src/clean.py", "x = 1\n");
    write("src/a.py", bad);
    write("vendor/a.py", bad);
    let names = "--output-format concise --quiet vendor/a.py src/clean.py src/a.py";
    let start = |hook: usize| run(&format!("{} {names}", value(hook, "entry")), folder.path());
    let found = "src/a.py:1:8: warning[BIS001] `BIS777` suppresses nothing here [safe fix]\n";
    assert_eq!(start(0), format!("{found}[exit 1]\n"));
    assert_eq!(
        (read("src/a.py"), read("vendor/a.py")),
        (bad.into(), bad.into())
    );
    // pre-commit fails a hook that changes files, whatever its exit code.
    assert_eq!(start(1), "");
    let mended = "x = 1\n".to_owned();
    assert_eq!(
        (read("src/a.py"), read("vendor/a.py")),
        (mended, bad.into())
    );
    assert_eq!((start(0), start(1)), (String::new(), String::new()));
}
