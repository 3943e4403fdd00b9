//! Asks Python about programs: the oracles' way to a script beside them.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// What a script of `tests/` prints for an input.
pub fn run(script: &str, input: String) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(script);
    let mut python = Command::new("python3")
        .args(["-W", "ignore"])
        .arg(path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the test needs `python3`");
    let mut stdin = python.stdin.take().expect("piped");
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = python.wait_with_output().expect("python3 ends");
    let written = writer.join().expect("no panic");
    written.expect("python3 reads its input");
    assert!(output.status.success(), "{script} failed");
    String::from_utf8(output.stdout).expect("UTF-8")
}
