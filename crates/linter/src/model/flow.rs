//! The flow graph of a function, with the ways a cancellation takes.
//!
//! A node is a statement's own step: a simple statement, a test, the entry of a handler or a
//! `finally`. It has two kinds of successors: `next`, where control goes when the step completes,
//! and `cut`, where a `CancelledError` raised at one of its suspensions goes (the first handler
//! that catches it, through every `finally` on the way). [`Flow::reach`] walks the graph *as a
//! cancelled task does*: a step with a suspension that is cut goes on along `cut` alone.
//!
//! Invariants: a `finally` body stands in the graph once for each place that it continues to, so
//! that paths through it don't mix; inside a handler that catches cancellation, tests for the
//! exception's class are decided as they are for a `CancelledError`.
//!
//! Not here: ordinary exceptions of calls. They don't matter while the question is what a
//! cancellation does; `Flow::never_returns` alone follows them, along `implicit`.

use std::cell::OnceCell;

use ruff_python_ast::{self as ast, ExceptHandler, Expr, Stmt};
use rustc_hash::FxHashMap;

use super::File;
use super::names::{BindingKind, dotted_text};
use super::suspend::{Suspension, SuspensionKind};
use super::tree::{FunctionId, StmtId};

/// A node of a flow graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(crate) u32);

impl NodeId {
    /// The function returned.
    pub const RETURNED: NodeId = NodeId(0);
    /// An exception other than the cancellation left the function.
    pub const RAISED: NodeId = NodeId(1);
    /// The cancellation left the function.
    pub const CANCELLED: NodeId = NodeId(2);
}

/// What a node stands for.
#[derive(Clone, Copy)]
pub enum NodeKind<'a> {
    /// One of the three ends.
    End,
    /// A simple statement, or the header of a compound one.
    Step,
    /// A condition.
    Test(&'a Expr),
    /// Where a loop begins its next round.
    LoopHead,
    /// The beginning of a handler; the index counts the handlers of its `try`.
    Handler(usize),
    /// The end of a handler's body, reached when it falls through.
    HandlerEnd(usize),
    /// A `with suppress(..)` swallows the cancellation here.
    Suppressed,
    /// The beginning of a `finally` body; whether it was entered by a cancellation.
    Finally { cancelled: bool },
    /// The end of a `finally` body.
    FinallyEnd,
}

/// A step of a function.
pub struct Node<'a> {
    pub kind: NodeKind<'a>,
    /// `None` for the three ends.
    pub stmt: Option<StmtId>,
    pub next: Vec<NodeId>,
    /// Where a cancellation raised here goes; `None` where nothing is cut.
    pub cut: Option<NodeId>,
    /// Where ordinary exceptions may go.
    implicit: Vec<NodeId>,
    /// The suspensions of this step, as indices into the function's.
    pub suspensions: Vec<usize>,
    /// It is a `raise` of the cancellation that its handler caught.
    pub reraises: bool,
    /// Every suspension that is cut is conditional: the step may complete all the same.
    may_complete: bool,
}

/// The flow graph of a function.
pub struct Flow<'a> {
    pub function: FunctionId,
    nodes: Vec<Node<'a>>,
    entry: NodeId,
    live: OnceCell<Reached>,
}

/// The nodes that a walk met.
pub struct Reached {
    /// One bit for each node.
    seen: Vec<u64>,
}

impl Reached {
    fn none(nodes: usize) -> Self {
        Reached {
            seen: vec![0; nodes.div_ceil(64)],
        }
    }

    /// Adds a node; false if it was there already.
    fn add(&mut self, node: NodeId) -> bool {
        let (word, bit) = (node.0 as usize / 64, 1 << (node.0 % 64));
        let is_new = self.seen[word] & bit == 0;
        self.seen[word] |= bit;
        is_new
    }

    #[must_use]
    pub fn contains(&self, node: NodeId) -> bool {
        self.seen[node.0 as usize / 64] & (1 << (node.0 % 64)) != 0
    }

    pub fn iter(&self) -> impl Iterator<Item = NodeId> {
        self.seen.iter().enumerate().flat_map(|(word, bits)| {
            let mut rest = *bits;
            std::iter::from_fn(move || {
                if rest == 0 {
                    return None;
                }
                let bit = rest.trailing_zeros();
                rest &= rest - 1;
                Some(NodeId(word as u32 * 64 + bit))
            })
        })
    }
}

impl<'a> Flow<'a> {
    #[must_use]
    pub fn node(&self, id: NodeId) -> &Node<'a> {
        &self.nodes[id.0 as usize]
    }

    pub fn node_ids(&self) -> impl Iterator<Item = NodeId> + use<'a> {
        (0..self.nodes.len() as u32).map(NodeId)
    }

    #[must_use]
    pub fn entry(&self) -> NodeId {
        self.entry
    }

    /// Where control goes from a node of a cancelled task.
    pub fn next_when_cancelled(&self, id: NodeId) -> impl Iterator<Item = NodeId> {
        let node = self.node(id);
        let completes = node.cut.is_none() || node.may_complete;
        let next: &[NodeId] = if completes { &node.next } else { &[] };
        node.cut.into_iter().chain(next.iter().copied())
    }

    /// Where control goes from a node of a task that is not cancelled again.
    pub fn next_when_not_cancelled(&self, id: NodeId) -> impl Iterator<Item = NodeId> {
        self.node(id).next.iter().copied()
    }

    /// The nodes reached from some others, these included, in a cancelled task; nodes that `stop`
    /// accepts are reached but not left.
    pub fn reach(
        &self,
        from: impl IntoIterator<Item = NodeId>,
        stop: impl FnMut(NodeId) -> bool,
    ) -> Reached {
        self.walk(from, stop, |flow, id, add| {
            flow.next_when_cancelled(id).for_each(add);
        })
    }

    /// As [`Flow::reach`], in a task that is not cancelled again.
    pub fn reach_uncancelled(
        &self,
        from: impl IntoIterator<Item = NodeId>,
        stop: impl FnMut(NodeId) -> bool,
    ) -> Reached {
        self.walk(from, stop, |flow, id, add| {
            flow.next_when_not_cancelled(id).for_each(add);
        })
    }

    fn walk(
        &self,
        from: impl IntoIterator<Item = NodeId>,
        mut stop: impl FnMut(NodeId) -> bool,
        next: impl Fn(&Self, NodeId, &mut dyn FnMut(NodeId)),
    ) -> Reached {
        let mut reached = Reached::none(self.nodes.len());
        let mut open: Vec<NodeId> = from.into_iter().collect();
        while let Some(id) = open.pop() {
            if !reached.add(id) || stop(id) {
                continue;
            }
            next(self, id, &mut |successor| open.push(successor));
        }
        reached
    }

    /// The nodes that the function can reach at all: code behind a loop without an end, or behind
    /// a `raise`, is not among them.
    #[must_use]
    pub fn live(&self) -> &Reached {
        self.live.get_or_init(|| self.reach_anyhow())
    }

    fn reach_anyhow(&self) -> Reached {
        self.walk(
            [self.entry],
            |_| false,
            |flow, id, add| {
                let node = flow.node(id);
                let all = node.next.iter().chain(&node.implicit).chain(&node.cut);
                all.copied().for_each(add);
            },
        )
    }

    /// Whether no way through the function returns.
    #[must_use]
    pub fn never_returns(&self) -> bool {
        let reached = self.walk(
            [self.entry],
            |_| false,
            |flow, id, add| {
                let node = flow.node(id);
                node.next
                    .iter()
                    .chain(&node.implicit)
                    .copied()
                    .for_each(add);
            },
        );
        !reached.contains(NodeId::RETURNED)
    }
}

impl<'a> File<'a> {
    /// The flow graph of a function.
    #[must_use]
    pub fn flow(&self, function: FunctionId) -> &Flow<'a> {
        self.flows[function.index()].get_or_init(|| {
            self.flows_begun.borrow_mut().push(function);
            let mut builder = Builder {
                file: self,
                suspensions: self.suspensions(function),
                function,
                nodes: Vec::new(),
                finally_copies: FxHashMap::default(),
                frames: Vec::new(),
            };
            let entry = builder.function();
            self.flows_begun.borrow_mut().pop();
            Box::new(Flow {
                function,
                nodes: builder.nodes,
                entry,
                live: OnceCell::new(),
            })
        })
    }
}

/// Beyond this size a `finally` isn't copied any more: the graph stays small, paths may mix.
const MAX_NODES: usize = 20_000;

/// What surrounds a statement: where its ways out lead.
#[derive(Clone, Copy)]
struct Around<'a> {
    break_to: NodeId,
    continue_to: NodeId,
    return_to: NodeId,
    /// Where a cancellation goes.
    cancel_to: NodeId,
    /// What another exception meets first, as an index into the builder's frames.
    frame: Option<usize>,
    caught: Option<Caught<'a>>,
}

/// What an exception meets on its way out.
struct Frame<'a> {
    outer: Option<usize>,
    kind: FrameKind<'a>,
}

enum FrameKind<'a> {
    /// The handlers of a `try`: what they catch, and where they begin.
    Handlers(Vec<(CaughtNames, NodeId)>),
    /// A `finally`, and what surrounds its `try`.
    Finally(&'a ast::StmtTry, StmtId, Around<'a>),
}

/// The handler that a statement stands in.
#[derive(Clone, Copy)]
struct Caught<'a> {
    name: Option<&'a str>,
    cancellation: bool,
}

struct Builder<'f, 'a> {
    file: &'f File<'a>,
    suspensions: &'f [Suspension<'a>],
    function: FunctionId,
    nodes: Vec<Node<'a>>,
    finally_copies: FxHashMap<(StmtId, NodeId, bool), NodeId>,
    frames: Vec<Frame<'a>>,
}

impl<'a> Builder<'_, 'a> {
    fn function(&mut self) -> NodeId {
        for _ in 0..3 {
            self.add(NodeKind::End, None, Vec::new());
        }
        let around = Around {
            break_to: NodeId::RAISED,
            continue_to: NodeId::RAISED,
            return_to: NodeId::RETURNED,
            cancel_to: NodeId::CANCELLED,
            frame: None,
            caught: None,
        };
        match self.file.tree.function(self.function).def() {
            Some(def) => self.block(&def.body, NodeId::RETURNED, &around),
            None => NodeId::RETURNED,
        }
    }

    fn add(&mut self, kind: NodeKind<'a>, stmt: Option<StmtId>, next: Vec<NodeId>) -> NodeId {
        let id = NodeId(self.nodes.len() as u32);
        self.nodes.push(Node {
            kind,
            stmt,
            next,
            cut: None,
            implicit: Vec::new(),
            suspensions: Vec::new(),
            reraises: false,
            may_complete: false,
        });
        id
    }

    /// Adds a node with the suspensions that `belongs` accepts among those of the statement.
    fn step(
        &mut self,
        kind: NodeKind<'a>,
        stmt: StmtId,
        next: Vec<NodeId>,
        cancel_to: NodeId,
        belongs: impl Fn(&Suspension<'a>) -> bool,
    ) -> NodeId {
        let id = self.add(kind, Some(stmt), next);
        let from = self.suspensions.partition_point(|it| it.stmt < stmt);
        let indices: Vec<usize> = self.suspensions[from..]
            .iter()
            .take_while(|it| it.stmt == stmt)
            .enumerate()
            .filter(|(_, it)| belongs(it))
            .map(|(index, _)| from + index)
            .collect();
        let cut: Vec<&Suspension<'a>> = indices
            .iter()
            .map(|index| &self.suspensions[*index])
            .filter(|it| it.is_cut())
            .collect();
        let may_complete = cut
            .iter()
            .all(|it| it.conditional || it.cut == super::suspend::Cut::Waits);
        let node = &mut self.nodes[id.0 as usize];
        node.cut = (!cut.is_empty()).then_some(cancel_to);
        node.may_complete = may_complete;
        node.suspensions = indices;
        id
    }

    /// A step with the suspensions of one expression.
    fn expr_step(
        &mut self,
        kind: NodeKind<'a>,
        stmt: StmtId,
        expr: &'a Expr,
        next: Vec<NodeId>,
        cancel_to: NodeId,
    ) -> NodeId {
        let file = self.file;
        self.step(kind, stmt, next, cancel_to, |it| {
            it.expr.is_some_and(|inner| file.tree.is_below(expr, inner))
        })
    }

    fn block(&mut self, body: &'a [Stmt], next: NodeId, around: &Around<'a>) -> NodeId {
        body.iter()
            .rev()
            .fold(next, |next, stmt| self.stmt(stmt, next, around))
    }

    fn stmt(&mut self, stmt: &'a Stmt, next: NodeId, around: &Around<'a>) -> NodeId {
        let id = self.file.tree.stmt_id(stmt);
        let simple = |builder: &mut Self, to: NodeId| {
            builder.step(NodeKind::Step, id, vec![to], around.cancel_to, |_| true)
        };
        match stmt {
            Stmt::Return(_) => simple(self, around.return_to),
            Stmt::Break(_) => simple(self, around.break_to),
            Stmt::Continue(_) => simple(self, around.continue_to),
            Stmt::Raise(node) => {
                let again = self.raises_again(node, around);
                let to = if again {
                    around.cancel_to
                } else {
                    self.raise_target(node.exc.as_deref(), around)
                };
                let raise = simple(self, to);
                self.nodes[raise.0 as usize].reraises = again;
                raise
            }
            Stmt::Expr(node) => {
                let to = if self.never_returns(&node.value) {
                    self.raise_target(None, around)
                } else {
                    next
                };
                simple(self, to)
            }
            Stmt::If(node) => self.if_stmt(node, id, next, around),
            Stmt::While(node) => self.while_stmt(node, id, next, around),
            Stmt::For(node) => self.for_stmt(node, id, next, around),
            Stmt::With(node) => self.with_stmt(node, id, next, around),
            Stmt::Try(node) => self.try_stmt(node, id, next, around),
            Stmt::Match(node) => self.match_stmt(node, id, next, around),
            // The bodies of nested functions and classes are not this function's steps.
            Stmt::FunctionDef(_) | Stmt::ClassDef(_) => {
                self.add(NodeKind::Step, Some(id), vec![next])
            }
            _ => simple(self, next),
        }
    }

    fn never_returns(&self, expr: &'a Expr) -> bool {
        let (call, awaited) = match expr {
            Expr::Await(node) => (&*node.value, true),
            other => (other, false),
        };
        let Expr::Call(call) = call else {
            return false;
        };
        let runs = self
            .file
            .callee(call)
            .is_none_or(|callee| self.file.tree.function(callee).is_async() == awaited);
        runs && self.file.never_returns(call)
    }

    fn raises_again(&self, node: &'a ast::StmtRaise, around: &Around<'a>) -> bool {
        match node.exc.as_deref() {
            None => around.caught.is_some_and(|caught| caught.cancellation),
            Some(exc) => self.raises_cancellation(exc, around),
        }
    }

    /// `raise exc`, `raise exc.with_traceback(..)`, `raise CancelledError`, and the name that a
    /// handler stored the cancellation in.
    fn raises_cancellation(&self, exc: &'a Expr, around: &Around<'a>) -> bool {
        if let Expr::Call(call) = exc {
            if let Expr::Attribute(method) = &*call.func
                && ["with_traceback", "add_note"].contains(&method.attr.as_str())
            {
                return self.raises_cancellation(&method.value, around);
            }
            return self.file.is_cancelled_error(&call.func);
        }
        if let (Expr::Name(name), Some(caught)) = (exc, around.caught)
            && caught.cancellation
            && caught.name == Some(name.id.as_str())
        {
            return true;
        }
        self.file.is_cancelled_error(exc) || self.file.is_stored_cancellation(exc)
    }

    fn if_stmt(
        &mut self,
        node: &'a ast::StmtIf,
        id: StmtId,
        next: NodeId,
        around: &Around<'a>,
    ) -> NodeId {
        let mut otherwise = next;
        for clause in node.elif_else_clauses.iter().rev() {
            let body = self.block(&clause.body, next, around);
            otherwise = match &clause.test {
                Some(test) => self.test(test, id, body, otherwise, around),
                None => body,
            };
        }
        let body = self.block(&node.body, next, around);
        self.test(&node.test, id, body, otherwise, around)
    }

    fn test(
        &mut self,
        test: &'a Expr,
        stmt: StmtId,
        yes: NodeId,
        no: NodeId,
        around: &Around<'a>,
    ) -> NodeId {
        let next = match self.truth(test, around) {
            Some(true) => vec![yes],
            Some(false) => vec![no],
            None => vec![yes, no],
        };
        self.expr_step(NodeKind::Test(test), stmt, test, next, around.cancel_to)
    }

    fn while_stmt(
        &mut self,
        node: &'a ast::StmtWhile,
        id: StmtId,
        next: NodeId,
        around: &Around<'a>,
    ) -> NodeId {
        let head = self.add(NodeKind::LoopHead, Some(id), Vec::new());
        let after = self.block(&node.orelse, next, around);
        let inside = Around {
            break_to: next,
            continue_to: head,
            ..*around
        };
        let body = self.block(&node.body, head, &inside);
        let test = self.test(&node.test, id, body, after, around);
        self.nodes[head.0 as usize].next = vec![test];
        head
    }

    fn for_stmt(
        &mut self,
        node: &'a ast::StmtFor,
        id: StmtId,
        next: NodeId,
        around: &Around<'a>,
    ) -> NodeId {
        let after = self.block(&node.orelse, next, around);
        let head = self.step(NodeKind::LoopHead, id, Vec::new(), around.cancel_to, |it| {
            matches!(it.kind, SuspensionKind::Next(_))
        });
        let inside = Around {
            break_to: next,
            continue_to: head,
            ..*around
        };
        let body = self.block(&node.body, head, &inside);
        self.nodes[head.0 as usize].next = vec![body, after];
        self.expr_step(NodeKind::Step, id, &node.iter, vec![head], around.cancel_to)
    }

    fn with_stmt(
        &mut self,
        node: &'a ast::StmtWith,
        id: StmtId,
        next: NodeId,
        around: &Around<'a>,
    ) -> NodeId {
        let suppresses = node
            .items
            .iter()
            .any(|item| self.file.suppressed_class(&item.context_expr).is_some());
        let cancel_to = if suppresses {
            self.add(NodeKind::Suppressed, Some(id), vec![next])
        } else {
            around.cancel_to
        };
        let inside = Around {
            cancel_to,
            ..*around
        };
        let exit = if node.is_async {
            self.step(NodeKind::Step, id, vec![next], cancel_to, |it| {
                matches!(it.kind, SuspensionKind::Exit(_))
            })
        } else {
            next
        };
        let body = self.block(&node.body, exit, &inside);
        // A cancellation on entry is outside of what `suppress` swallows, unless an earlier item
        // of the same statement is the `suppress`: close enough to the body to count as inside.
        self.step(NodeKind::Step, id, vec![body], cancel_to, |it| {
            !matches!(it.kind, SuspensionKind::Exit(_))
        })
    }

    fn match_stmt(
        &mut self,
        node: &'a ast::StmtMatch,
        id: StmtId,
        next: NodeId,
        around: &Around<'a>,
    ) -> NodeId {
        let mut targets: Vec<NodeId> = node
            .cases
            .iter()
            .map(|case| self.block(&case.body, next, around))
            .collect();
        let complete = node
            .cases
            .last()
            .is_some_and(|case| case.guard.is_none() && case.pattern.is_irrefutable());
        if !complete {
            targets.push(next);
        }
        self.step(NodeKind::Step, id, targets, around.cancel_to, |_| true)
    }

    fn try_stmt(
        &mut self,
        node: &'a ast::StmtTry,
        id: StmtId,
        next: NodeId,
        around: &Around<'a>,
    ) -> NodeId {
        let outside = self.through_finally(node, id, around);
        let next = self.finally(node, id, next, around, false);
        let mut inside = outside;
        let mut implicit = Vec::new();
        let mut handlers = Vec::new();
        let mut catches_cancellation = false;
        for (index, handler) in node.handlers.iter().enumerate() {
            let ExceptHandler::ExceptHandler(handler) = handler;
            if !catches_cancellation && self.file.catches(handler).is_some() {
                catches_cancellation = true;
                inside.cancel_to = self.handler(handler, Some(index), id, next, &outside);
            }
            // What else it catches takes a way of its own: a bare `raise` raises that.
            let names = self.file.caught_names(handler);
            if !names.is_empty() {
                let entry = self.handler(handler, None, id, next, &outside);
                implicit.push(entry);
                handlers.push((names, entry));
            }
        }
        inside.frame = Some(self.add_frame(outside.frame, FrameKind::Handlers(handlers)));
        let after = self.block(&node.orelse, next, &outside);
        let body = self.block(&node.body, after, &inside);
        let start = self.add(NodeKind::Step, Some(id), vec![body]);
        self.nodes[start.0 as usize].implicit = implicit;
        start
    }

    /// A handler's body, for the cancellation (with the handler's index) or for what else it
    /// catches.
    fn handler(
        &mut self,
        handler: &'a ast::ExceptHandlerExceptHandler,
        index: Option<usize>,
        id: StmtId,
        next: NodeId,
        outside: &Around<'a>,
    ) -> NodeId {
        let end = index.map_or(NodeKind::Step, NodeKind::HandlerEnd);
        let end = self.add(end, Some(id), vec![next]);
        let around = Around {
            caught: Some(Caught {
                name: handler.name.as_ref().map(ast::Identifier::as_str),
                cancellation: index.is_some(),
            }),
            ..*outside
        };
        let body = self.block(&handler.body, end, &around);
        let start = index.map_or(NodeKind::Step, NodeKind::Handler);
        self.add(start, Some(id), vec![body])
    }

    /// The ways out of a `try`, led through its `finally`.
    fn through_finally(
        &mut self,
        node: &'a ast::StmtTry,
        id: StmtId,
        around: &Around<'a>,
    ) -> Around<'a> {
        if node.finalbody.is_empty() {
            return *around;
        }
        let (returns, jumps) = self.ways_out(id);
        let mut led = *around;
        led.cancel_to = self.finally(node, id, around.cancel_to, around, true);
        let kind = FrameKind::Finally(node, id, *around);
        led.frame = Some(self.add_frame(around.frame, kind));
        if returns {
            led.return_to = self.finally(node, id, around.return_to, around, false);
        }
        if jumps {
            led.break_to = self.finally(node, id, around.break_to, around, false);
            led.continue_to = self.finally(node, id, around.continue_to, around, false);
        }
        led
    }

    fn add_frame(&mut self, outer: Option<usize>, kind: FrameKind<'a>) -> usize {
        self.frames.push(Frame { outer, kind });
        self.frames.len() - 1
    }

    /// Where an exception goes that isn't the cancellation: the first handler that names its class
    /// or catches every exception, through each `finally` on the way.
    fn raise_target(&mut self, exception: Option<&'a Expr>, around: &Around<'a>) -> NodeId {
        let classes = exception.map_or_else(Vec::new, |it| self.file.exception_classes(it));
        let mut finals = Vec::new();
        let mut target = NodeId::RAISED;
        let mut frame = around.frame;
        while let Some(index) = frame {
            match &self.frames[index].kind {
                FrameKind::Handlers(handlers) => {
                    let handler = handlers.iter().find(|(names, _)| names.catch(&classes));
                    if let Some((_, entry)) = handler {
                        target = *entry;
                        break;
                    }
                }
                FrameKind::Finally(node, id, outside) => finals.push((*node, *id, *outside)),
            }
            frame = self.frames[index].outer;
        }
        for (node, id, outside) in finals.into_iter().rev() {
            target = self.finally(node, id, target, &outside, false);
        }
        target
    }

    /// Whether a `return`, a `break` or `continue` stands below a statement.
    fn ways_out(&self, id: StmtId) -> (bool, bool) {
        let tree = &self.file.tree;
        let below = (id.0 + 1..=tree.stmt(id).end.0)
            .map(|below| tree.stmt(StmtId(below)))
            .filter(|data| data.function == self.function);
        below.fold((false, false), |(returns, jumps), data| {
            (
                returns || data.node.is_return_stmt(),
                jumps || data.node.is_break_stmt() || data.node.is_continue_stmt(),
            )
        })
    }

    /// The copy of a `finally` body that continues to a place.
    fn finally(
        &mut self,
        node: &'a ast::StmtTry,
        id: StmtId,
        to: NodeId,
        around: &Around<'a>,
        cancelled: bool,
    ) -> NodeId {
        if node.finalbody.is_empty() {
            return to;
        }
        let key = (id, to, cancelled);
        if let Some(entry) = self.finally_copies.get(&key) {
            return *entry;
        }
        if self.nodes.len() > MAX_NODES
            && let Some((_, entry)) = self.finally_copies.iter().find(|(key, _)| key.0 == id)
        {
            return *entry;
        }
        let end = self.add(NodeKind::FinallyEnd, Some(id), vec![to]);
        let body = self.block(&node.finalbody, end, around);
        let entry = self.add(NodeKind::Finally { cancelled }, Some(id), vec![body]);
        self.finally_copies.insert(key, entry);
        entry
    }

    /// What a test is known to be: constants, and in a handler that caught a cancellation the
    /// tests that ask for the exception's class or for `cancelling()`.
    fn truth(&self, test: &'a Expr, around: &Around<'a>) -> Option<bool> {
        match test {
            Expr::BooleanLiteral(literal) => Some(literal.value),
            Expr::NumberLiteral(literal) => match &literal.value {
                ast::Number::Int(value) => Some(*value != ast::Int::ZERO),
                _ => None,
            },
            Expr::UnaryOp(node) if node.op == ast::UnaryOp::Not => {
                self.truth(&node.operand, around).map(|value| !value)
            }
            Expr::BoolOp(node) => {
                let is_and = node.op == ast::BoolOp::And;
                let mut all_known = true;
                for value in &node.values {
                    match self.truth(value, around) {
                        Some(value) if value != is_and => return Some(value),
                        Some(_) => {}
                        None => all_known = false,
                    }
                }
                all_known.then_some(is_and)
            }
            _ => around
                .caught
                .filter(|caught| caught.cancellation)
                .and_then(|caught| self.truth_when_cancelled(test, &caught)),
        }
    }

    fn truth_when_cancelled(&self, test: &'a Expr, caught: &Caught<'a>) -> Option<bool> {
        let is_caught =
            |expr: &Expr| matches!(expr, Expr::Name(name) if Some(name.id.as_str()) == caught.name);
        match test {
            Expr::Call(call) => {
                if self.file.is_builtin(&call.func, "isinstance")
                    && let [subject, class] = &*call.arguments.args
                    && is_caught(subject)
                {
                    return self.file.cancellation_is_instance(class);
                }
                if let Expr::Attribute(method) = &*call.func
                    && method.attr.as_str() == "cancelling"
                {
                    // Inside a cancelled scope `cancelling()` is above 0.
                    return Some(true);
                }
                None
            }
            Expr::Compare(node) => self.truth_of_comparison(node, &is_caught),
            _ => None,
        }
    }

    /// `type(exc) is CancelledError`, `task.cancelling() > 0`.
    fn truth_of_comparison(
        &self,
        node: &'a ast::ExprCompare,
        is_caught: &dyn Fn(&Expr) -> bool,
    ) -> Option<bool> {
        let ([op], [right]) = (&*node.ops, &*node.comparators) else {
            return None;
        };
        let Expr::Call(call) = &*node.left else {
            return None;
        };
        if self.file.is_builtin(&call.func, "type")
            && let [subject] = &*call.arguments.args
            && is_caught(subject)
        {
            let same = self.file.is_cancelled_error(right);
            return match op {
                ast::CmpOp::Is | ast::CmpOp::Eq => Some(same),
                ast::CmpOp::IsNot | ast::CmpOp::NotEq => Some(!same),
                _ => None,
            };
        }
        let is_cancelling =
            matches!(&*call.func, Expr::Attribute(method) if method.attr.as_str() == "cancelling");
        let is_zero = matches!(right, Expr::NumberLiteral(literal)
            if matches!(&literal.value, ast::Number::Int(value) if *value == ast::Int::ZERO));
        if !is_cancelling || !is_zero {
            return None;
        }
        match op {
            ast::CmpOp::Gt | ast::CmpOp::NotEq => Some(true),
            ast::CmpOp::Eq | ast::CmpOp::LtE => Some(false),
            _ => None,
        }
    }
}

/// What a handler catches of ordinary exceptions.
enum CaughtNames {
    All,
    /// Just the classes of these names.
    Some(Vec<String>),
}

impl CaughtNames {
    fn is_empty(&self) -> bool {
        matches!(self, CaughtNames::Some(names) if names.is_empty())
    }

    fn catch(&self, classes: &[String]) -> bool {
        match self {
            CaughtNames::All => true,
            CaughtNames::Some(names) => names.iter().any(|name| classes.contains(name)),
        }
    }
}

/// The builtin exceptions with another base than `Exception` that programs raise themselves.
const BUILTIN_BASES: [(&str, &str); 14] = [
    ("BrokenPipeError", "ConnectionError"),
    ("ConnectionAbortedError", "ConnectionError"),
    ("ConnectionRefusedError", "ConnectionError"),
    ("ConnectionResetError", "ConnectionError"),
    ("ConnectionError", "OSError"),
    ("FileExistsError", "OSError"),
    ("FileNotFoundError", "OSError"),
    ("IndexError", "LookupError"),
    ("KeyError", "LookupError"),
    ("ModuleNotFoundError", "ImportError"),
    ("NotImplementedError", "RuntimeError"),
    ("PermissionError", "OSError"),
    ("TimeoutError", "OSError"),
    ("UnicodeError", "ValueError"),
];

/// What of a cancellation a handler catches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Catches {
    /// It names `CancelledError`.
    Cancelled,
    /// `except BaseException`
    BaseException,
    /// `except:`
    Everything,
}

impl<'a> File<'a> {
    /// Whether an expression is asyncio's `CancelledError` (or what AnyIO says it is).
    #[must_use]
    pub fn is_cancelled_error(&self, expr: &Expr) -> bool {
        if let Expr::Call(call) = expr {
            // AnyIO's own modules import it from one another.
            return super::caught::last_part(&call.func) == Some("get_cancelled_exc_class");
        }
        self.is_asyncio(expr, "CancelledError")
    }

    /// What of a cancellation a handler catches, the handlers before it aside.
    #[must_use]
    pub fn catches(&self, handler: &'a ast::ExceptHandlerExceptHandler) -> Option<Catches> {
        match handler.type_.as_deref() {
            None => Some(Catches::Everything),
            Some(class) => self.class_catches(class),
        }
    }

    /// What of a cancellation an exception class, or a tuple of them, matches.
    #[must_use]
    pub fn class_catches(&self, class: &'a Expr) -> Option<Catches> {
        match class {
            Expr::Tuple(tuple) => {
                let found: Vec<Catches> = tuple
                    .elts
                    .iter()
                    .filter_map(|class| self.class_catches(class))
                    .collect();
                let explicit = found.iter().find(|it| **it == Catches::Cancelled);
                explicit.or(found.first()).copied()
            }
            _ if self.is_cancelled_error(class) => Some(Catches::Cancelled),
            _ if self.is_builtin(class, "BaseException") => Some(Catches::BaseException),
            Expr::Name(_) => {
                // A module's own tuple of exceptions: `ERRORS = (OSError, CancelledError)`.
                let values = self.values_of(class);
                match values.as_slice() {
                    [value @ Expr::Tuple(_)] => self.class_catches(value),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// What a handler catches, by name.
    fn caught_names(&self, handler: &'a ast::ExceptHandlerExceptHandler) -> CaughtNames {
        let Some(class) = handler.type_.as_deref() else {
            return CaughtNames::All;
        };
        let classes: &[Expr] = match class {
            Expr::Tuple(tuple) => &tuple.elts,
            // A slice of one borrows the node itself, whose id is known to the model.
            _ => std::slice::from_ref(class),
        };
        let is_any = |class: &Expr| {
            self.is_builtin(class, "Exception") || self.is_builtin(class, "BaseException")
        };
        if classes.iter().any(is_any) {
            return CaughtNames::All;
        }
        let others = classes
            .iter()
            .filter(|class| !self.is_cancelled_error(class));
        CaughtNames::Some(
            others
                .map(|it| dotted_text(it).unwrap_or_default())
                .collect(),
        )
    }

    /// The names that a raised exception goes by: its class, the bases of it that the file shows,
    /// and those of the builtin exceptions.
    fn exception_classes(&self, raised: &'a Expr) -> Vec<String> {
        let class = raised.as_call_expr().map_or(raised, |call| &call.func);
        let mut names: Vec<String> = dotted_text(class).into_iter().collect();
        if let Some(id) = self.class_named(class) {
            for class in self.class_and_bases(id) {
                let node = self.tree.class(class).node;
                names.push(node.name.to_string());
                names.extend(node.bases().iter().filter_map(dotted_text));
            }
        }
        let mut next = 0;
        while next < names.len() {
            let parent = BUILTIN_BASES
                .iter()
                .find(|(child, _)| *child == names[next]);
            names.extend(parent.map(|(_, base)| (*base).to_owned()));
            next += 1;
        }
        names
    }

    /// Whether `isinstance(exc, class)` holds for a `CancelledError`.
    pub(super) fn cancellation_is_instance(&self, class: &'a Expr) -> Option<bool> {
        if let Expr::Tuple(tuple) = class {
            let known: Vec<Option<bool>> = tuple
                .elts
                .iter()
                .map(|class| self.cancellation_is_instance(class))
                .collect();
            if known.contains(&Some(true)) {
                return Some(true);
            }
            return known.iter().all(Option::is_some).then_some(false);
        }
        if self.class_catches(class).is_some() {
            return Some(true);
        }
        // Any class that is known by name and is not one of the above is another one.
        let known = !self.qualified_names(class).is_empty() || self.class_named(class).is_some();
        known.then_some(false)
    }

    /// The class in `contextlib.suppress(..)` that swallows a cancellation.
    #[must_use]
    pub fn suppressed_class(&self, manager: &'a Expr) -> Option<&'a Expr> {
        let call = manager.as_call_expr()?;
        let last = match &*call.func {
            Expr::Name(name) => name.id.as_str(),
            Expr::Attribute(attribute) => attribute.attr.as_str(),
            _ => return None,
        };
        let may_be = last == "suppress" || matches!(&*call.func, Expr::Name(_));
        if !may_be || self.qualified(&call.func).as_deref() != Some("contextlib.suppress") {
            return None;
        }
        call.arguments
            .args
            .iter()
            .find(|class| self.class_catches(class).is_some())
    }

    /// Whether a name holds a cancellation that a handler stored in it: `error = exc`.
    #[must_use]
    pub fn is_stored_cancellation(&self, expr: &'a Expr) -> bool {
        self.values_of(expr).iter().any(|value| {
            self.bindings_of(value)
                .iter()
                .any(|binding| match binding.kind {
                    BindingKind::Except(handler) => self.catches(handler).is_some(),
                    _ => false,
                })
        })
    }
}
