//! What BIS201 to BIS204 have in common: the await of a cleanup block that is cut off, how it is
//! described, and the shield around it.

use ruff_python_ast::{self as ast, Expr, Stmt};
use ruff_text_size::{Ranged, TextRange};

use crate::diagnostic::{Applicability, Diagnostic, Fix, Severity};
use crate::model::File;
use crate::model::cleanup::{BlockCut, Cleanup, CleanupKind};
use crate::model::kinds::Kind;
use crate::model::suspend::{Cut, Suspension, SuspensionKind};
use crate::model::tree::StmtId;
use crate::report::Report;

/// How many of the statements that never run are labelled.
const MAX_LABELS: usize = 3;

const HELP: &str = "Wrap the cleanup in `with asyncbis.CancelScope(shield=True):`, or in \
                    `async with asyncbis.timeout(5, shield=True):` where the other side may \
                    never answer";

/// A cleanup block that a cancellation cuts off.
pub(super) struct CutOff<'f, 'a> {
    pub cleanup: &'f Cleanup<'a>,
    /// The suspension that is cut off first.
    pub at: BlockCut<'a>,
    /// The statements behind it that never run and are missed.
    pub missed: Vec<StmtId>,
}

/// The cleanup blocks of a file that are cut off, in source order.
pub(super) fn cut_off<'f, 'a>(file: &'f File<'a>) -> Vec<CutOff<'f, 'a>> {
    // Trio's cancellation has always been a state: its users shield where they have to.
    if file.imports("trio") && !file.imports("asyncio") && !file.imports("anyio") {
        return Vec::new();
    }
    file.cleanups()
        .iter()
        .filter_map(|cleanup| {
            let missed = file.missed_statements(cleanup);
            let at = if missed.is_empty() {
                first_lost_await(file, cleanup)?
            } else {
                cause_of(cleanup, &missed)?
            };
            Some(CutOff {
                cleanup,
                at,
                missed,
            })
        })
        .collect()
}

/// The first await that is cut off for certain, or else one that is where it has to wait.
fn first_lost_await<'a>(file: &File<'a>, cleanup: &Cleanup<'a>) -> Option<BlockCut<'a>> {
    let raises = |cut: &&BlockCut<'a>| {
        cut.suspension.cut == Cut::Raises
            && !cut.is_handled
            && !file.is_pause(&cut.suspension)
            && !file.is_put_without_wait(&cut.suspension)
            && !file.is_of_memory_stream(&cut.suspension)
    };
    let mut cuts = cleanup.cut.iter().filter(raises);
    let certain = cuts.clone().find(|cut| !cut.may_pass);
    certain.or_else(|| cuts.next()).copied()
}

/// The suspension because of which the missed statements never run: the last certain one before
/// them.
fn cause_of<'a>(cleanup: &Cleanup<'a>, missed: &[StmtId]) -> Option<BlockCut<'a>> {
    let first_missed = *missed.first()?;
    let certain = cleanup
        .cut
        .iter()
        .filter(|cut| !cut.may_pass && !cut.is_handled);
    certain
        .clone()
        .rfind(|cut| cut.suspension.stmt < first_missed)
        .or_else(|| certain.clone().next())
        .copied()
}

impl<'a> CutOff<'_, 'a> {
    /// The statement that is cut off: `await pool.release()`.
    pub fn subject(&self, file: &File<'a>) -> String {
        subject(file, &self.at.suspension)
    }

    /// Where the block is: "in a `finally`".
    pub fn place(&self) -> &'static str {
        match self.cleanup.kind {
            CleanupKind::Finally => "in a `finally`",
            CleanupKind::Handler(_) => "in a handler that catches the cancellation",
            CleanupKind::Exit if self.cleanup.registered.is_some() => "in an exit callback",
            CleanupKind::Exit => "in `__aexit__`",
        }
    }

    /// Reports that the await is not shielded: an error where something isn't given back.
    pub fn report(&self, file: &File<'a>, report: &mut Report) {
        let severity = if file.gives_back(&self.at.suspension) {
            Severity::Error
        } else {
            Severity::Warning
        };
        let message = format!("{} {} is not shielded", self.subject(file), self.place());
        let diagnostic = report.add(severity, self.at.suspension.range, message);
        self.explain(file, diagnostic);
    }

    /// Adds what every finding of the family says.
    pub fn explain(&self, file: &File<'a>, found: &mut Diagnostic) {
        found.label(self.effect(file)).help(HELP);
        if let Some(source) = &self.cleanup.source {
            let what = match self.cleanup.kind {
                CleanupKind::Handler(_) => "a cancellation that arrives here leads to the handler",
                _ => "a cancellation that arrives here leads to the `finally`",
            };
            found.and(source.range, what);
        }
        if let Some(registered) = self.cleanup.registered {
            found.and(registered, "an exit stack runs it after a cancelled body");
        }
        for (index, stmt) in self.missed.iter().take(MAX_LABELS).enumerate() {
            let what = if index == 0 {
                "never runs after a cancellation"
            } else {
                "nor does this"
            };
            found.and(header_range(file, *stmt), what);
        }
        found.fix(self.fix(file));
    }

    fn effect(&self, file: &File<'a>) -> &'static str {
        let suspension = &self.at.suspension;
        match (suspension.cut, suspension.kind) {
            (Cut::WaitsThenRaises, _) => {
                "waits for the cancelled tasks, then raises `CancelledError`"
            }
            (_, SuspensionKind::Await(task)) if file.kind(task) == Some(Kind::Task) => {
                "a cancelled task cancels the awaited task here"
            }
            _ if self.at.may_pass => {
                "raises `CancelledError` in a cancelled task if it has to wait"
            }
            (_, SuspensionKind::Await(Expr::Call(_))) => {
                "in a cancelled task it raises `CancelledError` as soon as it waits"
            }
            _ => "raises `CancelledError` in a cancelled task",
        }
    }

    /// The shield around the statements from the first that is cut off to the last that waits.
    fn fix(&self, file: &File<'a>) -> Option<Fix> {
        let waiting = |stmt: &Stmt| self.waits(file, file.tree.stmt_id(stmt));
        let mut run = self.cleanup.body;
        loop {
            let first = run.iter().position(waiting)?;
            let last = run.iter().rposition(waiting)?;
            run = &run[first..=last];
            // The one branch that waits, rather than the `if` around it.
            let [Stmt::If(node)] = run else { break };
            let Some(branch) = self.waiting_branch(file, node) else {
                break;
            };
            run = branch;
        }
        if run.iter().any(|stmt| yields(file, stmt)) {
            return None;
        }
        let (edits, needs_asyncbis) = file.shield_cleanup(run)?;
        file.fix(
            "Shield the cleanup",
            Applicability::Unsafe,
            edits,
            needs_asyncbis,
        )
    }

    /// The branch of an `if` that waits, where there is one and no test waits.
    fn waiting_branch(&self, file: &File<'a>, node: &'a ast::StmtIf) -> Option<&'a [Stmt]> {
        let clauses = &node.elif_else_clauses;
        let tests = clauses.iter().filter_map(|clause| clause.test.as_ref());
        let waits = |test: &'a Expr| file.tree.exprs_in(test).any(Expr::is_await_expr);
        if waits(&node.test) || tests.into_iter().any(waits) {
            return None;
        }
        let branches = clauses.iter().map(|clause| clause.body.as_slice());
        let mut waiting = std::iter::once(node.body.as_slice())
            .chain(branches)
            .filter(|branch| {
                let mut stmts = branch.iter();
                stmts.any(|stmt| self.waits(file, file.tree.stmt_id(stmt)))
            });
        waiting.next().filter(|_| waiting.next().is_none())
    }

    /// Whether a cancelled task is cut off in a statement, or would be if it came there.
    fn waits(&self, file: &File<'a>, stmt: StmtId) -> bool {
        let is_bad = |cut: Cut| matches!(cut, Cut::Raises | Cut::WaitsThenRaises);
        let is_cut =
            self.cleanup.cut.iter().any(|cut| {
                is_bad(cut.suspension.cut) && file.tree.contains(stmt, cut.suspension.stmt)
            });
        is_cut
            || self.cleanup.skipped.iter().any(|skipped| {
                file.tree.contains(stmt, *skipped)
                    && file.suspensions_of(*skipped).any(|it| is_bad(it.cut))
            })
    }
}

/// A `yield` must not stand in a scope.
fn yields(file: &File, stmt: &Stmt) -> bool {
    file.tree
        .exprs_below(file.tree.stmt_id(stmt))
        .any(|expr| matches!(expr, Expr::Yield(_) | Expr::YieldFrom(_)))
}

/// What suspends, in backticks, arguments left out.
pub(super) fn subject(file: &File, suspension: &Suspension) -> String {
    match suspension.kind {
        SuspensionKind::Await(Expr::Call(call)) => {
            format!("`await {}()`", short(file, &call.func))
        }
        SuspensionKind::Await(operand) => format!("`await {}`", short(file, operand)),
        SuspensionKind::Enter(item) | SuspensionKind::Exit(item) => {
            format!("`async with {}`", short(file, &item.context_expr))
        }
        SuspensionKind::Next(iterable) => format!("`async for .. in {}`", short(file, iterable)),
        SuspensionKind::Comprehension => "an asynchronous comprehension".to_owned(),
        SuspensionKind::ContextBody => "`yield`".to_owned(),
    }
}

/// An expression's text, or its last name where that is long.
pub(super) fn short(file: &File, expr: &Expr) -> String {
    const LONG: usize = 50;
    let text = file.source.slice(expr.range());
    if text.len() <= LONG && !text.contains(['\n', '\r', '`']) {
        return text.to_owned();
    }
    match expr {
        Expr::Attribute(attribute) => format!("...{}", attribute.attr),
        Expr::Call(call) => format!("{}()", short(file, &call.func)),
        _ => "...".to_owned(),
    }
}

/// A simple statement, or the first line of a compound one.
fn header_range(file: &File, id: StmtId) -> TextRange {
    let range = file.tree.stmt(id).node.range();
    let end = file.line_end(range.start()).min(range.end());
    TextRange::new(range.start(), end)
}
