//! Loops that wait for one task and catch every cancellation on the way.
//!
//! Such a loop is recognised by its shape, because its `shield()` form is never cut on the runtime
//! and so has no catcher: `while not task.done()` or `while True`, a `try` (or a `suppress`) that
//! awaits just that task, and a handler that neither raises nor leaves.

use ruff_python_ast::{self as ast, ExceptHandler, Expr, Stmt};
use ruff_text_size::{Ranged, TextRange};

use super::File;
use super::exceptions::Catches;
use super::handlers::header_range;
use super::names::dotted_text;
use super::suspend::{Suspension, SuspensionKind};
use super::tree::{Part, StmtId};

/// How a drain loop waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DrainForm {
    /// `asyncio.wait({task})`
    Wait,
    /// `asyncio.shield(task)`
    Shield,
    /// `await task`
    Bare,
}

/// A loop that waits until one task is done, whatever happens.
pub struct Drain<'a> {
    pub form: DrainForm,
    pub loop_stmt: StmtId,
    /// The `try`, or the `with suppress(..)`.
    pub stmt: StmtId,
    /// What is waited for, as it is written in the wait.
    pub task: &'a Expr,
    pub wait: Suspension<'a>,
    /// What to underline: `except` and its class, or the class that `suppress` names.
    pub range: TextRange,
    /// `None` for `suppress`.
    pub handler: Option<&'a ast::ExceptHandlerExceptHandler>,
    /// The loop's test is `not task.done()`, and nothing else is in the loop.
    pub is_pure: bool,
}

impl<'a> File<'a> {
    /// The drain loops, in source order.
    #[must_use]
    pub fn drains(&self) -> &[Drain<'a>] {
        self.drains.get_or_init(|| {
            self.tree
                .stmt_ids()
                .filter_map(|id| self.drain(id))
                .collect()
        })
    }

    /// The drain loop whose `try` or `with` a statement is.
    #[must_use]
    pub fn drain_at(&self, stmt: StmtId) -> Option<&Drain<'a>> {
        self.drains().iter().find(|drain| drain.stmt == stmt)
    }

    fn drain(&self, id: StmtId) -> Option<Drain<'a>> {
        let Stmt::While(node) = self.tree.stmt(id).node else {
            return None;
        };
        let function = self.tree.stmt(id).function;
        if !self.tree.function(function).is_async() {
            return None;
        }
        let (index, guard) = node
            .body
            .iter()
            .enumerate()
            .find(|(_, stmt)| stmt.is_try_stmt() || stmt.is_with_stmt())?;
        let stmt = self.tree.stmt_id(guard);
        let (range, handler, body) = self.guard(guard)?;
        let mut waits = self
            .suspensions(function)
            .iter()
            .filter(|it| self.tree.contains(stmt, it.stmt))
            .filter(|it| self.tree.part_of(stmt, it.stmt) == Some(Part::Body));
        let wait = *waits.next()?;
        if waits.next().is_some() || wait.shield.is_some() {
            return None;
        }
        let (form, task) = self.waited_for(&wait)?;
        let text = dotted_text(task)?;
        let tested = done_test(&node.test);
        let is_endless = matches!(&*node.test, Expr::BooleanLiteral(literal) if literal.value);
        if tested.as_deref() != Some(text.as_str()) && !is_endless {
            return None;
        }
        if self.is_assigned_below(id, &text) {
            return None;
        }
        let handler_stays = handler.is_none_or(|handler| self.stays(stmt, handler, &text));
        handler_stays.then_some(Drain {
            form,
            loop_stmt: id,
            stmt,
            task,
            wait,
            range,
            handler,
            is_pure: tested.is_some()
                && node.body.len() == 1
                && index == 0
                && node.orelse.is_empty()
                && body.len() == 1
                && body[0]
                    .as_expr_stmt()
                    .is_some_and(|stmt| stmt.value.is_await_expr())
                && !self.has_other_parts(guard),
        })
    }

    /// The handler that catches a cancellation, or the class in `suppress`, and the guarded body.
    fn guard(
        &self,
        guard: &'a Stmt,
    ) -> Option<(
        TextRange,
        Option<&'a ast::ExceptHandlerExceptHandler>,
        &'a [Stmt],
    )> {
        match guard {
            Stmt::Try(node) => {
                let handler = node
                    .handlers
                    .iter()
                    .map(|ExceptHandler::ExceptHandler(handler)| handler)
                    .find(|handler| self.catches(handler).is_some())?;
                // A broad handler is no decision about cancellations.
                (self.catches(handler) == Some(Catches::Cancelled)).then_some((
                    header_range(handler),
                    Some(handler),
                    &*node.body,
                ))
            }
            Stmt::With(node) if !node.is_async => {
                let class = node
                    .items
                    .iter()
                    .find_map(|item| self.suppressed_class(&item.context_expr))?;
                Some((class.range(), None, &node.body))
            }
            _ => None,
        }
    }

    fn has_other_parts(&self, guard: &Stmt) -> bool {
        match guard {
            Stmt::Try(node) => {
                node.handlers.len() > 1 || !node.orelse.is_empty() || !node.finalbody.is_empty()
            }
            Stmt::With(node) => node.items.len() > 1,
            _ => true,
        }
    }

    /// What a suspension waits for, without a time limit.
    fn waited_for(&self, wait: &Suspension<'a>) -> Option<(DrainForm, &'a Expr)> {
        let SuspensionKind::Await(operand) = wait.kind else {
            return None;
        };
        let Expr::Call(call) = operand else {
            let is_object = matches!(operand, Expr::Name(_) | Expr::Attribute(_));
            return is_object.then_some((DrainForm::Bare, operand));
        };
        let first = call.arguments.args.first()?;
        match self.asyncio_name(&call.func)?.as_str() {
            "shield" => Some((DrainForm::Shield, first)),
            "wait" if call.arguments.len() == 1 => {
                let elements: &[Expr] = match first {
                    Expr::Set(node) => &node.elts,
                    Expr::List(node) => &node.elts,
                    Expr::Tuple(node) => &node.elts,
                    _ => return None,
                };
                match elements {
                    [task] => Some((DrainForm::Wait, task)),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn is_assigned_below(&self, id: StmtId, text: &str) -> bool {
        let end = self.tree.stmt(id).end;
        (id.0 + 1..=end.0).map(StmtId).any(|below| {
            matches!(self.tree.stmt(below).node, Stmt::Assign(node)
                if node.targets.iter().any(|target| dotted_text(target).as_deref() == Some(text)))
        })
    }

    /// Whether a handler has no `raise`, `return` or `break`, other than below `if task.done()`.
    fn stays(&self, stmt: StmtId, handler: &ast::ExceptHandlerExceptHandler, task: &str) -> bool {
        let end = self.tree.stmt(stmt).end;
        !(stmt.0 + 1..=end.0).map(StmtId).any(|below| {
            let node = self.tree.stmt(below).node;
            handler.range().contains_range(node.range())
                && matches!(node, Stmt::Raise(_) | Stmt::Return(_) | Stmt::Break(_))
                && !self.is_below_done_test(below, task)
        })
    }

    fn is_below_done_test(&self, stmt: StmtId, task: &str) -> bool {
        self.tree.ancestors_in_function(stmt).any(|(parent, part)| {
            match self.tree.stmt(parent).node {
                Stmt::If(node) => {
                    part == Part::Body && done_call(&node.test).as_deref() == Some(task)
                }
                _ => false,
            }
        })
    }
}

/// `task` of `not task.done()`.
fn done_test(test: &Expr) -> Option<String> {
    let not = test.as_unary_op_expr()?;
    (not.op == ast::UnaryOp::Not)
        .then(|| done_call(&not.operand))
        .flatten()
}

/// `task` of `task.done()`.
fn done_call(test: &Expr) -> Option<String> {
    let call = test.as_call_expr()?;
    let method = call.func.as_attribute_expr()?;
    let is_done = method.attr.as_str() == "done" && call.arguments.is_empty();
    if is_done {
        dotted_text(&method.value)
    } else {
        None
    }
}
