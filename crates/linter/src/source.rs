//! The text to check, with the places in it: lines, columns, notebook cells.
//!
//! Not here: decoding bytes and reading files; the caller hands in UTF-8 without a BOM or with one.

use std::cell::OnceCell;

use ruff_notebook::{Notebook, NotebookError};
use ruff_python_ast::PySourceType;
use ruff_source_file::LineIndex;
use ruff_text_size::{TextRange, TextSize};

/// What kind of text it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    Python,
    Stub,
    Notebook,
}

impl SourceKind {
    /// By the file name's extension; anything unknown is Python.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        match name.rsplit_once('.').map(|(_, extension)| extension) {
            Some("pyi") => SourceKind::Stub,
            Some("ipynb") => SourceKind::Notebook,
            _ => SourceKind::Python,
        }
    }

    pub(crate) fn parser_type(self) -> PySourceType {
        match self {
            SourceKind::Python => PySourceType::Python,
            SourceKind::Stub => PySourceType::Stub,
            SourceKind::Notebook => PySourceType::Ipynb,
        }
    }
}

/// A place for people: all three count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The notebook cell; `None` outside notebooks. Rows then count inside the cell.
    pub cell: Option<usize>,
    pub row: usize,
    pub column: usize,
}

/// A text to check.
pub struct SourceFile {
    name: String,
    kind: SourceKind,
    /// The Python text; of a notebook the code cells, one after the other.
    text: String,
    notebook: Option<Box<Notebook>>,
    lines: OnceCell<LineIndex>,
}

impl SourceFile {
    /// A Python text.
    #[must_use]
    pub fn python(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(name.into(), SourceKind::Python, text.into(), None)
    }

    /// A text of the given kind.
    ///
    /// # Errors
    ///
    /// Where a notebook is not valid: what is wrong, for people.
    pub fn from_text(
        name: impl Into<String>,
        text: String,
        kind: SourceKind,
    ) -> Result<Self, String> {
        let name = name.into();
        if kind != SourceKind::Notebook {
            return Ok(Self::new(name, kind, text, None));
        }
        let notebook = Notebook::from_source_code(&text).map_err(|error| match error {
            NotebookError::InvalidJson(error) => format!("not a notebook: {error}"),
            other => format!("not a notebook: {other}"),
        })?;
        let python = if notebook.is_python_notebook() {
            notebook.source_code().to_owned()
        } else {
            String::new()
        };
        Ok(Self::new(name, kind, python, Some(Box::new(notebook))))
    }

    fn new(name: String, kind: SourceKind, text: String, notebook: Option<Box<Notebook>>) -> Self {
        SourceFile {
            name,
            kind,
            text,
            notebook,
            lines: OnceCell::new(),
        }
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    #[must_use]
    pub fn kind(&self) -> SourceKind {
        self.kind
    }

    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    #[must_use]
    pub fn slice(&self, range: TextRange) -> &str {
        &self.text[range]
    }

    pub fn notebook(&self) -> Option<&Notebook> {
        self.notebook.as_deref()
    }

    pub fn lines(&self) -> &LineIndex {
        self.lines
            .get_or_init(|| LineIndex::from_source_text(&self.text))
    }

    /// Where an offset is, for people.
    #[must_use]
    pub fn location(&self, offset: TextSize) -> Location {
        let place = self.lines().line_column(offset, &self.text);
        let Some(notebook) = &self.notebook else {
            return Location {
                cell: None,
                row: place.line.get(),
                column: place.column.get(),
            };
        };
        let index = notebook.index();
        Location {
            cell: index.cell(place.line).map(|cell| cell.get()),
            row: index
                .cell_row(place.line)
                .map_or(place.line.get(), |row| row.get()),
            column: place.column.get(),
        }
    }
}
