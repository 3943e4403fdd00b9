//! Fixes that let a cancellation through a handler or a `suppress`.
//!
//! One is only made where everything that it touches is understood: a handler that does more than
//! log, a clause on the same line as its body, or a file without a name for `CancelledError` gives
//! none. Comments stay.
//!
//! Not here: shields, and whatever else needs a name of asyncbis.

use ruff_python_ast::{self as ast, Expr, Stmt};
use ruff_text_size::{Ranged, TextRange};

use crate::diagnostic::{Applicability, Edit, Fix};
use crate::model::File;
use crate::model::caught::is_log;
use crate::model::exceptions::Catches;
use crate::model::handlers::{Catcher, CatcherKind};
use crate::model::names::dotted_text;
use crate::model::suspend::Suspension;
use crate::model::tree::{Part, StmtId};

/// Lets the cancellation through, where the handler only logs: a `raise` at its end, or a clause
/// of its own above where the handler is for other exceptions, too.
///
/// There is no fix where the function goes on with something that a `raise` would skip, before it
/// comes to `again`, where the cancelled task raises anyway.
pub(crate) fn raise_again<'a>(
    file: &File<'a>,
    catcher: &Catcher<'a>,
    again: Option<&Suspension<'a>>,
) -> Option<Fix> {
    let handler = catcher.handler()?;
    let leaves = matches!(
        handler.body.last(),
        Some(Stmt::Return(_) | Stmt::Continue(_))
    );
    if !only_logs(handler) || !leaves && skips_something(file, catcher.stmt, again) {
        return None;
    }
    let edits = if is_alone(file, catcher, handler) {
        vec![raise_at_end(file, handler)?]
    } else {
        clause_above(file, catcher, handler)?
    };
    unsafe_fix(file, "Raise the cancellation again", edits)
}

/// Lets the cancellation through a handler that does nothing but raise another exception.
pub(crate) fn raise_unreplaced<'a>(file: &File<'a>, catcher: &Catcher<'a>) -> Option<Fix> {
    let handler = catcher.handler()?;
    let (last, before) = handler.body.split_last()?;
    if !last.is_raise_stmt() || !before.iter().all(is_log) {
        return None;
    }
    let edits = if is_alone(file, catcher, handler) {
        vec![bare_raise(file, last)?]
    } else {
        clause_above(file, catcher, handler)?
    };
    unsafe_fix(file, "Raise the cancellation itself", edits)
}

/// Takes the cancellation out of `suppress(..)`, and the `suppress` away where nothing is left; no
/// fix where something would be skipped then, as in [`raise_again`].
pub(crate) fn unsuppress<'a>(
    file: &File<'a>,
    catcher: &Catcher<'a>,
    again: Option<&Suspension<'a>>,
) -> Option<Fix> {
    let CatcherKind::Suppress(class) = catcher.kind else {
        return None;
    };
    if !file.is_cancelled_error(class) || skips_something(file, catcher.stmt, again) {
        return None;
    }
    let stmt = file.tree.stmt(catcher.stmt).node;
    let with = stmt.as_with_stmt()?;
    let call = with
        .items
        .iter()
        .filter_map(|item| item.context_expr.as_call_expr())
        .find(|call| call.range().contains_range(class.range()))?;
    let edit = match &*call.arguments.args {
        [_] if with.items.len() == 1 => dedent_body(file, stmt, with)?,
        [_] => return None,
        classes => remove_element(classes, class)?,
    };
    unsafe_fix(file, "Let the cancellation through", vec![edit])
}

/// Whether a function that doesn't end behind a statement does something there, other than to log
/// or to go round a loop, before it comes to the place where it ends anyway.
fn skips_something<'a>(file: &File<'a>, stmt: StmtId, end: Option<&Suspension<'a>>) -> bool {
    let mut current = stmt;
    loop {
        let data = file.tree.stmt(current);
        let Some(parent) = data.parent else {
            return false;
        };
        let block = file.block_of(current);
        let own = block.iter().position(|it| file.tree.stmt_id(it) == current);
        let mut next: Vec<&Stmt> = own.map_or(Vec::new(), |own| block[own + 1..].iter().collect());
        let node = file.tree.stmt(parent).node;
        if let (Stmt::Try(node), Part::Body) = (node, data.part) {
            next.extend(&node.orelse);
        }
        for stmt in next {
            match stmt {
                _ if end.is_some_and(|end| file.tree.stmt_id(stmt) == end.stmt) => return false,
                Stmt::Return(node) => {
                    return node.value.as_deref().is_some_and(|it| !is_simple_value(it));
                }
                Stmt::Continue(_) | Stmt::Raise(_) => return false,
                stmt if !is_log(stmt) => return true,
                _ => {}
            }
        }
        let goes_round = matches!(node, Stmt::While(_) | Stmt::For(_)) && data.part == Part::Body;
        if goes_round || matches!(node, Stmt::FunctionDef(_) | Stmt::ClassDef(_)) {
            return false;
        }
        current = parent;
    }
}

/// Whether it does nothing to evaluate an expression.
fn is_simple_value(expr: &Expr) -> bool {
    expr.is_literal_expr() || dotted_text(expr).is_some()
}

fn unsafe_fix(file: &File, title: &str, edits: Vec<Edit>) -> Option<Fix> {
    file.fix(title, Applicability::Unsafe, edits, false)
}

/// Whether a handler is for nothing but the cancellation.
fn is_alone<'a>(
    file: &File<'a>,
    catcher: &Catcher<'a>,
    handler: &'a ast::ExceptHandlerExceptHandler,
) -> bool {
    let class = handler.type_.as_deref();
    catcher.catches == Catches::Cancelled
        && class.is_some_and(|class| file.is_cancelled_error(class))
}

/// Whether a handler only logs, passes, continues or returns nothing.
pub(crate) fn only_logs(handler: &ast::ExceptHandlerExceptHandler) -> bool {
    let Some((last, before)) = handler.body.split_last() else {
        return false;
    };
    before.iter().all(is_log) && (is_log(last) || is_empty_end(last))
}

fn is_empty_end(stmt: &Stmt) -> bool {
    match stmt {
        Stmt::Continue(_) => true,
        Stmt::Return(node) => node.value.as_deref().is_none_or(Expr::is_none_literal_expr),
        _ => false,
    }
}

/// `raise` in the place of a statement; not before a semicolon, where ruff's parser expects an
/// exception.
fn bare_raise(file: &File, stmt: &Stmt) -> Option<Edit> {
    file.ends_its_line(stmt.end())
        .then(|| Edit::replacement(stmt.range(), "raise"))
}

fn raise_at_end(file: &File, handler: &ast::ExceptHandlerExceptHandler) -> Option<Edit> {
    let last = handler.body.last()?;
    let says_nothing = match last {
        Stmt::Pass(_) | Stmt::Continue(_) | Stmt::Return(_) => true,
        Stmt::Expr(node) => node.value.is_ellipsis_literal_expr(),
        _ => false,
    };
    if says_nothing {
        return bare_raise(file, last);
    }
    file.insert_line_after(last, "raise")
}

/// `except CancelledError: raise` above a handler, which no longer names the class.
fn clause_above<'a>(
    file: &File<'a>,
    catcher: &Catcher<'a>,
    handler: &'a ast::ExceptHandlerExceptHandler,
) -> Option<Vec<Edit>> {
    let indent = file.indentation(file.tree.stmt(catcher.stmt).node)?;
    let mut edits = Vec::new();
    let mut class = None;
    if let Some(Expr::Tuple(tuple)) = handler.type_.as_deref()
        && let Some(element) = tuple.elts.iter().find(|it| file.is_cancelled_error(it))
    {
        class = Some(on_one_line(file, element)?);
        edits.push(without_element(file, tuple, element)?);
    }
    let class = class.or_else(|| file.asyncio_text("CancelledError", catcher.stmt))?;
    let newline = file.newline();
    let unit = file.indent_unit_of(handler.body.first()?);
    let clause = format!("except {class}:{newline}{indent}{unit}raise{newline}{indent}");
    edits.push(Edit::insertion(handler.start(), clause));
    Some(edits)
}

/// The text of an expression that can stand without the parentheses around it.
fn on_one_line(file: &File, expr: &Expr) -> Option<String> {
    let text = file.source.slice(expr.range());
    (!text.contains(['\n', '\r'])).then(|| text.to_owned())
}

/// A tuple of classes without one of them; a single class stands without parentheses.
fn without_element(file: &File, tuple: &ast::ExprTuple, element: &Expr) -> Option<Edit> {
    let mut others = tuple
        .elts
        .iter()
        .filter(|other| other.range() != element.range());
    match (others.next()?, others.next()) {
        (only, None) => {
            if file.source.slice(tuple.range()).contains('#') {
                return None;
            }
            Some(Edit::replacement(tuple.range(), on_one_line(file, only)?))
        }
        _ => remove_element(&tuple.elts, element),
    }
}

/// Removes one of several elements and the comma that belongs to it.
fn remove_element(elements: &[Expr], element: &Expr) -> Option<Edit> {
    let index = elements
        .iter()
        .position(|other| other.range() == element.range())?;
    let range = match elements.get(index + 1) {
        Some(next) => TextRange::new(element.start(), next.start()),
        None => TextRange::new(elements.get(index.checked_sub(1)?)?.end(), element.end()),
    };
    Some(Edit::deletion(range))
}

/// The body of a `with`, in the place of the statement.
fn dedent_body(file: &File, stmt: &Stmt, with: &ast::StmtWith) -> Option<Edit> {
    let id = file.tree.stmt_id(stmt);
    let has_long_string = file.tree.exprs_below(id).any(|expr| {
        let is_text = matches!(
            expr,
            Expr::StringLiteral(_) | Expr::BytesLiteral(_) | Expr::FString(_) | Expr::TString(_)
        );
        is_text && file.source.slice(expr.range()).contains('\n')
    });
    let first = with.body.first()?;
    let outer = file.indentation(stmt)?;
    let extra = file.indentation(first)?.strip_prefix(outer)?;
    let header_end = file.line_end(with.items.last()?.end());
    let before_body = file.source.slice(TextRange::new(header_end, first.start()));
    if has_long_string || !before_body.trim().is_empty() {
        return None;
    }
    let body = file.source.slice(TextRange::new(first.start(), stmt.end()));
    let mut text = String::with_capacity(body.len());
    for (index, line) in body.split_inclusive('\n').enumerate() {
        let rest = line
            .strip_prefix(outer)
            .and_then(|it| it.strip_prefix(extra));
        match rest {
            Some(rest) if index > 0 => {
                text.push_str(outer);
                text.push_str(rest);
            }
            _ => text.push_str(line),
        }
    }
    Some(Edit::replacement(stmt.range(), text))
}
