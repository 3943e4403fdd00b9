//! Building fixes: edits that keep every other byte of the file.
//!
//! A rule asks [`File`] for edits (`wrap`, `insert_line_before`, `asyncbis`) and hands them to
//! [`File::fix`]. Where an edit can't be made without touching what the rule doesn't understand
//! (a statement behind another one on its line), the answer is `None` and there is no fix.
//!
//! Not here: names of asyncbis and their imports (`names_at.rs`), several fixes at once (`apply.rs`).

use ruff_python_ast::token::TokenKind;
use ruff_python_ast::{self as ast, Stmt};
use ruff_text_size::{Ranged, TextRange, TextSize};

use crate::diagnostic::{Applicability, Edit, Fix};
use crate::model::File;
use crate::model::handlers::header_range;
use crate::model::tree::StmtId;

impl<'a> File<'a> {
    /// A fix of these edits.
    ///
    /// One that brings a name of asyncbis (`needs_asyncbis`) is only shown where the code doesn't
    /// target asyncbis: under plain `asyncio.run()` the name would raise.
    #[must_use]
    pub fn fix(
        &self,
        title: impl Into<String>,
        applicability: Applicability,
        edits: Vec<Edit>,
        needs_asyncbis: bool,
    ) -> Option<Fix> {
        let mut edits = edits;
        edits.sort_by_key(|edit| (edit.range.start(), edit.range.end()));
        // Edits that meet (a line is re-indented in the middle of what another edit replaces)
        // have no one meaning: then there is no fix.
        let overlap = edits
            .windows(2)
            .any(|pair| pair[0].range.end() > pair[1].range.start());
        if overlap {
            return None;
        }
        let targets = self.settings.target_asyncbis
            || self.imports_asyncbis()
            || self.settings.rewrites_imports && self.runs_on_asyncio();
        let on_asyncbis = (needs_asyncbis && !targets).then_some(applicability);
        let applicability = match on_asyncbis {
            Some(_) => Applicability::DisplayOnly,
            None => applicability,
        };
        let own = edits.iter().filter(|edit| !edit.is_import);
        let hull = own.map(|edit| edit.range).reduce(TextRange::cover);
        let hull = hull.or_else(|| edits.first().map(|edit| edit.range))?;
        Some(Fix {
            title: title.into(),
            applicability,
            on_asyncbis,
            region: TextRange::new(
                self.line_start(hull.start()),
                self.logical_line_end(hull.end()),
            ),
            edits,
        })
    }

    /// Whether the file's code runs on asyncio, as far as its imports and those of the project say.
    fn runs_on_asyncio(&self) -> bool {
        self.imports("asyncio") || !self.is_neutral() && !self.settings.other_loops
    }

    /// Whether the file's code runs on several event loops: it imports AnyIO or Trio, and neither
    /// asyncio nor asyncbis.
    #[must_use]
    pub fn is_neutral(&self) -> bool {
        let imports = |package: &&str| self.imports(package);
        ["anyio", "trio"].iter().any(imports) && !["asyncio", "asyncbis"].iter().any(imports)
    }

    /// The file's line ending: that of its first line.
    #[must_use]
    pub fn newline(&self) -> &'static str {
        let text = self.source.text();
        match text.find(['\n', '\r']) {
            Some(at) if text[at..].starts_with("\r\n") => "\r\n",
            Some(at) if text[at..].starts_with('\r') => "\r",
            _ => "\n",
        }
    }

    /// One level of indentation where a statement stands: what it has more than the block around.
    #[must_use]
    pub fn indent_unit_of(&self, stmt: &Stmt) -> &'a str {
        let parent = self.tree.stmt(self.tree.stmt_id(stmt)).parent;
        let unit = parent.and_then(|parent| {
            let outer = self.indentation(self.tree.stmt(parent).node)?;
            let unit = self.indentation(stmt)?.strip_prefix(outer)?;
            (!unit.is_empty() && !unit.contains('\x0c')).then_some(unit)
        });
        unit.unwrap_or_else(|| self.indent_unit())
    }

    /// One level of the file's indentation.
    pub(crate) fn indent_unit(&self) -> &'a str {
        let indent = self
            .tokens()
            .iter()
            .find(|token| token.kind() == TokenKind::Indent);
        // A form feed makes the indentation begin anew.
        indent
            .and_then(|token| self.source.slice(token.range()).rsplit('\x0c').next())
            .unwrap_or("    ")
    }

    /// The white space before a statement; `None` where something else stands before it on its
    /// line, or the line is continued from the one above.
    #[must_use]
    pub fn indentation(&self, stmt: &Stmt) -> Option<&'a str> {
        let start = self.line_start(first_offset(stmt));
        let above = self.source.text()[..usize::from(start)].trim_end_matches(['\n', '\r']);
        if above.ends_with('\\') {
            return None;
        }
        let before = &self.source.text()[TextRange::new(start, first_offset(stmt))];
        before
            .bytes()
            .all(|byte| matches!(byte, b' ' | b'\t' | b'\x0c'))
            .then_some(before)
    }

    /// Puts consecutive statements into a new block: `header` and the statements one level
    /// deeper. Comments between and behind them go along; strings keep their text.
    #[must_use]
    pub fn wrap(&self, body: &[Stmt], header: &str) -> Option<Vec<Edit>> {
        let (first, last) = (body.first()?, body.last()?);
        let indentation = self.indentation(first)?;
        for stmt in body {
            self.indentation(stmt)?;
        }
        if !self.ends_its_line(last.end()) {
            return None;
        }
        let start = self.line_start(first_offset(first));
        let range = TextRange::new(start, last.end());
        // A form feed sets the column back to 0, so that spaces in front of it indent nothing.
        if self.source.slice(range).contains('\x0c') {
            return None;
        }
        let unit = self.indent_unit_of(first);
        let newline = self.newline();
        let deeper = format!("{indentation}{unit}");
        // Where the order doesn't matter the header is a line of its own, which reads better.
        let mut edits = vec![if deeper == format!("{unit}{indentation}") {
            Edit::insertion(start, format!("{indentation}{header}{newline}{unit}"))
        } else {
            Edit::insertion(first_offset(first), format!("{header}{newline}{deeper}"))
        }];
        for line in self.line_starts(range).into_iter().skip(1) {
            if self.is_blank_line(line) || self.is_inside_string(line) {
                continue;
            }
            // Behind the indentation that all lines share, so that tabs and spaces don't mix.
            let text = &self.source.text()[usize::from(line)..];
            let shared = if text.starts_with(indentation) {
                indentation.len()
            } else {
                0
            };
            edits.push(Edit::insertion(line + size(shared), unit));
        }
        Some(edits)
    }

    /// A new line before a statement, indented as it is.
    #[must_use]
    pub fn insert_line_before(&self, stmt: &Stmt, line: &str) -> Option<Edit> {
        let indentation = self.indentation(stmt)?;
        let start = self.line_start(first_offset(stmt));
        Some(Edit::insertion(
            start,
            format!("{indentation}{line}{}", self.newline()),
        ))
    }

    /// A new line after a statement, indented as it is.
    #[must_use]
    pub fn insert_line_after(&self, stmt: &Stmt, line: &str) -> Option<Edit> {
        let indentation = self.indentation(stmt)?;
        if !self.ends_its_line(stmt.end()) {
            return None;
        }
        let end = self.line_end(stmt.end());
        Some(Edit::insertion(
            end,
            format!("{}{indentation}{line}", self.newline()),
        ))
    }

    /// Removes a statement with its line, comment included; a block that would be left empty
    /// keeps a `pass`.
    #[must_use]
    pub fn remove_stmt(&self, stmt: &Stmt, is_only: bool) -> Option<Edit> {
        self.indentation(stmt)?;
        if !self.ends_its_line(stmt.end()) {
            return None;
        }
        if is_only {
            return Some(Edit::replacement(stmt.range(), "pass"));
        }
        let start = self.line_start(first_offset(stmt));
        let end = self.next_line(stmt.end());
        Some(Edit::deletion(TextRange::new(start, end)))
    }

    /// Whether a line that begins in a range says nothing but a comment: an edit that replaces the
    /// range would lose it.
    pub(crate) fn has_comment_line(&self, range: TextRange) -> bool {
        self.source
            .slice(range)
            .lines()
            .skip(1)
            .any(|line| line.trim_start().starts_with('#'))
    }

    /// The comments in a range, which an edit that replaces the range would lose.
    pub(crate) fn comments_in(&self, range: TextRange) -> Vec<&'a str> {
        self.tokens()
            .in_range(range)
            .iter()
            .filter(|token| token.kind() == TokenKind::Comment)
            .map(|token| self.source.slice(token.range()))
            .collect()
    }

    pub(crate) fn ends_its_line(&self, offset: TextSize) -> bool {
        let rest = &self.source.text()[TextRange::new(offset, self.line_end(offset))];
        let rest = rest.trim_start();
        rest.is_empty() || rest.starts_with('#')
    }

    /// Where the line of an offset begins.
    #[must_use]
    pub fn line_start(&self, offset: TextSize) -> TextSize {
        let before = &self.source.text()[..usize::from(offset)];
        before
            .rfind(['\n', '\r'])
            .map_or(TextSize::new(0), |at| size(at + 1))
    }

    /// Where the line of an offset ends, before its line ending.
    #[must_use]
    pub fn line_end(&self, offset: TextSize) -> TextSize {
        let rest = &self.source.text()[usize::from(offset)..];
        offset + size(rest.find(['\n', '\r']).unwrap_or(rest.len()))
    }

    /// Where the line after that of an offset begins.
    pub(crate) fn next_line(&self, offset: TextSize) -> TextSize {
        let end = self.line_end(offset);
        let rest = &self.source.text()[usize::from(end)..];
        let ending = if rest.starts_with("\r\n") {
            2
        } else {
            usize::from(!rest.is_empty())
        };
        end + size(ending)
    }

    fn line_starts(&self, range: TextRange) -> Vec<TextSize> {
        let mut starts = vec![range.start()];
        loop {
            let next = self.next_line(*starts.last().expect("never empty"));
            if next >= range.end() || next == *starts.last().expect("never empty") {
                return starts;
            }
            starts.push(next);
        }
    }

    /// Whether a statement contains a comment, other than one beside the header of a handler.
    #[must_use]
    pub fn has_comment_beside(
        &self,
        stmt: StmtId,
        handler: &ast::ExceptHandlerExceptHandler,
    ) -> bool {
        let range = self.tree.stmt(stmt).node.range();
        let header_end = self.line_end(header_range(handler).end());
        self.tokens().iter().any(|token| {
            token.kind() == TokenKind::Comment
                && range.contains_range(token.range())
                && token.end() != header_end
        })
    }

    pub(crate) fn is_blank_line(&self, start: TextSize) -> bool {
        self.source.text()[TextRange::new(start, self.line_end(start))]
            .trim()
            .is_empty()
    }

    /// Whether a line begins inside a string, where white space is text; also in the expressions
    /// of a format string: `f"{x =}"` shows their text.
    fn is_inside_string(&self, line: TextSize) -> bool {
        let tokens = self.tokens();
        let end = tokens.partition_point(|token| token.start() < line);
        let Some(last) = tokens[..end].last() else {
            return false;
        };
        let is_text = matches!(
            last.kind(),
            TokenKind::String | TokenKind::FStringMiddle | TokenKind::TStringMiddle
        );
        if is_text && last.end() > line {
            return true;
        }
        // A format string is still open where one began on this logical line and didn't end.
        let mut open = 0_i32;
        for token in tokens[..end].iter().rev() {
            match token.kind() {
                TokenKind::FStringStart | TokenKind::TStringStart => open += 1,
                TokenKind::FStringEnd | TokenKind::TStringEnd => open -= 1,
                TokenKind::Newline => break,
                _ => {}
            }
        }
        open > 0
    }
}

/// Where a statement begins, its decorators included.
pub(crate) fn first_offset(stmt: &Stmt) -> TextSize {
    let decorators = match stmt {
        Stmt::FunctionDef(node) => node.decorator_list.first(),
        Stmt::ClassDef(node) => node.decorator_list.first(),
        _ => None,
    };
    decorators.map_or(stmt.start(), |decorator| {
        decorator.start().min(stmt.start())
    })
}

fn size(length: usize) -> TextSize {
    TextSize::try_from(length).expect("the parser refuses texts of 4 GiB")
}
