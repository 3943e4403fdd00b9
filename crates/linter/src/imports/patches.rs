//! The places that change asyncio from outside: `asyncio.sleep = fake`.
//!
//! Not reported are those that only give an old Python what newer ones have, and those that put back
//! what was there.

use ruff_python_ast::{Expr, Stmt};
use ruff_text_size::TextRange;

use super::names::{self, Kind};
use super::uses::{Access, Source, Use, Variable, Variables};
use crate::model::File;
use crate::model::tree::{Part, StmtId};

/// A name of asyncio's that is changed from outside.
pub(crate) struct Patch {
    pub(crate) range: TextRange,
    /// The name below asyncio: `sleep`, `Task.cancel`.
    pub(crate) name: String,
}

/// The places that change a name of which asyncbis has its own, one for each statement and name.
pub(crate) fn patches(file: &File) -> Vec<Patch> {
    let variables = Variables::of(file, "asyncio");
    let mut found: Vec<(StmtId, Patch)> = Vec::new();
    for variable in &variables.list {
        for used in variable.uses.iter().filter(|used| used.is_patch()) {
            let Some(name) = changed_name(variable, used) else {
                continue;
            };
            let Some(stmt) = statement_of(file, used) else {
                continue;
            };
            let is_known = found
                .iter()
                .any(|(other, patch)| *other == stmt && patch.name == name);
            if !is_known && is_effective(file, stmt, &name, used) {
                let range = used.range();
                found.push((stmt, Patch { range, name }));
            }
        }
    }
    found.sort_by_key(|(_, patch)| patch.range.start());
    found.into_iter().map(|(_, patch)| patch).collect()
}

/// The changed name, if asyncbis has its own.
fn changed_name(variable: &Variable, used: &Use) -> Option<String> {
    let mut path = used.path();
    match variable.sites.first()?.source {
        Source::Package | Source::Below(_) => {}
        Source::Submodule(module) => path.insert(0, module),
        Source::Name { name, .. } => path.insert(0, name),
    }
    let counterpart = names::counterpart(&path);
    let is_polyfill = !names::is_always_in_asyncio(&counterpart.path);
    if counterpart.kind != Kind::Changed || is_polyfill {
        return None;
    }
    let below = &path[counterpart.parts..];
    let parts = [counterpart.path.as_str()].into_iter();
    Some(
        parts
            .chain(below.iter().copied())
            .collect::<Vec<_>>()
            .join("."),
    )
}

fn statement_of(file: &File, used: &Use) -> Option<StmtId> {
    let mut exprs = file.tree.exprs();
    let root = exprs.find(|expr| matches!(expr, Expr::Name(name) if name.range == used.root))?;
    Some(file.tree.stmt_of(root))
}

/// Whether a change is one on the Pythons that are supported, and not the end of one.
fn is_effective(file: &File, stmt: StmtId, name: &str, used: &Use) -> bool {
    let node = file.tree.stmt(stmt).node;
    let is_delattr =
        |expr: &Expr| matches!(expr, Expr::Call(call) if file.is_builtin(&call.func, "delattr"));
    let is_removal = match node {
        Stmt::Assign(_) | Stmt::AugAssign(_) | Stmt::AnnAssign(_) => false,
        // Other statements that bind are no way to change asyncio that people use.
        _ if used.access == Access::Change => true,
        _ => file.tree.exprs_of(stmt).any(is_delattr),
    };
    let is_put_back = match (node, &used.access) {
        (Stmt::Assign(assign), Access::Change) => {
            file.asyncio_name(&assign.value).as_deref() == Some(name)
        }
        _ => false,
    };
    !is_removal && !is_put_back && !is_guarded(file, stmt)
}

/// Whether a statement runs only where asyncio lacks something.
fn is_guarded(file: &File, stmt: StmtId) -> bool {
    file.tree
        .ancestors(stmt)
        .any(|(parent, part)| match (file.tree.stmt(parent).node, part) {
            (Stmt::If(node), Part::Body) => is_test_for_absence(file, &node.test),
            (Stmt::Try(_), Part::Handler(_)) => true,
            _ => false,
        })
        || is_behind_return(file, stmt)
}

/// Whether the function of a statement ends before it where asyncio has everything.
fn is_behind_return(file: &File, stmt: StmtId) -> bool {
    let function = file.tree.stmt(stmt).function;
    file.tree.stmt_ids().any(|id| {
        let data = file.tree.stmt(id);
        let Stmt::If(node) = data.node else {
            return false;
        };
        let leaves = matches!(node.body.last(), Some(Stmt::Return(_)));
        leaves
            && data.function == function
            && data.end < stmt
            && is_test_for_absence(file, &node.test)
    })
}

fn is_test_for_absence(file: &File, test: &Expr) -> bool {
    file.tree.exprs_in(test).any(|expr| match expr {
        Expr::Call(call) => file.is_builtin(&call.func, "hasattr"),
        Expr::Attribute(_) => file.qualified(expr).as_deref() == Some("sys.version_info"),
        _ => false,
    })
}
