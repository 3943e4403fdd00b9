//! Version checks and fallbacks that only choose where a name comes from: asyncbis has it always.
//!
//! ```text
//! if sys.version_info >= (3, 11):
//!     from asyncio import timeout             from asyncbis import timeout
//! else:                                  ->
//!     from async_timeout import timeout
//! ```
//!
//! Both branches must consist of imports that bind the same names, and asyncbis must have what the
//! newer one brings. Anything more than that stays, and is rewritten where it stands.

use ruff_python_ast::token::TokenKind;
use ruff_python_ast::{self as ast, CmpOp, ExceptHandler, Expr, Stmt};
use ruff_text_size::{Ranged, TextRange, TextSize};

use super::names;
use super::plan::{NEW, Outcome, Plan, counterpart_of};
use super::split::is_pragma;
use super::uses::{Site, Source, Variables, bound_name};
use crate::diagnostic::Edit;
use crate::model::File;

/// The edits, and the statements that they replace.
#[must_use]
pub fn edits<'a>(
    file: &File<'a>,
    variables: &Variables<'a>,
    plan: &Plan,
) -> (Vec<Edit>, Vec<TextRange>) {
    let collapse = Collapse {
        file,
        variables,
        plan,
    };
    let mut edits = Vec::new();
    let mut done: Vec<TextRange> = Vec::new();
    for id in file.tree.stmt_ids() {
        let stmt = file.tree.stmt(id).node;
        if done.iter().any(|range| range.contains_range(stmt.range())) {
            continue;
        }
        if let Some(edit) = collapse.statement(stmt) {
            done.push(stmt.range());
            edits.push(edit);
        }
    }
    (edits, done)
}

struct Collapse<'c, 'f, 'a> {
    file: &'f File<'a>,
    variables: &'c Variables<'a>,
    plan: &'c Plan,
}

impl<'a> Collapse<'_, '_, 'a> {
    fn statement(&self, stmt: &'a Stmt) -> Option<Edit> {
        let (wanted, other) = match stmt {
            Stmt::If(node) => self.version_branches(node)?,
            Stmt::Try(node) => fallback_branches(node)?,
            _ => return None,
        };
        let names = imported_names(wanted)?;
        if names.is_empty() || names != imported_names(other)? {
            return None;
        }
        self.file.indentation(stmt)?;
        if !self.file.ends_its_line(stmt.end()) {
            return None;
        }
        let lines: Vec<String> = wanted
            .iter()
            .map(|import| Some(self.new_import(import)? + &self.comment_beside(stmt, import)))
            .collect::<Option<_>>()?;
        let end = self.end_of_replaced(stmt, wanted)?;
        let indentation = self.file.indentation(stmt)?;
        let separator = format!("{}{indentation}", self.file.newline());
        let text = lines.join(&separator);
        Some(Edit::replacement(TextRange::new(stmt.start(), end), text))
    }

    /// The branch for newer Pythons and the one for older.
    fn version_branches(&self, node: &'a ast::StmtIf) -> Option<(&'a [Stmt], &'a [Stmt])> {
        let [clause] = node.elif_else_clauses.as_slice() else {
            return None;
        };
        if clause.test.is_some() {
            return None;
        }
        let Expr::Compare(test) = &*node.test else {
            return None;
        };
        let ([operator], [Expr::Tuple(_)]) = (&*test.ops, &*test.comparators) else {
            return None;
        };
        let version = match &*test.left {
            Expr::Subscript(subscript) => &*subscript.value,
            other => other,
        };
        if self.file.qualified(version).as_deref() != Some("sys.version_info") {
            return None;
        }
        match operator {
            CmpOp::GtE | CmpOp::Gt => Some((&node.body, &clause.body)),
            CmpOp::LtE | CmpOp::Lt => Some((&clause.body, &node.body)),
            _ => None,
        }
    }

    /// The import that an import of asyncio becomes; `None` where it doesn't become one of asyncbis
    /// alone.
    fn new_import(&self, stmt: &Stmt) -> Option<String> {
        match stmt {
            Stmt::Import(node) => {
                let [alias] = node.names.as_slice() else {
                    return None;
                };
                let (site, outcome) = self.site(alias)?;
                let is_whole = site.source == Source::Package
                    && *outcome == (Outcome::Alias { second: None })
                    && self.is_always_there(alias);
                is_whole.then(|| format!("import {NEW} as {}", bound_name(alias)))
            }
            Stmt::ImportFrom(node) => {
                for alias in &node.names {
                    let (site, outcome) = self.site(alias)?;
                    let found = counterpart_of(site)?;
                    let is_there = *outcome == Outcome::From
                        && !found.path.contains('.')
                        && names::is_everywhere(&found.path);
                    if !is_there {
                        return None;
                    }
                }
                let names: Vec<&str> = node
                    .names
                    .iter()
                    .map(|alias| self.file.source.slice(alias.range))
                    .collect();
                Some(format!("from {NEW} import {}", names.join(", ")))
            }
            _ => None,
        }
    }

    /// Whether asyncbis has all that is used of a module, on every Python.
    fn is_always_there(&self, alias: &ast::Alias) -> bool {
        let mut variables = self.variables.list.iter();
        let variable = variables.find(|variable| {
            variable
                .sites
                .iter()
                .any(|site| site.alias.range == alias.range)
        });
        variable.is_some_and(|variable| {
            variable.uses.iter().all(|used| {
                let path = used.path();
                path.first().is_some_and(|name| names::is_everywhere(name))
            })
        })
    }

    fn site(&self, alias: &ast::Alias) -> Option<(&Site<'a>, &Outcome)> {
        let mut all = self.variables.list.iter().zip(&self.plan.outcomes);
        all.find_map(|(variable, outcome)| {
            let mut sites = variable.sites.iter();
            let site = sites.find(|site| site.alias.range == alias.range)?;
            Some((site, outcome))
        })
    }

    /// The comment that stays behind an import: of the last one of a statement it does by itself.
    fn comment_beside(&self, stmt: &Stmt, import: &Stmt) -> String {
        if import.end() == stmt.end() {
            return String::new();
        }
        let line = TextRange::new(import.end(), self.file.line_end(import.end()));
        let behind = self.file.source.slice(line).trim();
        match behind.starts_with('#') {
            true => format!("  {behind}"),
            false => String::new(),
        }
    }

    /// Where what is replaced ends; `None` where a comment says more than tools read. Those beside
    /// the other branch go with it.
    fn end_of_replaced(&self, stmt: &Stmt, wanted: &[Stmt]) -> Option<TextSize> {
        let line_end = self.file.line_end(stmt.end());
        for token in self.file.tokens() {
            let is_inside = stmt.start() <= token.start() && token.end() <= line_end;
            if token.kind() != TokenKind::Comment || !is_inside {
                continue;
            }
            let is_kept = wanted.iter().any(|import| {
                let line = TextRange::new(import.end(), self.file.line_end(import.end()));
                line.contains_range(token.range())
            });
            if !is_kept && !is_pragma(self.file.source.slice(token.range())) {
                return None;
            }
        }
        // White space behind the statement stays where no comment goes.
        let behind = TextRange::new(stmt.end(), line_end);
        let is_last = wanted.last()?.end() == stmt.end();
        let takes_comment = !is_last && self.file.source.slice(behind).contains('#');
        Some(if takes_comment { line_end } else { stmt.end() })
    }
}

/// The body of a `try`, and its fallback where the import fails.
fn fallback_branches(node: &ast::StmtTry) -> Option<(&[Stmt], &[Stmt])> {
    let [ExceptHandler::ExceptHandler(handler)] = node.handlers.as_slice() else {
        return None;
    };
    let is_import_error = handler.type_.as_deref().is_some_and(is_import_error);
    let is_plain = node.orelse.is_empty() && node.finalbody.is_empty() && !node.is_star;
    (is_import_error && is_plain).then_some((&*node.body, &*handler.body))
}

/// Whether what an `except` catches is the failure of an import.
#[must_use]
pub fn is_import_error(class: &Expr) -> bool {
    match class {
        Expr::Name(name) => matches!(name.id.as_str(), "ImportError" | "ModuleNotFoundError"),
        Expr::Tuple(tuple) => tuple.elts.iter().all(|class| {
            is_import_error(class)
                || matches!(class, Expr::Name(name) if name.id == "AttributeError")
        }),
        _ => false,
    }
}

/// The names that a block binds, where it consists of nothing but imports.
fn imported_names(body: &[Stmt]) -> Option<Vec<&str>> {
    let mut names = Vec::new();
    for stmt in body {
        let aliases = match stmt {
            Stmt::Import(node) if !node.is_lazy => &node.names,
            Stmt::ImportFrom(node) if !node.is_lazy => &node.names,
            _ => return None,
        };
        if aliases.iter().any(|alias| alias.name.as_str() == "*") {
            return None;
        }
        names.extend(aliases.iter().map(bound_name));
    }
    names.sort_unstable();
    names.dedup();
    Some(names)
}
