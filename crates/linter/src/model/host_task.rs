//! The protocol of home-made timeouts and task groups: keep the current task, cancel it from outside
//! to interrupt a block, catch that and go on.
//!
//! It works on the runtime where `uncancel()` takes the request back; without it the task stays
//! cancelled, and those places are listed here.

use ruff_python_ast::{self as ast, Expr, Stmt};
use ruff_text_size::{Ranged, TextRange};

use super::File;
use super::exceptions::Catches;
use super::handlers::{Catcher, Mode};
use super::names::last_name;
use super::tree::{ClassId, FunctionId, Part, StmtId};

/// A task that is cancelled from outside to interrupt a block of it.
pub struct HostCancel<'a> {
    /// `task.cancel()`, or `task.cancel` handed to a timer.
    pub cancel: &'a Expr,
    /// Where the current task was kept.
    pub kept: TextRange,
    /// Where its cancellation is caught or turned into something else.
    pub converted: TextRange,
}

impl<'a> File<'a> {
    /// The places where a kept current task is cancelled by a timer, a callback or another
    /// method, while the code that kept it catches that and goes on without `uncancel()`.
    #[must_use]
    pub fn host_cancels(&self) -> Vec<HostCancel<'a>> {
        let mut found = Vec::new();
        for (expr, call) in self.tree.calls() {
            if let Some(task) = self.cancelled_task(call) {
                found.extend(self.host_cancel(expr, task, false));
            }
            for argument in &call.arguments.args {
                if let Expr::Attribute(method) = argument
                    && method.attr.as_str() == "cancel"
                {
                    found.extend(self.host_cancel(argument, &method.value, true));
                }
            }
        }
        found
    }

    fn host_cancel(
        &self,
        cancel: &'a Expr,
        task: &'a Expr,
        handed: bool,
    ) -> Option<HostCancel<'a>> {
        if !self.is_current_task(task) || self.is_for_older_python(self.tree.stmt_of(cancel)) {
            return None;
        }
        match task {
            Expr::Attribute(attribute) => self.host_cancel_in_class(cancel, attribute),
            Expr::Name(_) if handed || !self.binds_here(task) => {
                self.host_cancel_in_function(cancel, task)
            }
            _ => None,
        }
    }

    fn host_cancel_in_class(
        &self,
        cancel: &'a Expr,
        attribute: &'a ast::ExprAttribute,
    ) -> Option<HostCancel<'a>> {
        let class = self.class_of_self(&attribute.value)?;
        let data = self.tree.class(class);
        if self.mentions_word(data.stmt, "uncancel") {
            return None;
        }
        let kept = data
            .attributes
            .iter()
            .filter(|it| it.name == attribute.attr.as_str())
            .filter(|it| it.value.is_some_and(|value| self.is_current_task(value)));
        for binding in kept {
            let converted = self
                .converting_handler(binding.function)
                .or_else(|| self.converting_exit(class));
            if let (Some(converted), Some(value)) = (converted, binding.value) {
                return Some(HostCancel {
                    cancel,
                    kept: value.range(),
                    converted,
                });
            }
        }
        None
    }

    fn host_cancel_in_function(&self, cancel: &'a Expr, task: &'a Expr) -> Option<HostCancel<'a>> {
        let [binding] = self.bindings_of(task) else {
            return None;
        };
        let def = self.tree.function(binding.function).stmt?;
        if self.mentions_word(def, "uncancel") {
            return None;
        }
        Some(HostCancel {
            cancel,
            kept: binding.range,
            converted: self.converting_handler(binding.function)?,
        })
    }

    /// A handler of a function that catches the cancellation and goes on: it raises something
    /// else, or lets the function await again.
    fn converting_handler(&self, function: FunctionId) -> Option<TextRange> {
        self.catchers()
            .iter()
            .filter(|it| it.function == function && it.catches == Catches::Cancelled)
            .find(|catcher| {
                let exits = self.exits(catcher, Mode::Edge);
                !exits.raises_other.is_empty()
                    || (exits.swallows() && !self.cut_after(catcher).is_empty())
            })
            .map(Catcher::range)
    }

    /// A method of a class that compares an exception with `CancelledError`, and raises something
    /// or returns a value: the way out of a context manager.
    fn converting_exit(&self, class: ClassId) -> Option<TextRange> {
        self.tree.class(class).methods.iter().find_map(|method| {
            let def = self.tree.function(*method).stmt?;
            let compared = self.tree.exprs_below(def).find(|expr| {
                let is_asked = match self.tree.parent(expr) {
                    Some(Expr::Compare(_)) => true,
                    Some(Expr::Call(call)) => ["isinstance", "issubclass"]
                        .iter()
                        .any(|name| self.is_builtin(&call.func, name)),
                    _ => false,
                };
                is_asked && self.is_cancelled_error(expr)
            })?;
            let decides = (def.0 + 1..=self.tree.stmt(def).end.0).any(|id| {
                match self.tree.stmt(StmtId(id)).node {
                    Stmt::Raise(_) => true,
                    Stmt::Return(node) => node.value.as_deref().is_some_and(|value| {
                        !value.is_none_literal_expr()
                            && !matches!(value, Expr::BooleanLiteral(literal) if !literal.value)
                    }),
                    _ => false,
                }
            });
            decides.then(|| compared.range())
        })
    }

    /// Whether a statement only runs on a Python that is older than the target: in the `else` of
    /// `if sys.version_info >= (3, 11)`, or behind one whose body leaves.
    #[must_use]
    pub fn is_for_older_python(&self, id: StmtId) -> bool {
        let mut at = Some(id);
        let mut part_above = None;
        while let Some(current) = at {
            if let (Some(part), Stmt::If(node)) = (part_above, self.tree.stmt(current).node) {
                let is_else = part == Part::Else && node.elif_else_clauses.len() == 1;
                match self.holds_on_target(&node.test) {
                    Some(true) if is_else => return true,
                    Some(false) if part == Part::Body => return true,
                    _ => {}
                }
            }
            let before = self
                .block_of(current)
                .iter()
                .take_while(|stmt| self.tree.stmt_id(stmt) < current);
            let leaves = |stmt: &'a Stmt| {
                matches!(stmt, Stmt::If(node)
                    if self.holds_on_target(&node.test) == Some(true)
                        && matches!(node.body.last(), Some(Stmt::Return(_) | Stmt::Raise(_))))
            };
            if before.into_iter().any(leaves) {
                return true;
            }
            let data = self.tree.stmt(current);
            part_above = Some(data.part);
            at = data.parent;
        }
        false
    }

    /// What a test for the version of Python comes to on the target: `sys.version_info >= (3, 11)`,
    /// `hasattr(asyncio, "timeout")`, or whether a name for `getattr(asyncio, "timeout", None)`
    /// is `None`.
    fn holds_on_target(&self, test: &'a Expr) -> Option<bool> {
        if let Expr::Call(call) = test {
            return (self.is_builtin(&call.func, "hasattr") && self.names_what_asyncio_has(call))
                .then_some(true);
        }
        let Expr::Compare(test) = test else {
            return None;
        };
        let ([op], [right]) = (&*test.ops, &*test.comparators) else {
            return None;
        };
        if right.is_none_literal_expr() {
            let asks = |value: &&'a Expr| {
                value.as_call_expr().is_some_and(|call| {
                    self.is_builtin(&call.func, "getattr") && self.names_what_asyncio_has(call)
                })
            };
            let values = self.values_of(&test.left);
            let is_there = !values.is_empty() && values.iter().all(asks);
            return match op {
                ast::CmpOp::IsNot if is_there => Some(true),
                ast::CmpOp::Is if is_there => Some(false),
                _ => None,
            };
        }
        let Expr::Tuple(version) = right else {
            return None;
        };
        let part = |index: usize| match version.elts.get(index)? {
            Expr::NumberLiteral(literal) => literal.value.as_int()?.as_u8(),
            _ => None,
        };
        let reached = self.settings.target_version >= (part(0)?, part(1)?);
        let is_version = last_name(&test.left) == Some("version_info");
        match op {
            ast::CmpOp::GtE if is_version && reached => Some(true),
            ast::CmpOp::Lt if is_version && reached => Some(false),
            _ => None,
        }
    }

    /// `hasattr(asyncio, name)` and `getattr(asyncio, name, None)` for what asyncio has had since
    /// Python 3.11, the oldest that there is a runtime for.
    fn names_what_asyncio_has(&self, call: &'a ast::ExprCall) -> bool {
        const NAMES: [&str; 6] = [
            "Barrier",
            "Runner",
            "TaskGroup",
            "Timeout",
            "timeout",
            "timeout_at",
        ];
        let [module, Expr::StringLiteral(name), ..] = &*call.arguments.args else {
            return false;
        };
        self.settings.target_version >= (3, 11)
            && matches!(
                self.qualified(module).as_deref(),
                Some("asyncio" | "asyncbis")
            )
            && NAMES.contains(&name.value.to_str())
    }
}
