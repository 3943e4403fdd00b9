//! What `fix` does to files when something goes wrong: every file is old or new, and nothing else
//! is left behind.
//!
//! Not here: what a page of commands can show (`cli/fix.md`): permissions, links, a full disk.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;
const SIGKILL: i32 = 9;

const OLD: &str = "\
import asyncio


async def wait(task: asyncio.Task):
    async with asyncio.timeout(1):
        await asyncio.shield(task)
";

const NEW: &str = "\
import asyncio


async def wait(task: asyncio.Task):
    async with asyncio.timeout(1):
        await asyncio.wait([task])
        task.result()
";

fn fix(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_asyncbis-lint"));
    command
        .args(["fix", "--isolated", "--quiet"])
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// Runs a command without the rights of the superuser, whom nothing is forbidden.
fn unprivileged(command: &Command) -> Command {
    let id = Command::new("id").arg("-u").output().unwrap().stdout;
    if id != b"0\n" {
        let mut same = Command::new(command.get_program());
        same.args(command.get_args());
        same.current_dir(command.get_current_dir().unwrap());
        return same;
    }
    let mut wrapped = Command::new("setpriv");
    wrapped
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(command.get_current_dir().unwrap());
    wrapped
}

/// How many files are new; the others have to be old, and no other file may be there.
fn new_files(folder: &Path, case: &str) -> usize {
    let mut new = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with(".asyncbis-lint-") {
            assert!(case == "kill -9", "{name} stays after {case}");
            continue;
        }
        assert!(text == OLD || text == NEW, "{name} after {case}:\n{text}");
        new += usize::from(text == NEW);
    }
    new
}

#[test]
fn a_signal_leaves_every_file_old_or_new() {
    const FILES: usize = 300;
    let mut halves = 0;
    for (signal, case) in [(SIGINT, "Ctrl-C"), (SIGTERM, "kill"), (SIGKILL, "kill -9")] {
        for delay in [0, 2, 10, 30, 80, 200] {
            let folder = tempfile::tempdir().unwrap();
            for number in 0..FILES {
                fs::write(folder.path().join(format!("a{number}.py")), OLD).unwrap();
            }
            let mut child = fix(folder.path()).spawn().unwrap();
            // However long it takes to begin.
            let first = folder.path().join("a0.py");
            loop {
                let ended = child.try_wait().unwrap().is_some();
                if fs::read_to_string(&first).unwrap() == NEW {
                    break;
                }
                assert!(!ended, "ended without a change");
                thread::sleep(Duration::from_micros(200));
            }
            thread::sleep(Duration::from_millis(delay));
            let id = child.id().to_string();
            let option = format!("-{signal}");
            // It may have ended already.
            let _ = Command::new("kill")
                .args([option.as_str(), id.as_str()])
                .stderr(Stdio::null())
                .status();
            let output = child.wait_with_output().unwrap();
            let new = new_files(folder.path(), case);
            halves += usize::from(0 < new && new < FILES);
            let ended = output.status.signal() == Some(signal);
            assert!(
                ended || output.status.code() == Some(0) && new == FILES,
                "{case} after {delay} ms: {} with {new} new files: {}",
                output.status,
                String::from_utf8_lossy(&output.stderr)
            );
        }
    }
    assert!(halves > 0, "no signal came while files were written");
}

#[test]
fn a_folder_that_can_not_be_written_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.py");
    fs::write(&file, OLD).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let output = unprivileged(&fix(folder.path())).output().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "error: a.py: writing: a file beside it can't be made: permission denied\n"
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), OLD);
}

/// Another name of the file keeps the old text: the new one is another file.
#[test]
fn a_hard_link_keeps_the_old_text() {
    let folder = tempfile::tempdir().unwrap();
    let (file, link) = (folder.path().join("a.py"), folder.path().join("link"));
    fs::write(&file, OLD).unwrap();
    fs::hard_link(&file, &link).unwrap();
    assert_eq!(fix(folder.path()).status().unwrap().code(), Some(0));
    assert_eq!(fs::read_to_string(&file).unwrap(), NEW);
    assert_eq!(fs::read_to_string(&link).unwrap(), OLD);
}

#[test]
fn the_owner_and_the_mode_stay() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.py");
    fs::write(&file, OLD).unwrap();
    // Only the superuser can give it away; for others it is their own.
    let _ = std::os::unix::fs::chown(&file, Some(65534), Some(65534));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o2640)).unwrap();
    let before = fs::metadata(&file).unwrap();
    assert_eq!(fix(folder.path()).status().unwrap().code(), Some(0));
    let after = fs::metadata(&file).unwrap();
    let owner = |it: &fs::Metadata| (it.uid(), it.gid(), it.mode());
    assert_eq!(owner(&after), owner(&before));
    assert_eq!(fs::read_to_string(&file).unwrap(), NEW);
}
