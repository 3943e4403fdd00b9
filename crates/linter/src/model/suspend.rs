//! The places where a function may suspend, and what a cancellation does to each of them.
//!
//! A suspension is *cut* if a cancelled task raises `CancelledError` there instead of doing what
//! the code says. A shield around it, or an awaitable that never suspends, keeps it whole.
//!
//! Not here: which suspensions can be reached while the task is cancelled (`flow.rs`).

use ruff_python_ast::{self as ast, Expr, Stmt};
use ruff_text_size::{Ranged, TextRange};

use super::File;
use super::kinds::Kind;
use super::names::{BindingKind, dotted_text};
use super::tree::{FunctionId, Part, StmtId, YieldSite};

/// What suspends.
#[derive(Clone, Copy)]
pub enum SuspensionKind<'a> {
    /// `await operand`
    Await(&'a Expr),
    /// The entry of `async with item`.
    Enter(&'a ast::WithItem),
    /// The exit of `async with item`.
    Exit(&'a ast::WithItem),
    /// The next round of `async for .. in iterable`.
    Next(&'a Expr),
    /// An async comprehension.
    Comprehension,
    /// The `yield` of an async context manager: the body of the caller's `async with`.
    ContextBody,
}

/// What a cancelled task does at a suspension.
///
/// Ordered by how bad it is for the code behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cut {
    /// Goes on: it is shielded or doesn't suspend.
    Never,
    /// Waits for a task that was cancelled just before, then gets that task's outcome.
    Waits,
    /// Waits for tasks that were cancelled just before, then raises because its own was cancelled.
    WaitsThenRaises,
    /// Raises.
    Raises,
}

/// A place where a function may suspend.
#[derive(Clone, Copy)]
pub struct Suspension<'a> {
    pub kind: SuspensionKind<'a>,
    /// What to underline: the `await` expression, or the item of `async with` or `async for`.
    pub range: TextRange,
    pub stmt: StmtId,
    /// The expression that suspends; `None` for `async with` and `async for`.
    pub expr: Option<&'a Expr>,
    pub cut: Cut,
    /// It is skipped on some ways through its statement, or often doesn't suspend (a free lock).
    pub conditional: bool,
    /// The statement whose shield protects it.
    pub shield: Option<StmtId>,
}

impl<'a> Suspension<'a> {
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.cut != Cut::Never
    }

    /// The awaited call, if it is one.
    #[must_use]
    pub fn call(&self) -> Option<&'a ast::ExprCall> {
        match self.kind {
            SuspensionKind::Await(operand) => operand.as_call_expr(),
            _ => None,
        }
    }

    /// The name of the awaited function or method: `close` of `await self.conn.close()`.
    #[must_use]
    pub fn call_name(&self) -> Option<&'a str> {
        match &*self.call()?.func {
            Expr::Name(name) => Some(name.id.as_str()),
            Expr::Attribute(attribute) => Some(attribute.attr.as_str()),
            _ => None,
        }
    }
}

/// Functions whose awaiting never raises because of a cancelled scope.
const NEVER_CUT: [&str; 4] = [
    "asyncio.shield",
    "asyncio.lowlevel.cancel_shielded_checkpoint",
    "anyio.lowlevel.cancel_shielded_checkpoint",
    "trio.lowlevel.cancel_shielded_checkpoint",
];

/// The function of the file that decides whether a suspension is cut.
#[derive(Clone, Copy)]
struct DependsOn {
    function: FunctionId,
    part: FunctionPart,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum FunctionPart {
    Whole,
    /// An `@asynccontextmanager` up to its `yield`.
    BeforeYield,
    /// The rest of it.
    AfterYield,
}

/// What is known of a suspension before the functions it depends on are looked at.
enum Fate {
    Known(Cut, bool),
    DependsOn(DependsOn),
}

/// The suspensions of every function of a file.
pub(crate) struct Suspensions<'a> {
    by_function: Vec<Vec<Suspension<'a>>>,
    /// What awaiting a function does in a cancelled task.
    by_await: Vec<Cut>,
}

impl<'a> File<'a> {
    /// The places where a function may suspend, in evaluation order within each statement.
    #[must_use]
    pub fn suspensions(&self, function: FunctionId) -> &[Suspension<'a>] {
        &self.all_suspensions().by_function[function.index()]
    }

    /// The suspensions of one statement's own header or line.
    pub fn suspensions_of(&self, stmt: StmtId) -> impl Iterator<Item = &Suspension<'a>> {
        let all = self.suspensions(self.tree.stmt(stmt).function);
        let from = all.partition_point(|found| found.stmt < stmt);
        all[from..]
            .iter()
            .take_while(move |found| found.stmt == stmt)
    }

    /// Whether a coroutine function may raise because the task that awaits it is cancelled.
    #[must_use]
    pub fn can_be_cut(&self, function: FunctionId) -> bool {
        self.all_suspensions().by_await[function.index()] != Cut::Never
    }

    fn all_suspensions(&self) -> &Suspensions<'a> {
        self.suspensions.get_or_init(|| self.compute_suspensions())
    }

    /// A coroutine that only awaits coroutines of the file that never suspend doesn't suspend
    /// either: the least fixpoint of that over the file's functions.
    fn compute_suspensions(&self) -> Suspensions<'a> {
        let mut by_function = Vec::new();
        let mut open: Vec<(FunctionId, usize, DependsOn)> = Vec::new();
        for function in self.tree.function_ids() {
            let found = self.find_suspensions(function);
            let mut list = Vec::with_capacity(found.len());
            for (index, (suspension, depends)) in found.into_iter().enumerate() {
                list.push(suspension);
                open.extend(depends.map(|depends| (function, index, depends)));
            }
            by_function.push(list);
        }
        let mut all = Suspensions {
            by_function,
            by_await: self
                .tree
                .function_ids()
                .map(|id| self.unknown_cut(id))
                .collect(),
        };
        for function in self.tree.function_ids() {
            all.raise_to_own(function, self.shields_itself(function));
        }
        loop {
            let mut changed = false;
            for (function, index, depends) in &open {
                let cut = all.cut_of(*depends);
                let known = &mut all.by_function[function.index()][*index].cut;
                if cut > *known {
                    *known = cut;
                    changed = true;
                    all.raise_to_own(*function, self.shields_itself(*function));
                }
            }
            if !changed {
                return all;
            }
        }
    }

    /// A function whose body or decorators say too little to trust it is cut.
    fn unknown_cut(&self, function: FunctionId) -> Cut {
        let Some(def) = self.tree.function(function).def() else {
            return Cut::Raises;
        };
        let plain = def
            .decorator_list
            .iter()
            .all(|it| self.is_plain_decorator(it));
        if (self.is_stub(function) || !plain) && !self.shields_itself(function) {
            Cut::Raises
        } else {
            Cut::Never
        }
    }

    /// A decorator that shields: `@shielded`.
    fn shields_itself(&self, function: FunctionId) -> bool {
        self.has_decorator(function, |name| name.contains("shield"))
    }

    /// Decorators that leave the function what it is.
    fn is_plain_decorator(&self, decorator: &ast::Decorator) -> bool {
        const PLAIN: [&str; 6] = [
            "staticmethod",
            "classmethod",
            "override",
            "final",
            "abstractmethod",
            "asynccontextmanager",
        ];
        dotted_text(&decorator.expression)
            .is_some_and(|text| PLAIN.contains(&text.rsplit('.').next().unwrap_or_default()))
    }

    /// Whether a function is made a context manager by `@asynccontextmanager`.
    #[must_use]
    pub fn is_async_context_manager(&self, function: FunctionId) -> bool {
        self.tree.function(function).is_async()
            && self.has_decorator(function, |name| name == "asynccontextmanager")
    }

    fn find_suspensions(&self, function: FunctionId) -> Vec<(Suspension<'a>, Option<DependsOn>)> {
        let data = self.tree.function(function);
        let (Some(stmt), true) = (data.stmt, data.is_async()) else {
            return Vec::new();
        };
        let is_manager = self.is_async_context_manager(function);
        let mut found = Vec::new();
        for (expr, site) in self.tree.yields_below(stmt) {
            if self.tree.function_of(expr) != function {
                continue;
            }
            let kind = match (site, expr) {
                (YieldSite::Await, Expr::Await(node)) => SuspensionKind::Await(&node.value),
                (YieldSite::AsyncComprehension, _) => SuspensionKind::Comprehension,
                (YieldSite::Yield, _) if is_manager => SuspensionKind::ContextBody,
                _ => continue,
            };
            found.push(self.suspension(kind, expr.range(), self.tree.stmt_of(expr), Some(expr)));
        }
        for id in (stmt.0 + 1..=self.tree.stmt(stmt).end.0).map(StmtId) {
            let data = self.tree.stmt(id);
            if data.function == function {
                self.statement_suspensions(id, data.node, &mut found);
            }
        }
        // Inner expressions end first; the entry of `async with` comes after its expression and
        // before its exit, which a stable sort keeps.
        found.sort_by_key(|(it, _)| (it.stmt, evaluation_order(it)));
        found
    }

    /// `async for` and `async with`.
    fn statement_suspensions(
        &self,
        id: StmtId,
        node: &'a Stmt,
        found: &mut Vec<(Suspension<'a>, Option<DependsOn>)>,
    ) {
        match node {
            Stmt::For(node) if node.is_async => {
                let kind = SuspensionKind::Next(&node.iter);
                found.push(self.suspension(kind, node.iter.range(), id, None));
            }
            Stmt::With(node) if node.is_async => {
                for item in &node.items {
                    let kind = SuspensionKind::Enter(item);
                    found.push(self.suspension(kind, item.context_expr.range(), id, None));
                }
                for item in node.items.iter().rev() {
                    let kind = SuspensionKind::Exit(item);
                    found.push(self.suspension(kind, item.context_expr.range(), id, None));
                }
            }
            _ => {}
        }
    }

    fn suspension(
        &self,
        kind: SuspensionKind<'a>,
        range: TextRange,
        stmt: StmtId,
        expr: Option<&'a Expr>,
    ) -> (Suspension<'a>, Option<DependsOn>) {
        let shield = self.shield_around(stmt, range);
        let fate = match shield {
            Some(_) => Fate::Known(Cut::Never, false),
            None => self.fate_of(kind, stmt),
        };
        let (cut, conditional, depends) = match fate {
            Fate::Known(cut, conditional) => (cut, conditional, None),
            Fate::DependsOn(depends) => (Cut::Never, false, Some(depends)),
        };
        let suspension = Suspension {
            kind,
            range,
            stmt,
            expr,
            cut,
            conditional: conditional || expr.is_some_and(|expr| self.is_conditional(expr)),
            shield,
        };
        (suspension, depends)
    }

    /// Whether an expression is skipped on some ways through its statement.
    fn is_conditional(&self, expr: &'a Expr) -> bool {
        let mut child = expr;
        while let Some(parent) = self.tree.parent(child) {
            let skipped = match parent {
                Expr::BoolOp(node) => !std::ptr::eq(&raw const node.values[0], child),
                Expr::If(node) => !std::ptr::eq(&raw const *node.test, child),
                Expr::ListComp(_) | Expr::SetComp(_) | Expr::DictComp(_) | Expr::Generator(_) => {
                    true
                }
                _ => false,
            };
            if skipped {
                return true;
            }
            child = parent;
        }
        false
    }

    fn fate_of(&self, kind: SuspensionKind<'a>, stmt: StmtId) -> Fate {
        match kind {
            SuspensionKind::Await(Expr::Call(call)) => self.fate_of_call(call),
            SuspensionKind::Await(operand) if self.is_cancelled_before(operand, stmt) => {
                Fate::Known(Cut::Waits, false)
            }
            SuspensionKind::Enter(item) => self.fate_of_manager(&item.context_expr, "__aenter__"),
            SuspensionKind::Exit(item) => self.fate_of_manager(&item.context_expr, "__aexit__"),
            _ => Fate::Known(Cut::Raises, false),
        }
    }

    fn fate_of_call(&self, call: &'a ast::ExprCall) -> Fate {
        if let Some(function) = self.callee(call) {
            let data = self.tree.function(function);
            if data.is_async() && !data.is_generator {
                return Fate::DependsOn(DependsOn {
                    function,
                    part: FunctionPart::Whole,
                });
            }
            return Fate::Known(Cut::Raises, false);
        }
        if let Some(name) = self.qualified(&call.func) {
            if NEVER_CUT.contains(&name.as_str()) {
                return Fate::Known(Cut::Never, false);
            }
            match name.as_str() {
                "asyncio.cancel_and_wait" => return Fate::Known(Cut::Waits, false),
                "asyncio.wait_for" if self.awaits_cancelled(call) => {
                    return Fate::Known(Cut::Waits, false);
                }
                "asyncio.gather" if self.awaits_cancelled(call) => {
                    return Fate::Known(Cut::WaitsThenRaises, false);
                }
                _ => {}
            }
        }
        if let Some(cut) = cut_by_name(call) {
            return Fate::Known(cut, false);
        }
        if self.is_given_a_task(call) {
            return Fate::Known(Cut::Waits, false);
        }
        let Expr::Attribute(method) = &*call.func else {
            return Fate::Known(Cut::Raises, false);
        };
        if method.attr.as_str() == "aclose" {
            return self.fate_of_aclose(&method.value);
        }
        if method.attr.as_str() == "put" && self.is_unbounded_queue(&method.value) {
            return Fate::Known(Cut::Never, false);
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
        Fate::Known(Cut::Raises, conditional)
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
    fn fate_of_aclose(&self, closed: &'a Expr) -> Fate {
        let values = self.values_of(closed);
        let calls: Vec<&ast::ExprCall> = values
            .iter()
            .filter_map(|value| value.as_call_expr())
            .collect();
        if calls.is_empty() || calls.len() != values.len() {
            return Fate::Known(Cut::Raises, false);
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
            Fate::Known(Cut::Raises, true)
        } else if calls.iter().all(is_quiet) {
            Fate::Known(Cut::Never, false)
        } else {
            Fate::Known(Cut::Raises, false)
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
    fn fate_of_manager(&self, manager: &'a Expr, method: &str) -> Fate {
        let is_exit = method == "__aexit__";
        let is_lock = match self.kind(manager) {
            Some(Kind::Scope) => return Fate::Known(Cut::Never, false),
            Some(Kind::TaskGroup) if is_exit => return Fate::Known(Cut::Waits, false),
            Some(Kind::TaskGroup) => return Fate::Known(Cut::Never, false),
            Some(Kind::Lock | Kind::Semaphore | Kind::Condition) => true,
            _ => looks_like_lock(manager),
        };
        match (is_lock, manager) {
            (true, _) if is_exit => Fate::Known(Cut::Never, false),
            (true, _) => Fate::Known(Cut::Raises, true),
            (false, Expr::Call(call)) => self.fate_of_manager_call(call, method),
            (false, _) => Fate::Known(Cut::Raises, false),
        }
    }

    fn fate_of_manager_call(&self, call: &'a ast::ExprCall, method: &str) -> Fate {
        let is_exit = method == "__aexit__";
        if let Some(class) = self.class_named(&call.func) {
            return match self.method(class, method) {
                Some(function) => Fate::DependsOn(DependsOn {
                    function,
                    part: FunctionPart::Whole,
                }),
                None => Fate::Known(Cut::Raises, false),
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
            return Fate::DependsOn(DependsOn { function, part });
        }
        match self.qualified(&call.func).as_deref() {
            Some("contextlib.aclosing") if !is_exit => Fate::Known(Cut::Never, false),
            Some("contextlib.AsyncExitStack") if is_exit => Fate::Known(Cut::Raises, true),
            Some(
                "contextlib.AsyncExitStack"
                | "contextlib.nullcontext"
                | "async_timeout.timeout"
                | "async_timeout.timeout_at",
            ) => Fate::Known(Cut::Never, false),
            _ => Fate::Known(Cut::Raises, false),
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
fn called_name(call: &ast::ExprCall) -> Option<&str> {
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

fn is_false(expr: &Expr) -> bool {
    matches!(expr, Expr::BooleanLiteral(literal) if !literal.value)
}

/// A manager that is called a lock is taken for one: leaving it releases without suspending.
fn looks_like_lock(manager: &Expr) -> bool {
    let name = match manager {
        Expr::Name(name) => name.id.as_str(),
        Expr::Attribute(attribute) => attribute.attr.as_str(),
        Expr::Subscript(subscript) => return looks_like_lock(&subscript.value),
        _ => return false,
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

fn evaluation_order(suspension: &Suspension) -> (bool, u32) {
    let is_exit = matches!(suspension.kind, SuspensionKind::Exit(_));
    (is_exit, suspension.range.end().to_u32())
}

impl Suspensions<'_> {
    /// A function is as bad to await as the worst of its suspensions.
    fn raise_to_own(&mut self, function: FunctionId, shields_itself: bool) {
        if !shields_itself {
            let own = worst(&self.by_function[function.index()]);
            let known = &mut self.by_await[function.index()];
            *known = own.max(*known);
        }
    }

    fn cut_of(&self, depends: DependsOn) -> Cut {
        let all = &self.by_function[depends.function.index()];
        let body = all
            .iter()
            .position(|it| matches!(it.kind, SuspensionKind::ContextBody));
        match (depends.part, body) {
            (FunctionPart::Whole, _) | (_, None) => self.by_await[depends.function.index()],
            (FunctionPart::BeforeYield, Some(body)) => worst(&all[..body]),
            (FunctionPart::AfterYield, Some(body)) => worst(&all[body + 1..]),
        }
    }
}

fn worst(suspensions: &[Suspension<'_>]) -> Cut {
    suspensions
        .iter()
        .map(|it| it.cut)
        .max()
        .unwrap_or(Cut::Never)
}
