//! How a statement can write a name of asyncbis or asyncio: the imports that reach it, and the one
//! that has to be added.
//!
//! An import reaches a statement where it has surely run before it: at the top of the module, or
//! earlier in a block that the statement stands in. One under `if TYPE_CHECKING:` never runs, and
//! one that depends on anything else may not have: where the name hangs on that there is no fix.
//!
//! Invariant: several fixes that need the same import say so in the same words (`Edit::import`).
//!
//! Not here: where a new import goes (`import_place.rs`), the rewrite of the imports that are there
//! (`imports`).

use ruff_python_ast::{Expr, Stmt};
use ruff_text_size::{Ranged, TextRange};

use crate::diagnostic::Edit;
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
        let ([text], import) = self.package_names("asyncbis", [name], None)?;
        Some(AsyncbisName { text, import })
    }

    /// How a statement can write some names of asyncbis, and the import that they still need.
    pub(crate) fn asyncbis_at<const N: usize>(
        &self,
        names: [&str; N],
        at: StmtId,
    ) -> Option<([String; N], Option<Edit>)> {
        self.package_names("asyncbis", names, Some(at))
    }

    /// The same for another package.
    pub(crate) fn package_names<const N: usize>(
        &self,
        package: &str,
        names: [&str; N],
        at: Option<StmtId>,
    ) -> Option<([String; N], Option<Edit>)> {
        // Where nothing is imported from it there is no need to look at every name.
        let known = if self.imports(package) {
            self.imports_at(at)
        } else {
            Vec::new()
        };
        let module = known
            .iter()
            .find(|(_, kind)| matches!(kind, BindingKind::Import(it) if *it == package));
        let own = |name: &str| {
            known.iter().find_map(|(bound, kind)| {
                matches!(kind, BindingKind::ImportFrom { level: 0, module, name: it }
                    if *module == package && *it == name)
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
        if let Some(edit) = self.longer_import(package, &missing, at) {
            let texts = names.map(|name| own(name).unwrap_or_else(|| name.to_owned()));
            return Some((texts, Some(edit)));
        }
        if !self.is_free(package, at) {
            return None;
        }
        let import = self.new_import(&format!("import {package}"))?;
        // The top level of a notebook goes line by line.
        let is_in_time = at.is_none_or(|at| {
            let data = self.tree.stmt(at);
            data.function != FunctionId::MODULE || import.range.start() <= data.node.start()
        });
        if !is_in_time {
            return None;
        }
        let texts = names.map(|name| own(name).unwrap_or_else(|| format!("{package}.{name}")));
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

    /// More names in a `from package import ..` that the module has.
    fn longer_import(&self, package: &str, names: &[&str], at: Option<StmtId>) -> Option<Edit> {
        let node = self.body().iter().find_map(|stmt| {
            let node = stmt.as_import_from_stmt()?;
            let is_its = node.module.as_deref() == Some(package) && node.level == 0;
            let is_known = self.has_run(self.tree.stmt_id(stmt), at);
            (is_its && is_known).then_some(node)
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
