//! Who catches a cancellation and what becomes of it.
//!
//! A *catcher* is an `except` or a `suppress` that swallows or sees a `CancelledError` of a
//! suspension in its body. It is read off the flow graph, so that every question has one meaning:
//! "what does a cancelled task do from here". What runs while a cancellation passes is the subject
//! of `cleanup.rs`.

use ruff_python_ast::{self as ast, ExceptHandler, Expr, Stmt};
use ruff_text_size::{Ranged, TextRange};

use super::File;
use super::exceptions::Catches;
use super::flow::{Flow, NodeId, NodeKind, Reached};
use super::names::dotted_text;
use super::suspend::{Cut, Suspension};
use super::tree::{FunctionId, Part, StmtId};

/// How a cancellation is caught.
#[derive(Clone, Copy)]
pub enum CatcherKind<'a> {
    /// `except`; the index counts the handlers of its `try`.
    Except(&'a ast::ExceptHandlerExceptHandler, usize),
    /// `with suppress(.., class, ..)`: the class that matches.
    Suppress(&'a Expr),
}

/// An `except` or a `suppress` that catches the cancellation of a suspension in its body.
pub struct Catcher<'a> {
    pub kind: CatcherKind<'a>,
    /// The `try` or `with`.
    pub stmt: StmtId,
    pub function: FunctionId,
    pub catches: Catches,
    /// The suspensions whose cancellation it catches, in order; never empty.
    pub sources: Vec<Suspension<'a>>,
    pub(super) entries: Vec<NodeId>,
    pub(super) source_nodes: Vec<NodeId>,
}

impl<'a> Catcher<'a> {
    /// The handler, if it is one.
    #[must_use]
    pub fn handler(&self) -> Option<&'a ast::ExceptHandlerExceptHandler> {
        match self.kind {
            CatcherKind::Except(handler, _) => Some(handler),
            CatcherKind::Suppress(_) => None,
        }
    }

    /// The statements of the handler; none for `suppress`.
    #[must_use]
    pub fn body(&self) -> &'a [Stmt] {
        self.handler().map_or(&[], |handler| &handler.body)
    }

    /// What to underline: `except` and its class, or the class that `suppress` names.
    #[must_use]
    pub fn range(&self) -> TextRange {
        match self.kind {
            CatcherKind::Except(handler, _) => header_range(handler),
            CatcherKind::Suppress(class) => class.range(),
        }
    }
}

/// `except` with its class, without the name and the colon.
#[must_use]
pub fn header_range(handler: &ast::ExceptHandlerExceptHandler) -> TextRange {
    let keyword = TextRange::at(handler.start(), "except".len().try_into().expect("short"));
    match handler.type_.as_deref() {
        Some(class) => keyword.cover(class.range()),
        None => keyword,
    }
}

/// The ways that a handler can end.
#[derive(Debug, Default, Clone)]
pub struct Exits {
    /// `raise` of what was caught, or of another `CancelledError`.
    pub reraises: Vec<StmtId>,
    /// `raise` of another exception, or a call that never returns.
    pub raises_other: Vec<StmtId>,
    pub returns: Vec<StmtId>,
    /// `break` out of a loop around the `try`.
    pub breaks: Vec<StmtId>,
    /// `continue` of a loop around the `try`.
    pub continues: Vec<StmtId>,
    /// It ends by reaching its last line.
    pub falls: bool,
    /// The steps of it where a cancelled task raises again.
    pub cut: Vec<StmtId>,
}

impl Exits {
    /// Some way neither raises nor is cut: the cancellation is forgotten.
    #[must_use]
    pub fn swallows(&self) -> bool {
        self.falls
            || !self.returns.is_empty()
            || !self.breaks.is_empty()
            || !self.continues.is_empty()
    }
}

/// Which task walks: one that stays cancelled, or one that was cancelled once and goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Every suspension raises again: the runtime's level cancellation.
    Level,
    /// Every suspension works again: asyncio's edge cancellation.
    Edge,
}

/// A loop that a cancelled task can't leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spin {
    /// The innermost loop that goes round.
    pub loop_stmt: StmtId,
    /// It ends by itself: a `for`, a counter, a queue that is emptied.
    pub bounded: bool,
}

impl<'a> File<'a> {
    /// The catchers of every async function, in source order.
    #[must_use]
    pub fn catchers(&self) -> &[Catcher<'a>] {
        self.catchers.get_or_init(|| {
            self.tree
                .stmt_ids()
                .flat_map(|id| self.catchers_of(id))
                .collect()
        })
    }

    fn is_suspending(&self, id: StmtId) -> bool {
        let function = self.tree.stmt(id).function;
        self.tree.function(function).is_async() && !self.suspensions(function).is_empty()
    }

    fn catchers_of(&self, id: StmtId) -> Vec<Catcher<'a>> {
        let mut found = Vec::new();
        match self.tree.stmt(id).node {
            Stmt::Try(node) if !node.handlers.is_empty() && self.is_suspending(id) => {
                for (index, handler) in node.handlers.iter().enumerate() {
                    let ExceptHandler::ExceptHandler(handler) = handler;
                    if let Some(catches) = self.catches(handler) {
                        let kind = CatcherKind::Except(handler, index);
                        found.extend(self.catcher(kind, id, catches));
                        // The handlers after it never see a cancellation.
                        break;
                    }
                }
            }
            Stmt::With(node) if self.is_suspending(id) => {
                for item in &node.items {
                    if let Some(class) = self.suppressed_class(&item.context_expr)
                        && let Some(catches) = self.class_catches(class)
                    {
                        found.extend(self.catcher(CatcherKind::Suppress(class), id, catches));
                        break;
                    }
                }
            }
            _ => {}
        }
        found
    }

    fn catcher(
        &self,
        kind: CatcherKind<'a>,
        stmt: StmtId,
        catches: Catches,
    ) -> Option<Catcher<'a>> {
        let function = self.tree.stmt(stmt).function;
        let flow = self.flow(function);
        let is_entry = |id: NodeId| {
            let node = flow.node(id);
            node.stmt == Some(stmt)
                && match (kind, node.kind) {
                    (CatcherKind::Except(_, own), NodeKind::Handler(index)) => own == index,
                    (CatcherKind::Suppress(_), NodeKind::Suppressed) => true,
                    _ => false,
                }
        };
        // A `finally` around it stands in the graph several times; not every copy is reached.
        let entries: Vec<NodeId> = flow.live().iter().filter(|id| is_entry(*id)).collect();
        let mut sources = Vec::new();
        let mut source_nodes = Vec::new();
        for id in flow.node_ids() {
            let node = flow.node(id);
            let (Some(cut), Some(inner)) = (node.cut, node.stmt) else {
                continue;
            };
            if !self.tree.contains(stmt, inner)
                || !flow.live().contains(id)
                || !self.leads_inside(flow, cut, stmt, &entries)
            {
                continue;
            }
            source_nodes.push(id);
            sources.extend(self.cut_suspensions(flow, id));
        }
        sources.sort_by_key(|it: &Suspension<'a>| it.range.start());
        sources.dedup_by_key(|it| it.range);
        (!sources.is_empty()).then_some(Catcher {
            kind,
            stmt,
            function,
            catches,
            sources,
            entries,
            source_nodes,
        })
    }

    /// Whether a cancellation on its way at `from` arrives at one of `goals` before it leaves a
    /// statement.
    pub(super) fn leads_inside(
        &self,
        flow: &Flow<'a>,
        from: NodeId,
        stmt: StmtId,
        goals: &[NodeId],
    ) -> bool {
        // Most suspensions of a body are caught at once.
        if goals.contains(&from) {
            return true;
        }
        let leaves = |id: NodeId| {
            flow.node(id)
                .stmt
                .is_none_or(|inner| !self.tree.contains(stmt, inner))
        };
        let reached = flow.reach([from], |id| goals.contains(&id) || leaves(id));
        goals.iter().any(|goal| reached.contains(*goal))
    }

    pub(super) fn cut_suspensions(&self, flow: &Flow<'a>, id: NodeId) -> Vec<Suspension<'a>> {
        let all = self.suspensions(flow.function);
        flow.node(id)
            .suspensions
            .iter()
            .map(|index| all[*index])
            .filter(Suspension::is_cut)
            .collect()
    }

    /// The ways that a catcher's handler can end; `suppress` just falls through.
    #[must_use]
    pub fn exits(&self, catcher: &Catcher<'a>, mode: Mode) -> Exits {
        let mut exits = Exits::default();
        let CatcherKind::Except(_, index) = catcher.kind else {
            exits.falls = true;
            return exits;
        };
        let flow = self.flow(catcher.function);
        let part = Part::Handler(index);
        let inside = |id: NodeId| self.is_in_part(flow, id, catcher.stmt, part);
        let is_entry = |id: NodeId| catcher.entries.contains(&id);
        let reached = walk(flow, mode, &catcher.entries, |id| {
            !inside(id) && !is_entry(id)
        });
        for id in reached.iter() {
            let node = flow.node(id);
            if matches!(node.kind, NodeKind::HandlerEnd(own) if own == index)
                && node.stmt == Some(catcher.stmt)
            {
                exits.falls = true;
            }
            if inside(id) {
                self.add_exit(flow, id, mode, &inside, catcher.stmt, &mut exits);
            }
        }
        exits.sort();
        exits
    }

    fn add_exit(
        &self,
        flow: &Flow<'a>,
        id: NodeId,
        mode: Mode,
        inside: &dyn Fn(NodeId) -> bool,
        around: StmtId,
        exits: &mut Exits,
    ) {
        let node = flow.node(id);
        let (NodeKind::Step, Some(stmt)) = (node.kind, node.stmt) else {
            return;
        };
        let leaves_by_cut = node.cut.is_some_and(|cut| !inside(cut));
        if mode == Mode::Level && leaves_by_cut {
            exits.cut.push(stmt);
            if !flow
                .next_when_cancelled(id)
                .any(|next| Some(next) != node.cut)
            {
                return;
            }
        }
        let leaves =
            |next: &NodeId| !inside(*next) || leaves_through_finally(flow, *next, mode, inside);
        if !node.next.iter().any(leaves) {
            return;
        }
        match self.tree.stmt(stmt).node {
            Stmt::Return(_) => exits.returns.push(stmt),
            // A jump inside a loop of the handler itself only happens to end where the handler does.
            Stmt::Break(_) | Stmt::Continue(_) if self.jumps_within(stmt, around) => {}
            Stmt::Break(_) => exits.breaks.push(stmt),
            Stmt::Continue(_) => exits.continues.push(stmt),
            Stmt::Raise(_) if node.reraises => exits.reraises.push(stmt),
            Stmt::Raise(_) => exits.raises_other.push(stmt),
            // The only other step whose successor isn't the next statement: a call that never
            // returns.
            Stmt::Expr(_) if !self.is_last_step(flow, id) => exits.raises_other.push(stmt),
            _ => {}
        }
    }

    /// Whether the loop of a `break` or `continue` stands below a statement.
    fn jumps_within(&self, jump: StmtId, around: StmtId) -> bool {
        self.tree
            .ancestors_in_function(jump)
            .take_while(|(parent, _)| *parent != around)
            .any(|(parent, part)| {
                let node = self.tree.stmt(parent).node;
                part == Part::Body && (node.is_for_stmt() || node.is_while_stmt())
            })
    }

    fn is_last_step(&self, flow: &Flow<'a>, id: NodeId) -> bool {
        flow.node(id).next.iter().all(|next| {
            matches!(
                flow.node(*next).kind,
                NodeKind::HandlerEnd(_) | NodeKind::Step | NodeKind::Test(_) | NodeKind::LoopHead
            )
        })
    }

    pub(super) fn is_in_part(&self, flow: &Flow<'a>, id: NodeId, stmt: StmtId, part: Part) -> bool {
        flow.node(id)
            .stmt
            .is_some_and(|inner| self.tree.part_of(stmt, inner) == Some(part))
    }

    /// The loop that a cancelled task goes round for ever because of a catcher.
    #[must_use]
    pub fn spin(&self, catcher: &Catcher<'a>) -> Option<Spin> {
        let flow = self.flow(catcher.function);
        let flags = self.flags_set_by(catcher);
        // Only a handler that is entered again in the same copy of the `finally` around it, if
        // there is one, turns for ever: another copy leads on to somewhere else.
        let from = |start: NodeId, entry: NodeId| {
            flow.reach([start], |id| self.leaves_loop(flow, id, entry, &flags))
        };
        let round = |entry: NodeId| {
            let leaves = |id: NodeId| self.leaves_loop(flow, id, entry, &flags);
            let reached = flow.reach(flow.next_when_cancelled(entry), leaves);
            reached.contains(entry).then_some((entry, reached))
        };
        let (entry, reached) = catcher.entries.iter().find_map(|entry| round(*entry))?;
        let turns = |id: StmtId| {
            reached.iter().any(|head| {
                let node = flow.node(head);
                matches!(node.kind, NodeKind::LoopHead)
                    && node.stmt == Some(id)
                    && from(head, entry).contains(entry)
            })
        };
        let mut loops = self
            .tree
            .ancestors_in_function(catcher.stmt)
            .map(|(parent, _)| parent)
            .filter(|parent| turns(*parent));
        // A loop that ends by itself doesn't help inside of one that starts it anew.
        let innermost = loops.next()?;
        let endless = std::iter::once(innermost)
            .chain(loops)
            .find(|id| !self.is_bounded_loop(*id));
        Some(Spin {
            loop_stmt: endless.unwrap_or(innermost),
            bounded: endless.is_none(),
        })
    }

    /// A queue is empty sooner or later, and then taking from it is cut.
    fn uses_up_queue(&self, flow: &Flow<'a>, id: NodeId) -> bool {
        self.cut_suspensions(flow, id)
            .iter()
            .any(|it| it.conditional && matches!(it.call_name(), Some("get" | "put" | "join")))
    }

    /// Whether a way back to a handler is taken to end at a node: at a test of what the handler
    /// just set, if one of its branches doesn't lead back, and where a queue runs empty.
    fn leaves_loop(&self, flow: &Flow<'a>, id: NodeId, entry: NodeId, flags: &[String]) -> bool {
        if self.uses_up_queue(flow, id) {
            return true;
        }
        let node = flow.node(id);
        let NodeKind::Test(test) = node.kind else {
            return false;
        };
        let leads_back =
            |branch: &NodeId| flow.reach([*branch], |other| other == id).contains(entry);
        self.mentions(test, flags) && !node.next.iter().all(leads_back)
    }

    /// The names and attributes that a handler sets, itself or through a method of the object.
    pub(super) fn flags_set_by(&self, catcher: &Catcher<'a>) -> Vec<String> {
        let mut flags = Vec::new();
        let CatcherKind::Except(_, index) = catcher.kind else {
            return flags;
        };
        let end = self.tree.stmt(catcher.stmt).end;
        for id in (catcher.stmt.0 + 1..=end.0).map(StmtId) {
            if self.tree.part_of(catcher.stmt, id) == Some(Part::Handler(index)) {
                self.add_assigned(id, &mut flags);
                self.add_set_by_calls(id, &mut flags);
            }
        }
        flags
    }

    fn add_assigned(&self, id: StmtId, flags: &mut Vec<String>) {
        match self.tree.stmt(id).node {
            Stmt::Assign(node) => {
                for target in &node.targets {
                    match target {
                        Expr::Tuple(tuple) => {
                            flags.extend(tuple.elts.iter().filter_map(dotted_text));
                        }
                        target => flags.extend(dotted_text(target)),
                    }
                }
            }
            Stmt::AugAssign(node) => flags.extend(dotted_text(&node.target)),
            Stmt::AnnAssign(node) => flags.extend(dotted_text(&node.target)),
            Stmt::Delete(node) => flags.extend(node.targets.iter().filter_map(dotted_text)),
            _ => {}
        }
    }

    fn add_set_by_calls(&self, id: StmtId, flags: &mut Vec<String>) {
        for expr in self.tree.exprs_of(id) {
            let Expr::Call(call) = expr else { continue };
            if let Some(function) = self.callee(call)
                && let Some(def) = self.tree.function(function).stmt
            {
                let end = self.tree.stmt(def).end;
                for below in (def.0 + 1..=end.0).map(StmtId) {
                    self.add_assigned(below, flags);
                }
            }
            if let Expr::Attribute(method) = &*call.func {
                flags.extend(dotted_text(&method.value).filter(|text| text != "self"));
            }
        }
    }

    /// Whether an expression mentions one of some dotted names.
    #[must_use]
    pub fn mentions(&self, expr: &'a Expr, names: &[String]) -> bool {
        !names.is_empty()
            && self.tree.exprs_in(expr).any(|part| {
                matches!(part, Expr::Name(_) | Expr::Attribute(_))
                    && dotted_text(part).is_some_and(|text| names.contains(&text))
            })
    }

    /// Whether a loop ends by itself: a plain `for` (but not over `itertools.count()` or
    /// `iter(call, sentinel)`), or a `while` whose test depends on a counter or a container that
    /// the body uses up.
    #[must_use]
    pub fn is_bounded_loop(&self, id: StmtId) -> bool {
        match self.tree.stmt(id).node {
            Stmt::For(node) => !node.is_async && !self.is_endless_iterable(&node.iter),
            Stmt::While(node) => {
                let mut used_up = Vec::new();
                let end = self.tree.stmt(id).end;
                for below in (id.0 + 1..=end.0).map(StmtId) {
                    if let Stmt::AugAssign(node) = self.tree.stmt(below).node {
                        used_up.extend(dotted_text(&node.target));
                    }
                }
                for (_, call) in self.tree.calls_below(id) {
                    if let Expr::Attribute(method) = &*call.func
                        && ["pop", "popleft", "popitem", "get_nowait"]
                            .contains(&method.attr.as_str())
                    {
                        used_up.extend(dotted_text(&method.value));
                    }
                }
                self.mentions(&node.test, &used_up)
            }
            _ => false,
        }
    }

    fn is_endless_iterable(&self, iterable: &'a Expr) -> bool {
        let Expr::Call(call) = iterable else {
            return false;
        };
        if self.is_builtin(&call.func, "iter") {
            return call.arguments.args.len() == 2;
        }
        let name = self.qualified(&call.func);
        matches!(
            name.as_deref(),
            Some("itertools.count" | "itertools.cycle" | "itertools.repeat")
        ) && !(name.as_deref() == Some("itertools.repeat") && call.arguments.len() > 1)
    }

    /// The suspensions outside a handler that a cancelled task reaches after it swallowed the
    /// cancellation, and where it raises again; in source order.
    #[must_use]
    pub fn cut_after(&self, catcher: &Catcher<'a>) -> Vec<Suspension<'a>> {
        let flow = self.flow(catcher.function);
        let inside = |id: NodeId| match catcher.kind {
            CatcherKind::Except(_, index) => {
                self.is_in_part(flow, id, catcher.stmt, Part::Handler(index))
            }
            CatcherKind::Suppress(_) => false,
        };
        // Ways that leave the handler because it raises, or is cut again, swallow nothing.
        let leaves = |id: NodeId| {
            let node = flow.node(id);
            let raises = node
                .stmt
                .is_some_and(|stmt| self.tree.stmt(stmt).node.is_raise_stmt());
            inside(id) && (raises || node.cut.is_some_and(|cut| !inside(cut)))
        };
        let reached = flow.reach(catcher.entries.iter().copied(), leaves);
        let mut found: Vec<Suspension<'a>> = reached
            .iter()
            .filter(|id| !inside(*id) && !catcher.source_nodes.contains(id))
            .flat_map(|id| self.cut_suspensions(flow, id))
            .filter(|it| it.cut == Cut::Raises && !it.conditional)
            .collect();
        found.sort_by_key(|it| it.range.start());
        found.dedup_by_key(|it| it.range);
        found
    }
}

impl Exits {
    fn sort(&mut self) {
        for list in [
            &mut self.reraises,
            &mut self.raises_other,
            &mut self.returns,
            &mut self.breaks,
            &mut self.continues,
            &mut self.cut,
        ] {
            list.sort_unstable();
            list.dedup();
        }
    }
}

/// Whether a jump that goes through a `finally` of the handler leaves the handler behind it.
fn leaves_through_finally(
    flow: &Flow<'_>,
    entry: NodeId,
    mode: Mode,
    inside: &dyn Fn(NodeId) -> bool,
) -> bool {
    matches!(flow.node(entry).kind, NodeKind::Finally { .. })
        && walk(flow, mode, &[entry], |id| !inside(id))
            .iter()
            .any(|id| {
                let node = flow.node(id);
                inside(id)
                    && matches!(node.kind, NodeKind::FinallyEnd)
                    && node.next.iter().any(|next| !inside(*next))
            })
}

fn walk<'a>(
    flow: &Flow<'a>,
    mode: Mode,
    from: &[NodeId],
    stop: impl FnMut(NodeId) -> bool,
) -> Reached {
    match mode {
        Mode::Level => flow.reach(from.iter().copied(), stop),
        Mode::Edge => flow.reach_uncancelled(from.iter().copied(), stop),
    }
}
