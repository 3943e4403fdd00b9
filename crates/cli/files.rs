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
/// Permissions stay; of a symbolic link the file behind it is replaced.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let target = fs::canonicalize(path)?;
    let folder = target.parent().unwrap_or(Path::new("."));
    let permissions = fs::metadata(&target)?.permissions();
    if permissions.readonly() {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "the file is read-only",
        ));
    }
    let mut file = tempfile::Builder::new()
        .prefix(".asyncbis-lint-")
        .tempfile_in(folder)
        .map_err(|error| {
            let text = format!("a file beside it can't be made: {}", reason(&error));
            io::Error::new(error.kind(), text)
        })?;
    file.write_all(bytes)?;
    file.as_file().set_permissions(permissions)?;
    file.as_file().sync_all()?;
    file.persist(&target).map_err(|error| error.error)?;
    Ok(())
}
