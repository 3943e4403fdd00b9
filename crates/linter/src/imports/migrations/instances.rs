//! The object that a call makes: where its name is used, and what its attributes become.
//!
//! An object is followed as far as its name goes: `async with timeout(1) as cm`, or `cm = timeout(1)`
//! and then `async with cm`. One that is handed on, stored or returned is not followed.

use ruff_python_ast::{self as ast, Expr, ExprContext, Stmt};
use ruff_text_size::{Ranged, TextRange};

use super::forms::{self, Leave};
use super::table::Change;
use super::uses::Use;
use crate::diagnostic::Edit;
use crate::model::File;
use crate::model::names::{Binding, BindingKind};
use crate::model::tree::ScopeId;

/// The edits for the attributes of what a call makes, or why the call has to stay.
///
/// `is_made` says whether an expression is another call that makes such an object.
pub(super) fn follow<'a>(
    file: &File<'a>,
    found: &Use<'a>,
    call: &'a Expr,
    changes: &[(&str, Change)],
    is_made: &dyn Fn(&Expr) -> bool,
) -> Result<Vec<Edit>, Leave> {
    let mut edits = Vec::new();
    let Some((scope, name)) = name_of(file, call).map_err(|()| escapes(found))? else {
        return Ok(edits);
    };
    let bindings = file.scope(scope).bindings(name);
    if !bindings
        .iter()
        .all(|binding| is_made_by(file, binding, is_made, scope, name))
    {
        return Err(Leave::at(
            found.name.range(),
            format!("`{name}` is also something else in this function"),
        ));
    }
    for expr in names(file, scope, name) {
        edits.extend(edits_of(file, expr, name, changes)?);
    }
    Ok(edits)
}

/// Whether a binding gives a name an object that is made by a known call, or that name itself:
/// `async with cm as cm`.
fn is_made_by(
    file: &File,
    binding: &Binding,
    is_made: &dyn Fn(&Expr) -> bool,
    scope: ScopeId,
    name: &str,
) -> bool {
    match binding.kind {
        BindingKind::Assign(value) | BindingKind::With(value) => {
            is_made(value)
                || matches!(value, Expr::Name(node) if node.id == name
                    && file.lookup_scope(file.tree.scope_of(value), name) == Some(scope))
        }
        _ => false,
    }
}

fn escapes(found: &Use) -> Leave {
    Leave::at(
        found.name.range(),
        "its object is handed on, so that not every use of it is seen",
    )
}

/// The name that a call's result gets; `None` where it gets none, an error where it goes elsewhere.
fn name_of<'a>(file: &File<'a>, call: &'a Expr) -> Result<Option<(ScopeId, &'a str)>, ()> {
    if file.tree.parent(call).is_some() {
        return Err(());
    }
    let target = match file.tree.stmt(file.tree.stmt_of(call)).node {
        Stmt::With(node) => {
            let item = node
                .items
                .iter()
                .find(|item| std::ptr::eq(&raw const item.context_expr, call))
                .ok_or(())?;
            match item.optional_vars.as_deref() {
                None => return Ok(None),
                Some(target) => target,
            }
        }
        Stmt::Assign(node) => match node.targets.as_slice() {
            [target] => target,
            _ => return Err(()),
        },
        _ => return Err(()),
    };
    let Expr::Name(name) = target else {
        return Err(());
    };
    let scope = file
        .lookup_scope(file.tree.scope_of(target), name.id.as_str())
        .ok_or(())?;
    Ok(Some((scope, name.id.as_str())))
}

/// Every place that reads or deletes a variable.
fn names<'a>(file: &File<'a>, scope: ScopeId, name: &str) -> Vec<&'a Expr> {
    file.body()
        .iter()
        .flat_map(|stmt| file.tree.exprs_below(file.tree.stmt_id(stmt)))
        .filter(|expr| match expr {
            Expr::Name(node) => {
                node.id == name
                    && !node.ctx.is_store()
                    && file.lookup_scope(file.tree.scope_of(expr), name) == Some(scope)
            }
            _ => false,
        })
        .collect()
}

fn edits_of<'a>(
    file: &File<'a>,
    expr: &'a Expr,
    name: &str,
    changes: &[(&str, Change)],
) -> Result<Vec<Edit>, Leave> {
    let unknown = || {
        Leave::at(
            expr.range(),
            format!("`{name}` is handed on, so that not every use of it is seen"),
        )
    };
    let Some(parent) = file.tree.parent(expr) else {
        return match is_block(file, expr, name) {
            true => Ok(Vec::new()),
            false => Err(unknown()),
        };
    };
    let Expr::Attribute(attribute) = parent else {
        return Err(unknown());
    };
    let word = attribute.attr.as_str();
    let Some((_, change)) = changes.iter().find(|(known, _)| *known == word) else {
        return Err(Leave::at(
            attribute.attr.range,
            format!("asyncbis has nothing for its attribute `{word}`"),
        ));
    };
    let call = file.tree.parent(parent).and_then(|outer| match outer {
        Expr::Call(call) if std::ptr::eq(&raw const *call.func, parent) => Some(call),
        _ => None,
    });
    let odd = || {
        Leave::at(
            attribute.attr.range,
            format!("`{word}` is used in an unknown way"),
        )
    };
    let renamed = |new: &str| Edit::replacement(attribute.attr.range, new);
    match (change, call) {
        (Change::Same, _) => Ok(Vec::new()),
        (Change::Property(new), None) if attribute.ctx == ExprContext::Load => {
            Ok(vec![renamed(&format!("{new}()"))])
        }
        (Change::Property(new), Some(call)) if *new == word && call.arguments.is_empty() => {
            Ok(Vec::new())
        }
        (Change::Method(new), Some(call)) if has_positional(call, 1) => Ok(vec![renamed(new)]),
        (Change::Reject, Some(call)) if call.arguments.is_empty() => Ok(vec![
            renamed("reschedule"),
            Edit::replacement(call.arguments.range, "(None)"),
        ]),
        (Change::Shift, Some(call)) if has_positional(call, 1) => {
            let delay = &call.arguments.args[0];
            let mut edits = vec![
                renamed("reschedule"),
                Edit::insertion(delay.start(), format!("{name}.when() + ")),
            ];
            edits.extend(parentheses(file, call, delay));
            Ok(edits)
        }
        (Change::StartSoon, Some(call)) => {
            let mut edits = vec![renamed("create_task")];
            edits.extend(forms::called(file, call, &["name"]).ok_or_else(odd)?);
            Ok(edits)
        }
        _ => Err(odd()),
    }
}

/// Whether a name stands in `async with name:`, what it was made for; another name that it gets
/// there is not followed.
fn is_block(file: &File, expr: &Expr, name: &str) -> bool {
    let Stmt::With(node) = file.tree.stmt(file.tree.stmt_of(expr)).node else {
        return false;
    };
    let is_same = |target: &Expr| matches!(target, Expr::Name(node) if node.id == name);
    node.is_async
        && node.items.iter().any(|item| {
            std::ptr::eq(&raw const item.context_expr, expr)
                && item.optional_vars.as_deref().is_none_or(is_same)
        })
}

fn has_positional(call: &ast::ExprCall, count: usize) -> bool {
    call.arguments.args.len() == count
        && call.arguments.keywords.is_empty()
        && !call.arguments.args.iter().any(Expr::is_starred_expr)
}

/// Parentheses around what a `+` before it would take apart.
fn parentheses(file: &File, call: &ast::ExprCall, expr: &Expr) -> Vec<Edit> {
    let binds = matches!(
        expr,
        Expr::Name(_)
            | Expr::NumberLiteral(_)
            | Expr::Attribute(_)
            | Expr::Call(_)
            | Expr::Subscript(_)
            | Expr::UnaryOp(_)
    );
    let before = TextRange::new(call.arguments.start(), expr.start());
    let is_parenthesized = file.source.slice(before).matches('(').count() > 1;
    if binds || is_parenthesized {
        return Vec::new();
    }
    vec![
        Edit::insertion(expr.start(), "("),
        Edit::insertion(expr.end(), ")"),
    ]
}
