//! BIS310 cancel-all-tasks: every task of the loop is cancelled by hand.

use ruff_python_ast::{CmpOp, Comprehension, Expr, ExprCall, Operator, Stmt, UnaryOp};
use ruff_text_size::{Ranged, TextRange};

use crate::diagnostic::{Applicability, Edit, Fix, Severity};
use crate::model::File;
use crate::model::names::{dotted_text, last_name};
use crate::model::tree::{FunctionId, StmtId};
use crate::prefilter::{ASYNC, Needles};
use crate::report::Report;

pub(crate) const NEEDLES: Needles = &[ASYNC, &["all_tasks"], &["cancel"]];

pub(crate) fn check(file: &File, report: &mut Report) {
    for (expr, call) in file.tree.calls() {
        if file.is_asyncio(&call.func, "all_tasks") {
            check_call(file, report, expr, call);
        }
    }
}

fn check_call<'a>(file: &File<'a>, report: &mut Report, expr: &'a Expr, call: &'a ExprCall) {
    let function = file.tree.function_of(expr);
    let Some(def) = file.tree.function(function).stmt else {
        return;
    };
    if is_about_stopped_loop(file, function, def, call) {
        return;
    }
    let cancels: Vec<&'a Expr> = file
        .tree
        .calls_below(def)
        .filter(|(cancel, call)| {
            cancel.end() > expr.start()
                && file
                    .cancelled_task(call)
                    .is_some_and(|task| file.is_element_of_call(task, expr))
        })
        .map(|(cancel, _)| cancel)
        .collect();
    let (Some(cancel), Some(picks)) = (cancels.first(), picks(file, expr, def, &cancels)) else {
        return;
    };
    let waits = file
        .suspensions(function)
        .iter()
        .any(|it| it.range.start() > cancel.end() && it.is_cut());
    if !picks.spares_current && !waits {
        return;
    }
    let diagnostic = report.add(
        Severity::Info,
        expr,
        if picks.spares_current {
            "every task but this one is cancelled by hand"
        } else {
            "every task is cancelled by hand"
        },
    );
    diagnostic.and(
        cancel.range(),
        "reaches the main function, too, unless this is it",
    );
    diagnostic
        .help("`run()` cancels what is left when main ends; to end the program from here, `asyncbis.root_task_group().cancel()`")
        .fix(fix(file, expr, def));
}

/// A plain function that is told the loop, or that runs the loop itself: the loop is another one,
/// or has stopped.
fn is_about_stopped_loop<'a>(
    file: &File<'a>,
    function: FunctionId,
    def: StmtId,
    call: &ExprCall,
) -> bool {
    let is_async = file.tree.function(function).is_async();
    let runs_loop = file
        .tree
        .calls_below(def)
        .any(|(_, call)| last_name(&call.func) == Some("run_until_complete"));
    runs_loop || (!is_async && !call.arguments.is_empty())
}

/// Which tasks are cancelled.
struct Picks {
    /// The current task is left out.
    spares_current: bool,
}

/// `None` where the tasks are picked by something else, as their name.
fn picks<'a>(file: &File<'a>, all: &'a Expr, def: StmtId, cancels: &[&'a Expr]) -> Option<Picks> {
    let mut tests: Vec<&'a Expr> = Vec::new();
    // Conditions of the comprehension that the call stands in, and the sets taken from it.
    let mut spares_current = false;
    let mut inner = all;
    while let Some(parent) = file.tree.parent(inner) {
        let generators: &'a [Comprehension] = match parent {
            Expr::ListComp(node) => &node.generators,
            Expr::SetComp(node) => &node.generators,
            Expr::Generator(node) => &node.generators,
            Expr::BinOp(node) => {
                spares_current |= takes_current_away(file, node.op, &node.right)?;
                &[]
            }
            _ => &[],
        };
        tests.extend(generators.iter().flat_map(|it| &it.ifs));
        inner = parent;
    }
    // Conditions of every loop and `if` that a cancel stands in.
    for cancel in cancels {
        for (parent, _) in file.tree.ancestors_in_function(file.tree.stmt_of(cancel)) {
            if let Stmt::For(_) = file.tree.stmt(parent).node {
                tests.extend(if_tests(file, parent));
            }
        }
        let mut part = *cancel;
        while let Some(parent) = file.tree.parent(part) {
            if let Expr::ListComp(node) = parent {
                tests.extend(node.generators.iter().flat_map(|it| &it.ifs));
            }
            part = parent;
        }
    }
    debug_assert!(file.tree.contains(def, file.tree.stmt_of(all)));
    for test in tests {
        spares_current |= spares(file, test)?;
    }
    Some(Picks { spares_current })
}

fn if_tests<'a>(file: &File<'a>, outer: StmtId) -> Vec<&'a Expr> {
    (outer.0 + 1..=file.tree.stmt(outer).end.0)
        .filter_map(|id| file.tree.stmt(StmtId(id)).node.as_if_stmt())
        .map(|node| &*node.test)
        .collect()
}

/// `- {current_task()}`: `None` where other tasks are taken away.
fn takes_current_away<'a>(file: &File<'a>, op: Operator, taken: &'a Expr) -> Option<bool> {
    let Expr::Set(set) = taken else {
        return None;
    };
    (op == Operator::Sub && set.elts.iter().all(|it| file.is_current_task(it))).then_some(true)
}

/// Whether a test leaves out the current task; `None` where it asks for something else than that
/// or `done()`.
fn spares<'a>(file: &File<'a>, test: &'a Expr) -> Option<bool> {
    match test {
        Expr::UnaryOp(node) if node.op == UnaryOp::Not => spares(file, &node.operand),
        Expr::BoolOp(node) => {
            let parts: Option<Vec<bool>> = node.values.iter().map(|it| spares(file, it)).collect();
            Some(parts?.contains(&true))
        }
        Expr::Compare(node) => {
            let is_identity = matches!(
                &*node.ops,
                [CmpOp::Is | CmpOp::IsNot | CmpOp::Eq | CmpOp::NotEq]
            );
            let sides = [&*node.left, node.comparators.first()?];
            (is_identity && sides.iter().any(|side| file.is_current_task(side))).then_some(true)
        }
        Expr::Call(call) => {
            let name = last_name(&call.func)?;
            ["done", "cancelled"].contains(&name).then_some(false)
        }
        _ => None,
    }
}

/// Cancels the root group instead of the tasks; at the end of the main function nothing has to be
/// done at all.
fn fix<'a>(file: &File<'a>, all: &'a Expr, def: StmtId) -> Option<Fix> {
    let first = file.tree.stmt_of(all);
    let block = file.block_of(first);
    let start = block
        .iter()
        .position(|stmt| file.tree.stmt_id(stmt) == first)?;
    let length = cancelling_statements(&block[start..])?;
    let (head, tail) = (&block[start], &block[start + length - 1]);
    file.indentation(head)?;
    let covered = TextRange::new(head.start(), tail.end());
    if !file.ends_its_line(tail.end()) || file.has_comment_line(covered) {
        return None;
    }
    let is_tail = file.tree.stmt(first).parent == Some(def)
        && start + length == block.len()
        && start > 0
        && is_main(file, def);
    if is_tail {
        let from = file.line_end(block[start - 1].end());
        let edit = Edit::deletion(TextRange::new(from, file.line_end(tail.end())));
        return file.fix(
            "Leave it to `run()`",
            Applicability::Unsafe,
            vec![edit],
            false,
        );
    }
    let ([root], import) = file.asyncbis_at(["root_task_group"], first)?;
    let range = TextRange::new(head.start(), file.line_end(tail.end()));
    let mut edits = vec![Edit::replacement(range, format!("{root}().cancel()"))];
    edits.extend(import);
    file.fix(
        "Cancel the root task group",
        Applicability::Unsafe,
        edits,
        true,
    )
}

/// How many statements of a block collect, cancel and await the tasks and do nothing else.
fn cancelling_statements(block: &[Stmt]) -> Option<usize> {
    let (first, rest) = block.split_first()?;
    if cancels_in_loop(first) {
        return Some(1);
    }
    let Stmt::Assign(assign) = first else {
        return None;
    };
    let [Expr::Name(name)] = assign.targets.as_slice() else {
        return None;
    };
    if !cancels_in_loop(rest.first()?) {
        return None;
    }
    let awaits = rest.get(1).is_some_and(|stmt| awaits_all(stmt, &name.id));
    Some(if awaits { 3 } else { 2 })
}

/// `for task in tasks: task.cancel()`, with or without an `if`; `[task.cancel() for task in tasks]`.
fn cancels_in_loop(stmt: &Stmt) -> bool {
    let is_cancel = |expr: &Expr| {
        expr.as_call_expr()
            .is_some_and(|call| last_name(&call.func) == Some("cancel"))
    };
    let is_cancel_stmt = |stmt: &Stmt| {
        stmt.as_expr_stmt()
            .is_some_and(|node| is_cancel(&node.value))
    };
    match stmt {
        Stmt::For(node) => match node.body.as_slice() {
            [Stmt::If(test)] => {
                test.elif_else_clauses.is_empty()
                    && matches!(test.body.as_slice(), [only] if is_cancel_stmt(only))
            }
            [only] => is_cancel_stmt(only),
            _ => false,
        },
        Stmt::Expr(node) => {
            matches!(&*node.value, Expr::ListComp(list) if is_cancel(&list.elt))
        }
        _ => false,
    }
}

/// `await gather(*tasks)`, `await wait(tasks)`
fn awaits_all(stmt: &Stmt, tasks: &str) -> bool {
    let call = stmt
        .as_expr_stmt()
        .and_then(|node| node.value.as_await_expr())
        .and_then(|node| node.value.as_call_expr());
    call.is_some_and(|call| {
        let first = call.arguments.args.first().map(|first| match first {
            Expr::Starred(starred) => &*starred.value,
            other => other,
        });
        last_name(&call.func).is_some_and(|name| ["gather", "wait"].contains(&name))
            && first.and_then(dotted_text).is_some_and(|it| it == tasks)
    })
}

/// Whether a function is what `run()` is given.
fn is_main(file: &File, def: StmtId) -> bool {
    file.tree.calls().any(|(_, call)| {
        file.is_asyncio(&call.func, "run")
            && call
                .arguments
                .args
                .first()
                .and_then(Expr::as_call_expr)
                .and_then(|main| file.callee(main))
                .is_some_and(|main| file.tree.function(main).stmt == Some(def))
    })
}
