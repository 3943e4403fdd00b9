//! Shields: the scopes that keep a cancellation out of what stands in them.

use ruff_python_ast::{self as ast, Expr, Stmt};
use ruff_text_size::{Ranged, TextRange};

use super::File;
use super::cut::called_name;
use super::names::dotted_text;
use super::tree::{Part, StmtId};

impl<'a> File<'a> {
    /// The statement whose shield protects what stands at a place.
    #[must_use]
    pub fn shield_around(&self, stmt: StmtId, range: TextRange) -> Option<StmtId> {
        let own = match self.tree.stmt(stmt).node {
            // The items of a `with` before this one are entered already.
            Stmt::With(node) => {
                let entered = node
                    .items
                    .iter()
                    .take_while(|item| item.range().end() <= range.start());
                entered
                    .into_iter()
                    .any(|item| self.is_shield(item))
                    .then_some(stmt)
            }
            _ => None,
        };
        own.or_else(|| {
            self.tree
                .ancestors_in_function(stmt)
                .find(|(parent, part)| self.shields(*parent, *part, stmt))
                .map(|(parent, _)| parent)
        })
        .or_else(|| {
            let sets = *self
                .sets_shields
                .get_or_init(|| self.source.text().contains(".shield"));
            (sets && self.shield_is_set_before(stmt)).then_some(stmt)
        })
    }

    /// Whether a `with` statement shields a statement in its body.
    fn shields(&self, with: StmtId, part: Part, inner: StmtId) -> bool {
        let Stmt::With(node) = self.tree.stmt(with).node else {
            return false;
        };
        part == Part::Body
            && (node.items.iter().any(|item| self.is_shield(item))
                || self.shield_is_set(node, inner))
    }

    /// `CancelScope(shield=True)`, `timeout(5, shield=True)`, in every library that has them: a
    /// context manager is a shield if it is called with a `shield=` that isn't `False`.
    #[must_use]
    pub fn is_shield(&self, item: &'a ast::WithItem) -> bool {
        self.is_shield_manager(&item.context_expr)
    }

    fn is_shield_manager(&self, manager: &'a Expr) -> bool {
        let Expr::Call(call) = manager else {
            let values = self.values_of(manager);
            return !values.is_empty()
                && values
                    .iter()
                    .all(|value| value.is_call_expr() && self.is_shield_manager(value));
        };
        let keyword = call
            .arguments
            .find_keyword("shield")
            .is_some_and(|keyword| !is_false(&keyword.value));
        // A class or function of the project's own that is called a shield: `ShieldScope()`.
        keyword
            || called_name(call).is_some_and(|name| name.to_ascii_lowercase().contains("shield"))
    }

    /// `scope.shield = True` before a statement, in a block around it.
    fn shield_is_set_before(&self, stmt: StmtId) -> bool {
        let function = self.tree.stmt(stmt).function;
        let first = self.tree.function(function).stmt.map_or(0, |def| def.0 + 1);
        (first..stmt.0).map(StmtId).any(|id| {
            let data = self.tree.stmt(id);
            let Stmt::Assign(assign) = data.node else {
                return false;
            };
            let sets = matches!(assign.targets.as_slice(),
                [Expr::Attribute(target)] if target.attr.as_str() == "shield");
            sets && !is_false(&assign.value)
                && data.function == function
                && data.parent.is_some_and(|parent| {
                    self.tree.contains(parent, stmt)
                        && self.tree.part_of(parent, stmt) == Some(data.part)
                })
        })
    }

    /// `scope.shield = True` in the body of `with .. as scope`, before a statement of that body.
    fn shield_is_set(&self, node: &ast::StmtWith, inner: StmtId) -> bool {
        node.body.iter().any(|stmt| {
            let Stmt::Assign(assign) = stmt else {
                return false;
            };
            let [Expr::Attribute(target)] = assign.targets.as_slice() else {
                return false;
            };
            let is_own = node.items.iter().any(|item| {
                let var = item.optional_vars.as_deref().and_then(dotted_text);
                var.is_some() && var == dotted_text(&target.value)
            });
            target.attr.as_str() == "shield"
                && is_own
                && !is_false(&assign.value)
                && self.tree.stmt_id(stmt) < inner
        })
    }
}

fn is_false(expr: &Expr) -> bool {
    matches!(expr, Expr::BooleanLiteral(literal) if !literal.value)
}
