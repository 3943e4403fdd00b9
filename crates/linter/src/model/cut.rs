//! What a cancelled task does at an awaitable: whether it raises there, waits, or goes on.
//!
//! Not here: shields around the place (`shields.rs`), and which places there are (`suspend.rs`).

use ruff_python_ast::{self as ast, Expr, Stmt};
use ruff_text_size::Ranged;

use super::File;
use super::kinds::Kind;
use super::names::{BindingKind, dotted_text, last_name};
use super::suspend::{Cut, DependsOn, FunctionPart, Outcome, Suspension, SuspensionKind};
use super::tree::{FunctionId, StmtId};

/// Functions whose awaiting never raises because of a cancelled scope.
const NEVER_CUT: [&str; 4] = [
    "asyncio.shield",
    "asyncio.lowlevel.cancel_shielded_checkpoint",
    "anyio.lowlevel.cancel_shielded_checkpoint",
    "trio.lowlevel.cancel_shielded_checkpoint",
];

impl<'a> File<'a> {
    pub(super) fn outcome_of(&self, kind: SuspensionKind<'a>, stmt: StmtId) -> Outcome {
        match kind {
            SuspensionKind::Await(Expr::Call(call)) => self.outcome_of_call(call),
            SuspensionKind::Await(operand) if self.is_cancelled_before(operand, stmt) => {
                Outcome::Known(Cut::Waits, false)
            }
            SuspensionKind::Enter(item) => {
                self.outcome_of_manager(&item.context_expr, "__aenter__")
            }
            SuspensionKind::Exit(item) => self.outcome_of_manager(&item.context_expr, "__aexit__"),
            _ => Outcome::Known(Cut::Raises, false),
        }
    }

    fn outcome_of_call(&self, call: &'a ast::ExprCall) -> Outcome {
        if let Some(function) = self.callee(call) {
            let data = self.tree.function(function);
            if data.is_async() && !data.is_generator {
                return Outcome::DependsOn(DependsOn {
                    function,
                    part: FunctionPart::Whole,
                });
            }
            return Outcome::Known(Cut::Raises, false);
        }
        if let Some(name) = self.qualified(&call.func) {
            if NEVER_CUT.contains(&name.as_str()) {
                return Outcome::Known(Cut::Never, false);
            }
            match name.as_str() {
                "asyncio.cancel_and_wait" => return Outcome::Known(Cut::Waits, false),
                "asyncio.wait_for" if self.awaits_cancelled(call) => {
                    return Outcome::Known(Cut::Waits, false);
                }
                "asyncio.gather" if self.awaits_cancelled(call) => {
                    return Outcome::Known(Cut::WaitsThenRaises, false);
                }
                _ => {}
            }
        }
        if let Some(cut) = cut_by_name(call) {
            return Outcome::Known(cut, false);
        }
        if self.is_given_a_task(call) {
            return Outcome::Known(Cut::Waits, false);
        }
        let Expr::Attribute(method) = &*call.func else {
            return Outcome::Known(Cut::Raises, false);
        };
        if method.attr.as_str() == "aclose" {
            return self.outcome_of_aclose(&method.value);
        }
        if method.attr.as_str() == "put" && self.is_unbounded_queue(&method.value) {
            return Outcome::Known(Cut::Never, false);
        }
        // A free lock, a set event and a queue with room don't suspend. A consumer's `get` does,
        // sooner or later.
        let conditional = matches!(
            (self.kind(&method.value), method.attr.as_str()),
            (
                Some(Kind::Lock | Kind::Semaphore | Kind::Condition),
                "acquire"
            ) | (Some(Kind::Event), "wait")
                | (Some(Kind::Queue), "put" | "join")
        );
        Outcome::Known(Cut::Raises, conditional)
    }

    /// Whether a function of another file is handed a task: what it does but cancel and await it,
    /// or wait for it without asyncio's `wait()`, can't be seen.
    fn is_given_a_task(&self, call: &'a ast::ExprCall) -> bool {
        self.asyncio_name(&call.func).is_none()
            && call
                .arguments
                .args
                .iter()
                .any(|argument| self.kind(argument) == Some(Kind::Task))
    }

    /// `await generator.aclose()` suspends only where the generator's own cleanup does; that of an
    /// exit stack where one of its callbacks does.
    fn outcome_of_aclose(&self, closed: &'a Expr) -> Outcome {
        let values = self.values_of(closed);
        let calls: Vec<&ast::ExprCall> = values
            .iter()
            .filter_map(|value| value.as_call_expr())
            .collect();
        if calls.is_empty() || calls.len() != values.len() {
            return Outcome::Known(Cut::Raises, false);
        }
        let is_stack = |call: &&ast::ExprCall| {
            self.qualified(&call.func).as_deref() == Some("contextlib.AsyncExitStack")
        };
        let is_quiet = |call: &&'a ast::ExprCall| {
            self.callee(call).is_some_and(|function| {
                let data = self.tree.function(function);
                data.is_async() && data.is_generator && !self.cleans_up(function)
            })
        };
        if calls.iter().all(is_stack) {
            Outcome::Known(Cut::Raises, true)
        } else if calls.iter().all(is_quiet) {
            Outcome::Known(Cut::Never, false)
        } else {
            Outcome::Known(Cut::Raises, false)
        }
    }

    /// Whether a function may suspend while an exception passes through it.
    fn cleans_up(&self, function: FunctionId) -> bool {
        let Some(def) = self.tree.function(function).stmt else {
            return true;
        };
        (def.0 + 1..=self.tree.stmt(def).end.0)
            .map(|id| self.tree.stmt(StmtId(id)))
            .filter(|data| data.function == function)
            .any(|data| match data.node {
                Stmt::Try(_) => true,
                Stmt::With(node) => node.is_async,
                Stmt::For(node) => node.is_async,
                _ => false,
            })
    }

    /// What entering or leaving `async with manager` does in a cancelled task.
    fn outcome_of_manager(&self, manager: &'a Expr, method: &str) -> Outcome {
        let is_exit = method == "__aexit__";
        let is_lock = match self.kind(manager) {
            Some(Kind::Scope) => return Outcome::Known(Cut::Never, false),
            Some(Kind::TaskGroup) if is_exit => return Outcome::Known(Cut::Waits, false),
            Some(Kind::TaskGroup) => return Outcome::Known(Cut::Never, false),
            Some(Kind::Lock | Kind::Semaphore | Kind::Condition) => true,
            _ => looks_like_lock(manager),
        };
        match (is_lock, manager) {
            (true, _) if is_exit || self.is_never_contended(manager) => {
                Outcome::Known(Cut::Never, false)
            }
            (true, _) => Outcome::Known(Cut::Raises, true),
            (false, Expr::Call(call)) => self.outcome_of_manager_call(call, method),
            (false, _) => Outcome::Known(Cut::Raises, false),
        }
    }

    /// Whether nobody can find a lock taken: a private attribute of the instance, made by this class
    /// and only used as `async with self._lock:`, around bodies that do not suspend.
    fn is_never_contended(&self, lock: &'a Expr) -> bool {
        let Expr::Attribute(attribute) = lock else {
            return false;
        };
        let name = attribute.attr.as_str();
        let Some(class) = self.class_of_self(&attribute.value) else {
            return false;
        };
        // A lock of another kind may do more than to wait for its turn, and one that was handed in
        // has other users.
        let values = self.values_of(lock);
        let makes = |value: &&'a Expr| {
            let kind = self.kind(value);
            value.is_call_expr()
                && matches!(kind, Some(Kind::Lock | Kind::Semaphore | Kind::Condition))
        };
        if values.is_empty() || !values.iter().all(makes) {
            return false;
        }
        name.starts_with('_')
            && self
                .tree
                .exprs_below(self.tree.class(class).stmt)
                .filter(|expr| matches!(expr, Expr::Attribute(it) if it.attr.as_str() == name))
                .all(|expr| {
                    let id = self.tree.stmt_of(expr);
                    match self.tree.stmt(id).node {
                        Stmt::Assign(node) => node.targets.iter().any(|it| std::ptr::eq(it, expr)),
                        Stmt::AnnAssign(node) => std::ptr::eq(&raw const *node.target, expr),
                        Stmt::With(node) => {
                            let enters =
                                |it: &ast::WithItem| std::ptr::eq(&raw const it.context_expr, expr);
                            node.items.iter().any(enters) && !self.suspends_inside(id)
                        }
                        _ => false,
                    }
                })
    }

    /// Whether anything below a statement may suspend, `async with` and `async for` included.
    fn suspends_inside(&self, outer: StmtId) -> bool {
        let below = outer.0 + 1..=self.tree.stmt(outer).end.0;
        self.tree.yields_below(outer).next().is_some()
            || below
                .map(|id| self.tree.stmt(StmtId(id)).node)
                .any(|node| match node {
                    Stmt::With(node) => node.is_async,
                    Stmt::For(node) => node.is_async,
                    _ => false,
                })
    }

    fn outcome_of_manager_call(&self, call: &'a ast::ExprCall, method: &str) -> Outcome {
        let is_exit = method == "__aexit__";
        if let Some(class) = self.class_named(&call.func) {
            return match self.method(class, method) {
                Some(function) => Outcome::DependsOn(DependsOn {
                    function,
                    part: FunctionPart::Whole,
                }),
                None => Outcome::Known(Cut::Raises, false),
            };
        }
        if let Some(function) = self.callee(call)
            && self.is_async_context_manager(function)
        {
            let part = if is_exit {
                FunctionPart::AfterYield
            } else {
                FunctionPart::BeforeYield
            };
            return Outcome::DependsOn(DependsOn { function, part });
        }
        match self.qualified(&call.func).as_deref() {
            Some("contextlib.aclosing") if !is_exit => Outcome::Known(Cut::Never, false),
            Some("contextlib.AsyncExitStack") if is_exit => Outcome::Known(Cut::Raises, true),
            Some(
                "contextlib.AsyncExitStack"
                | "contextlib.nullcontext"
                | "async_timeout.timeout"
                | "async_timeout.timeout_at",
            ) => Outcome::Known(Cut::Never, false),
            _ => Outcome::Known(Cut::Raises, false),
        }
    }

    /// Whether every task that `wait_for(task, 1)`, `gather(*tasks)` or `wait(tasks)` waits for was
    /// told to cancel earlier in the same function.
    fn awaits_cancelled(&self, call: &'a ast::ExprCall) -> bool {
        let arguments = &call.arguments.args;
        let is_gather = self.is_asyncio(&call.func, "gather");
        let tasks: Vec<&'a Expr> = match arguments.first() {
            Some(Expr::List(list)) if !is_gather => list.elts.iter().collect(),
            Some(first) if !is_gather => vec![first],
            _ => arguments.iter().collect(),
        };
        let is_cancelled = |task: &&'a Expr| {
            let task = match task {
                Expr::Starred(starred) => &*starred.value,
                other => *other,
            };
            self.is_cancelled_before(task, self.tree.stmt_of(task))
        };
        !tasks.is_empty() && tasks.iter().all(is_cancelled)
    }

    /// Whether what is awaited ends by itself because it was told to cancel: the task, or the tasks
    /// of `gather()`, `wait()` or `wait_for()`.
    #[must_use]
    pub fn awaits_cancelled_task(&self, operand: &'a Expr, stmt: StmtId) -> bool {
        match operand {
            Expr::Call(call) => {
                let waits = ["gather", "wait", "wait_for"];
                waits.iter().any(|name| self.is_asyncio(&call.func, name))
                    && self.awaits_cancelled(call)
            }
            task => self.is_cancelled_before(task, stmt),
        }
    }

    /// `await shield(..)`
    #[must_use]
    pub fn is_call_of_shield(&self, suspension: &Suspension<'a>) -> bool {
        suspension
            .call()
            .is_some_and(|call| self.is_asyncio(&call.func, "shield"))
    }

    /// Whether the awaited task, or each of the awaited tasks, was told to cancel earlier in the
    /// same function: `task.cancel()`, or `for task in tasks: task.cancel()`.
    #[must_use]
    pub fn is_cancelled_before(&self, task: &'a Expr, stmt: StmtId) -> bool {
        let Some(text) = collection_text(task) else {
            return false;
        };
        let function = self.tree.stmt(stmt).function;
        let Some(def) = self.tree.function(function).stmt else {
            return false;
        };
        self.tree.calls_below(def).any(|(expr, call)| {
            let Expr::Attribute(method) = &*call.func else {
                return false;
            };
            method.attr.as_str() == "cancel"
                && expr.range().start() < task.range().start()
                && self.tree.function_of(expr) == function
                && (dotted_text(&method.value).is_some_and(|found| found == text)
                    || self.is_element_of(&method.value, &text))
        })
    }

    /// Whether an expression is the variable of a loop over a collection.
    fn is_element_of(&self, element: &'a Expr, collection: &str) -> bool {
        self.bindings_of(element).iter().any(|binding| {
            let BindingKind::Iterated(iterable) = binding.kind else {
                return false;
            };
            collection_text(iterable).is_some_and(|text| text == collection)
        })
    }
}

/// The dotted name of a task or of a collection of tasks: `tasks` of `list(tasks)`,
/// `tasks.values()`, `(t for t in tasks)`.
fn collection_text(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Call(call) => match &*call.func {
            Expr::Attribute(method) if ["values", "copy"].contains(&method.attr.as_str()) => {
                collection_text(&method.value)
            }
            Expr::Name(name)
                if ["list", "tuple", "set", "reversed"].contains(&name.id.as_str()) =>
            {
                collection_text(call.arguments.args.first()?)
            }
            _ => None,
        },
        Expr::Starred(starred) => collection_text(&starred.value),
        Expr::ListComp(node) => collection_text(&node.generators.first()?.iter),
        Expr::Generator(node) => collection_text(&node.generators.first()?.iter),
        other => dotted_text(other),
    }
}

/// The last part of a called name.
pub(super) fn called_name(call: &ast::ExprCall) -> Option<&str> {
    match &*call.func {
        Expr::Name(name) => Some(name.id.as_str()),
        Expr::Attribute(attribute) => Some(attribute.attr.as_str()),
        _ => None,
    }
}

/// What the name of a function of another file says: one that shields, or that cancels what it
/// is given and waits for it.
fn cut_by_name(call: &ast::ExprCall) -> Option<Cut> {
    let name = called_name(call)?.to_ascii_lowercase();
    let shields = [
        "shield",
        "run_to_completion",
        "uncancellable",
        "aclose_forcefully",
    ];
    if shields.iter().any(|word| name.contains(word)) {
        return Some(Cut::Never);
    }
    // `await event.set()` of wrappers around an event that are coroutines for symmetry's sake.
    if name == "set" && call.arguments.is_empty() {
        return Some(Cut::Never);
    }
    name.split('_')
        .any(|word| word == "cancel")
        .then_some(Cut::Waits)
}
/// A manager that is called a lock is taken for one: leaving it releases without suspending.
fn looks_like_lock(manager: &Expr) -> bool {
    if let Expr::Subscript(subscript) = manager {
        return looks_like_lock(&subscript.value);
    }
    let Some(name) = last_name(manager) else {
        return false;
    };
    let name = name.to_ascii_lowercase();
    [
        "lock",
        "locks",
        "mutex",
        "sem",
        "semaphore",
        "cond",
        "condition",
    ]
    .iter()
    .any(|word| name == *word || name.ends_with(&format!("_{word}")))
        || name.ends_with("lock")
}
