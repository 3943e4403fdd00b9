//! Runs the transcripts of `tests/cli/*.md`, of `docs/ci.md` and of `docs/fixing.md` with the built
//! command and compares what it prints, and the hooks for pre-commit.
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
    // The page's commands are promises to its readers.
    for page in ["ci.md", "fixing.md"] {
        paths.push(folder.join("../../docs").join(page));
    }
    paths.sort();
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

/// What stands in shell scripts and workflows can't be replayed there: the linter's commands are run
/// here, and every other one has its test elsewhere.
#[test]
fn the_commands_of_the_ci_page_work() {
    const BAD: &str = "x = 1  # noqa: BIS777\n";
    /// The commands and what they are for; the exit code with a finding in the project.
    const COMMANDS: [(&str, i32); 6] = [
        ("asyncbis-lint check --output-format github", 1),
        (
            "asyncbis-lint check --no-baseline --output-format sarif \
             --output-file asyncbis-lint.sarif --exit-zero",
            0,
        ),
        ("asyncbis-lint fix --diff", 1),
        (
            "asyncbis-lint check --output-format gitlab --output-file codequality.json",
            1,
        ),
        ("eval \"$(asyncbis-lint completions bash)\"", 0),
        ("asyncbis-lint completions fish > asyncbis-lint.fish", 0),
    ];
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/ci.md")).unwrap();
    let blocks = page.split(FENCE).skip(1).step_by(2);
    let mut found = Vec::new();
    for block in blocks.filter(|block| block.starts_with("yaml") || block.starts_with("sh")) {
        for line in block.lines().skip(1) {
            let line = line.trim().trim_start_matches("- ");
            let line = line.strip_prefix("run: ").unwrap_or(line);
            let words = line.split_once("  #").map_or(line, |(code, _)| code).trim();
            let words = words.replace("~/.config/fish/completions/", "");
            let builds = words.contains("cargo install") || words.starts_with("pip install");
            let is_command = words.starts_with("asyncbis-lint ") || words.starts_with("eval ");
            if builds {
                // What `tests/packaging` builds, from the repository instead of a clone.
                assert!(
                    words.contains("https://github.com/asyncbis/asyncbis"),
                    "{words}"
                );
                let of_python = words.ends_with("#subdirectory=python/asyncbis-lint\"");
                assert!(of_python || words.ends_with(" asyncbis-lint"), "{words}");
            } else if is_command {
                found.push(words);
            }
        }
    }
    let expected: Vec<&str> = COMMANDS.iter().map(|(command, _)| *command).collect();
    let mut sorted = found.clone();
    sorted.sort();
    let mut known = expected.clone();
    known.sort_unstable();
    assert_eq!(sorted, known, "every command has a row in the table");

    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.py"), BAD).unwrap();
    for (command, code) in COMMANDS {
        let shell = if command.starts_with("eval") {
            format!("command -v bash >/dev/null || exit 0; bash -c '{command}'")
        } else {
            command.to_owned()
        };
        let printed = run(&shell, folder.path());
        let failed = printed.ends_with("[exit 1]\n");
        assert!(
            !printed.contains("2> error") && !printed.contains("[exit 2]"),
            "{printed}"
        );
        assert_eq!(failed, code == 1, "{command}\n{printed}");
    }
    for name in ["asyncbis-lint.sarif", "codequality.json"] {
        let report = fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(report.contains("BIS001"), "{name}: {report}");
    }
    assert_eq!(fs::read_to_string(folder.path().join("a.py")).unwrap(), BAD);
}

/// The hooks of the pages exist, and their arguments are arguments of their commands.
#[test]
fn the_hooks_of_the_pages_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages = ["docs/ci.md", "README.md"].map(|page| fs::read_to_string(root.join(page)));
    let page = pages.map(Result::unwrap).concat();
    let hooks = hooks();
    let value = |hook: &[(String, String)], key: &str| {
        let found = hook.iter().find(|(known, _)| known == key);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.py"), "x = 1\n").unwrap();
    let mut entry = String::new();
    let (mut ids, mut arguments) = (0, 0);
    for line in page.lines().map(str::trim) {
        if let Some(id) = line.strip_prefix("- id: ") {
            let id = id.split_once("  #").map_or(id, |(id, _)| id);
            let hook = hooks.iter().find(|hook| value(hook, "id") == id);
            entry = value(hook.unwrap_or_else(|| panic!("no hook {id}")), "entry");
            ids += 1;
        } else if let Some(args) = line.strip_prefix("args: [") {
            let args = args.trim_end_matches(']').replace(',', " ");
            assert_eq!(
                run(&format!("{entry} {args} --quiet a.py"), folder.path()),
                ""
            );
            arguments += 1;
        }
    }
    assert_eq!((ids, arguments), (4, 2));
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
