//! Runs the transcripts of `tests/cli/*.md` with the built command and compares what it prints, and
//! the hook for pre-commit.
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

/// pre-commit names every changed file: the hook leaves out what is excluded, and checks the rest.
#[test]
fn the_pre_commit_hook_does_what_it_promises() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let hooks = fs::read_to_string(root.join(".pre-commit-hooks.yaml")).unwrap();
    let entry = |line: &str| line.trim().strip_prefix("entry: ").map(str::to_owned);
    let entry = hooks
        .lines()
        .find_map(entry)
        .expect("the hook has an entry");
    let folder = tempfile::tempdir().unwrap();
    let config = "exclude = ['vendor']\n";
    fs::write(folder.path().join("asyncbis-lint.toml"), config).unwrap();
    for name in ["src", "vendor"] {
        fs::create_dir(folder.path().join(name)).unwrap();
        let program = "x = 1  # noqa: BIS777\n";
        fs::write(folder.path().join(name).join("a.py"), program).unwrap();
    }
    let both = format!("{entry} vendor/a.py src/a.py --output-format concise --quiet");
    let found = "src/a.py:1:8: warning[BIS001] `BIS777` suppresses nothing here [safe fix]\n";
    assert_eq!(run(&both, folder.path()), format!("{found}[exit 1]\n"));
    let excluded = format!("{entry} vendor/a.py --quiet");
    assert_eq!(run(&excluded, folder.path()), "");
}
