//! One `from` import becomes several: each with its names, in the layout of the original.
//!
//! Invariant: every comment is kept, beside the name that it stood beside.

use ruff_python_ast::token::TokenKind;
use ruff_python_ast::{self as ast};
use ruff_text_size::{Ranged, TextRange, TextSize};

use super::statements::Head;
use crate::diagnostic::Edit;
use crate::model::File;
use crate::model::tree::StmtId;

/// The names of a statement that go to one place; `None`: they stay.
pub struct Group {
    pub head: Option<Head>,
    pub members: Vec<usize>,
}

/// The longest line that is written where the original spanned several.
const LINE_LENGTH: usize = 79;

/// One edit that replaces a statement by one for each group.
#[must_use]
pub fn split(file: &File, id: StmtId, node: &ast::StmtImportFrom, groups: &[Group]) -> Edit {
    let layout = Layout::of(file, id, node);
    let texts: Vec<String> = groups
        .iter()
        .enumerate()
        .map(|(index, group)| layout.text(group, index + 1 == groups.len()))
        .collect();
    let separator = match layout.indentation {
        Some(indentation) => format!("{}{}{indentation}", layout.repeated, file.newline()),
        None => "; ".to_owned(),
    };
    Edit::replacement(node.range, texts.join(&separator))
}

struct Layout<'l, 'f, 'a> {
    file: &'f File<'a>,
    node: &'l ast::StmtImportFrom,
    /// `None` where other statements stand on the line.
    indentation: Option<&'a str>,
    /// A comment behind the statement that counts for each part of it: `# noqa: F401`.
    repeated: String,
    /// The comments inside, each with the name that it belongs to.
    comments: Vec<(usize, Place, TextRange)>,
    is_multiline: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Beside the opening parenthesis.
    Header,
    /// On lines of their own above the name.
    Above,
    /// On the name's line.
    Beside,
    /// Below the last name.
    End,
}

impl<'l, 'f, 'a> Layout<'l, 'f, 'a> {
    fn of(file: &'f File<'a>, id: StmtId, node: &'l ast::StmtImportFrom) -> Self {
        let stmt = file.tree.stmt(id).node;
        let line_end = file.line_end(node.end());
        let behind = file.source.slice(TextRange::new(node.end(), line_end));
        let has_line = file.ends_its_line(node.end());
        let indentation = file.indentation(stmt).filter(|_| has_line);
        let repeated = match behind.find('#') {
            Some(at) if is_pragma(&behind[at..]) => behind.trim_end().to_owned(),
            _ => String::new(),
        };
        let mut layout = Layout {
            file,
            node,
            indentation,
            repeated,
            comments: Vec::new(),
            is_multiline: file.source.slice(node.range).contains(['\n', '\r']),
        };
        let inside = file.tokens().iter().filter(|token| {
            token.kind() == TokenKind::Comment && node.range.contains_range(token.range())
        });
        layout.comments = inside
            .map(|token| {
                let (owner, place) = layout.owner(token.range());
                (owner, place, token.range())
            })
            .collect();
        layout
    }

    /// The name that a comment belongs to.
    fn owner(&self, comment: TextRange) -> (usize, Place) {
        let names = &self.node.names;
        let line = self.file.line_start(comment.start());
        let beside = names
            .iter()
            .rposition(|alias| alias.end() <= comment.start() && alias.end() > line);
        if let Some(index) = beside {
            return (index, Place::Beside);
        }
        if self.is_header_line(line) {
            return (0, Place::Header);
        }
        match names.iter().position(|alias| alias.start() > comment.end()) {
            Some(index) => (index, Place::Above),
            None => (names.len() - 1, Place::End),
        }
    }

    fn is_header_line(&self, line: TextSize) -> bool {
        line <= self.node.start()
    }

    fn text(&self, group: &Group, is_last: bool) -> String {
        let source = self.file.source;
        let lazy = if self.node.is_lazy { "lazy " } else { "" };
        let head = match &group.head {
            None => {
                let module = self.node.module.as_ref().map_or("", |it| it.as_str());
                format!("{lazy}from {module} import")
            }
            Some(Head::From(module)) => format!("{lazy}from {module} import"),
            Some(Head::Module(text)) => return format!("{lazy}import {text}"),
        };
        let comments: Vec<&(usize, Place, TextRange)> = self
            .comments
            .iter()
            .filter(|(owner, place, range)| match place {
                Place::Header => is_last || is_pragma(source.slice(*range)),
                Place::End => is_last,
                Place::Above | Place::Beside => group.members.contains(owner),
            })
            .collect();
        let names: Vec<&str> = group
            .members
            .iter()
            .map(|index| source.slice(self.node.names[*index].range))
            .collect();
        let line = format!("{head} {}", names.join(", "));
        let indentation = self.indentation.unwrap_or("");
        let fits = indentation.len() + line.len() <= LINE_LENGTH;
        if comments.is_empty() && (!self.is_multiline || fits) {
            return line;
        }
        self.lines(&head, group, &comments)
    }

    /// The statement with a line for each name.
    fn lines(&self, head: &str, group: &Group, comments: &[&(usize, Place, TextRange)]) -> String {
        let source = self.file.source;
        let newline = self.file.newline();
        let outer = self.indentation.unwrap_or("");
        let inner = format!("{outer}{}", self.file.indent_unit());
        let at = |owner: Option<usize>, wanted: Place| {
            comments
                .iter()
                .filter(move |(index, place, _)| {
                    *place == wanted && owner.is_none_or(|owner| owner == *index)
                })
                .map(|(_, _, range)| source.slice(*range))
        };
        let mut text = format!("{head} (");
        for comment in at(None, Place::Header) {
            text.push_str("  ");
            text.push_str(comment);
        }
        for index in &group.members {
            for comment in at(Some(*index), Place::Above) {
                text.push_str(&format!("{newline}{inner}{comment}"));
            }
            let name = source.slice(self.node.names[*index].range);
            text.push_str(&format!("{newline}{inner}{name},"));
            for comment in at(Some(*index), Place::Beside) {
                text.push_str("  ");
                text.push_str(comment);
            }
        }
        for comment in at(None, Place::End) {
            text.push_str(&format!("{newline}{inner}{comment}"));
        }
        text.push_str(&format!("{newline}{outer})"));
        text
    }
}

/// Whether a comment is an instruction to a tool that counts for the whole statement.
#[must_use]
pub fn is_pragma(comment: &str) -> bool {
    const BEGINNINGS: [&str; 9] = [
        "noqa", "type:", "pylint:", "pyright:", "mypy:", "isort:", "ruff:", "pragma:", "fmt:",
    ];
    let words = comment.trim_start_matches('#').trim_start();
    BEGINNINGS
        .iter()
        .any(|beginning| words.starts_with(beginning))
}
