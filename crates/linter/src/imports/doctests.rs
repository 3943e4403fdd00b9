//! Doctests: the programs that stand behind `>>>` in docstrings, where they are to be rewritten, too.
//!
//! The examples of one docstring are one program, as the module `doctest` runs them, and that
//! program is rewritten like a file. Names that it doesn't bind are those of the module, and are
//! renamed with them.
//!
//! Only docstrings are looked at: prose is never changed, and neither are examples in comments, in
//! other strings and in files of documentation.

use ruff_python_ast::{self as ast, Expr, Stmt};
use ruff_python_parser::parse_module;
use ruff_text_size::TextRange;

use super::context::Context;
use super::literal::Text;
use super::strings::relocated;
use super::{NoteKind, Options};
use crate::diagnostic::Edit;
use crate::model::tree::ScopeId;
use crate::model::{File, Parsed};
use crate::nesting::too_deep;
use crate::source::SourceFile;

/// Adds the module's names in doctests to those that the plan looks at.
pub(super) fn collect(context: &mut Context) {
    for doctest in doctests(context) {
        let source = SourceFile::python("doctest", doctest.text.value.as_str());
        let parsed = Parsed::new(&source);
        let file = File::new(&source, &parsed, context.file.settings);
        for name in module_names(&file) {
            if let Some(expr) = relocated(name, &doctest.text) {
                context.collect(ScopeId(0), &expr);
            }
        }
    }
}

/// Rewrites the doctests that import asyncio, where that is wished for.
pub(super) fn rewrite(context: &mut Context) {
    for doctest in doctests(context) {
        let source = SourceFile::python("doctest", doctest.text.value.as_str());
        let parsed = Parsed::new(&source);
        let file = File::new(&source, &parsed, context.file.settings);
        let options = Options {
            docs: false,
            ..context.options.clone()
        };
        let found = super::rewrite(&file, &options);
        for note in found.notes {
            if let Some(range) = doctest.text.range_of(note.range) {
                context.note(range, note.kind, note.message, note.help.as_deref());
            }
        }
        let Some(fix) = found.fix else { continue };
        let edits: Option<Vec<Edit>> = fix
            .edits
            .iter()
            .map(|edit| in_docstring(context.file, &doctest.text, edit))
            .collect();
        let is_done = edits.is_some_and(|edits| context.edit(edits));
        if !is_done {
            context.note(
                doctest.place,
                NoteKind::Decision,
                "the doctests use asyncio in a way that can't be edited",
                Some("Edit them by hand"),
            );
        }
    }
}

/// The program in a docstring.
struct Doctest {
    text: Text,
    place: TextRange,
}

fn doctests(context: &Context) -> Vec<Doctest> {
    let file = context.file;
    let source = file.source.text();
    if !context.options.docs || !source.contains(">>>") {
        return Vec::new();
    }
    docstrings(file)
        .into_iter()
        .filter_map(|string| {
            let text = Text::of(source, string);
            let program = program(&text)?;
            program.value.contains("asyncio").then_some(Doctest {
                text: program,
                place: string.range,
            })
        })
        .collect()
}

/// The docstrings of the module, its classes and its functions.
fn docstrings<'a>(file: &File<'a>) -> Vec<&'a ast::ExprStringLiteral> {
    let first = |body: &'a [Stmt]| match body.first() {
        Some(Stmt::Expr(node)) => node.value.as_string_literal_expr(),
        _ => None,
    };
    let below = file
        .tree
        .stmt_ids()
        .filter_map(|id| match file.tree.stmt(id).node {
            Stmt::FunctionDef(node) => first(&node.body),
            Stmt::ClassDef(node) => first(&node.body),
            _ => None,
        });
    first(file.body()).into_iter().chain(below).collect()
}

/// The lines behind `>>>` and `...`, examples that are no Python left out.
fn program(text: &Text) -> Option<Text> {
    let mut examples: Vec<Vec<(usize, usize)>> = Vec::new();
    let mut is_open = false;
    let mut at = 0;
    for line in text.value.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let code = code_of(line, ">>>").or_else(|| is_open.then(|| code_of(line, "..."))?);
        is_open = code.is_some();
        let Some(offset) = code else { continue };
        if line.trim_start().starts_with(">>>") {
            examples.push(Vec::new());
        }
        if let Some(example) = examples.last_mut() {
            example.push((start + offset, at));
        }
    }
    let whole = Text::lines(text, &examples.concat());
    if too_deep(&whole.value).is_some() {
        return None;
    }
    if parse_module(&whole.value).is_ok() {
        return Some(whole);
    }
    examples.retain(|example| parse_module(&Text::lines(text, example).value).is_ok());
    let rest = Text::lines(text, &examples.concat());
    parse_module(&rest.value).is_ok().then_some(rest)
}

/// Where the code of a line begins behind a prompt.
fn code_of(line: &str, prompt: &str) -> Option<usize> {
    let trimmed = line.trim_start_matches([' ', '\t']);
    let rest = trimmed.strip_prefix(prompt)?;
    let offset = line.len() - rest.len();
    match rest.chars().next() {
        Some(' ') => Some(offset + 1),
        None | Some('\n' | '\r') => Some(offset),
        Some(_) => None,
    }
}

/// The dotted names that a program doesn't bind itself.
fn module_names<'a>(file: &File<'a>) -> Vec<&'a Expr> {
    let mut names = Vec::new();
    for stmt in file.body() {
        for expr in file.tree.exprs_below(file.tree.stmt_id(stmt)) {
            let is_free = expr.is_name_expr() && file.bindings_of(expr).is_empty();
            if !is_free {
                continue;
            }
            let mut name = expr;
            while let Some(parent @ Expr::Attribute(_)) = file.tree.parent(name) {
                name = parent;
            }
            names.push(name);
        }
    }
    names
}

/// An edit of the program as one of the docstring: new lines get the prompt of theirs.
fn in_docstring(file: &File, text: &Text, edit: &Edit) -> Option<Edit> {
    let range = text.range_of(edit.range)?;
    let line = file.source.slice(TextRange::new(
        file.line_start(range.start()),
        range.start(),
    ));
    let prompt = [">>> ", "... "]
        .into_iter()
        .filter_map(|prompt| line.find(prompt).map(|at| at + prompt.len()))
        .min();
    let lines = edit.content.replace("\r\n", "\n");
    let content = match (lines.contains('\n'), prompt) {
        (false, _) => lines,
        (true, Some(end)) => {
            let (before, last) = match lines.strip_suffix('\n') {
                Some(before) => (before, "\n"),
                None => (lines.as_str(), ""),
            };
            let prefix = format!("{}{}", file.newline(), &line[..end]);
            // A line that comes before another one needs the prompt of that.
            let tail = if last.is_empty() { "" } else { prefix.as_str() };
            format!("{}{tail}", before.replace('\n', &prefix))
        }
        (true, None) => return None,
    };
    Some(Edit::replacement(range, content))
}
