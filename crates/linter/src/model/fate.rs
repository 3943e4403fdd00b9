//! What becomes of a cancellation once a handler or a `suppress` has caught it.
//!
//! Every catcher has one fate, so that the rules about swallowed cancellations report each of them
//! at most once. Where several fit, the worst wins: a loop that drains a task, a loop that spins,
//! code that awaits again, another exception, and only then the harmless ones.
//!
//! Not here: what the handler itself awaits (`cleanup.rs`), and what it does with the exception
//! (`caught.rs`).

use ruff_python_ast::{self as ast, Expr, Stmt};
use ruff_text_size::{Ranged, TextRange, TextSize};

use super::File;
use super::exceptions::Catches;
use super::flow::{Flow, NodeId, NodeKind};
use super::handlers::{Catcher, CatcherKind, Mode, Spin};
use super::kinds::Kind;
use super::names::{BindingKind, dotted_text, last_name};
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
        if self.deals_with_cancellation(catcher) {
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

    /// What a spin means for the loop, as the text of a label.
    #[must_use]
    pub fn spin_label(&self, spin: &Spin) -> &'static str {
        if spin.bounded {
            return "every remaining round is cancelled, too";
        }
        match self.tree.stmt(spin.loop_stmt).node {
            Stmt::While(node) if !node.test.is_boolean_literal_expr() => {
                "a cancelled task spins here for as long as this holds"
            }
            _ => "a cancelled task never leaves this loop",
        }
    }

    /// The statements up to the end of their block, a suspension among them, that run only after
    /// a handler: nothing else lets control come to the first of them. `None` where they catch a
    /// cancellation themselves.
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
    #[must_use]
    pub fn statements_after(&self, id: StmtId) -> Option<&'a [Stmt]> {
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
            matches!(source.cut, Cut::Waits | Cut::WaitsThenRaises)
                || self.is_task_wait(operand, source.stmt)
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
        // A step of the loop from which it goes round again, not one on the way out of it.
        let in_loop = |(node, it): &(NodeId, Suspension<'a>)| {
            innermost_loop.is_some_and(|parent| {
                let is_head = |id: NodeId| {
                    let node = flow.node(id);
                    node.stmt == Some(parent) && matches!(node.kind, NodeKind::LoopHead)
                };
                let goes_round = || flow.reach_uncancelled([*node], is_head).iter().any(is_head);
                self.tree.contains(parent, it.stmt) && goes_round()
            })
        };
        let outside = found
            .iter()
            .find(|found| !in_loop(found) && !found.1.conditional);
        let (_, at) = outside.or_else(|| found.iter().find(|found| in_loop(found)))?;
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
    ) -> Vec<(NodeId, Suspension<'a>)> {
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
        let mut found: Vec<(NodeId, Suspension<'a>)> = reached
            .iter()
            .filter(|id| !self.is_in_handler(flow, *id, catcher))
            .filter(|id| !catcher.source_nodes.contains(id))
            .flat_map(|id| {
                let cut = self.cut_suspensions(flow, id);
                cut.into_iter().map(move |it| (id, it))
            })
            .filter(|(_, it)| it.cut != Cut::Waits)
            .filter(|(_, it)| !matches!(it.kind, SuspensionKind::Exit(_)))
            .filter(|(_, it)| !self.is_in_finally_around(it.stmt, catcher.stmt))
            .collect();
        found.sort_by_key(|(_, it)| (it.conditional, it.range.start()));
        found
    }

    /// Whether a handler shields its scope, takes the cancellation back with `uncancel()`, or asks
    /// for it again with `current_task().cancel()`: it knows what the next `await` does.
    fn deals_with_cancellation(&self, catcher: &Catcher<'a>) -> bool {
        let CatcherKind::Except(_, index) = catcher.kind else {
            return false;
        };
        self.statements_in(catcher.stmt, Part::Handler(index))
            .any(|id| {
                let sets_shield = matches!(self.tree.stmt(id).node, Stmt::Assign(node)
                    if node.targets.iter().any(|target| last_name(target) == Some("shield")));
                let mut calls = self.tree.exprs_of(id).filter_map(Expr::as_call_expr);
                sets_shield || calls.any(|call| self.moves_cancellation(call))
            })
    }

    fn moves_cancellation(&self, call: &'a ast::ExprCall) -> bool {
        let Expr::Attribute(method) = &*call.func else {
            return false;
        };
        let is_current = |expr: &Expr| matches!(expr, Expr::Call(call) if last_name(&call.func) == Some("current_task"));
        match method.attr.as_str() {
            "uncancel" => true,
            "cancel" => {
                is_current(&method.value)
                    || self.values_of(&method.value).into_iter().any(is_current)
            }
            _ => false,
        }
    }

    pub(super) fn statements_in(&self, stmt: StmtId, part: Part) -> impl Iterator<Item = StmtId> {
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
}
