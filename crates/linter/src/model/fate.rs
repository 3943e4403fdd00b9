//! What becomes of a cancellation once a handler or a `suppress` has caught it.
//!
//! Every catcher has one fate, so that the rules about swallowed cancellations report each of them
//! at most once. Where several fit, the worst wins: a loop that drains a task, a loop that spins,
//! code that awaits again, another exception, and only then the harmless ones.
//!
//! Not here: what the handler itself awaits (`handlers.rs`, cleanups).

use ruff_python_ast::{self as ast, Expr, Stmt};
use ruff_text_size::{Ranged, TextRange, TextSize};

use super::File;
use super::flow::{Catches, Flow, NodeId, NodeKind};
use super::handlers::{Catcher, CatcherKind, Mode, Spin};
use super::kinds::Kind;
use super::names::{BindingKind, dotted_text};
use super::suspend::{Cut, Suspension, SuspensionKind};
use super::tree::{Part, ScopeId, StmtId};

/// What becomes of a caught cancellation.
#[derive(Clone)]
pub enum Fate<'a> {
    /// It is raised again, or the handler is cut before it ends.
    GoesOn,
    /// It is that of a task which is awaited on purpose, not the catcher's own.
    Foreign,
    /// Its loop waits for one task whatever happens (`drain.rs`).
    Drained,
    /// It is caught again in every round of a loop.
    Spins(Spin),
    /// The function awaits again, and is cut there.
    AwaitsAgain {
        /// Where it is cut.
        at: Suspension<'a>,
        /// Only the next round of the loop awaits.
        in_loop: bool,
    },
    /// Another exception is raised by these statements.
    Replaced(Vec<StmtId>),
    /// The handler hands the exception on or looks at what it is.
    Kept,
    /// The function goes on as if nothing had happened.
    Swallowed,
}

impl<'a> File<'a> {
    /// Every catcher with what becomes of its cancellation, in source order.
    pub fn fates(&self) -> impl Iterator<Item = (&Catcher<'a>, &Fate<'a>)> {
        let fates = self.fates.get_or_init(|| {
            if self.is_trio_only() {
                return Vec::new();
            }
            self.catchers().iter().map(|it| self.fate(it)).collect()
        });
        self.catchers().iter().zip(fates)
    }

    /// Whether the file's async code runs on Trio: it imports Trio, and neither asyncio nor
    /// something that runs on asyncio.
    #[must_use]
    pub fn is_trio_only(&self) -> bool {
        let mut trio = false;
        for (_, bindings) in self.scope(ScopeId(0)).names() {
            for binding in bindings {
                let module = match binding.kind {
                    BindingKind::Import(module) => module,
                    BindingKind::ImportFrom {
                        level: 0, module, ..
                    } => module,
                    _ => continue,
                };
                match module.split('.').next() {
                    Some("trio") => trio = true,
                    Some("asyncio" | "asyncbis" | "anyio") => return false,
                    _ => {}
                }
            }
        }
        trio
    }

    fn fate(&self, catcher: &Catcher<'a>) -> Fate<'a> {
        if self.drain_at(catcher.stmt).is_some() {
            return Fate::Drained;
        }
        if self.lifts_cancellation(catcher) {
            return Fate::Kept;
        }
        let exits = self.exits(catcher, Mode::Level);
        let is_broad = catcher.catches != Catches::Cancelled;
        let is_foreign = self.awaits_tasks(catcher);
        if exits.swallows()
            && !self.throws_elsewhere(catcher)
            && let Some(spin) = self.spin(catcher)
        {
            return match is_foreign && spin.bounded {
                true => Fate::Foreign,
                false => Fate::Spins(spin),
            };
        }
        if is_foreign {
            return Fate::Foreign;
        }
        // The cancellation that the block runs because of is still on its way; what the block
        // awaits is its own subject.
        if self.is_in_cleanup(catcher.stmt) {
            return Fate::GoesOn;
        }
        if exits.swallows() && !is_broad {
            let after = self.awaits_again(catcher);
            if let Some(fate) = after {
                return fate;
            }
        }
        // Replacing counts even behind an `await` that is cut: the code means it.
        let meant = self.exits(catcher, Mode::Edge);
        let replaced: Vec<StmtId> = meant
            .raises_other
            .iter()
            .copied()
            .filter(|stmt| self.raises_other_class(*stmt))
            .collect();
        if !replaced.is_empty() && meant.reraises.is_empty() && !meant.swallows() {
            return Fate::Replaced(replaced);
        }
        if !exits.swallows() {
            return Fate::GoesOn;
        }
        if self.keeps_exception(catcher) {
            return Fate::Kept;
        }
        Fate::Swallowed
    }

    /// A catcher in the words of a message: `except asyncio.CancelledError` in backticks.
    #[must_use]
    pub fn described(&self, catcher: &Catcher<'a>) -> String {
        const LONGEST: usize = 60;
        let text = self.source.slice(catcher.range());
        match catcher.catches {
            Catches::Everything => "a bare `except`".to_owned(),
            _ if text.contains(['\n', '\r']) || text.len() > LONGEST => "the `except`".to_owned(),
            _ => format!("`{text}`"),
        }
    }

    /// The keyword of a loop, to be underlined.
    #[must_use]
    pub fn loop_keyword(&self, id: StmtId) -> TextRange {
        let node = self.tree.stmt(id).node;
        let keyword = match node {
            Stmt::For(node) if node.is_async => "async for",
            Stmt::For(_) => "for",
            _ => "while",
        };
        TextRange::at(node.start(), TextSize::of(keyword))
    }

    /// The statements up to the end of their block, a suspension among them, that run only after
    /// a handler: nothing else lets control come to the first of them.
    #[must_use]
    pub fn rest_after(&self, catcher: &Catcher<'a>, at: &Suspension<'a>) -> Option<&'a [Stmt]> {
        let flow = self.flow(catcher.function);
        let undisturbed = flow.reach_uncancelled([flow.entry()], |_| false);
        let around = self
            .tree
            .ancestors_in_function(catcher.stmt)
            .map(|(parent, _)| parent);
        std::iter::once(catcher.stmt)
            .chain(around)
            .find_map(|stmt| {
                let rest = self.statements_after(stmt)?;
                let first = self.tree.stmt_id(rest.first()?);
                let last = self.tree.stmt_id(rest.last()?);
                let is_reached = undisturbed
                    .iter()
                    .any(|node| flow.node(node).stmt == Some(first));
                let holds = first <= at.stmt && at.stmt <= self.tree.stmt(last).end;
                (holds && !is_reached).then_some(rest)
            })
    }

    /// The statements after another one in its block.
    fn statements_after(&self, id: StmtId) -> Option<&'a [Stmt]> {
        let data = self.tree.stmt(id);
        let parent = self.tree.stmt(data.parent?);
        let blocks: Vec<&'a [Stmt]> = match parent.node {
            Stmt::FunctionDef(node) => vec![&node.body],
            Stmt::With(node) => vec![&node.body],
            Stmt::While(node) => vec![&node.body, &node.orelse],
            Stmt::For(node) => vec![&node.body, &node.orelse],
            Stmt::If(node) => std::iter::once(&*node.body)
                .chain(node.elif_else_clauses.iter().map(|clause| &*clause.body))
                .collect(),
            Stmt::Try(node) => vec![&node.body, &node.orelse, &node.finalbody],
            _ => return None,
        };
        blocks.into_iter().find_map(|block| {
            let index = block
                .iter()
                .position(|stmt| self.tree.stmt_id(stmt) == id)?;
            Some(&block[index + 1..])
        })
    }

    /// Whether all that a catcher guards is waiting for tasks: the `CancelledError` is most likely
    /// theirs. `asyncio.wait()` doesn't count, it never raises what its tasks raise.
    fn awaits_tasks(&self, catcher: &Catcher<'a>) -> bool {
        catcher.sources.iter().all(|source| {
            let SuspensionKind::Await(operand) = source.kind else {
                return false;
            };
            source.cut == Cut::Waits || self.is_task_wait(operand, source.stmt)
        })
    }

    fn is_task_wait(&self, operand: &'a Expr, stmt: StmtId) -> bool {
        match operand {
            Expr::Name(_) | Expr::Attribute(_) | Expr::Subscript(_) => {
                self.may_be_foreign_task(operand)
            }
            Expr::Call(call) => match self.asyncio_name(&call.func).as_deref() {
                Some("wait_for" | "shield") => call.arguments.args.first().is_some_and(|task| {
                    self.is_task_wait(task, stmt) && self.is_cancelled_before(task, stmt)
                }),
                Some("gather") => self.cancels_before(operand),
                _ => false,
            },
            _ => false,
        }
    }

    /// A future that the function made itself is cancelled by nobody else, and a coroutine runs
    /// in the awaiting task.
    fn may_be_foreign_task(&self, operand: &'a Expr) -> bool {
        let is_coroutine_by_name = dotted_text(operand).is_some_and(|text| {
            let text = text.to_ascii_lowercase();
            ["coro", "awaitable", "aw"]
                .iter()
                .any(|word| text == *word || text.ends_with(&format!("_{word}")))
                || text.contains("coro")
                || text.contains("awaitable")
        });
        if is_coroutine_by_name || self.kind(operand) == Some(Kind::Coroutine) {
            return false;
        }
        let is_own_future = matches!(operand, Expr::Name(_))
            && self.kind(operand) == Some(Kind::Future)
            && self
                .bindings_of(operand)
                .iter()
                .all(|binding| binding.function == self.tree.function_of(operand));
        !is_own_future
    }

    /// Whether anything is cancelled earlier in the same function.
    fn cancels_before(&self, expr: &'a Expr) -> bool {
        let function = self.tree.function_of(expr);
        let Some(def) = self.tree.function(function).stmt else {
            return false;
        };
        self.tree.calls_below(def).any(|(call_expr, call)| {
            matches!(&*call.func, Expr::Attribute(method) if method.attr.as_str() == "cancel")
                && call_expr.start() < expr.start()
                && self.tree.function_of(call_expr) == function
        })
    }

    /// The first suspension at which the function is cut after the cancellation was swallowed.
    fn awaits_again(&self, catcher: &Catcher<'a>) -> Option<Fate<'a>> {
        let flow = self.flow(catcher.function);
        let flags = self.flags_set_by(catcher);
        // A test of what the handler set is taken to part the cancelled way from the other, if one
        // of its branches awaits nothing.
        let parts = |id: NodeId| {
            let node = flow.node(id);
            matches!(node.kind, NodeKind::Test(test) if self.mentions(test, &flags))
                && node.next.iter().any(|branch| {
                    self.first_cuts(flow, catcher, &[*branch], |other| other == id)
                        .is_empty()
                })
        };
        let found = self.first_cuts(flow, catcher, &catcher.entries, parts);
        let innermost_loop = self
            .tree
            .ancestors_in_function(catcher.stmt)
            .filter(|(_, part)| *part == Part::Body)
            .map(|(parent, _)| parent)
            .find(|parent| {
                let node = self.tree.stmt(*parent).node;
                node.is_while_stmt() || node.is_for_stmt()
            });
        let in_loop = |it: &Suspension<'a>| {
            innermost_loop.is_some_and(|parent| self.tree.contains(parent, it.stmt))
        };
        let outside = found.iter().find(|it| !in_loop(it) && !it.conditional);
        let at = outside.or_else(|| found.iter().find(|it| in_loop(it)))?;
        Some(Fate::AwaitsAgain {
            at: *at,
            in_loop: outside.is_none(),
        })
    }

    /// The suspensions outside a handler at which a cancelled task is cut first; certain ones
    /// before conditional ones. What a `finally` or the exit of an `async with` awaits runs in any
    /// case and is left out.
    fn first_cuts(
        &self,
        flow: &Flow<'a>,
        catcher: &Catcher<'a>,
        from: &[NodeId],
        mut stops: impl FnMut(NodeId) -> bool,
    ) -> Vec<Suspension<'a>> {
        let ends = |id: NodeId| {
            let node = flow.node(id);
            let raises = node
                .stmt
                .is_some_and(|stmt| self.tree.stmt(stmt).node.is_raise_stmt());
            let is_cut = node
                .cut
                .is_some_and(|cut| flow.next_when_cancelled(id).all(|next| next == cut));
            raises || is_cut
        };
        let reached = flow.reach(from.iter().copied(), |id| ends(id) || stops(id));
        let mut found: Vec<Suspension<'a>> = reached
            .iter()
            .filter(|id| !self.is_in_handler(flow, *id, catcher))
            .filter(|id| !catcher.source_nodes.contains(id))
            .flat_map(|id| self.cut_suspensions(flow, id))
            .filter(|it| it.cut == Cut::Raises)
            .filter(|it| !matches!(it.kind, SuspensionKind::Exit(_)))
            .filter(|it| !self.is_in_finally_around(it.stmt, catcher.stmt))
            .collect();
        found.sort_by_key(|it| (it.conditional, it.range.start()));
        found
    }

    /// Whether a handler shields its scope or takes the cancellation back: after `uncancel()` or
    /// `scope.shield = True` the next `await` works again.
    fn lifts_cancellation(&self, catcher: &Catcher<'a>) -> bool {
        let CatcherKind::Except(_, index) = catcher.kind else {
            return false;
        };
        self.statements_in(catcher.stmt, Part::Handler(index))
            .any(|id| {
                let sets_shield = matches!(self.tree.stmt(id).node, Stmt::Assign(node)
                if node.targets.iter().any(|target| last_part(target) == Some("shield")));
                sets_shield
                || self.tree.exprs_of(id).any(|expr| {
                    matches!(expr, Expr::Call(call) if last_part(&call.func) == Some("uncancel"))
                })
            })
    }

    fn statements_in(&self, stmt: StmtId, part: Part) -> impl Iterator<Item = StmtId> {
        (stmt.0 + 1..=self.tree.stmt(stmt).end.0)
            .map(StmtId)
            .filter(move |id| self.tree.part_of(stmt, *id) == Some(part))
    }

    fn is_in_handler(&self, flow: &Flow<'a>, id: NodeId, catcher: &Catcher<'a>) -> bool {
        match catcher.kind {
            CatcherKind::Except(_, index) => {
                self.is_in_part(flow, id, catcher.stmt, Part::Handler(index))
            }
            CatcherKind::Suppress(_) => false,
        }
    }

    /// Whether a statement stands in the `finally` of a `try` that is, or is around, another one.
    fn is_in_finally_around(&self, inner: StmtId, around: StmtId) -> bool {
        self.tree
            .ancestors_in_function(inner)
            .any(|(parent, part)| part == Part::Finally && self.tree.contains(parent, around))
    }

    /// Whether a `raise` names another exception class: a call of a class, or the class itself.
    /// What a function returns, or a variable holds, may be the cancellation after all; who raises
    /// `SystemExit` or `KeyboardInterrupt` means to end the program; and an `AssertionError` stands
    /// where nothing is expected to come.
    fn raises_other_class(&self, stmt: StmtId) -> bool {
        let Stmt::Raise(node) = self.tree.stmt(stmt).node else {
            return false;
        };
        let Some(exc) = node.exc.as_deref() else {
            return false;
        };
        let class = match exc {
            Expr::Call(call) => match &*call.func {
                Expr::Attribute(method) if method.attr.as_str() == "with_traceback" => {
                    match &*method.value {
                        Expr::Call(inner) => &inner.func,
                        value => value,
                    }
                }
                func => func,
            },
            other => other,
        };
        let Some(name) = last_part(class) else {
            return false;
        };
        let is_class = name
            .trim_start_matches('_')
            .starts_with(|first: char| first.is_uppercase());
        let is_meant = [
            "AssertionError",
            "GeneratorExit",
            "KeyboardInterrupt",
            "NotImplementedError",
            "SystemExit",
        ]
        .contains(&name);
        is_class && !is_meant && !self.may_be_cancellation_class(class, name)
    }

    /// Whether a class is, or by its name might be, a subclass of `CancelledError`.
    fn may_be_cancellation_class(&self, class: &'a Expr, name: &str) -> bool {
        match self.class_named(class) {
            Some(id) => self.class_and_bases(id).into_iter().any(|id| {
                let bases = self.tree.class(id).node.bases();
                bases.iter().any(|base| self.is_cancelled_error(base))
            }),
            None => name.contains("Cancel"),
        }
    }

    /// Whether the exception is thrown into a generator, a greenlet or a retry machine, which
    /// decides how the loop goes on.
    fn throws_elsewhere(&self, catcher: &Catcher<'a>) -> bool {
        self.exception_uses(catcher).into_iter().any(|value| {
            let is_info = value.is_call_expr();
            self.taker_of(value).is_some_and(|taker| match taker {
                Taker::Call(name) => is_info && !is_log_method(name) || name.ends_with("throw"),
                _ => false,
            })
        })
    }

    /// Whether the handler stores, returns or hands on what it caught, or asks what it is; to log
    /// it is not enough.
    fn keeps_exception(&self, catcher: &Catcher<'a>) -> bool {
        self.exception_uses(catcher)
            .into_iter()
            .any(|value| match self.taker_of(value) {
                Some(Taker::Call(name)) => !only_describes(name),
                Some(Taker::Stored | Taker::Compared) => true,
                None => false,
            })
    }

    /// The places of a handler where what it caught is mentioned: its name, or `sys.exc_info()`.
    fn exception_uses(&self, catcher: &Catcher<'a>) -> Vec<&'a Expr> {
        let CatcherKind::Except(handler, index) = catcher.kind else {
            return Vec::new();
        };
        let name = handler.name.as_ref().map(ast::Identifier::as_str);
        self.statements_in(catcher.stmt, Part::Handler(index))
            .flat_map(|id| self.tree.exprs_of(id))
            .filter(|expr| match expr {
                Expr::Name(node) => name == Some(node.id.as_str()),
                Expr::Call(call) => {
                    last_part(&call.func)
                        .is_some_and(|last| ["exc_info", "exception"].contains(&last))
                        && matches!(
                            self.qualified(&call.func).as_deref(),
                            Some("sys.exc_info" | "sys.exception")
                        )
                }
                _ => false,
            })
            .collect()
    }

    /// Who takes a value: a call that it, or something built of it, is an argument of; a target;
    /// the caller.
    fn taker_of(&self, value: &'a Expr) -> Option<Taker<'a>> {
        let mut child = value;
        loop {
            let Some(parent) = self.tree.parent(child) else {
                let stmt = self.tree.stmt(self.tree.stmt_of(child)).node;
                let is_stored = matches!(
                    stmt,
                    Stmt::Assign(_) | Stmt::AnnAssign(_) | Stmt::AugAssign(_) | Stmt::Return(_)
                );
                return is_stored.then_some(Taker::Stored);
            };
            match parent {
                Expr::Call(call) if std::ptr::eq(&raw const *call.func, child) => return None,
                Expr::Call(call) => {
                    let name = last_part(&call.func)?;
                    // An object made of the exception stands for it.
                    if !name.starts_with(|first: char| first.is_uppercase()) {
                        return Some(Taker::Call(name));
                    }
                }
                Expr::Yield(_) => return Some(Taker::Stored),
                Expr::Compare(_) => return Some(Taker::Compared),
                Expr::Tuple(_)
                | Expr::List(_)
                | Expr::Dict(_)
                | Expr::Starred(_)
                | Expr::Await(_)
                | Expr::If(_)
                | Expr::Named(_) => {}
                _ => return None,
            }
            child = parent;
        }
    }
}

/// Who takes the exception.
enum Taker<'a> {
    /// The call of a function or method with this name.
    Call(&'a str),
    /// An assignment, a `return`, a `yield`.
    Stored,
    Compared,
}

/// Whether a method's name is one of a logger's.
#[must_use]
pub fn is_log_method(name: &str) -> bool {
    const NAMES: [&str; 12] = [
        "critical",
        "debug",
        "error",
        "exception",
        "fatal",
        "info",
        "log",
        "print",
        "print_exc",
        "trace",
        "warn",
        "warning",
    ];
    NAMES.contains(&name)
}

/// Whether a function, by its name, makes a text of an exception or writes it somewhere.
fn only_describes(name: &str) -> bool {
    const NAMES: [&str; 6] = ["getattr", "hasattr", "print", "repr", "str", "warn"];
    const WORDS: [&str; 5] = ["describe", "format", "log", "print", "traceback"];
    is_log_method(name) || NAMES.contains(&name) || WORDS.iter().any(|word| name.contains(word))
}

/// `close` of `self.conn.close`.
#[must_use]
pub fn last_part(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Name(name) => Some(name.id.as_str()),
        Expr::Attribute(attribute) => Some(attribute.attr.as_str()),
        _ => None,
    }
}
