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

use ruff_python_ast::Expr;

use super::File;
use super::flow_build::Builder;
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
    pub(super) implicit: Vec<NodeId>,
    /// The suspensions of this step, as indices into the function's.
    pub suspensions: Vec<usize>,
    /// It is a `raise` of the cancellation that its handler caught.
    pub reraises: bool,
    /// Every suspension that is cut is conditional: the step may complete all the same.
    pub(super) may_complete: bool,
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
            let (entry, nodes) = Builder::new(self, function).build();
            self.flows_begun.borrow_mut().pop();
            Box::new(Flow {
                function,
                nodes,
                entry,
                live: OnceCell::new(),
            })
        })
    }
}
