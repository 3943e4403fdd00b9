//! The text to check, with the places in it: lines, columns, notebook cells.
//!
//! Not here: decoding bytes and reading files; the caller hands in UTF-8 without a BOM.

use std::cell::OnceCell;

use ruff_notebook::{Notebook, NotebookError};
use ruff_python_ast::PySourceType;
use ruff_source_file::LineIndex;
use ruff_text_size::{TextRange, TextSize};

use crate::diagnostic::Edit;
use crate::notebook_json;

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
#[derive(Clone)]
pub struct SourceFile {
    name: String,
    kind: SourceKind,
    /// The Python text; of a notebook the code cells, one after the other.
    text: String,
    notebook: Option<Box<NotebookFile>>,
    lines: OnceCell<LineIndex>,
}

/// A notebook and the text that it was read from.
#[derive(Clone)]
struct NotebookFile {
    notebook: Notebook,
    json: String,
}

/// A text that should be a notebook and is none.
pub struct NotANotebook {
    /// The text as it is, with the place of the error.
    pub source: SourceFile,
    pub offset: TextSize,
    /// What is wrong, for people.
    pub message: String,
}

impl NotANotebook {
    fn new(name: String, text: String, error: &NotebookError) -> Self {
        let json = match error {
            NotebookError::InvalidJson(json)
            | NotebookError::InvalidSchema(json)
            | NotebookError::Json(json) => Some(json),
            NotebookError::Io(_) | NotebookError::InvalidFormat(_) => None,
        };
        let message = match (error, json) {
            (NotebookError::InvalidFormat(version), _) => {
                format!("not a notebook of format 4 but of format {version}")
            }
            (_, Some(json)) => {
                // The place is shown in the text; serde repeats it in its message.
                let message = json.to_string();
                let end = message.rfind(" at line ").unwrap_or(message.len());
                format!("not a notebook: {}", &message[..end])
            }
            (other, None) => format!("not a notebook: {other}"),
        };
        let offset = json.map_or(0, |json| byte_offset(&text, json.line(), json.column()));
        NotANotebook {
            offset: TextSize::try_from(offset).unwrap_or_default(),
            source: SourceFile::new(name, SourceKind::Python, text, None),
            message,
        }
    }
}

/// The character boundary before a line and column in bytes that count from 1; 0 means before.
fn byte_offset(text: &str, line: usize, column: usize) -> usize {
    let start = if line <= 1 {
        0
    } else {
        memchr::memchr_iter(b'\n', text.as_bytes())
            .nth(line - 2)
            .map_or(text.len(), |at| at + 1)
    };
    text.floor_char_boundary(start + column.saturating_sub(1))
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
    /// Where a notebook is not valid.
    pub fn from_text(
        name: impl Into<String>,
        text: String,
        kind: SourceKind,
    ) -> Result<Self, NotANotebook> {
        let name = name.into();
        if kind != SourceKind::Notebook {
            return Ok(Self::new(name, kind, text, None));
        }
        let notebook = match Notebook::from_source_code(&text) {
            Ok(notebook) => notebook,
            Err(error) => return Err(NotANotebook::new(name, text, &error)),
        };
        let python = if notebook.is_python_notebook() {
            notebook.source_code().to_owned()
        } else {
            String::new()
        };
        let file = NotebookFile {
            notebook,
            json: text,
        };
        Ok(Self::new(name, kind, python, Some(Box::new(file))))
    }

    fn new(
        name: String,
        kind: SourceKind,
        text: String,
        notebook: Option<Box<NotebookFile>>,
    ) -> Self {
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
        self.notebook.as_deref().map(|file| &file.notebook)
    }

    /// The text of the whole file: of a notebook its JSON.
    #[must_use]
    pub fn file_text(&self) -> &str {
        self.notebook.as_deref().map_or(&self.text, |it| &it.json)
    }

    /// The whole file after edits that are sorted and don't overlap; of a notebook its JSON.
    #[must_use]
    pub fn edited(&self, edits: &[Edit]) -> String {
        match self.notebook.as_deref() {
            None => edited(&self.text, TextSize::new(0), edits),
            Some(file) => notebook_json::with_sources(&file.json, &self.edited_cells(edits)),
        }
    }

    /// The cells of the notebook that edits change, with their number from 0 and their new code.
    ///
    /// An edit belongs to the cell that it begins in.
    fn edited_cells(&self, edits: &[Edit]) -> Vec<(usize, String)> {
        let Some(notebook) = self.notebook() else {
            return Vec::new();
        };
        let ranges: Vec<TextRange> = notebook.cell_offsets().ranges().collect();
        let mut cells = Vec::new();
        let mut edits = edits;
        for (index, range) in ranges.iter().enumerate() {
            let is_last = index + 1 == ranges.len();
            let is_here = |edit: &Edit| is_last || edit.range.start() < range.end();
            let count = edits.iter().take_while(|edit| is_here(edit)).count();
            let (own, rest) = edits.split_at(count);
            edits = rest;
            let number = notebook
                .index()
                .cell(self.lines().line_index(range.start()));
            let (Some(number), false) = (number, own.is_empty()) else {
                continue;
            };
            let code = edited(self.slice(*range), range.start(), own);
            // Each cell's code is followed by a line end that is not its own.
            let code = code.strip_suffix('\n').unwrap_or(&code).to_owned();
            cells.push((number.to_zero_indexed(), code));
        }
        cells
    }

    /// The file after edits, read again.
    ///
    /// # Errors
    ///
    /// Where a notebook is not valid any more.
    pub fn with_edits(&self, edits: &[Edit]) -> Result<Self, NotANotebook> {
        Self::from_text(&self.name, self.edited(edits), self.kind)
    }

    pub fn lines(&self) -> &LineIndex {
        self.lines
            .get_or_init(|| LineIndex::from_source_text(&self.text))
    }

    /// Where an offset is, for people.
    #[must_use]
    pub fn location(&self, offset: TextSize) -> Location {
        let place = self.lines().line_column(offset, &self.text);
        let Some(notebook) = self.notebook() else {
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

/// A part of a text, which begins at an offset, after edits of the whole text.
fn edited(part: &str, start: TextSize, edits: &[Edit]) -> String {
    let mut text = String::with_capacity(part.len() + 16 * edits.len());
    let mut done = 0;
    for edit in edits {
        text.push_str(&part[done..usize::from(edit.range.start() - start)]);
        text.push_str(&edit.content);
        done = usize::from(edit.range.end() - start).min(part.len());
    }
    text.push_str(&part[done..]);
    text
}
