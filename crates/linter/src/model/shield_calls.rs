//! What becomes of each call of asyncio's `shield()` under level cancellation.
//!
//! In asyncbis a shield is an object to await, and awaiting it runs or waits for its target in a
//! shielded scope: neither the target nor the function that waits can be interrupted. Every call
//! has one [`Verdict`], so that the rules about shields never report a call twice: a timeout
//! around it says most, then its use as a future, a handler that comes late, a future that others
//! share.
//!
//! Not here: loops that wait again and again until the target is done; they are about the loop.

use ruff_python_ast::{self as ast, Expr, Stmt};
use ruff_text_size::{Ranged, TextRange};

use super::File;
use super::caught::is_log;
use super::kinds::Kind;
use super::names::{BindingKind, last_name};
use super::tree::{Part, StmtId};
use super::uses::Taker;

/// What becomes of a shield.
#[derive(Clone, Copy)]
pub enum Verdict<'a> {
    /// It is awaited inside a timeout, which can't interrupt it.
    InsideTimeout {
        awaited: &'a Expr,
        timeout: &'a ast::WithItem,
    },
    /// `wait_for(shield(x), t)`
    WaitFor(&'a ast::ExprCall),
    /// It is used as only a future can be: `shield(x).cancel()`.
    AskedLikeFuture(&'a ast::ExprAttribute),
    /// It is kept in an attribute or a container.
    Stored,
    /// Nobody awaits it; whether that leaves work undone.
    Dropped { starts_work: bool },
    /// It is returned.
    Returned,
    /// A function gets it that may want a future.
    HandedTo(&'a ast::ExprCall),
    /// A function of asyncio gets it that takes any awaitable.
    HandedToAsyncio(&'a ast::ExprCall),
    /// It is awaited in a `try` or `suppress` that catches the cancellation: what to underline.
    LateHandler {
        awaited: &'a Expr,
        handler: TextRange,
    },
    /// It is awaited, and others wait for the same future.
    SharedFuture { awaited: &'a Expr },
    /// It is awaited, and its target is the function's own work; a handler that the shield
    /// leaves nothing to do.
    OwnWork {
        awaited: &'a Expr,
        idle_handler: Option<TextRange>,
    },
    /// It is awaited, and its target was told to cancel before; a handler for that.
    Ending {
        awaited: &'a Expr,
        handler: Option<TextRange>,
    },
    /// Nothing to say.
    Fine,
}

/// A call of asyncio's `shield()`.
pub struct ShieldCall<'a> {
    pub expr: &'a Expr,
    pub call: &'a ast::ExprCall,
    /// What is shielded.
    pub target: &'a Expr,
    pub verdict: Verdict<'a>,
}

/// What a future has and a shield has not.
const FUTURE_METHODS: [&str; 9] = [
    "add_done_callback",
    "cancel",
    "cancelled",
    "done",
    "exception",
    "get_loop",
    "remove_done_callback",
    "result",
    "set_result",
];

/// Functions and methods of asyncio that take any awaitable.
const TAKES_AWAITABLES: [&str; 5] = [
    "wait",
    "gather",
    "as_completed",
    "ensure_future",
    "run_until_complete",
];

/// Methods that keep what they are given.
const CONTAINER_METHODS: [&str; 6] = [
    "append",
    "add",
    "appendleft",
    "insert",
    "put_nowait",
    "setdefault",
];

/// Timeouts that interrupt what stands in their block, by library.
const TIMEOUTS: [&str; 6] = [
    "timeout",
    "timeout_at",
    "move_on_after",
    "move_on_at",
    "fail_after",
    "fail_at",
];

impl<'a> File<'a> {
    /// Every call of `shield()` with its verdict, in source order.
    #[must_use]
    pub fn shield_calls(&self) -> Vec<ShieldCall<'a>> {
        self.tree
            .calls()
            .filter(|(_, call)| self.is_asyncio(&call.func, "shield"))
            .filter_map(|(expr, call)| {
                let target = call.arguments.find_argument_value("arg", 0)?;
                let verdict = self.shield_verdict(expr, target);
                Some(ShieldCall {
                    expr,
                    call,
                    target,
                    verdict,
                })
            })
            .collect()
    }

    fn shield_verdict(&self, expr: &'a Expr, target: &'a Expr) -> Verdict<'a> {
        if let Taker::Name(name) = self.taker(expr) {
            return self.verdict_of_name(expr, name, target);
        }
        self.verdict_of_use(expr, target)
    }

    /// The verdict on the use of a shield, or of a name that holds it.
    fn verdict_of_use(&self, value: &'a Expr, target: &'a Expr) -> Verdict<'a> {
        match self.taker(value) {
            Taker::Await(awaited) => self.verdict_of_await(awaited, target),
            Taker::Call(expr, call) => self.verdict_of_argument(expr, call, target),
            Taker::Attribute(attribute) if FUTURE_METHODS.contains(&attribute.attr.as_str()) => {
                Verdict::AskedLikeFuture(attribute)
            }
            Taker::Return => Verdict::Returned,
            Taker::Store => Verdict::Stored,
            Taker::Drop => Verdict::Dropped {
                starts_work: target.is_call_expr() && !self.is_future(target),
            },
            Taker::Attribute(_) | Taker::Name(_) | Taker::Other => Verdict::Fine,
        }
    }

    /// A shield in a local name is what is done with the name; the gravest use counts.
    fn verdict_of_name(
        &self,
        expr: &'a Expr,
        name: &'a ast::ExprName,
        target: &'a Expr,
    ) -> Verdict<'a> {
        let function = self.tree.function_of(expr);
        if self.tree.function(function).stmt.is_none() {
            return Verdict::Fine;
        }
        let uses = self.uses(function, name.id.as_str());
        if uses.is_empty() {
            return Verdict::Dropped {
                starts_work: target.is_call_expr() && !self.is_future(target),
            };
        }
        uses.into_iter()
            .map(|use_| self.verdict_of_use(use_, target))
            .min_by_key(rank)
            .unwrap_or(Verdict::Fine)
    }

    fn verdict_of_argument(
        &self,
        expr: &'a Expr,
        call: &'a ast::ExprCall,
        target: &'a Expr,
    ) -> Verdict<'a> {
        let Some(name) = last_name(&call.func) else {
            return Verdict::HandedTo(call);
        };
        if name.ends_with("wait_for") {
            let limit = call.arguments.find_argument_value("timeout", 1);
            return match limit {
                Some(limit) if limit.is_none_literal_expr() => Verdict::Fine,
                _ => Verdict::WaitFor(call),
            };
        }
        // SQLAlchemy's `await_only()` and its like wait in place of `await`.
        if name.starts_with("await") {
            return self.verdict_of_await(expr, target);
        }
        let is_asyncio = self
            .asyncio_name(&call.func)
            .is_some_and(|name| TAKES_AWAITABLES.contains(&name.as_str()));
        let is_loop_method = ["run_until_complete", "ensure_future"].contains(&name);
        if is_asyncio || is_loop_method {
            return Verdict::HandedToAsyncio(call);
        }
        if call.func.is_attribute_expr() && CONTAINER_METHODS.contains(&name) {
            return Verdict::Stored;
        }
        Verdict::HandedTo(call)
    }

    fn verdict_of_await(&self, awaited: &'a Expr, target: &'a Expr) -> Verdict<'a> {
        let stmt = self.tree.stmt_of(awaited);
        if let Some(timeout) = self.timeout_around(stmt) {
            return Verdict::InsideTimeout { awaited, timeout };
        }
        if self.awaits_cancelled_task(target, stmt) {
            let handler = self.cancel_handler_around(stmt).map(|(_, range, _)| range);
            return Verdict::Ending { awaited, handler };
        }
        if self.shield_around(stmt, awaited.range()).is_some() {
            return Verdict::Fine;
        }
        if let Some((handler_stmt, range, body)) = self.cancel_handler_around(stmt) {
            if self.drain_at(handler_stmt).is_some() {
                return Verdict::Fine;
            }
            if self.waits_again(body, target) || self.goes_round(handler_stmt, body) {
                return Verdict::OwnWork {
                    awaited,
                    idle_handler: Some(range),
                };
            }
            let is_own = !self.is_shared_target(target);
            if is_own && body.iter().all(is_log) {
                return Verdict::OwnWork {
                    awaited,
                    idle_handler: Some(range),
                };
            }
            let says_nothing = body.iter().all(is_log);
            if !says_nothing && !self.passes_on(body) && !self.is_about(body, target) {
                return Verdict::LateHandler {
                    awaited,
                    handler: range,
                };
            }
        }
        if !self.is_shared_target(target) {
            return Verdict::OwnWork {
                awaited,
                idle_handler: None,
            };
        }
        if self.is_in_cleanup(stmt) {
            return Verdict::Fine;
        }
        Verdict::SharedFuture { awaited }
    }

    /// The innermost timeout whose block a statement stands in, unless a shield is nearer.
    #[must_use]
    pub fn timeout_around(&self, stmt: StmtId) -> Option<&'a ast::WithItem> {
        for (parent, part) in self.tree.ancestors_in_function(stmt) {
            let Stmt::With(node) = self.tree.stmt(parent).node else {
                continue;
            };
            if part != Part::Body {
                continue;
            }
            for item in node.items.iter().rev() {
                if self.is_timeout(&item.context_expr, node.is_async) {
                    return Some(item);
                }
                if self.is_shield(item) {
                    return None;
                }
            }
        }
        None
    }

    /// A context manager that interrupts its block after some time: by name those of asyncio,
    /// asyncbis, AnyIO, Trio and async_timeout, by their look the helpers of a project.
    fn is_timeout(&self, manager: &'a Expr, is_async: bool) -> bool {
        let Expr::Call(call) = manager else {
            return false;
        };
        let Some(last) = last_name(&call.func) else {
            return false;
        };
        let delay = ["delay", "when", "timeout", "seconds", "deadline"]
            .iter()
            .find_map(|name| call.arguments.find_argument_value(name, 0));
        let has_delay = delay.is_some_and(|delay| !delay.is_none_literal_expr());
        if last == "CancelScope" {
            return call
                .arguments
                .find_keyword("deadline")
                .is_some_and(|deadline| !deadline.value.is_none_literal_expr());
        }
        if TIMEOUTS.contains(&last) {
            return has_delay;
        }
        let negated = ["no_", "ignore", "disable", "without", "set_", "reset"];
        is_async
            && has_delay
            && last.to_ascii_lowercase().ends_with("timeout")
            && !negated.iter().any(|word| last.contains(word))
    }

    /// Whether an expression is known to be a task or a future.
    #[must_use]
    pub fn is_future(&self, expr: &'a Expr) -> bool {
        matches!(self.kind(expr), Some(Kind::Task | Kind::Future))
    }

    /// Whether others may wait for the target of a shield; work that the function started for
    /// itself is not shared.
    fn is_shared_target(&self, target: &'a Expr) -> bool {
        match target {
            Expr::Call(call) => self.call_gives_shared(call),
            Expr::Name(name) => self.name_is_shared(target, name),
            Expr::Attribute(_) | Expr::Subscript(_) | Expr::Await(_) => true,
            _ => false,
        }
    }

    fn call_gives_shared(&self, call: &'a ast::ExprCall) -> bool {
        match self.asyncio_name(&call.func).as_deref() {
            Some("wait" | "wrap_future") => return true,
            // A gathering of what exists already, not of new coroutines.
            Some("gather") => {
                return call
                    .arguments
                    .args
                    .iter()
                    .all(|arg| !arg.is_call_expr() && !arg.is_starred_expr());
            }
            Some("ensure_future") => {
                return call
                    .arguments
                    .args
                    .first()
                    .is_some_and(|arg| arg.is_attribute_expr() || arg.is_subscript_expr());
            }
            _ => {}
        }
        // `self.wait_for_end()` is no work but a wait for what others do.
        if last_name(&call.func).is_some_and(|name| {
            name == "wait"
                || (name.starts_with("wait_") && !self.is_asyncio(&call.func, "wait_for"))
        }) {
            return true;
        }
        // A plain function of the file that says that it returns a future.
        self.callee(call).is_some_and(|function| {
            let data = self.tree.function(function);
            !data.is_async()
                && data
                    .def()
                    .and_then(|def| def.returns.as_deref())
                    .and_then(|returns| self.annotation_kind(returns))
                    .is_some()
        })
    }

    fn name_is_shared(&self, target: &'a Expr, name: &'a ast::ExprName) -> bool {
        if name.id.contains("coro") {
            return false;
        }
        if !self.is_local(target) {
            return true;
        }
        let bindings = self.bindings_of(target);
        let all_own = bindings.iter().all(|binding| match binding.kind {
            BindingKind::Assign(value) => {
                value.is_none_literal_expr() || self.starts_own_work(value, binding.stmt)
            }
            BindingKind::Annotated(annotation, Some(value)) => {
                is_awaitable_annotation(annotation) || self.starts_own_work(value, binding.stmt)
            }
            BindingKind::Annotated(_, None) => true,
            BindingKind::Parameter(Some(annotation)) => is_awaitable_annotation(annotation),
            _ => false,
        });
        !all_own || self.is_handed_out(target, name)
    }

    /// Whether a value is work begun here: a new task, or a coroutine.
    fn starts_own_work(&self, value: &'a Expr, stmt: StmtId) -> bool {
        let Expr::Call(call) = value else {
            return false;
        };
        let single = match self.tree.stmt(stmt).node {
            Stmt::Assign(node) => node.targets.len() == 1,
            _ => true,
        };
        let is_work = matches!(self.kind(value), Some(Kind::Task | Kind::Coroutine))
            || ["run_in_executor", "gather"]
                .iter()
                .any(|name| last_name(&call.func) == Some(name));
        single && is_work && !self.call_gives_shared(call)
    }

    /// Whether a local task is put where others find it: an attribute, a table, the caller.
    fn is_handed_out(&self, target: &'a Expr, name: &'a ast::ExprName) -> bool {
        let function = self.tree.function_of(target);
        self.uses(function, name.id.as_str())
            .into_iter()
            .any(|use_| matches!(self.taker(use_), Taker::Store | Taker::Return))
    }
}

/// The gravest verdict first.
fn rank(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::AskedLikeFuture(_) => 0,
        Verdict::Stored => 1,
        Verdict::InsideTimeout { .. } => 2,
        Verdict::HandedTo(_) => 3,
        Verdict::Returned => 4,
        Verdict::LateHandler { .. } => 5,
        Verdict::SharedFuture { .. } => 6,
        Verdict::OwnWork { .. } => 7,
        Verdict::WaitFor(_) => 8,
        Verdict::HandedToAsyncio(_) => 9,
        Verdict::Dropped { .. } => 10,
        Verdict::Ending { .. } => 11,
        Verdict::Fine => 12,
    }
}

fn is_awaitable_annotation(annotation: &Expr) -> bool {
    let class = match annotation {
        Expr::Subscript(subscript) => &subscript.value,
        other => other,
    };
    match class {
        Expr::StringLiteral(text) => {
            text.value.to_str().contains("Awaitable") || text.value.to_str().contains("Coroutine")
        }
        class => last_name(class).is_some_and(|name| ["Awaitable", "Coroutine"].contains(&name)),
    }
}
