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

    /// Whether a statement stands in a branch for a Python that is older than the target:
    /// the `else` of `if sys.version_info >= (3, 11)`.
    #[must_use]
    pub fn is_for_older_python(&self, id: StmtId) -> bool {
        self.tree.ancestors(id).any(|(parent, part)| {
            let Stmt::If(node) = self.tree.stmt(parent).node else {
                return false;
            };
            let Expr::Compare(test) = &*node.test else {
                return false;
            };
            let ([op], [Expr::Tuple(version)]) = (&*test.ops, &*test.comparators) else {
                return false;
            };
            let is_version = last_name(&test.left) == Some("version_info");
            let parts: Vec<u8> = version
                .elts
                .iter()
                .filter_map(|part| match part {
                    Expr::NumberLiteral(literal) => literal.value.as_int()?.as_u8(),
                    _ => None,
                })
                .collect();
            let (Some(major), Some(minor)) = (parts.first(), parts.get(1)) else {
                return false;
            };
            let reached = self.settings.target_version >= (*major, *minor);
            is_version
                && reached
                && match op {
                    ast::CmpOp::GtE => part == Part::Else && node.elif_else_clauses.len() == 1,
                    ast::CmpOp::Lt => part == Part::Body,
                    _ => false,
                }
        })
    }
}
