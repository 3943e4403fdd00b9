//! Where a local name is used, and who takes the value of an expression.
//!
//! Not here: what the value is (`kinds.rs`).

use ruff_python_ast::{self as ast, Expr, Stmt};

use super::File;
use super::tree::{FunctionId, StmtId};

/// Who takes the value of an expression, containers and conditional expressions aside.
#[derive(Clone, Copy)]
pub enum Taker<'a> {
    /// `await value`
    Await(&'a Expr),
    /// The call that has it among its arguments, alone or in a container.
    Call(&'a Expr, &'a ast::ExprCall),
    /// `value.attribute`
    Attribute(&'a ast::ExprAttribute),
    /// `return value`, or the body of a lambda.
    Return,
    /// A statement of its own: the value is dropped.
    Drop,
    /// `name = value`
    Name(&'a ast::ExprName),
    /// `self.attribute = value`, `table[key] = value`, a value of a dictionary.
    Store,
    Other,
}

impl<'a> File<'a> {
    /// The places in a function, its nested functions included, where a name of its own is read.
    #[must_use]
    pub fn uses(&self, function: FunctionId, name: &str) -> Vec<&'a Expr> {
        let data = self.tree.function(function);
        let Some(def) = data.stmt else {
            return Vec::new();
        };
        self.tree
            .exprs_below(def)
            .filter(|expr| match expr {
                Expr::Name(node) => {
                    node.id == name
                        && node.ctx.is_load()
                        && self.lookup_scope(self.tree.scope_of(expr), name) == Some(data.scope)
                }
                _ => false,
            })
            .collect()
    }

    /// Whether a plain name belongs to the function that uses it.
    #[must_use]
    pub fn is_local(&self, name: &Expr) -> bool {
        let function = self.tree.function(self.tree.function_of(name));
        match name {
            Expr::Name(node) => {
                self.lookup_scope(self.tree.scope_of(name), node.id.as_str())
                    == Some(function.scope)
            }
            _ => false,
        }
    }

    /// Who takes the value of an expression.
    #[must_use]
    pub fn taker(&self, expr: &'a Expr) -> Taker<'a> {
        let mut value = expr;
        while let Some(parent) = self.tree.parent(value) {
            let passes = match parent {
                Expr::Await(_) => return Taker::Await(parent),
                Expr::Attribute(attribute) => return Taker::Attribute(attribute),
                Expr::Lambda(_) => return Taker::Return,
                Expr::Dict(_) | Expr::DictComp(_) => return Taker::Store,
                Expr::Call(call) => {
                    let is_function = std::ptr::eq(&raw const *call.func, value);
                    if is_function {
                        return Taker::Other;
                    }
                    if !self.hands_through(call) {
                        return Taker::Call(parent, call);
                    }
                    true
                }
                Expr::If(choice) => !std::ptr::eq(&raw const *choice.test, value),
                Expr::ListComp(node) => std::ptr::eq(&raw const *node.elt, value),
                Expr::SetComp(node) => std::ptr::eq(&raw const *node.elt, value),
                Expr::Generator(node) => std::ptr::eq(&raw const *node.elt, value),
                Expr::Starred(_)
                | Expr::Tuple(_)
                | Expr::List(_)
                | Expr::Set(_)
                | Expr::BoolOp(_)
                | Expr::Named(_) => true,
                _ => false,
            };
            if !passes {
                return Taker::Other;
            }
            value = parent;
        }
        self.taken_by_statement(self.tree.stmt_of(expr), value)
    }

    /// Calls that return what they are given, or a container of it.
    fn hands_through(&self, call: &ast::ExprCall) -> bool {
        const CONTAINERS: [&str; 4] = ["list", "tuple", "set", "frozenset"];
        CONTAINERS
            .iter()
            .any(|name| self.is_builtin(&call.func, name))
            || self.qualified(&call.func).as_deref() == Some("typing.cast")
    }

    fn taken_by_statement(&self, stmt: StmtId, value: &'a Expr) -> Taker<'a> {
        let by_target = |target: &'a Expr| match target {
            Expr::Name(name) => Taker::Name(name),
            Expr::Attribute(_) | Expr::Subscript(_) => Taker::Store,
            _ => Taker::Other,
        };
        match self.tree.stmt(stmt).node {
            Stmt::Return(_) => Taker::Return,
            Stmt::Expr(_) => Taker::Drop,
            Stmt::Assign(node) if std::ptr::eq(&raw const *node.value, value) => {
                let takers: Vec<Taker<'a>> = node.targets.iter().map(by_target).collect();
                match takers.as_slice() {
                    [only] => *only,
                    _ => Taker::Store,
                }
            }
            Stmt::AnnAssign(node)
                if node
                    .value
                    .as_deref()
                    .is_some_and(|it| std::ptr::eq(it, value)) =>
            {
                by_target(&node.target)
            }
            Stmt::AugAssign(_) => Taker::Store,
            _ => Taker::Other,
        }
    }
}
