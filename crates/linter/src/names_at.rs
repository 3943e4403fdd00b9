//! How a statement can write a name of asyncbis or asyncio: the imports that reach it, and the one
//! that has to be added.
//!
//! An import reaches a statement where it has surely run before it: at the top of the module, or
//! earlier in a block that the statement stands in. One under `if TYPE_CHECKING:` never runs, and
//! one that depends on anything else may not have: where the name hangs on that there is no fix.
//!
//! Invariants: what is added stands below `from __future__`, the docstring and the comments at the
//! top; several fixes that need the same import say so in the same words (`Edit::import`).
//!
//! Not here: the rewrite of the imports that are there (`imports`).

use ruff_python_ast::token::TokenKind;
use ruff_python_ast::{self as ast, Expr, Stmt};
use ruff_text_size::{Ranged, TextRange, TextSize};

use crate::diagnostic::Edit;
use crate::fix::first_offset;
use crate::model::File;
use crate::model::names::{Binding, BindingKind, last_name};
use crate::model::tree::{FunctionId, Part, ScopeId, StmtId};

/// A name of asyncbis as the file can write it, and the import that it still needs.
pub struct AsyncbisName {
    pub text: String,
    pub import: Option<Edit>,
}

impl<'a> File<'a> {
    /// How the top of the module can write a name of asyncbis; `None` where `asyncbis` means
    /// something else.
    #[must_use]
    pub fn asyncbis(&self, name: &str) -> Option<AsyncbisName> {
        let ([text], import) = self.asyncbis_names([name], None)?;
        Some(AsyncbisName { text, import })
    }

    /// How a statement can write some names of asyncbis, and the import that they still need.
    pub(crate) fn asyncbis_at<const N: usize>(
        &self,
        names: [&str; N],
        at: StmtId,
    ) -> Option<([String; N], Option<Edit>)> {
        self.asyncbis_names(names, Some(at))
    }

    fn asyncbis_names<const N: usize>(
        &self,
        names: [&str; N],
        at: Option<StmtId>,
    ) -> Option<([String; N], Option<Edit>)> {
        // Where nothing is imported from it there is no need to look at every name.
        let known = if self.imports_asyncbis() {
            self.imports_at(at)
        } else {
            Vec::new()
        };
        let module = known
            .iter()
            .find(|(_, kind)| matches!(kind, BindingKind::Import("asyncbis")));
        let own = |name: &str| {
            known.iter().find_map(|(bound, kind)| {
                matches!(kind, BindingKind::ImportFrom { level: 0, module: "asyncbis", name: it }
                    if *it == name)
                .then(|| (*bound).to_owned())
            })
        };
        if let Some((module, _)) = module {
            let texts = names.map(|name| own(name).unwrap_or_else(|| format!("{module}.{name}")));
            return Some((texts, None));
        }
        let missing: Vec<&str> = names
            .into_iter()
            .filter(|name| own(name).is_none())
            .collect();
        if missing.is_empty() {
            return Some((names.map(|name| own(name).unwrap_or_default()), None));
        }
        if let Some(edit) = self.longer_import(&missing, at) {
            let texts = names.map(|name| own(name).unwrap_or_else(|| name.to_owned()));
            return Some((texts, Some(edit)));
        }
        if !self.is_free("asyncbis", at) {
            return None;
        }
        let import = self.new_import("import asyncbis", at)?;
        let texts = names.map(|name| own(name).unwrap_or_else(|| format!("asyncbis.{name}")));
        Some((texts, Some(import)))
    }

    /// How a statement can write a name of asyncio: `asyncio.wait`, or `wait` where the file imports
    /// that.
    pub(crate) fn asyncio_text(&self, name: &str, at: StmtId) -> Option<String> {
        self.imports_at(Some(at))
            .into_iter()
            .filter_map(|(bound, kind)| match kind {
                BindingKind::ImportFrom {
                    level: 0,
                    module: "asyncio" | "asyncbis" | "asyncio.exceptions" | "asyncio.tasks",
                    name: imported,
                } if imported == name => Some((false, bound.to_owned())),
                BindingKind::Import("asyncio" | "asyncbis") => {
                    Some((true, format!("{bound}.{name}")))
                }
                _ => None,
            })
            // A name of its own first.
            .min()
            .map(|(_, text)| text)
    }

    /// The imported names that a statement can rely on, sorted; without a statement those of the
    /// module.
    fn imports_at(&self, at: Option<StmtId>) -> Vec<(&'a str, BindingKind<'a>)> {
        let mut found = Vec::new();
        let inner = at.map_or(ScopeId(0), |at| self.tree.stmt(at).scope);
        let mut current = Some(inner);
        while let Some(scope) = current {
            for (name, bindings) in self.scope(scope).names() {
                if self.lookup_scope(inner, name) != Some(scope) {
                    continue;
                }
                found.extend(
                    self.reliable_import(bindings, at)
                        .map(|binding| (name, binding.kind)),
                );
            }
            current = self.scope(scope).parent;
        }
        found.sort_by_key(|(name, _)| *name);
        found
    }

    /// The import that a name surely is where a statement stands.
    fn reliable_import<'f>(
        &self,
        bindings: &'f [Binding<'a>],
        at: Option<StmtId>,
    ) -> Option<&'f Binding<'a>> {
        let mut reliable = None;
        for binding in bindings {
            if self.is_for_type_checking(binding.stmt) {
                continue;
            }
            if !is_same_import(binding, reliable.unwrap_or(binding)) {
                return None;
            }
            if self.has_run(binding.stmt, at) {
                reliable = Some(binding);
            }
        }
        // A binding that came before the reliable one may be something else, too.
        let reliable = reliable?;
        bindings
            .iter()
            .filter(|binding| !self.is_for_type_checking(binding.stmt))
            .all(|binding| is_same_import(binding, reliable))
            .then_some(reliable)
    }

    /// Whether a statement has surely run when another one does.
    fn has_run(&self, import: StmtId, at: Option<StmtId>) -> bool {
        let data = self.tree.stmt(import);
        let Some(at) = at else {
            return data.parent.is_none();
        };
        let is_earlier = data.node.start() < self.tree.stmt(at).node.start();
        let Some(parent) = data.parent else {
            // A function is called when the module has run; its own top level goes line by line.
            return is_earlier || self.tree.stmt(at).function != data.function;
        };
        is_earlier && self.tree.part_of(parent, at) == Some(data.part)
    }

    /// Whether a statement stands below `if TYPE_CHECKING:`.
    #[must_use]
    pub fn is_for_type_checking(&self, stmt: StmtId) -> bool {
        self.tree.ancestors(stmt).any(|(parent, part)| {
            part == Part::Body
                && matches!(self.tree.stmt(parent).node, Stmt::If(node)
                    if last_name(&node.test) == Some("TYPE_CHECKING"))
        })
    }

    /// Whether a new binding of a name in the module would be what a statement sees, and change
    /// nothing else.
    fn is_free(&self, name: &str, at: Option<StmtId>) -> bool {
        let module = self.scope(ScopeId(0));
        let is_only_typed = |binding: &Binding| self.is_for_type_checking(binding.stmt);
        let scope = at.map_or(ScopeId(0), |at| self.tree.stmt(at).scope);
        let seen = self.lookup_scope(scope, name);
        module.bindings(name).iter().all(is_only_typed)
            && (seen.is_none() || seen == Some(ScopeId(0)))
    }

    /// More names in a `from asyncbis import ..` that the module has.
    fn longer_import(&self, names: &[&str], at: Option<StmtId>) -> Option<Edit> {
        let node = self.body().iter().find_map(|stmt| {
            let node = stmt.as_import_from_stmt()?;
            let is_asyncbis = node.module.as_deref() == Some("asyncbis") && node.level == 0;
            let is_known = self.has_run(self.tree.stmt_id(stmt), at);
            (is_asyncbis && is_known).then_some(node)
        })?;
        let last = node.names.last()?;
        let has_comment = self.source.slice(node.range).contains('#');
        let has_stars = !self.scope(ScopeId(0)).stars.is_empty();
        let is_used = |name: &&&str| {
            self.scope(ScopeId(0)).bindings(name).is_empty()
                && self.is_free(name, at)
                && !self.is_read_anywhere(name)
        };
        if has_comment || has_stars || !names.iter().all(|name| is_used(&name)) {
            return None;
        }
        let start = self.line_start(last.start());
        let before = self.source.slice(TextRange::new(start, last.start()));
        // Names on lines of their own stay so.
        let separator = if before.trim().is_empty() && !before.is_empty() {
            format!(",{}{before}", self.newline())
        } else {
            ", ".to_owned()
        };
        let text: String = names
            .iter()
            .map(|name| format!("{separator}{name}"))
            .collect();
        Some(Edit::import(last.end(), text))
    }

    /// Whether the file reads a plain name that it does not bind, as one of a builtin.
    fn is_read_anywhere(&self, name: &str) -> bool {
        self.tree.exprs().any(|expr| {
            matches!(expr, Expr::Name(node)
                if node.id == name && self.bindings_of(expr).is_empty())
        })
    }

    /// A new import below `import asyncio`, below the leading imports, or at the top.
    fn new_import(&self, import: &str, at: Option<StmtId>) -> Option<Edit> {
        let body = self.body();
        let newline = self.newline();
        let asyncio = body.iter().find(|stmt| is_import_of(stmt, "asyncio"));
        // `__all__` and the like may stand between `from __future__` and the other imports.
        let leading = body
            .iter()
            .take_while(|stmt| is_import(stmt) || is_docstring(stmt) || is_dunder(stmt))
            .filter(|stmt| !is_dunder(stmt));
        let edit = if let Some(stmt) = asyncio.or(leading.last()) {
            let gap = if is_docstring(stmt) || is_future_import(stmt) {
                newline
            } else {
                ""
            };
            let end = self.logical_line_end(stmt.end());
            Edit::import(end, format!("{gap}{newline}{import}"))
        } else {
            // A cell magic has to stay the first line of its cell.
            let is_magic = |stmt: &&Stmt| stmt.is_ipy_escape_command_stmt();
            let first = body.iter().find(|stmt| !is_magic(stmt))?;
            let gap = match first {
                Stmt::FunctionDef(_) | Stmt::ClassDef(_) => newline.repeat(2),
                _ => newline.to_owned(),
            };
            let start = self.first_line(first);
            Edit::import(start, format!("{import}{newline}{gap}"))
        };
        let is_before = at.is_none_or(|at| {
            let data = self.tree.stmt(at);
            data.function != FunctionId::MODULE || edit.range.start() <= data.node.start()
        });
        is_before.then_some(edit)
    }

    /// Where the line of a statement begins, or the comment right above it; comments at the top of
    /// the file are about the file.
    fn first_line(&self, stmt: &Stmt) -> TextSize {
        let own = self.line_start(first_offset(stmt));
        let text = self.source.text();
        let mut start = own;
        while start > TextSize::new(0) {
            let above = &text[..usize::from(start)];
            let ending = if above.ends_with("\r\n") { 2 } else { 1 };
            let line = self.line_start(start - TextSize::new(ending));
            if !text[usize::from(line)..].starts_with('#') {
                return start;
            }
            start = line;
        }
        own
    }

    /// Where the line that continues up to an offset ends, before its line ending; behind what else
    /// stands on it.
    pub(crate) fn logical_line_end(&self, offset: TextSize) -> TextSize {
        let tokens = self.tokens();
        let from = tokens.partition_point(|token| token.start() < offset);
        tokens[from..]
            .iter()
            .find(|token| token.kind() == TokenKind::Newline)
            .map_or(TextSize::of(self.source.text()), Ranged::start)
    }
}

fn is_same_import(one: &Binding, other: &Binding) -> bool {
    match (one.kind, other.kind) {
        (BindingKind::Import(one), BindingKind::Import(other)) => one == other,
        (
            BindingKind::ImportFrom {
                level: one_level,
                module: one,
                name: one_name,
            },
            BindingKind::ImportFrom {
                level,
                module,
                name,
            },
        ) => (one_level, one, one_name) == (level, module, name),
        _ => false,
    }
}

fn is_import(stmt: &Stmt) -> bool {
    matches!(stmt, Stmt::Import(_) | Stmt::ImportFrom(_))
}

fn is_docstring(stmt: &Stmt) -> bool {
    matches!(stmt, Stmt::Expr(node) if node.value.is_string_literal_expr())
}

/// `__all__ = [..]`
fn is_dunder(stmt: &Stmt) -> bool {
    matches!(stmt, Stmt::Assign(node) if matches!(node.targets.as_slice(),
        [Expr::Name(name)] if name.id.starts_with("__") && name.id.ends_with("__")))
}

fn is_future_import(stmt: &Stmt) -> bool {
    let import = stmt.as_import_from_stmt();
    import.is_some_and(|it| it.module.as_deref() == Some("__future__"))
}

fn is_import_of(stmt: &Stmt, module: &str) -> bool {
    let is_module = |name: &ast::Identifier| {
        name.as_str() == module || name.as_str().split('.').next() == Some(module)
    };
    match stmt {
        Stmt::Import(node) => node.names.iter().any(|alias| is_module(&alias.name)),
        Stmt::ImportFrom(node) => node.level == 0 && node.module.as_ref().is_some_and(is_module),
        _ => false,
    }
}
