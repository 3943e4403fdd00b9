//! Cleanup blocks: what a cancelled task still does of a `finally`, of a handler that catches the
//! cancellation, and of `__aexit__`.
//!
//! A block is walked through the flow graph as a cancelled task goes through it (`cleanup_walk.rs`);
//! what would have come after a suspension that is cut, and doesn't come then, is skipped.
//!
//! Invariants: the cuts of a block stand in its own function, in source order; a skipped statement
//! stands behind the cut because of which it is skipped.
//!
//! Not here: how much a loss matters (`loss.rs`).

use std::cell::RefCell;

use ruff_python_ast::{self as ast, ExceptHandler, Expr, Stmt};
use ruff_text_size::{Ranged, TextRange};
use rustc_hash::FxHashMap;

use super::File;
use super::cleanup_walk::Walker;
use super::flow::{Flow, NodeId, NodeKind};
use super::names::BindingKind;
use super::suspend::{Cut, Suspension, SuspensionKind};
use super::tree::{FunctionId, Part, StmtId};

/// What kind of block it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CleanupKind {
    /// The `finally` of a `try`.
    Finally,
    /// The handler with this index, which catches the cancellation.
    Handler(usize),
    /// The body of `__aexit__`, or of a callback that an exit stack runs.
    Exit,
}

/// A block that runs while the task is cancelled.
pub struct Cleanup<'a> {
    pub kind: CleanupKind,
    pub function: FunctionId,
    /// The `try` statement, or the `def`.
    pub stmt: StmtId,
    pub body: &'a [Stmt],
    /// Where the cancellation arrives that leads here; `None` for `Exit`.
    pub source: Option<Suspension<'a>>,
    /// Where the callback is given to the exit stack.
    pub registered: Option<TextRange>,
    /// The suspensions at which a cancelled task raises, or waits for what it cancelled.
    pub cut: Vec<BlockCut<'a>>,
    /// The statements that don't run because a suspension before them is cut, those below others
    /// included.
    pub skipped: Vec<StmtId>,
}

/// A suspension of a block.
#[derive(Clone, Copy)]
pub struct BlockCut<'a> {
    pub suspension: Suspension<'a>,
    /// The task may come past it all the same: a free lock, a helper that swallows the
    /// cancellation.
    pub may_pass: bool,
    /// The block itself catches what is raised here, by name, and does something about it.
    pub is_handled: bool,
}

impl<'a> Cleanup<'a> {
    /// Whether a statement is part of the block.
    #[must_use]
    pub fn contains(&self, file: &File<'a>, stmt: StmtId) -> bool {
        self.body.iter().any(|it| {
            let id = file.tree.stmt_id(it);
            file.tree.contains(id, stmt)
        })
    }
}

/// Answers that many blocks ask for.
#[derive(Default)]
pub(crate) struct CleanupMemo {
    /// Whether a coroutine function swallows every cancellation that cuts it.
    pub(super) swallows: RefCell<FxHashMap<FunctionId, bool>>,
}

impl<'a> File<'a> {
    /// The blocks of the file that run while a task is cancelled, in source order.
    #[must_use]
    pub fn cleanups(&self) -> &[Cleanup<'a>] {
        self.cleanups.get_or_init(|| {
            let mut blocks = Vec::new();
            let callbacks = self.exit_callbacks();
            for function in self.tree.function_ids() {
                if self.tree.function(function).is_async() {
                    self.blocks_of(function, &callbacks, &mut blocks);
                }
            }
            blocks.sort_by_key(|block| block.body.first().map(Ranged::start));
            blocks
        })
    }

    /// The innermost cleanup block that a statement stands in.
    #[must_use]
    pub fn cleanup_around(&self, stmt: StmtId) -> Option<&Cleanup<'a>> {
        self.cleanups()
            .iter()
            .filter(|block| block.function == self.tree.stmt(stmt).function)
            .filter(|block| block.contains(self, stmt))
            .max_by_key(|block| block.stmt)
    }

    fn blocks_of(
        &self,
        function: FunctionId,
        callbacks: &FxHashMap<FunctionId, TextRange>,
        blocks: &mut Vec<Cleanup<'a>>,
    ) {
        let data = self.tree.function(function);
        let (Some(def), Some(stmt)) = (data.def(), data.stmt) else {
            return;
        };
        if self.suspensions(function).is_empty() {
            return;
        }
        let registered = callbacks.get(&function).copied();
        let is_exit = data.class.is_some() && data.name() == "__aexit__";
        if is_exit || registered.is_some() {
            let params = if is_exit {
                exit_parameters(def)
            } else {
                Vec::new()
            };
            let flow = self.flow(function);
            let walker = Walker {
                file: self,
                flow,
                inside: &|_| true,
                truth: &|test| self.truth_in_exit(test, &params),
                knows: &|_| false,
            };
            let (cut, skipped) = walker.cuts_and_skipped(flow.entry());
            blocks.push(Cleanup {
                kind: CleanupKind::Exit,
                function,
                stmt,
                body: &def.body,
                source: None,
                registered,
                cut,
                skipped,
            });
        }
        for id in (stmt.0 + 1..=self.tree.stmt(stmt).end.0).map(StmtId) {
            let data = self.tree.stmt(id);
            if data.function != function {
                continue;
            }
            if let Stmt::Try(node) = data.node {
                self.blocks_of_try(function, id, node, blocks);
            }
        }
    }

    fn blocks_of_try(
        &self,
        function: FunctionId,
        id: StmtId,
        node: &'a ast::StmtTry,
        blocks: &mut Vec<Cleanup<'a>>,
    ) {
        // The first handler that catches the cancellation takes it from those after it.
        let handler = node.handlers.iter().enumerate().find(|(_, handler)| {
            let ExceptHandler::ExceptHandler(handler) = handler;
            self.catches(handler).is_some()
        });
        if let Some((index, ExceptHandler::ExceptHandler(handler))) = handler {
            let kind = CleanupKind::Handler(index);
            blocks.extend(self.block_of_try(function, id, kind, &handler.body));
        }
        if !node.finalbody.is_empty() {
            blocks.extend(self.block_of_try(function, id, CleanupKind::Finally, &node.finalbody));
        }
    }

    fn block_of_try(
        &self,
        function: FunctionId,
        id: StmtId,
        kind: CleanupKind,
        body: &'a [Stmt],
    ) -> Option<Cleanup<'a>> {
        let flow = self.flow(function);
        let part = match kind {
            CleanupKind::Handler(index) => Part::Handler(index),
            _ => Part::Finally,
        };
        let is_entry = |node: NodeId| {
            let node = flow.node(node);
            node.stmt == Some(id)
                && match (node.kind, kind) {
                    (NodeKind::Handler(index), CleanupKind::Handler(own)) => index == own,
                    (NodeKind::Finally { .. }, CleanupKind::Finally) => true,
                    _ => false,
                }
        };
        let source = self.source_of(flow, id, part, &is_entry)?;
        if self.withdraws_cancellation(id, body) {
            return None;
        }
        let entry = flow.node_ids().find(|node| {
            let cancelled = !matches!(
                flow.node(*node).kind,
                NodeKind::Finally { cancelled: false }
            );
            cancelled && is_entry(*node)
        })?;
        let flags = match kind {
            CleanupKind::Finally => self.cancellation_flags(id),
            _ => Vec::new(),
        };
        let walker = Walker {
            file: self,
            flow,
            inside: &|stmt| stmt != id && self.tree.part_of(id, stmt) == Some(part),
            truth: &|test| truth_of_flag(test, &flags),
            knows: &|suspension| is_told(suspension, &flags),
        };
        let (cut, skipped) = walker.cuts_and_skipped(entry);
        Some(Cleanup {
            kind,
            function,
            stmt: id,
            body,
            source: Some(source),
            registered: None,
            cut,
            skipped,
        })
    }

    /// Whether a statement runs while the task cleans up: in a `finally`, or in a handler that
    /// catches cancellation.
    #[must_use]
    pub fn is_in_cleanup(&self, stmt: StmtId) -> bool {
        self.tree.ancestors_in_function(stmt).any(|(parent, part)| {
            match (part, self.tree.stmt(parent).node) {
                (Part::Finally, _) => true,
                (Part::Handler(index), Stmt::Try(node)) => {
                    let ExceptHandler::ExceptHandler(handler) = &node.handlers[index];
                    self.catches(handler).is_some()
                }
                _ => false,
            }
        })
    }

    /// The first suspension in front of a block whose cancellation leads into it.
    fn source_of(
        &self,
        flow: &Flow<'a>,
        id: StmtId,
        part: Part,
        is_entry: &dyn Fn(NodeId) -> bool,
    ) -> Option<Suspension<'a>> {
        let may_lead_here = |stmt: StmtId| match self.tree.part_of(id, stmt) {
            Some(Part::Body) => true,
            Some(Part::Handler(_) | Part::Else) => part == Part::Finally,
            _ => false,
        };
        let entries: Vec<NodeId> = flow.node_ids().filter(|node| is_entry(*node)).collect();
        let mut found: Option<Suspension<'a>> = None;
        for node_id in flow.node_ids() {
            let node = flow.node(node_id);
            let (Some(stmt), Some(cut)) = (node.stmt, node.cut) else {
                continue;
            };
            if stmt == id || !may_lead_here(stmt) {
                continue;
            }
            let all = self.suspensions(flow.function);
            let suspension = node
                .suspensions
                .iter()
                .map(|index| all[*index])
                .find(|it| brings_cancellation(it));
            let Some(suspension) = suspension else {
                continue;
            };
            let earlier = found.is_none_or(|it| suspension.range.start() < it.range.start());
            if earlier && self.leads_inside(flow, cut, id, &entries) {
                found = Some(suspension);
            }
        }
        found
    }

    /// The local names that tell the `finally` of a `try` what happened, with the constants that
    /// they have after a cancellation: `cancelled = True` in the handler, or `done = False` before
    /// a body that sets it to `True` at its end.
    fn cancellation_flags(&self, id: StmtId) -> Vec<Flag<'a>> {
        let mut flags: Vec<Flag<'a>> = Vec::new();
        let Some(catching) = self.first_catching_handler(id) else {
            return self.unchanged_flags(id);
        };
        for stmt in &catching.body {
            flags.extend(constant_assigned(stmt));
        }
        let unchanged = self.unchanged_flags(id);
        flags.extend(unchanged);
        flags
    }

    fn first_catching_handler(&self, id: StmtId) -> Option<&'a ast::ExceptHandlerExceptHandler> {
        let Stmt::Try(node) = self.tree.stmt(id).node else {
            return None;
        };
        node.handlers.iter().find_map(|handler| {
            let ExceptHandler::ExceptHandler(handler) = handler;
            self.catches(handler).is_some().then_some(handler)
        })
    }

    /// The names with one constant before a `try` and another after the last await of its body.
    fn unchanged_flags(&self, id: StmtId) -> Vec<Flag<'a>> {
        let function = self.tree.stmt(id).function;
        let Some(def) = self.tree.function(function).stmt else {
            return Vec::new();
        };
        let assigned: Vec<(StmtId, Flag<'a>)> = (def.0 + 1..=self.tree.stmt(id).end.0)
            .map(StmtId)
            .filter(|stmt| self.tree.stmt(*stmt).function == function)
            .filter_map(|stmt| Some((stmt, constant_assigned(self.tree.stmt(stmt).node)?)))
            .collect();
        let before = assigned.iter().filter(|(stmt, _)| *stmt < id);
        let is_unchanged = |(name, value): &Flag<'a>| {
            assigned.iter().all(|(stmt, (other, other_value))| {
                other != name
                    || other_value == value
                    || match self.tree.part_of(id, *stmt) {
                        Some(Part::Body) => self.ends_body(id, *stmt),
                        Some(Part::Handler(_) | Part::Else) => true,
                        _ => false,
                    }
            })
        };
        before
            .map(|(_, flag)| *flag)
            .filter(|(name, _)| self.is_always_constant(function, name))
            .filter(is_unchanged)
            .collect()
    }

    /// Whether a local name is only ever set to `True` or `False`.
    fn is_always_constant(&self, function: FunctionId, name: &str) -> bool {
        self.lookup(self.tree.function(function).scope, name)
            .iter()
            .all(|binding| {
                matches!(binding.kind, BindingKind::Assign(value) if value.is_boolean_literal_expr())
            })
    }

    /// Whether no cancellation can arrive between a statement and the end of a `try` body.
    fn ends_body(&self, id: StmtId, stmt: StmtId) -> bool {
        let flow = self.flow(self.tree.stmt(stmt).function);
        let in_body = |node: NodeId| {
            flow.node(node)
                .stmt
                .is_some_and(|inner| self.tree.part_of(id, inner) == Some(Part::Body))
        };
        let from = flow
            .node_ids()
            .filter(|node| flow.node(*node).stmt == Some(stmt));
        flow.reach_uncancelled(from, |node| !in_body(node))
            .iter()
            .all(|node| !in_body(node) || flow.node(node).cut.is_none())
    }

    /// Whether a block calls `uncancel()`: its task is not cancelled any more after that.
    fn withdraws_cancellation(&self, id: StmtId, body: &'a [Stmt]) -> bool {
        let Some(range) = body_range(body) else {
            return false;
        };
        self.tree.calls_below(id).any(|(expr, call)| {
            range.contains_range(expr.range())
                && matches!(&*call.func, Expr::Attribute(method) if method.attr.as_str() == "uncancel")
        })
    }

    /// The functions that are given to an exit stack, with the place where.
    fn exit_callbacks(&self) -> FxHashMap<FunctionId, TextRange> {
        let mut found = FxHashMap::default();
        for (_, call) in self.tree.calls() {
            if let Expr::Attribute(method) = &*call.func
                && ["push_async_callback", "push_async_exit"].contains(&method.attr.as_str())
                && let Some(callback) = call.arguments.args.first()
                && let Some(function) = self.function_named(callback)
            {
                found.entry(function).or_insert_with(|| callback.range());
            }
        }
        found
    }

    /// What a test in `__aexit__` is known to be when the body was cancelled.
    fn truth_in_exit(&self, test: &'a Expr, params: &[ExitParameter<'a>]) -> Option<bool> {
        let is_exception = |expr: &Expr| params.iter().any(|param| param.is(expr));
        match test {
            Expr::UnaryOp(node) if node.op == ast::UnaryOp::Not => self
                .truth_in_exit(&node.operand, params)
                .map(|value| !value),
            Expr::BoolOp(node) => {
                let is_and = node.op == ast::BoolOp::And;
                let values: Vec<Option<bool>> = node
                    .values
                    .iter()
                    .map(|value| self.truth_in_exit(value, params))
                    .collect();
                if values.contains(&Some(!is_and)) {
                    return Some(!is_and);
                }
                values.iter().all(Option::is_some).then_some(is_and)
            }
            Expr::Compare(node) => {
                let ([op], [right]) = (&*node.ops, &*node.comparators) else {
                    return None;
                };
                if !is_exception(&node.left) {
                    return None;
                }
                let same = if right.is_none_literal_expr() {
                    false
                } else {
                    self.is_cancellation_class(right)?
                };
                match op {
                    ast::CmpOp::Is | ast::CmpOp::Eq => Some(same),
                    ast::CmpOp::IsNot | ast::CmpOp::NotEq => Some(!same),
                    _ => None,
                }
            }
            Expr::Call(call) => {
                let [subject, class] = &*call.arguments.args else {
                    return None;
                };
                let asks = self.is_builtin(&call.func, "isinstance")
                    || self.is_builtin(&call.func, "issubclass");
                if asks && is_exception(subject) {
                    self.is_cancellation_class(class)
                } else {
                    None
                }
            }
            _ if is_exception(test) => Some(true),
            _ => None,
        }
    }

    /// Whether a `CancelledError` is an instance of a class, as far as the file shows.
    fn is_cancellation_class(&self, class: &'a Expr) -> Option<bool> {
        if self.class_catches(class).is_some() {
            return Some(true);
        }
        let classes: Vec<&Expr> = match class {
            Expr::Tuple(tuple) => tuple.elts.iter().collect(),
            other => vec![other],
        };
        let known = classes.iter().all(|class| {
            !self.qualified_names(class).is_empty() || self.class_named(class).is_some()
        });
        known.then_some(false)
    }
}

/// Whether a cancellation can arrive at a suspension; at a task that was just cancelled it is
/// that task's own.
fn brings_cancellation(suspension: &Suspension<'_>) -> bool {
    match suspension.cut {
        Cut::Never | Cut::WaitsThenRaises => false,
        Cut::Waits => matches!(suspension.kind, SuspensionKind::Exit(_)),
        Cut::Raises => true,
    }
}

/// A local name and the constant that a handler for the cancellation gives it.
type Flag<'a> = (&'a str, bool);

fn constant_assigned(stmt: &Stmt) -> Option<Flag<'_>> {
    let Stmt::Assign(node) = stmt else {
        return None;
    };
    match (node.targets.as_slice(), &*node.value) {
        ([Expr::Name(name)], Expr::BooleanLiteral(value)) => Some((name.id.as_str(), value.value)),
        _ => None,
    }
}

fn truth_of_flag(test: &Expr, flags: &[Flag<'_>]) -> Option<bool> {
    match test {
        Expr::Name(name) => flags
            .iter()
            .find(|(flag, _)| name.id == *flag)
            .map(|(_, value)| *value),
        Expr::UnaryOp(node) if node.op == ast::UnaryOp::Not => {
            truth_of_flag(&node.operand, flags).map(|value| !value)
        }
        Expr::BoolOp(node) => {
            let is_and = node.op == ast::BoolOp::And;
            let mut values = node.values.iter().map(|value| truth_of_flag(value, flags));
            if values.clone().any(|value| value == Some(!is_and)) {
                return Some(!is_and);
            }
            values.all(|value| value == Some(is_and)).then_some(is_and)
        }
        _ => None,
    }
}

/// Whether the awaited call is told of the cancellation: `await self.close(cancelled)`.
fn is_told(suspension: &Suspension<'_>, flags: &[Flag<'_>]) -> bool {
    let is_flag = |expr: &Expr| truth_of_flag(expr, flags) == Some(true);
    suspension.call().is_some_and(|call| {
        call.arguments.args.iter().any(is_flag)
            || call.arguments.keywords.iter().any(|it| is_flag(&it.value))
    })
}

fn body_range(body: &[Stmt]) -> Option<TextRange> {
    let (first, last) = (body.first()?, body.last()?);
    Some(TextRange::new(first.start(), last.end()))
}

/// A parameter of `__aexit__` that holds the exception or its class.
enum ExitParameter<'a> {
    Plain(&'a str),
    /// `*exc_info`, of which the items count.
    Rest(&'a str),
}

impl ExitParameter<'_> {
    fn is(&self, expr: &Expr) -> bool {
        match (self, expr) {
            (ExitParameter::Plain(name), Expr::Name(node)) => node.id == *name,
            (ExitParameter::Rest(name), Expr::Subscript(node)) => {
                matches!(&*node.value, Expr::Name(value) if value.id == *name)
                    && node.slice.is_number_literal_expr()
            }
            _ => false,
        }
    }
}

fn exit_parameters(def: &ast::StmtFunctionDef) -> Vec<ExitParameter<'_>> {
    let plain = def
        .parameters
        .posonlyargs
        .iter()
        .chain(&def.parameters.args)
        .skip(1)
        .map(|it| ExitParameter::Plain(it.parameter.name.as_str()));
    let rest = def.parameters.vararg.as_ref();
    plain
        .chain(rest.map(|it| ExitParameter::Rest(it.name.as_str())))
        .collect()
}
