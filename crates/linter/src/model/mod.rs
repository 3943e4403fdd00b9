//! The questions that a rule may ask about a file.

use ruff_python_ast::ModModule;
use ruff_python_parser::{ParseError, parse_unchecked_source};

use crate::Settings;
use crate::source::SourceFile;

/// The syntax tree of a text; the model borrows from it.
pub struct Parsed(ruff_python_parser::Parsed<ModModule>);

impl Parsed {
    #[must_use]
    pub fn new(source: &SourceFile) -> Self {
        Parsed(parse_unchecked_source(
            source.text(),
            source.kind().parser_type(),
        ))
    }
}

/// A file, ready to be asked.
pub struct File<'a> {
    pub source: &'a SourceFile,
    pub parsed: &'a Parsed,
    pub settings: &'a Settings,
}

impl<'a> File<'a> {
    #[must_use]
    pub fn new(source: &'a SourceFile, parsed: &'a Parsed, settings: &'a Settings) -> Self {
        File {
            source,
            parsed,
            settings,
        }
    }

    /// What the parser could not read.
    #[must_use]
    pub fn syntax_errors(&self) -> &'a [ParseError] {
        self.parsed.0.errors()
    }

    pub(crate) fn tokens(&self) -> &'a ruff_python_ast::token::Tokens {
        self.parsed.0.tokens()
    }
}
