//! Names of asyncio's in type comments: `# type: asyncio.Task[int]`.
//!
//! A comment is read as the type of a variable, or of a function (`# type: (asyncio.Task) -> None`).
//! `# type: ignore` says nothing about types, and what can't be read is left alone.

use ruff_python_ast::token::TokenKind;
use ruff_python_parser::parse_expression;
use ruff_text_size::{Ranged, TextRange, TextSize};
use rustc_hash::FxHashSet;

use super::Context;
use super::literal::Text;
use super::strings::{self, collect_text};
use crate::model::File;
use crate::model::tree::ScopeId;
use crate::nesting::too_deep;

/// Adds the names in type comments to those that the plan looks at.
pub(super) fn collect(context: &mut Context) {
    let file = context.file;
    let source = file.source.text();
    if !source.contains("asyncio") {
        return;
    }
    for (part, comment) in types(file) {
        let scope = scope_at(file, comment);
        collect_text(context, scope, &Text::verbatim(source, part), part);
    }
}

/// Adds the plain names at the root of what type comments name.
pub(super) fn add_roots(file: &File, roots: &mut FxHashSet<String>) {
    for (part, _) in types(file) {
        strings::add_roots(file.source.slice(part), roots);
    }
}

/// The types in comments, each with where its comment begins.
fn types(file: &File) -> Vec<(TextRange, TextSize)> {
    let source = file.source.text();
    let comments = file
        .tokens()
        .iter()
        .filter(|token| token.kind() == TokenKind::Comment);
    comments
        .filter_map(|token| Some((typed_part(source, token.range())?, token.start())))
        .flat_map(|(range, start)| {
            let parts = parts_of(source, range);
            parts.into_iter().map(move |part| (part, start))
        })
        .collect()
}

/// The type in a comment, without what a further `#` adds to it.
fn typed_part(source: &str, comment: TextRange) -> Option<TextRange> {
    let text = &source[comment];
    let after = text.strip_prefix('#')?.trim_start().strip_prefix("type:")?;
    let is_ignore = after
        .trim_start()
        .strip_prefix("ignore")
        .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'));
    if is_ignore {
        return None;
    }
    let end = after.find('#').unwrap_or(after.len());
    let trimmed = after[..end].trim();
    let start = text.len() - after.len() + after.find(trimmed).unwrap_or(0);
    Some(TextRange::at(
        comment.start() + TextSize::try_from(start).ok()?,
        TextSize::of(trimmed),
    ))
}

/// The expressions of a type: of a function the parameters and the result.
fn parts_of(source: &str, range: TextRange) -> Vec<TextRange> {
    let text = &source[range];
    if too_deep(text).is_some() {
        return Vec::new();
    }
    if parse_expression(text).is_ok() {
        return vec![range];
    }
    let Some(arrow) = text.rfind("->") else {
        return Vec::new();
    };
    let (parameters, result) = (text[..arrow].trim_end(), &text[arrow + 2..]);
    // `(*asyncio.Task, **str)` has stars that are no expressions of a tuple.
    let is_call =
        parameters.starts_with('(') && parse_expression(&format!("f{parameters}")).is_ok();
    if !is_call || parse_expression(result.trim()).is_err() {
        return Vec::new();
    }
    let inside = &parameters[1..parameters.len() - 1];
    let at = |part: &str| {
        let offset = part.as_ptr() as usize - text.as_ptr() as usize;
        TextSize::try_from(offset).map_or(range, |offset| {
            TextRange::at(range.start() + offset, TextSize::of(part))
        })
    };
    let mut parts: Vec<TextRange> = split_at_commas(inside)
        .into_iter()
        .map(|part| at(part.trim().trim_start_matches('*')))
        .collect();
    parts.push(at(result.trim()));
    parts
}

/// The arguments of a call, by the commas outside of brackets.
fn split_at_commas(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_i32, 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth -= 1,
            b',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// The scope of the last statement that begins before a place: the one that a comment belongs to.
fn scope_at(file: &File, offset: TextSize) -> ScopeId {
    let mut scope = ScopeId(0);
    for id in file.tree.stmt_ids() {
        let data = file.tree.stmt(id);
        if data.node.start() > offset {
            break;
        }
        scope = data.scope;
    }
    scope
}
