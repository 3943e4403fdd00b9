//! The flow graph of a function made from its statements, from the last one to the first.
//!
//! Each statement is built with the node that follows it and with what surrounds it: where its
//! `break`, `return`, a cancellation or another exception go. A `finally` is copied for each place
//! that it continues to.
//!
//! Invariants: a handler that catches the cancellation and other exceptions stands in the graph
//! twice, since its `raise` raises what it caught.
//!
//! Not here: what the graph is asked (`flow.rs`), what a handler catches (`exceptions.rs`).

use ruff_python_ast::{self as ast, ExceptHandler, Expr, Stmt};
use rustc_hash::FxHashMap;

use super::File;
use super::exceptions::CaughtNames;
use super::flow::{Node, NodeId, NodeKind};
use super::suspend::{Suspension, SuspensionKind};
use super::tree::{FunctionId, StmtId};

/// Beyond this size a `finally` isn't copied any more: the graph stays small, paths may mix.
const MAX_NODES: usize = 20_000;

/// What surrounds a statement: where its ways out lead.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    break_to: NodeId,
    continue_to: NodeId,
    return_to: NodeId,
    /// Where a cancellation goes.
    cancel_to: NodeId,
    /// What another exception meets first, as an index into the builder's frames.
    frame: Option<usize>,
    pub(super) caught: Option<Caught<'a>>,
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
pub(super) struct Caught<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) cancellation: bool,
}

pub(super) struct Builder<'f, 'a> {
    pub(super) file: &'f File<'a>,
    suspensions: &'f [Suspension<'a>],
    function: FunctionId,
    nodes: Vec<Node<'a>>,
    finally_copies: FxHashMap<(StmtId, NodeId, bool), NodeId>,
    frames: Vec<Frame<'a>>,
}

impl<'f, 'a> Builder<'f, 'a> {
    pub(super) fn new(file: &'f File<'a>, function: FunctionId) -> Self {
        Builder {
            file,
            suspensions: file.suspensions(function),
            function,
            nodes: Vec::new(),
            finally_copies: FxHashMap::default(),
            frames: Vec::new(),
        }
    }

    /// Builds the graph: the function's first node, and all nodes.
    pub(super) fn build(mut self) -> (NodeId, Vec<Node<'a>>) {
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
        let entry = match self.file.tree.function(self.function).def() {
            Some(def) => self.block(&def.body, NodeId::RETURNED, &around),
            None => NodeId::RETURNED,
        };
        (entry, self.nodes)
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
}
