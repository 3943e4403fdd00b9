//! What becomes of the import statements of a library.
//!
//! A statement whose names all come from asyncbis now only changes its module, or goes. Where
//! some names stay, it keeps those, and a new statement follows it.

use ruff_python_ast::{self as ast, Stmt};
use ruff_text_size::{Ranged, TextRange, TextSize};

use crate::diagnostic::Edit;
use crate::model::File;
use crate::model::tree::StmtId;

/// What becomes of one name of an import statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    Stay,
    /// Nobody uses it any more.
    Go,
    /// It comes from this module of asyncbis, under this name.
    Come {
        module: String,
        name: String,
    },
}

/// The edits for one import statement; `needs_module` asks for `import asyncbis` in its place.
/// `None` where it can't be edited.
pub(super) fn edits(
    file: &File,
    id: StmtId,
    fates: &[Fate],
    needs_module: bool,
) -> Option<Vec<Edit>> {
    let stmt = file.tree.stmt(id).node;
    let mut edits = Vec::new();
    let mut lines = Vec::new();
    if needs_module {
        lines.push("import asyncbis".to_owned());
    }
    if let (Stmt::ImportFrom(node), false) = (stmt, needs_module)
        && let Some(edits) = moved(node, fates)
    {
        return Some(edits);
    }
    lines.extend(new_statements(names(stmt), fates));
    let staying = fates.iter().filter(|fate| **fate == Fate::Stay).count();
    if staying == fates.len() && lines.is_empty() {
        return Some(edits);
    }
    let indentation = file.indentation(stmt)?;
    let separator = format!("{}{indentation}", file.newline());
    if staying == 0 {
        if has_comment(file, stmt.range()) {
            return None;
        }
        if lines.is_empty() {
            let edit = file.remove_stmt(stmt, is_alone(file, id))?;
            edits.push(with_blank_lines(file, edit));
        } else {
            edits.push(Edit::replacement(stmt.range(), lines.join(&separator)));
        }
        return Some(edits);
    }
    edits.extend(removed(file, names(stmt), fates)?);
    if !lines.is_empty() {
        let mut text = separator.clone();
        text.push_str(&lines.join(&separator));
        let end = file.line_end(stmt.end());
        if !file.ends_its_line(stmt.end()) {
            return None;
        }
        edits.push(Edit::insertion(end, text));
    }
    Some(edits)
}

/// Removes the blank lines before a line as well, where there are some behind it, too: a block of
/// its own goes as a whole.
fn with_blank_lines(file: &File, edit: Edit) -> Edit {
    let text = file.source.text();
    let before = &text[..edit.range.start().to_usize()];
    let after = &text[edit.range.end().to_usize()..];
    let kept = before.trim_end_matches([' ', '\t', '\r', '\n']);
    let is_own_block = after.is_empty() || after.starts_with(['\n', '\r']);
    if edit.range.is_empty() || !edit.content.is_empty() || !is_own_block || kept.is_empty() {
        return edit;
    }
    // The line ending of the line above stays.
    let lines = &before[kept.len()..];
    let ending = lines.find('\n').map_or(0, |at| at + 1);
    let start = kept.len() + ending;
    Edit::deletion(TextRange::new(
        TextSize::try_from(start).expect("inside the file"),
        edit.range.end(),
    ))
}

fn names(stmt: &Stmt) -> &[ast::Alias] {
    match stmt {
        Stmt::Import(node) => &node.names,
        Stmt::ImportFrom(node) => &node.names,
        _ => &[],
    }
}

/// `from library import a, b` made `from asyncbis import a, b`, where that is all.
fn moved(node: &ast::StmtImportFrom, fates: &[Fate]) -> Option<Vec<Edit>> {
    let Some(Fate::Come { module: first, .. }) = fates.first() else {
        return None;
    };
    let mut edits = vec![Edit::replacement(
        node.module.as_ref()?.range,
        first.clone(),
    )];
    for (alias, fate) in node.names.iter().zip(fates) {
        match fate {
            Fate::Come { module, name } if module == first => {
                if name != alias.name.as_str() {
                    edits.push(Edit::replacement(alias.name.range, name.clone()));
                }
            }
            _ => return None,
        }
    }
    Some(edits)
}

/// The statements for the names that come from asyncbis, one for each of its modules.
fn new_statements(names: &[ast::Alias], fates: &[Fate]) -> Vec<String> {
    let mut modules: Vec<(&str, Vec<String>)> = Vec::new();
    for (alias, fate) in names.iter().zip(fates) {
        let Fate::Come { module, name } = fate else {
            continue;
        };
        let text = match &alias.asname {
            Some(asname) => format!("{name} as {asname}"),
            None => name.clone(),
        };
        match modules.iter_mut().find(|(known, _)| known == module) {
            Some((_, list)) => list.push(text),
            None => modules.push((module, vec![text])),
        }
    }
    modules
        .iter()
        .map(|(module, list)| format!("from {module} import {}", list.join(", ")))
        .collect()
}

/// Takes the names out that don't stay; one stays at least.
fn removed(file: &File, names: &[ast::Alias], fates: &[Fate]) -> Option<Vec<Edit>> {
    let mut edits: Vec<Edit> = Vec::new();
    for (index, fate) in fates.iter().enumerate() {
        if *fate == Fate::Stay {
            continue;
        }
        // A name goes with the comma behind it; behind the last that stays, with the one before.
        let later = fates[index..].contains(&Fate::Stay);
        let range = match names.get(index + 1) {
            Some(next) if later => TextRange::new(names[index].start(), next.start()),
            _ => TextRange::new(names[index - 1].end(), names[index].end()),
        };
        if has_comment(file, range) {
            return None;
        }
        edits.push(Edit::deletion(range));
    }
    Some(edits)
}

fn has_comment(file: &File, range: TextRange) -> bool {
    file.source.slice(range).contains('#')
}

/// Whether a statement is the only one of its block.
fn is_alone(file: &File, id: StmtId) -> bool {
    let data = file.tree.stmt(id);
    let Some(parent) = data.parent else {
        return false;
    };
    file.tree
        .stmt_ids()
        .filter(|other| {
            let other = file.tree.stmt(*other);
            other.parent == Some(parent) && other.part == data.part
        })
        .count()
        == 1
}
