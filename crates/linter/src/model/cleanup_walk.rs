//! The ways of a cancelled task through a part of a flow graph, and what it misses on them.
//!
//! Not here: which parts are cleanup (`cleanup.rs`).

use ruff_python_ast::{ExceptHandler, Expr, Stmt};
use rustc_hash::FxHashSet;

use super::File;
use super::cleanup::BlockCut;
use super::exceptions::Catches;
use super::flow::{Flow, NodeId, NodeKind};
use super::suspend::{Cut, Suspension};
use super::tree::{FunctionId, StmtId};

/// Walks a part of a flow graph.
pub(super) struct Walker<'w, 'a> {
    pub file: &'w File<'a>,
    pub flow: &'w Flow<'a>,
    /// Whether a statement belongs to the part.
    pub inside: &'w dyn Fn(StmtId) -> bool,
    /// What a test is known to be in a cancelled task.
    pub truth: &'w dyn Fn(&'a Expr) -> Option<bool>,
    /// Whether what is awaited knows of the cancellation, so that it is not counted as cut.
    pub knows: &'w dyn Fn(&Suspension<'a>) -> bool,
}

impl<'a> Walker<'_, 'a> {
    /// What is cut on the ways of a cancelled task, and what doesn't run because of that.
    pub fn cuts_and_skipped(&self, entry: NodeId) -> (Vec<BlockCut<'a>>, Vec<StmtId>) {
        let reached = self.walk([entry], true);
        let mut cuts: Vec<BlockCut<'a>> = Vec::new();
        let mut skipped: FxHashSet<StmtId> = FxHashSet::default();
        for id in reached.iter().copied().filter(|id| self.is_inside(*id)) {
            let own = self.cuts_of(id);
            let is_certain = own.iter().any(|cut| !cut.may_pass && !cut.is_handled);
            if is_certain {
                skipped.extend(self.skipped_after(id));
            }
            cuts.extend(own);
        }
        cuts.sort_by_key(|cut| (cut.suspension.stmt, cut.suspension.range.end()));
        cuts.dedup_by_key(|cut| (cut.suspension.stmt, cut.suspension.range));
        let mut skipped: Vec<StmtId> = skipped.into_iter().collect();
        skipped.sort();
        (cuts, skipped)
    }

    fn cuts_of(&self, id: NodeId) -> Vec<BlockCut<'a>> {
        let is_handled = self.is_handled(id);
        self.cut_suspensions(id)
            .map(|suspension| BlockCut {
                suspension,
                may_pass: self.file.may_pass(&suspension),
                is_handled,
            })
            .collect()
    }

    fn cut_suspensions(&self, id: NodeId) -> impl Iterator<Item = Suspension<'a>> {
        let all = self.file.suspensions(self.flow.function);
        self.flow
            .node(id)
            .suspensions
            .iter()
            .map(|index| all[*index])
            .filter(|it| it.is_cut() && !(self.knows)(it))
    }

    /// The statements behind a step that would have come after it, and don't come where the
    /// cancellation goes instead.
    fn skipped_after(&self, id: NodeId) -> Vec<StmtId> {
        let node = self.flow.node(id);
        let (Some(own), Some(cut)) = (node.stmt, node.cut) else {
            return Vec::new();
        };
        let instead = self.stmts(&self.walk([cut], true));
        let mut after = self.stmts(&self.walk(self.next(id), false));
        after.retain(|stmt| *stmt > own && !instead.contains(stmt));
        after.into_iter().collect()
    }

    /// Whether the cancellation of a step goes to a handler of the part that names it and does
    /// something about it.
    fn is_handled(&self, id: NodeId) -> bool {
        let Some(target) = self.flow.node(id).cut.map(|cut| self.flow.node(cut)) else {
            return false;
        };
        let (NodeKind::Handler(index), Some(stmt)) = (target.kind, target.stmt) else {
            return false;
        };
        let Stmt::Try(node) = self.file.tree.stmt(stmt).node else {
            return false;
        };
        let ExceptHandler::ExceptHandler(handler) = &node.handlers[index];
        (self.inside)(stmt)
            && self.file.catches(handler) == Some(Catches::Cancelled)
            && handler
                .body
                .iter()
                .any(|stmt| self.file.does_something(stmt))
    }

    fn is_inside(&self, id: NodeId) -> bool {
        self.flow
            .node(id)
            .stmt
            .is_some_and(|stmt| (self.inside)(stmt))
    }

    fn stmts(&self, nodes: &FxHashSet<NodeId>) -> FxHashSet<StmtId> {
        nodes
            .iter()
            .filter_map(|node| self.flow.node(*node).stmt)
            .filter(|stmt| (self.inside)(*stmt))
            .collect()
    }

    /// The nodes that are reached from some, these included, without leaving the part.
    fn walk(&self, from: impl IntoIterator<Item = NodeId>, cancelled: bool) -> FxHashSet<NodeId> {
        let mut open: Vec<NodeId> = from.into_iter().collect();
        let entries = open.clone();
        let mut seen = FxHashSet::default();
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            if !self.is_inside(id) && !entries.contains(&id) {
                continue;
            }
            if cancelled
                && let Some(cut) = self.flow.node(id).cut
                && self.cut_suspensions(id).next().is_some()
            {
                open.push(cut);
                if !self.passes(id) {
                    continue;
                }
            }
            open.extend(self.next(id));
        }
        seen
    }

    /// Whether a cancelled task may come past every suspension of a step.
    fn passes(&self, id: NodeId) -> bool {
        self.cut_suspensions(id).all(|it| self.file.may_pass(&it))
    }

    fn next(&self, id: NodeId) -> Vec<NodeId> {
        let node = self.flow.node(id);
        match (node.kind, node.next.as_slice()) {
            (NodeKind::Test(test), [yes, no]) => match (self.truth)(test) {
                Some(true) => vec![*yes],
                Some(false) => vec![*no],
                None => vec![*yes, *no],
            },
            (_, next) => next.to_vec(),
        }
    }
}

impl<'a> File<'a> {
    /// Whether a cancelled task may come past a suspension that is cut.
    pub(super) fn may_pass(&self, suspension: &Suspension<'a>) -> bool {
        if suspension.conditional {
            return true;
        }
        match suspension.cut {
            Cut::Never | Cut::Waits => return true,
            Cut::WaitsThenRaises => return false,
            Cut::Raises => {}
        }
        suspension
            .call()
            .and_then(|call| self.callee(call))
            .is_some_and(|callee| {
                let data = self.tree.function(callee);
                data.is_async() && !data.is_generator && self.swallows(callee)
            })
    }

    /// Whether a coroutine function swallows every cancellation that cuts it.
    fn swallows(&self, function: FunctionId) -> bool {
        let memo = &self.cleanup_memo.swallows;
        if let Some(known) = memo.borrow().get(&function) {
            return *known;
        }
        memo.borrow_mut().insert(function, false);
        let flow = self.flow(function);
        let walker = Walker {
            file: self,
            flow,
            inside: &|_| true,
            truth: &|_| None,
            knows: &|_| false,
        };
        let reached = walker.walk([flow.entry()], true);
        let cuts: Vec<NodeId> = reached
            .into_iter()
            .filter(|id| walker.cut_suspensions(*id).next().is_some())
            .collect();
        let escapes = |id: &NodeId| {
            let cut = flow.node(*id).cut;
            !walker.passes(*id) && walker.walk(cut, true).contains(&NodeId::CANCELLED)
        };
        let result = !cuts.is_empty() && !cuts.iter().any(escapes);
        memo.borrow_mut().insert(function, result);
        result
    }
}
