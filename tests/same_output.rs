//! The output depends on the files and the settings: on nothing that changes from run to run.
//!
//! Checked are the example programs, and Python's own asyncio, whose files are large.

use std::path::{Path, PathBuf};
use std::process::Command;

/// asyncio in the standard library of the Python that answers.
fn asyncio() -> PathBuf {
    let program = "import asyncio; print(asyncio.__path__[0])";
    let output = Command::new("python3").args(["-c", program]).output();
    let output = output.expect("the test needs python3");
    assert!(output.status.success(), "the test needs python3");
    PathBuf::from(String::from_utf8(output.stdout).expect("UTF-8").trim())
}

fn check(arguments: &[&str], paths: &[&Path]) -> Vec<u8> {
    let output = Command::new(env!("CARGO_BIN_EXE_asyncbis-lint"))
        .args(["check", "--isolated", "--min-severity", "info"])
        .args(["--no-respect-gitignore", "--color", "always"])
        .args(arguments)
        .args(paths)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("the command runs");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(1));
    output.stdout
}

#[test]
fn threads_and_the_order_of_paths_change_nothing() {
    let asyncio = asyncio();
    let (examples, asyncio) = (Path::new("examples"), asyncio.as_path());
    for format in ["full", "concise", "json", "sarif", "github", "gitlab"] {
        let format = format!("--output-format={format}");
        let with = |threads: &str, paths: &[&Path]| check(&[&format, "--threads", threads], paths);
        let one = with("1", &[examples, asyncio]);
        assert!(one.len() > 1_000, "{format}: little is found");
        for _ in 0..3 {
            assert!(with("8", &[asyncio, examples]) == one, "{format} differs");
        }
    }
    let one = check(&["--statistics", "--threads=1"], &[examples, asyncio]);
    let eight = check(&["--statistics", "--threads=8"], &[asyncio, examples]);
    assert!(eight == one, "--statistics differs");
}
