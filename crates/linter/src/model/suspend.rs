//! The places where a function may suspend, and what a cancellation does to each of them.
//!
//! A suspension is *cut* if a cancelled task raises `CancelledError` there instead of doing what
//! the code says. A shield around it, or an awaitable that never suspends, keeps it whole.
//!
//! Not here: what an awaitable does (`cut.rs`), shields (`shields.rs`), and which suspensions can be
//! reached while the task is cancelled (`flow.rs`).

use ruff_python_ast::{self as ast, Expr, Stmt};
use ruff_text_size::{Ranged, TextRange};

use super::File;
use super::names::dotted_text;
use super::tree::{FunctionId, StmtId, YieldSite};

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

/// The function of the file that decides whether a suspension is cut.
#[derive(Clone, Copy)]
pub(super) struct DependsOn {
    pub function: FunctionId,
    pub part: FunctionPart,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum FunctionPart {
    Whole,
    /// An `@asynccontextmanager` up to its `yield`.
    BeforeYield,
    /// The rest of it.
    AfterYield,
}

/// What is known of a suspension before the functions it depends on are looked at.
pub(super) enum Outcome {
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
            Some(_) => Outcome::Known(Cut::Never, false),
            None => self.outcome_of(kind, stmt),
        };
        let (cut, conditional, depends) = match fate {
            Outcome::Known(cut, conditional) => (cut, conditional, None),
            Outcome::DependsOn(depends) => (Cut::Never, false, Some(depends)),
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
