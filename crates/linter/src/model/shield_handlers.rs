//! The handler around a shield: what it would do with the cancellation that the shield holds back.
//!
//! Not here: what that means for the shield (`shield_calls.rs`).

use ruff_python_ast::{ExceptHandler, Expr, Stmt};
use ruff_text_size::{Ranged, TextRange};

use super::File;
use super::caught::is_log;
use super::exceptions::Catches;
use super::handlers::header_range;
use super::names::dotted_text;
use super::tree::{Part, StmtId};

impl<'a> File<'a> {
    /// The nearest handler for cancellation, or `suppress`, around a statement: the `try` or
    /// `with`, what to underline, and the handler's body.
    pub(super) fn cancel_handler_around(
        &self,
        stmt: StmtId,
    ) -> Option<(StmtId, TextRange, &'a [Stmt])> {
        for (parent, part) in self.tree.ancestors_in_function(stmt) {
            if part != Part::Body {
                continue;
            }
            match self.tree.stmt(parent).node {
                Stmt::Try(node) => {
                    for handler in &node.handlers {
                        let ExceptHandler::ExceptHandler(handler) = handler;
                        match self.catches(handler) {
                            Some(Catches::Cancelled) => {
                                return Some((parent, header_range(handler), &handler.body));
                            }
                            Some(_) => break,
                            None => {}
                        }
                    }
                }
                Stmt::With(node) => {
                    let class = node
                        .items
                        .iter()
                        .find_map(|item| self.suppressed_class(&item.context_expr));
                    if let Some(class) = class {
                        return Some((parent, class.range(), &[]));
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// Whether a handler in a loop leads back to the `try`: `while True: try: return await ..`.
    pub(super) fn goes_round(&self, handler_stmt: StmtId, body: &[Stmt]) -> bool {
        let in_loop = self
            .tree
            .ancestors_in_function(handler_stmt)
            .any(|(parent, _)| self.tree.stmt(parent).node.is_while_stmt());
        let leaves =
            |stmt: &Stmt| matches!(stmt, Stmt::Raise(_) | Stmt::Return(_) | Stmt::Break(_));
        in_loop && !body.is_empty() && !body.iter().any(leaves)
    }

    /// Whether a handler awaits the target once more, itself or through a helper, and doesn't
    /// tell it to end.
    pub(super) fn waits_again(&self, body: &'a [Stmt], target: &Expr) -> bool {
        let Some(text) = dotted_text(target) else {
            return false;
        };
        let is_target = |expr: &Expr| dotted_text(expr).is_some_and(|found| found == text);
        let mut waits = false;
        for stmt in body {
            for expr in self.tree.exprs_below(self.tree.stmt_id(stmt)) {
                match expr {
                    Expr::Await(_) => waits |= self.tree.exprs_in(expr).any(is_target),
                    Expr::Call(call) if self.cancelled_task(call).is_some_and(is_target) => {
                        return false;
                    }
                    _ => {}
                }
            }
        }
        waits
    }

    /// Whether a handler only logs, and lets the cancellation go on.
    pub(super) fn passes_on(&self, body: &[Stmt]) -> bool {
        let Some((Stmt::Raise(last), before)) = body.split_last() else {
            return false;
        };
        let raises_again = last.exc.as_deref().is_none_or(Expr::is_name_expr);
        raises_again && before.iter().all(is_log)
    }

    /// Whether a handler only acts where the target itself was cancelled or is done:
    /// `if task.cancelled(): ...`.
    pub(super) fn is_about(&self, body: &'a [Stmt], target: &Expr) -> bool {
        let Some(text) = dotted_text(target) else {
            return false;
        };
        let asks = |test: &'a Expr| {
            self.tree.exprs_in(test).any(|part| {
                part.as_attribute_expr().is_some_and(|method| {
                    ["cancelled", "done"].contains(&method.attr.as_str())
                        && dotted_text(&method.value).is_some_and(|found| found == text)
                })
            })
        };
        !body.is_empty()
            && body.iter().all(|stmt| match stmt {
                Stmt::If(node) => asks(&node.test),
                Stmt::Raise(node) => node.exc.is_none(),
                stmt => is_log(stmt),
            })
            && body.iter().any(Stmt::is_if_stmt)
    }
}
