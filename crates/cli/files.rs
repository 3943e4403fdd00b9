//! Paths as the user sees them, and the replacement of a file's content.

use std::fs;
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};

/// The path made absolute without asking the file system: `.` and `..` are resolved by name.
pub fn absolute(path: &Path, cwd: &Path) -> PathBuf {
    let mut result = PathBuf::new();
    for component in cwd.join(path).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                result.pop();
            }
            other => result.push(other),
        }
    }
    result
}

/// The path relative to the working folder where it lies below, else as it is.
pub fn shown(path: &Path, cwd: &Path) -> String {
    path.strip_prefix(cwd)
        .ok()
        .filter(|rest| !rest.as_os_str().is_empty())
        .unwrap_or(path)
        .display()
        .to_string()
}

/// What the operating system says, without the number of the error.
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    let mut text = text[..end].to_owned();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    text
}

/// An error with its causes, in one line.
pub fn told(error: &anyhow::Error) -> String {
    let causes = error.chain().map(|cause| match cause.downcast_ref() {
        Some(error) => reason(error),
        None => cause.to_string(),
    });
    causes.collect::<Vec<_>>().join(": ")
}

/// Replaces a file's content at once: a reader, or a crash, sees the old text or the new one.
///
/// `old` is what the file contained when it was read: where it contains something else by now,
/// somebody else changed it, and it stays. Permissions and the owner stay as far as the system
/// allows; of a symbolic link the file behind it is replaced. Another hard link to the file keeps
/// the old text.
pub fn replace(path: &Path, old: &[u8], new: &[u8]) -> io::Result<()> {
    let target = fs::canonicalize(path)?;
    let folder = target.parent().unwrap_or(Path::new("."));
    let metadata = fs::metadata(&target)?;
    if metadata.permissions().readonly() {
        return Err(refused("the file is read-only"));
    }
    let mut file = tempfile::Builder::new()
        .prefix(".asyncbis-lint-")
        .tempfile_in(folder)
        .map_err(|error| {
            let text = format!("a file beside it can't be made: {}", reason(&error));
            io::Error::new(error.kind(), text)
        })?;
    file.write_all(new)?;
    keep_owner(file.as_file(), &metadata)?;
    file.as_file().sync_all()?;
    if fs::read(&target)? != old {
        return Err(refused("the file has changed in the meantime"));
    }
    file.persist(&target).map_err(|error| error.error)?;
    Ok(())
}

fn refused(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, text)
}

/// Gives a new file the owner and the permissions of the one that it replaces.
#[cfg(unix)]
fn keep_owner(file: &fs::File, old: &fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};

    let new = file.metadata()?;
    let mut mode = old.permissions().mode();
    if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
        // A group may be one of the user's own where the owner can't be given away.
        let owned = fchown(file, Some(old.uid()), Some(old.gid()));
        if owned.is_err() && fchown(file, None, Some(old.gid())).is_err() {
            // Nobody else's program may run with the rights of the user or the group.
            mode &= !0o6000;
        } else if owned.is_err() {
            mode &= !0o4000;
        }
    }
    file.set_permissions(fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn keep_owner(file: &fs::File, old: &fs::Metadata) -> io::Result<()> {
    file.set_permissions(old.permissions())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_somebody_else_changed_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.py");
        fs::write(&path, "changed").unwrap();
        let error = replace(&path, b"old", b"new").unwrap_err();
        assert_eq!(reason(&error), "the file has changed in the meantime");
        assert_eq!(fs::read(&path).unwrap(), b"changed");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        replace(&path, b"changed", b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }
}
