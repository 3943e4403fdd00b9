//! A file that was read, decoded where possible, and written back in its own encoding.

use std::path::{Path, PathBuf};

use linter::{Checked, Settings, SourceFile, SourceKind};
use ruff_text_size::{TextRange, TextSize};

use crate::read;
use crate::session::Given;

/// A file that was read, decoded where possible.
pub struct Input {
    pub path: PathBuf,
    pub shown: String,
    pub source: SourceFile,
    /// How the text is written; `None` where it could not be decoded.
    encoding: Option<read::Encoding>,
    /// Why it can't be checked.
    error: Option<(TextSize, String)>,
}

impl Input {
    /// # Errors
    ///
    /// A text for the user, where the file is too large to be checked.
    pub fn new(given: &Given<'_>) -> Result<Self, String> {
        let (path, shown) = (given.path.to_owned(), given.shown.clone());
        if u32::try_from(given.bytes.len()).is_err() {
            return Err(format!("{shown}: larger than 4 GiB"));
        }
        let kind = SourceKind::from_name(&shown);
        let decoded = if kind == SourceKind::Notebook {
            read::json(given.bytes)
        } else {
            read::python(given.bytes)
        };
        let text = match decoded {
            Ok(text) => text,
            Err(error) => {
                let offset = TextSize::try_from(error.offset).unwrap_or_default();
                return Ok(Input {
                    path,
                    source: SourceFile::python(&shown, error.lossy),
                    shown,
                    encoding: None,
                    error: Some((offset, error.message)),
                });
            }
        };
        Ok(match SourceFile::from_text(&shown, text.text, kind) {
            Ok(source) => Input {
                path,
                shown,
                source,
                encoding: Some(text.encoding),
                error: None,
            },
            Err(error) => Input {
                path,
                shown,
                source: error.source,
                encoding: None,
                error: Some((error.offset, error.message)),
            },
        })
    }

    pub fn check(&self, settings: &Settings) -> Checked {
        self.unreadable()
            .unwrap_or_else(|| linter::check(&self.source, settings))
    }

    /// What is reported of a file that could not be decoded.
    pub fn unreadable(&self) -> Option<Checked> {
        let (offset, message) = self.error.as_ref()?;
        let length = self.source.text()[usize::from(*offset)..]
            .chars()
            .next()
            .filter(|c| !matches!(c, '\n' | '\r'))
            .map_or(0, char::len_utf8);
        let length = u32::try_from(length).unwrap_or(0);
        let range = TextRange::at(*offset, length.into());
        Some(linter::unreadable(range, message.as_str()))
    }

    /// The bytes of the file with another content, given the bytes that it has now; `None` where
    /// its encoding doesn't give them back.
    pub fn encode(&self, new: &str, bytes: &[u8]) -> Option<Vec<u8>> {
        self.encoding?.encode(new, self.source.file_text(), bytes)
    }
}

/// Whether a notebook writes letters as escapes, so that the words of the prefilter are hidden.
pub fn may_hide_words(path: &Path, bytes: &[u8]) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "ipynb")
        && memchr::memmem::find_iter(bytes, br"\u00")
            .any(|at| matches!(bytes.get(at + 4), Some(b'2'..=b'7')))
}
