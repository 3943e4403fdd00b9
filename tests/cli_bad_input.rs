//! Inputs that are deep, large, many or out of reach: the command neither crashes nor runs out of
//! its stack, and tells what it could not read or write.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output};

/// The format that says the least.
const CONCISE: &[&str] = &["--output-format=concise"];

fn check(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_asyncbis-lint"))
        .args(["check", "--isolated"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

/// As [`check`], with every file named, so that all are parsed whatever they contain.
fn check_named(folder: &Path) -> Output {
    let names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let mut arguments = CONCISE.to_vec();
    arguments.extend(names.iter().map(String::as_str));
    check(folder, &arguments)
}

/// Programs whose syntax trees are `depth` levels deep.
fn deep(depth: usize) -> Vec<(&'static str, String)> {
    let nested = |open: &str, middle: &str, close: &str| {
        format!(
            "x = {}{middle}{}\n",
            open.repeat(depth),
            close.repeat(depth)
        )
    };
    let chain = |unit: &str| format!("x = a{}\n", unit.repeat(depth));
    let prefix = |unit: &str| format!("x = {}a\n", unit.repeat(depth));
    vec![
        ("parentheses", nested("(", "1", ")")),
        ("open_parentheses", nested("(", "", "")),
        ("brackets", nested("[", "", "]")),
        ("dicts", nested("{1:", "1", "}")),
        ("calls", nested("f(", "", ")")),
        ("subscripts", nested("a[", "0", "]")),
        ("comprehensions", nested("[y for y in ", "z", "]")),
        ("lambda_defaults", nested("lambda a=(", "1", "): 0")),
        ("f_strings", nested("f'{", "1", "}'")),
        ("open_f_strings", nested("f'{", "", "")),
        ("call_chain", chain("()")),
        ("attributes", chain(".b")),
        ("subscript_chain", chain("[0]")),
        ("sum", chain(" + a")),
        ("comparisons", chain(" < a")),
        ("conjunctions", chain(" and a")),
        ("signs", prefix("-")),
        ("negations", prefix("not ")),
        ("powers", prefix("a ** ")),
        ("lambdas", prefix("lambda: ")),
        ("lambdas_with_parameters", prefix("lambda a, b: ")),
        ("conditions", prefix("1 if a else ")),
        (
            "awaits",
            format!("async def f():\n    {}\n", prefix("await ")),
        ),
        ("stars", prefix("*")),
        ("patterns", {
            let (open, close) = ("[".repeat(depth), "]".repeat(depth));
            format!("match x:\n    case {open}{close}:\n        pass\n")
        }),
        ("decorators", {
            let (open, close) = ("(".repeat(depth), ")".repeat(depth));
            format!("@{open}a{close}\ndef f():\n    pass\n")
        }),
        (
            "elifs",
            format!("if a:\n    pass\n{}", "elif a:\n    pass\n".repeat(depth)),
        ),
        ("one_line_blocks", "if a: ".repeat(depth)),
    ]
}

/// Blocks in blocks: the text grows with the square of the depth.
fn deep_blocks(depth: usize) -> Vec<(String, String)> {
    let headers = [
        "if a:",
        "while a:",
        "async def f():",
        "class A:",
        "async with a:",
        "try:",
    ];
    headers
        .iter()
        .enumerate()
        .map(|(number, header)| {
            let mut text = String::new();
            for level in 0..depth {
                writeln!(text, "{}{header}", " ".repeat(level)).unwrap();
            }
            writeln!(text, "{}pass", " ".repeat(depth)).unwrap();
            (format!("blocks{number}"), text)
        })
        .collect()
}

#[test]
fn deep_programs_are_checked_or_refused() {
    // The first every stack has to hold; the second none would.
    for (depth, refused) in [(10_000, false), (200_000, true)] {
        let folder = tempfile::tempdir().unwrap();
        let programs = deep(depth);
        for (name, text) in &programs {
            fs::write(folder.path().join(format!("{name}.py")), text).unwrap();
        }
        let output = check_named(folder.path());
        let stderr = String::from_utf8_lossy(&output.stderr);
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert_eq!(stderr, "");
        let checked = format!("(checked {} files)", programs.len());
        assert!(stdout.contains(&checked), "{stdout}");
        for (name, _) in &programs {
            let start = format!("{name}.py:");
            let is_refused = stdout
                .lines()
                .any(|line| line.starts_with(&start) && line.contains("too deeply nested"));
            // The scan counts some levels twice, but not these.
            let is_plain = ["parentheses", "brackets", "attributes", "sum", "signs"];
            if refused {
                let is_flat = ["elifs", "conjunctions"].contains(name);
                assert!(is_refused || is_flat, "{name}");
            } else if is_plain.contains(name) {
                assert!(!is_refused, "{name}");
            }
        }
    }
}

#[test]
fn deep_blocks_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in deep_blocks(1_500) {
        fs::write(folder.path().join(format!("{name}.py")), text).unwrap();
    }
    let output = check_named(folder.path());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(stderr, "");
    assert!(output.status.code().is_some_and(|code| code <= 1));
}

#[test]
fn large_files_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let function =
        "async def f(p):\n    try:\n        await p\n    except ValueError:\n        raise\n";
    let mut text = String::from("import asyncio\n");
    while text.len() < 4_000_000 {
        text.push_str(function);
    }
    text.push_str("x = 1  # noqa: BIS777\n");
    fs::write(folder.path().join("code.py"), &text).unwrap();
    let table = format!("import asyncio\nDATA = [{}]\n", "1, ".repeat(2_000_000));
    fs::write(folder.path().join("data.py"), table).unwrap();
    let line = format!(
        "import asyncio\nx = '{}'  # noqa: BIS777\n",
        "é".repeat(5_000_000)
    );
    fs::write(folder.path().join("line.py"), line).unwrap();
    for format in ["full", "json"] {
        let output = check(folder.path(), &["--output-format", format]);
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(stdout.matches("suppresses nothing").count(), 2, "{format}");
        assert!(stdout.len() < 5_000, "{format}: {} bytes", stdout.len());
    }
}

#[test]
fn many_files_are_checked_in_order_whatever_the_threads() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..3_000 {
        let sub = folder.path().join(format!("d{}", number % 50));
        fs::create_dir_all(&sub).unwrap();
        let text = if number % 10 == 0 {
            "import asyncio  # noqa: BIS777\n"
        } else {
            "import os\n"
        };
        fs::write(sub.join(format!("m{number}.py")), text).unwrap();
    }
    let one = check(
        folder.path(),
        &["--output-format=concise", "--threads", "1"],
    );
    let text = String::from_utf8_lossy(&one.stdout);
    assert!(text.contains("Found 300 warnings in 300 files (checked 3000 files)."));
    for threads in ["2", "9"] {
        assert_eq!(
            check(
                folder.path(),
                &["--output-format=concise", "--threads", threads]
            )
            .stdout,
            one.stdout
        );
    }
    let paths: Vec<&Path> = text
        .lines()
        .filter_map(|line| line.split_once(".py:"))
        .map(|(path, _)| Path::new(path))
        .collect();
    assert!(paths.len() == 300 && paths.is_sorted());
}

/// A user who owns nothing: root may read and write everything.
const NOBODY: u32 = 65_534;

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Runs the command as a user to whom permissions apply; returns its output, errors and exit code.
fn run_as_user(folder: &Path, arguments: &[&str]) -> (String, String, Option<i32>) {
    // The folder of the build may be closed to others.
    let binary = folder.join("asyncbis-lint");
    if !binary.exists() {
        fs::copy(env!("CARGO_BIN_EXE_asyncbis-lint"), &binary).unwrap();
    }
    let mut command = Command::new(binary);
    command.args(arguments).current_dir(folder);
    if fs::read(folder.join("closed.py")).is_ok() {
        command.uid(NOBODY).gid(NOBODY);
    }
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        text(output.stdout),
        text(output.stderr),
        output.status.code(),
    )
}

/// A folder with files that can be read, and a file and a folder that can't.
fn folder_with_closed_things() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    set_mode(path, 0o755);
    for name in ["sealed", "fixed"] {
        fs::create_dir(path.join(name)).unwrap();
    }
    for name in ["closed.py", "open.py", "sealed/a.py", "fixed/a.py"] {
        fs::write(path.join(name), "x = 1  # noqa: BIS777\n").unwrap();
    }
    set_mode(&path.join("closed.py"), 0o000);
    set_mode(&path.join("sealed"), 0o000);
    set_mode(&path.join("fixed/a.py"), 0o444);
    set_mode(&path.join("fixed"), 0o555);
    folder
}

/// So that the folder can be removed.
fn open_again(folder: &Path) {
    for name in ["sealed", "fixed"] {
        set_mode(&folder.join(name), 0o755);
    }
}

#[test]
fn what_cannot_be_read_is_told_and_the_rest_is_checked() {
    let folder = folder_with_closed_things();
    let found = "open.py:1:8: warning[BIS001] `BIS777` suppresses nothing here [safe fix]\n";
    let check = ["check", "--isolated", "--quiet", "--output-format=concise"];
    let problems = "error: closed.py: permission denied\nerror: sealed: permission denied\n";
    let arguments = [&check[..], &["--exclude", "fixed"]].concat();
    let expected = (found.to_owned(), problems.to_owned(), Some(2));
    assert_eq!(run_as_user(folder.path(), &arguments), expected);
    let named = ["open.py", "sealed/a.py", "closed.py", "missing/a.py"];
    let (stdout, stderr, code) = run_as_user(folder.path(), &[&check[..], &named].concat());
    assert_eq!((stdout.as_str(), code), (found, Some(2)));
    let problems = [
        "error: closed.py: permission denied",
        "error: missing/a.py: no such file or directory",
        "error: sealed/a.py: permission denied",
    ];
    assert_eq!(stderr.lines().collect::<Vec<_>>(), problems);
    open_again(folder.path());
}

#[test]
fn what_cannot_be_written_is_told() {
    let folder = folder_with_closed_things();
    let source = "import asyncio\n\n\nasync def f(p):\n    try:\n        await p\n    finally:\n        \
                  await asyncio.sleep(1)\n        p = None\n        await p\n";
    let file = folder.path().join("fixed/a.py");
    set_mode(&file, 0o644);
    fs::write(&file, source).unwrap();
    set_mode(&file, 0o444);
    let add_noqa = ["check", "--isolated", "--add-noqa", "fixed"];
    let (stdout, stderr, code) = run_as_user(folder.path(), &add_noqa);
    assert_eq!(
        (stdout.as_str(), code),
        ("Added no suppressions.\n", Some(2))
    );
    assert_eq!(
        stderr,
        "error: fixed/a.py: writing: the file is read-only\n"
    );
    // The file could be written, but not be replaced.
    set_mode(&file, 0o666);
    let (_, stderr, code) = run_as_user(folder.path(), &add_noqa);
    let reason = "a file beside it can't be made: permission denied";
    assert_eq!(stderr, format!("error: fixed/a.py: writing: {reason}\n"));
    assert_eq!(code, Some(2));
    assert_eq!(fs::read_to_string(&file).unwrap(), source);
    let report = ["check", "--isolated", "open.py", "--output-file"];
    for (target, problem) in [
        ("fixed/report", "writing fixed/report: permission denied"),
        (
            "fixed/new/report",
            "creating the folder fixed/new: permission denied",
        ),
        ("sealed", "writing sealed: is a directory"),
    ] {
        let (stdout, stderr, code) = run_as_user(folder.path(), &[&report[..], &[target]].concat());
        assert_eq!((stdout.as_str(), code), ("", Some(2)));
        assert_eq!(stderr, format!("error: --output-file: {problem}\n"));
    }
    open_again(folder.path());
}
