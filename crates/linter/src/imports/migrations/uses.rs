//! The variables that hold a library or something of it, and where they are used.
//!
//! A variable that anything else than an import of the library binds is none of these: a fallback
//! (`except ImportError: timeout = None`) means that the file chooses.

use ruff_python_ast::{self as ast, Expr, Stmt};
use rustc_hash::FxHashSet;

use super::Library;
use super::table::{ROWS, Row};
use crate::model::File;
use crate::model::names::BindingKind;
use crate::model::tree::{ScopeId, StmtId};

/// A name in a scope that imports of a library bind, and nothing else.
pub(super) struct Variable<'a> {
    pub scope: ScopeId,
    pub name: &'a str,
    /// What it holds, below the library; empty for the library itself.
    pub path: String,
    /// The import statements, and which of their names it is.
    pub sites: Vec<(StmtId, usize)>,
    pub uses: Vec<Use<'a>>,
}

/// A place where a variable is read.
pub(super) struct Use<'a> {
    /// The dotted name that a row is about, or that no row is about.
    pub name: &'a Expr,
    pub row: Option<&'static Row>,
    /// Its path below the library, as the file spells it.
    pub path: String,
    /// Something of it is read: `timeout.__doc__`.
    pub has_more: bool,
}

impl Variable<'_> {
    /// What a `from` import brings: the row itself, not a module with rows in it.
    pub fn row(&self) -> Option<&'static Row> {
        (!self.path.is_empty()).then(|| find(self.uses.first()?.row?.library, &self.path))?
    }
}

/// The row of a path below a library.
pub(super) fn find(library: Library, path: &str) -> Option<&'static Row> {
    ROWS.iter()
        .flat_map(|rows| rows.iter())
        .find(|row| row.library == library && row.names.contains(&path))
}

/// The variables of a library, in the order of their first import.
pub(super) fn variables<'a>(file: &File<'a>, library: Library) -> Vec<Variable<'a>> {
    let mut found: Vec<Variable<'a>> = Vec::new();
    for id in file.tree.stmt_ids() {
        let aliases = match file.tree.stmt(id).node {
            Stmt::Import(node) => &node.names,
            Stmt::ImportFrom(node) if node.level == 0 => &node.names,
            _ => continue,
        };
        for (index, alias) in aliases.iter().enumerate() {
            let Some((name, path)) = bound(file.tree.stmt(id).node, alias, library) else {
                continue;
            };
            let Some(scope) = file.lookup_scope(file.tree.stmt(id).scope, name) else {
                continue;
            };
            let known = found
                .iter_mut()
                .find(|variable| variable.scope == scope && variable.name == name);
            match known {
                Some(variable) => variable.sites.push((id, index)),
                None => found.push(Variable {
                    scope,
                    name,
                    path,
                    sites: vec![(id, index)],
                    uses: Vec::new(),
                }),
            }
        }
    }
    found.retain(|variable| holds_only(file, variable, library));
    if !found.is_empty() {
        add_uses(file, library, &mut found);
    }
    found
}

/// The name that an import binds, and its path below the library.
fn bound<'a>(stmt: &'a Stmt, alias: &'a ast::Alias, library: Library) -> Option<(&'a str, String)> {
    let below = |module: &str| {
        let rest = module.strip_prefix(library.name())?;
        (rest.is_empty() || rest.starts_with('.')).then(|| rest.trim_start_matches('.').to_owned())
    };
    match stmt {
        Stmt::Import(_) => {
            let path = below(alias.name.as_str())?;
            match &alias.asname {
                Some(name) => Some((name.as_str(), path)),
                None => Some((library.name(), String::new()))
                    .filter(|_| !alias.name.is_empty())
                    .map(|(_, path)| (alias.name.split('.').next().unwrap_or_default(), path)),
            }
        }
        Stmt::ImportFrom(node) => {
            let module = below(node.module.as_ref()?.as_str())?;
            let name = alias.name.as_str();
            if name == "*" {
                return None;
            }
            let bound = alias.asname.as_ref().map_or(name, |asname| asname.as_str());
            let separator = if module.is_empty() { "" } else { "." };
            Some((bound, format!("{module}{separator}{name}")))
        }
        _ => None,
    }
}

/// Whether all bindings of a variable bring the same thing of the library.
fn holds_only(file: &File, variable: &Variable, library: Library) -> bool {
    let bindings = file.scope(variable.scope).bindings(variable.name);
    bindings.len() == variable.sites.len()
        && bindings.iter().all(|binding| {
            matches!(
                binding.kind,
                BindingKind::Import(_) | BindingKind::ImportFrom { .. }
            )
        })
        && variable.sites.iter().all(|(stmt, index)| {
            let stmt = file.tree.stmt(*stmt).node;
            let alias = match stmt {
                Stmt::Import(node) => &node.names[*index],
                Stmt::ImportFrom(node) => &node.names[*index],
                _ => return false,
            };
            bound(stmt, alias, library).is_some_and(|(_, path)| path == variable.path)
        })
}

fn add_uses<'a>(file: &File<'a>, library: Library, variables: &mut [Variable<'a>]) {
    for stmt in file.body() {
        for expr in file.tree.exprs_below(file.tree.stmt_id(stmt)) {
            let Expr::Name(name) = expr else { continue };
            if !variables.iter().any(|it| it.name == name.id.as_str()) {
                continue;
            }
            let scope = file.lookup_scope(file.tree.scope_of(expr), name.id.as_str());
            let variable = variables
                .iter_mut()
                .find(|it| it.name == name.id.as_str() && Some(it.scope) == scope);
            if let Some(variable) = variable {
                let found = use_of(file, expr, library, &variable.path);
                variable.uses.push(found);
            }
        }
    }
}

/// The longest dotted name from a root that a row is about.
fn use_of<'a>(file: &File<'a>, root: &'a Expr, library: Library, path: &str) -> Use<'a> {
    let mut path = path.to_owned();
    let mut name = root;
    let mut best = find(library, &path).map(|row| (row, name, path.clone()));
    while let Some(Expr::Attribute(attribute)) = file.tree.parent(name) {
        let parent = file.tree.parent(name).expect("matched");
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(attribute.attr.as_str());
        name = parent;
        if let Some(row) = find(library, &path) {
            best = Some((row, name, path.clone()));
        }
    }
    match best {
        Some((row, found, path)) => Use {
            name: found,
            row: Some(row),
            path,
            has_more: !std::ptr::eq(found, name),
        },
        None => Use {
            name,
            row: None,
            path,
            has_more: false,
        },
    }
}

/// The names that `__all__` makes public.
pub(super) fn exported<'a>(file: &File<'a>) -> FxHashSet<&'a str> {
    let bindings = file.scope(ScopeId(0)).bindings("__all__").iter();
    let statements = bindings.map(|binding| binding.stmt);
    statements
        .flat_map(|stmt| file.tree.exprs_of(stmt))
        .filter_map(|expr| expr.as_string_literal_expr())
        .map(|string| string.value.to_str())
        .collect()
}
