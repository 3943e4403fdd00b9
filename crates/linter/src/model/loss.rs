//! How much is lost where a cancellation cuts cleanup off: which awaits give something back, and
//! which statements would be missed.
//!
//! Not here: what a cancelled task comes to (`cleanup.rs`).

use ruff_python_ast::{self as ast, Expr, Stmt};

use super::File;
use super::caught::is_log_method;
use super::cleanup::Cleanup;
use super::kinds::Kind;
use super::names::{BindingKind, last_name};
use super::suspend::{Cut, Suspension, SuspensionKind};
use super::tree::{FunctionId, StmtId};

/// How far calls are followed to see what a helper gives back.
const DEPTH: u32 = 4;

/// The first words of methods that give something back, and do it only if they run to their end.
///
/// `close()` is not among them: most of them begin with what matters and then wait for the other
/// side, so that a cancellation takes the waiting away and nothing else.
const GIVES_BACK: [&str; 4] = ["release", "rollback", "unlock", "checkin"];

/// Words in front of the telling one: `async_close`, `_safe_release`.
const PREFIXES: [&str; 8] = [
    "async", "safe", "safely", "do", "force", "try", "maybe", "a",
];

impl<'a> File<'a> {
    /// Whether an await gives something back that is missed when it is cut off: a release, a
    /// close, a rollback, a put, an unlock.
    #[must_use]
    pub fn gives_back(&self, suspension: &Suspension<'a>) -> bool {
        match suspension.kind {
            // An exit stack gives back what its callbacks do, which can't be seen.
            SuspensionKind::Await(_)
                if suspension.conditional && suspension.call_name() == Some("aclose") =>
            {
                false
            }
            SuspensionKind::Await(operand) => self.awaiting_gives_back(operand, DEPTH),
            _ => false,
        }
    }

    fn awaiting_gives_back(&self, operand: &'a Expr, depth: u32) -> bool {
        let (Some(depth), Expr::Call(call)) = (depth.checked_sub(1), operand) else {
            return false;
        };
        if let Some(function) = self.callee(call)
            && self.tree.function(function).is_async()
        {
            return self.helper_gives_back(function, depth);
        }
        const WRAPPERS: [&str; 5] = ["wait_for", "gather", "wait", "create_task", "ensure_future"];
        let is_wrapper = self
            .asyncio_name(&call.func)
            .is_some_and(|name| WRAPPERS.contains(&name.as_str()));
        if is_wrapper {
            return call.arguments.args.iter().any(|argument| match argument {
                Expr::List(list) => list
                    .elts
                    .iter()
                    .any(|it| self.awaiting_gives_back(it, depth)),
                other => self.awaiting_gives_back(other, depth),
            });
        }
        match &*call.func {
            Expr::Name(name) => is_giving_back(name.id.as_str()),
            Expr::Attribute(method) => {
                let name = method.attr.as_str();
                is_giving_back(name)
                    && (name != "put" || self.is_bounded_queue(&method.value))
                    && !counts_in_process(&method.value)
                    && self
                        .methods_named(name)
                        .all(|it| self.helper_gives_back(it, depth))
            }
            _ => false,
        }
    }

    /// The coroutine methods of the file with a name: an object that can't be told is taken for
    /// one of their classes.
    fn methods_named(&self, name: &str) -> impl Iterator<Item = FunctionId> {
        self.tree.function_ids().filter(move |id| {
            let function = self.tree.function(*id);
            function.class.is_some() && function.is_async() && function.name() == name
        })
    }

    /// Whether a helper of this file is cut at something that gives back, or before something
    /// that is missed.
    fn helper_gives_back(&self, function: FunctionId, depth: u32) -> bool {
        let all = self.suspensions(function);
        let mut cut = all.iter().filter(|it| it.cut == Cut::Raises);
        cut.any(|it| match it.kind {
            SuspensionKind::Await(operand) => self.awaiting_gives_back(operand, depth),
            _ => false,
        }) || (is_giving_back(self.tree.function(function).name()) && self.stays_undone(function))
    }

    /// Whether a function that a cancelled task calls leaves something undone behind the
    /// suspension where it is cut.
    fn stays_undone(&self, function: FunctionId) -> bool {
        let flow = self.flow(function);
        let run = flow.reach([flow.entry()], |_| false);
        let skipped: Vec<StmtId> = flow
            .reach_uncancelled([flow.entry()], |_| false)
            .iter()
            .filter(|id| !run.contains(*id))
            .filter_map(|id| flow.node(id).stmt)
            .collect();
        skipped.iter().any(|id| self.is_missed(&skipped, *id))
    }

    /// Whether a queue is known to have a size: only then a `put()` waits.
    fn is_bounded_queue(&self, expr: &'a Expr) -> bool {
        self.kind(expr) == Some(Kind::Queue) && !self.is_unbounded_queue(expr)
    }

    /// A `put()` into a queue whose size can't be seen: most queues have none, and their `put()`
    /// never waits.
    #[must_use]
    pub fn is_put_without_wait(&self, suspension: &Suspension<'a>) -> bool {
        let Some(Expr::Attribute(method)) = suspension.call().map(|call| &*call.func) else {
            return false;
        };
        let Some(name) = last_name(&method.value) else {
            return false;
        };
        method.attr.as_str() == "put"
            && name.to_ascii_lowercase().contains("queue")
            && self.kind(&method.value).is_none()
    }

    /// `await stream.aclose()` or `await stream.send(..)` of one of AnyIO's memory streams, which
    /// are made in pairs. The first closes before it waits; the second waits for a receiver that
    /// the same scope cancels as a rule, so that a shield would wait for ever.
    #[must_use]
    pub fn is_of_memory_stream(&self, suspension: &Suspension<'a>) -> bool {
        let Some(Expr::Attribute(method)) = suspension.call().map(|call| &*call.func) else {
            return false;
        };
        let bindings = self.bindings_of(&method.value);
        ["aclose", "send"].contains(&method.attr.as_str())
            && self.imports("anyio")
            && !bindings.is_empty()
            && bindings.iter().all(|binding| {
                let Stmt::Assign(node) = self.tree.stmt(binding.stmt).node else {
                    return false;
                };
                let Expr::Call(call) = &*node.value else {
                    return false;
                };
                // `create_memory_object_stream[Item](0)`
                let called = call.func.as_subscript_expr();
                let called = called.map_or(&*call.func, |it| &it.value);
                matches!(node.targets.as_slice(), [Expr::Tuple(pair)] if pair.elts.len() == 2)
                    && last_name(called).is_some_and(|name| {
                        name.starts_with("create_")
                            && (name.ends_with("_stream") || name.ends_with("_streams"))
                    })
            })
    }

    /// Whether every queue that the file assigns to an expression is made without a size.
    #[must_use]
    pub fn is_unbounded_queue(&self, expr: &'a Expr) -> bool {
        let values = self.values_of(expr);
        !values.is_empty()
            && values.iter().all(|value| {
                value.as_call_expr().is_some_and(|call| {
                    let made = self.asyncio_name(&call.func).is_some_and(|name| {
                        ["Queue", "LifoQueue", "PriorityQueue"].contains(&name.as_str())
                    });
                    let size = call.arguments.find_argument_value("maxsize", 0);
                    made && size.is_none_or(is_zero)
                })
            })
    }

    /// The lost statements of a block that somebody misses, those below others left out.
    #[must_use]
    pub fn missed_statements(&self, block: &Cleanup<'a>) -> Vec<StmtId> {
        let mut found: Vec<StmtId> = Vec::new();
        for id in &block.skipped {
            let covered = found.iter().any(|outer| self.tree.contains(*outer, *id));
            if !covered && self.is_missed(&block.skipped, *id) {
                found.push(*id);
            }
        }
        found
    }

    fn is_missed(&self, skipped: &[StmtId], id: StmtId) -> bool {
        let suspends = self
            .suspensions_of(id)
            .any(|it| !self.is_pause(it) && !matches!(it.kind, SuspensionKind::ContextBody));
        if suspends {
            return true;
        }
        let data = self.tree.stmt(id);
        match data.node {
            Stmt::Expr(node) => self.is_missed_expr(&node.value),
            Stmt::Assign(node) => node.targets.iter().any(|it| self.is_shared(it)),
            Stmt::AugAssign(node) => self.is_shared(&node.target),
            Stmt::AnnAssign(node) => node.value.is_some() && self.is_shared(&node.target),
            Stmt::Delete(node) => node.targets.iter().any(|it| self.is_shared(it)),
            Stmt::If(_) | Stmt::For(_) | Stmt::While(_) | Stmt::With(_) | Stmt::Try(_) => skipped
                .iter()
                .filter(|below| **below > id && self.tree.contains(id, **below))
                .any(|below| self.is_missed(skipped, *below)),
            _ => false,
        }
    }

    fn is_missed_expr(&self, expr: &'a Expr) -> bool {
        let call = match expr {
            Expr::Await(node) => node.value.as_call_expr(),
            other => other.as_call_expr(),
        };
        call.is_some_and(|call| !self.is_telling(call) && !self.cancels_what_is_around(call))
    }

    /// Whether a statement does more than log, pause or go on.
    #[must_use]
    pub fn does_something(&self, stmt: &'a Stmt) -> bool {
        match stmt {
            Stmt::Pass(_) | Stmt::Continue(_) | Stmt::Break(_) => false,
            Stmt::Expr(node) => self.is_missed_expr(&node.value),
            _ => true,
        }
    }

    /// Whether a call only tells somebody: a log line, a print, a pause.
    fn is_telling(&self, call: &'a ast::ExprCall) -> bool {
        match &*call.func {
            Expr::Name(name) => {
                ["print", "log"].contains(&name.id.as_str()) || self.is_asyncio(&call.func, "sleep")
            }
            Expr::Attribute(method) => {
                let name = method.attr.as_str();
                (is_log_method(name) && is_logger(&method.value))
                    || ["log", "_log", "log_message", "raise_for_status"].contains(&name)
                    || self.is_asyncio(&call.func, "sleep")
                    || self.qualified(&call.func).as_deref() == Some("warnings.warn")
            }
            _ => false,
        }
    }

    /// `group.cancel()` or `group.cancel_scope.cancel()` inside the group's own block: a cancellation
    /// that leaves the block cancels the group all the same.
    fn cancels_what_is_around(&self, call: &'a ast::ExprCall) -> bool {
        let Expr::Attribute(method) = &*call.func else {
            return false;
        };
        let group = match &*method.value {
            Expr::Attribute(scope) if scope.attr.as_str() == "cancel_scope" => &*scope.value,
            other => other,
        };
        let [binding] = self.bindings_of(group) else {
            return false;
        };
        let BindingKind::With(Expr::Call(made)) = binding.kind else {
            return false;
        };
        let is_group = matches!(self.kind(group), Some(Kind::TaskGroup | Kind::Scope))
            || self.qualified(&made.func).as_deref() == Some("anyio.create_task_group");
        method.attr.as_str() == "cancel"
            && is_group
            && self.tree.contains(binding.stmt, self.tree.stmt_of(group))
    }

    /// Whether an assigned target is seen outside of the function.
    fn is_shared(&self, target: &'a Expr) -> bool {
        match target {
            Expr::Attribute(_) | Expr::Subscript(_) => true,
            Expr::Tuple(tuple) => tuple.elts.iter().any(|it| self.is_shared(it)),
            Expr::Name(name) => {
                let scope = self.tree.scope_of(target);
                let data = self.scope(scope);
                data.globals.contains(&name.id.as_str())
                    || data.nonlocals.contains(&name.id.as_str())
            }
            _ => false,
        }
    }

    /// `asyncio.sleep(..)`: a pause is not cleanup.
    #[must_use]
    pub fn is_pause(&self, suspension: &Suspension<'a>) -> bool {
        suspension.call().is_some_and(|call| {
            self.qualified(&call.func).is_some_and(|name| {
                [
                    "asyncio.sleep",
                    "anyio.sleep",
                    "asyncio.lowlevel.checkpoint",
                ]
                .contains(&name.as_str())
            })
        })
    }

    /// Whether an expression is a parameter.
    #[must_use]
    pub fn is_parameter(&self, expr: &Expr) -> bool {
        self.bindings_of(expr)
            .iter()
            .any(|binding| matches!(binding.kind, BindingKind::Parameter(_)))
    }
}

fn is_zero(expr: &Expr) -> bool {
    matches!(expr, Expr::NumberLiteral(literal)
        if matches!(&literal.value, ast::Number::Int(value) if *value == ast::Int::ZERO))
}

fn is_giving_back(name: &str) -> bool {
    let mut words = name.split('_').filter(|word| !word.is_empty());
    words
        .find(|word| !PREFIXES.contains(word))
        .is_some_and(|word| GIVES_BACK.contains(&word))
        || name == "put"
}

/// A limiter of this process: giving its slot back doesn't wait for anybody.
fn counts_in_process(expr: &Expr) -> bool {
    let Some(name) = last_name(expr) else {
        return false;
    };
    ["concurrency", "semaphore", "limiter"]
        .iter()
        .any(|word| name.to_ascii_lowercase().contains(word))
}

/// A name with `log` in it is a logger: `logger`, `self._log`, `LOGGER`.
fn is_logger(expr: &Expr) -> bool {
    if let Expr::Call(call) = expr {
        return is_logger(&call.func);
    }
    last_name(expr).is_some_and(|name| name.to_ascii_lowercase().contains("log"))
}
