//! What is left to the reader, and what a project's report asks of a file.
//!
//! Both are about the file as it is: asked of a rewritten file, they are about what remains.

use ruff_python_ast::{self as ast, ExceptHandler, Expr, Stmt};
use ruff_text_size::{Ranged, TextRange};

use super::collapse::is_import_error;
use super::names::{self, Kind};
use super::plan::{
    Fate, NEW, Outcome, Plan, Reason, counterpart_of, fate, has_movable_use, is_printed_otherwise,
};
use super::uses::{Site, Source, Use, Variable, Variables};
use super::{Facts, Modules, Note, NoteKind};
use crate::model::File;
use crate::model::names::last_name;
use crate::model::tree::{Part, StmtId};

/// The notes about asyncio's names.
#[must_use]
pub fn notes(file: &File, variables: &Variables, plan: &Plan, modules: &Modules) -> Vec<Note> {
    let mut notes = Vec::new();
    for (variable, outcome) in variables.list.iter().zip(&plan.outcomes) {
        match variable.sites[0].source {
            Source::Package | Source::Below(_) => {
                for used in &variable.uses {
                    notes.extend(note_on_use(variable, used));
                }
                if !plan.is_neutral {
                    notes.extend(note_on_package(variable, outcome));
                }
            }
            Source::Submodule(_) | Source::Name { .. } => {
                for site in &variable.sites {
                    notes.extend(note_on_name(variable, site, outcome));
                }
                let patches = variable.uses.iter().filter(|used| used.is_patch());
                notes.extend(patches.filter_map(|used| note_on_use(variable, used)));
            }
        }
    }
    for id in file.tree.stmt_ids() {
        notes.extend(note_on_star(file, id));
        notes.extend(note_on_shim(file, id, modules));
        notes.extend(note_on_optional(file, id));
    }
    notes.extend(patched_modules(file).into_iter().map(|range| Note {
        range,
        kind: NoteKind::Monkeypatch,
        message: "`sys.modules[\"asyncio\"]` is replaced".to_owned(),
        help: Some("Code that imports asyncbis does not see it".to_owned()),
    }));
    notes
}

/// What a reader has to know of a use that stays.
fn note_on_use(variable: &Variable, used: &Use) -> Option<Note> {
    let Fate::Keep(reason) = fate(variable, used) else {
        return None;
    };
    let mut path = used.path();
    let site = &variable.sites[0];
    match site.source {
        Source::Package | Source::Below(_) => {}
        Source::Submodule(module) => path.insert(0, module),
        Source::Name { name, .. } => path.insert(0, name),
    }
    Some(kept(used.range(), &path, reason))
}

/// The note about a name that stays asyncio's.
fn kept(range: TextRange, path: &[&str], reason: Reason) -> Note {
    let found = names::counterpart(path);
    let name = if found.parts == 0 {
        path.join(".")
    } else {
        path[..found.parts].join(".")
    };
    let (kind, message, help) = match reason {
        Reason::Patch => patch_text(path, found.kind),
        Reason::Raises => {
            let advice = match found.path.as_str() {
                "get_event_loop" => "Use `get_running_loop()` inside coroutines and callbacks",
                _ => "Pass `loop_factory=` to `asyncbis.run()` or `asyncbis.Runner`",
            };
            (
                NoteKind::RaisingName,
                format!("`asyncio.{name}` stays: in asyncbis it only raises"),
                advice,
            )
        }
        Reason::Absent if found.kind.is_offered() => (
            NoteKind::KeepsAsyncio,
            format!("`asyncio.{name}` stays: it is spread over lines"),
            "Write it on one line, and run the rewrite again",
        ),
        Reason::Absent => (
            NoteKind::KeepsAsyncio,
            format!("`asyncio.{name}` stays: asyncbis does not have it"),
            match name.rsplit('.').next() {
                Some(last) if last.starts_with('_') => "It is private to asyncio",
                _ => "Look for another way, or keep asyncio for it",
            },
        ),
    };
    Note {
        range,
        kind,
        message,
        help: Some(help.to_owned()),
    }
}

fn patch_text(path: &[&str], kind: Kind) -> (NoteKind, String, &'static str) {
    let name = path.join(".");
    let name = match name.as_str() {
        "" => "asyncio".to_owned(),
        name => format!("asyncio.{name}"),
    };
    let help = match kind {
        Kind::Changed => "Code that takes the name from asyncbis does not see the change",
        _ => "Look whether code that imports asyncbis still needs the change",
    };
    (
        NoteKind::Monkeypatch,
        format!("`{name}` is changed from outside"),
        help,
    )
}

/// The note about an import of the package that stays although names could move.
fn note_on_package(variable: &Variable, outcome: &Outcome) -> Option<Note> {
    if *outcome != Outcome::Stay || !has_movable_use(variable) {
        return None;
    }
    let name = variable.name;
    let message = if variable.is_foreign {
        format!("`{name}` stays: it is not always the module asyncio")
    } else if is_printed_otherwise(variable) {
        format!("`{name}` stays: the text of its names is printed")
    } else {
        format!("`{name}` stays: its names can't be told apart from others of the file")
    };
    Some(Note {
        range: variable.sites[0].alias.range,
        kind: NoteKind::Decision,
        message,
        help: Some("Take the names that asyncbis has from there by hand".to_owned()),
    })
}

/// The note about `from asyncio import name` that stays.
fn note_on_name(variable: &Variable, site: &Site, outcome: &Outcome) -> Option<Note> {
    let found = counterpart_of(site)?;
    let range = site.alias.range;
    match (site.source, found.kind) {
        (Source::Name { module, name }, Kind::Raises | Kind::Absent) => {
            let path: Vec<&str> = module.into_iter().chain([name]).collect();
            let reason = match found.kind {
                Kind::Raises => Reason::Raises,
                _ => Reason::Absent,
            };
            Some(kept(range, &path, reason))
        }
        (Source::Submodule(module), _) if *outcome == Outcome::Stay => {
            let absent = variable
                .uses
                .iter()
                .filter(|used| matches!(fate(variable, used), Fate::Keep(_)))
                .map(|used| used.path().join("."))
                .find(|name| !name.is_empty());
            let message = match absent {
                Some(name) => {
                    format!("`asyncio.{module}` stays: asyncbis has no `{module}.{name}`")
                }
                None => format!("`asyncio.{module}` stays: asyncbis has no such module"),
            };
            Some(Note {
                range,
                kind: NoteKind::KeepsAsyncio,
                message,
                help: Some("Import the names from asyncbis that it has".to_owned()),
            })
        }
        _ => None,
    }
}

fn note_on_star(file: &File, id: StmtId) -> Option<Note> {
    let Stmt::ImportFrom(node) = file.tree.stmt(id).node else {
        return None;
    };
    let is_star = node.names.iter().any(|alias| alias.name.as_str() == "*");
    let module = node.module.as_ref().map_or("", |name| name.as_str());
    let is_asyncio = node.level == 0 && super::uses::below(module, "asyncio").is_some();
    (is_star && is_asyncio).then(|| Note {
        range: node.range,
        kind: NoteKind::StarImport,
        message: format!("`from {module} import *` stays: who uses its names can't be seen"),
        help: Some("Import the names that are used from asyncbis".to_owned()),
    })
}

/// `from .compat import asyncio`, where `compat` is a module of the project and has no submodule of
/// this name: what it imports as asyncio may be called asyncbis there.
fn note_on_shim(file: &File, id: StmtId, modules: &Modules) -> Option<Note> {
    let Stmt::ImportFrom(node) = file.tree.stmt(id).node else {
        return None;
    };
    let alias = node.names.iter().find(|it| it.name.as_str() == "asyncio")?;
    let module = node.module.as_ref()?.as_str();
    let is_shim = modules.contains(module) && !modules.contains(&format!("{module}.asyncio"));
    is_shim.then(|| Note {
        range: alias.range,
        kind: NoteKind::Decision,
        message: format!("`asyncio` comes from `{module}`, where it may be called `asyncbis` now"),
        help: Some("Import asyncbis here, or write `import asyncbis as asyncio` there".to_owned()),
    })
}

/// Where a missing asyncbis would silently be replaced by something else.
fn note_on_optional(file: &File, id: StmtId) -> Option<Note> {
    let stmt = file.tree.stmt(id).node;
    let is_new = |module: &str| super::uses::below(module, NEW).is_some();
    let imports = match stmt {
        Stmt::Import(node) => node.names.iter().any(|alias| is_new(alias.name.as_str())),
        Stmt::ImportFrom(node) => {
            node.level == 0 && node.module.as_ref().is_some_and(|it| is_new(it.as_str()))
        }
        _ => false,
    };
    if !imports {
        return None;
    }
    let mut around = file.tree.ancestors_in_function(id);
    let is_optional = around.any(|(parent, part)| match file.tree.stmt(parent).node {
        Stmt::Try(node) => part == Part::Body && node.handlers.iter().any(catches_import_error),
        _ => false,
    });
    is_optional.then(|| Note {
        range: stmt.range(),
        kind: NoteKind::Decision,
        message: "without asyncbis the program goes on with the `except` branch".to_owned(),
        help: Some("Let the import fail where asyncbis is required".to_owned()),
    })
}

fn catches_import_error(handler: &ExceptHandler) -> bool {
    let ExceptHandler::ExceptHandler(handler) = handler;
    handler.type_.as_deref().is_none_or(is_import_error)
}

/// The places that put something else into `sys.modules["asyncio"]`.
#[must_use]
pub fn patched_modules(file: &File) -> Vec<TextRange> {
    let mut found = Vec::new();
    for stmt in file.body() {
        for expr in file.tree.exprs_below(file.tree.stmt_id(stmt)) {
            if let Expr::Subscript(node) = expr
                && !node.ctx.is_load()
                && is_asyncio_module(file, node)
            {
                found.push(node.range);
            }
        }
    }
    found
}

fn is_asyncio_module(file: &File, node: &ast::ExprSubscript) -> bool {
    let Expr::StringLiteral(text) = &*node.slice else {
        return false;
    };
    super::uses::below(text.value.to_str(), "asyncio").is_some()
        && file.qualified(&node.value).as_deref() == Some("sys.modules")
}

/// What the project's report asks.
#[must_use]
pub fn facts(file: &File, variables: &Variables) -> Facts {
    let mut facts = Facts {
        uses_asyncio: file.imports("asyncio"),
        uses_asyncbis: file.imports(NEW),
        ..Facts::default()
    };
    for variable in &variables.list {
        for (name, kind) in names_of(variable) {
            if kind == Kind::Changed {
                facts.changed_names.push(name.clone());
            }
            facts.asyncio_names.push(name);
        }
    }
    for names in [&mut facts.asyncio_names, &mut facts.changed_names] {
        names.sort();
        names.dedup();
    }
    for (expr, call) in file.tree.calls() {
        let name = file.asyncio_name(&call.func);
        match name.as_deref() {
            Some("run" | "Runner") => facts.runs.push(expr.range()),
            Some("new_event_loop" | "EventLoop" | "SelectorEventLoop" | "ProactorEventLoop") => {
                facts.loops.push(expr.range());
            }
            _ => {
                let is_method = call.func.is_attribute_expr();
                if is_method
                    && matches!(
                        last_name(&call.func),
                        Some("run_until_complete" | "run_forever")
                    )
                {
                    facts.runs.push(expr.range());
                }
            }
        }
    }
    facts
}

/// The names that a variable is used for: `sleep`, `events.get_event_loop`.
fn names_of(variable: &Variable) -> Vec<(String, Kind)> {
    let of_path = |path: &[&str]| {
        let found = names::counterpart(path);
        let name = path[..found.parts].join(".");
        (name, found.kind)
    };
    match variable.sites[0].source {
        Source::Name { .. } => variable
            .sites
            .iter()
            .filter_map(|site| match site.source {
                Source::Name { module, name } => Some(of_path(
                    &module.into_iter().chain([name]).collect::<Vec<_>>(),
                )),
                _ => None,
            })
            .collect(),
        source => {
            let uses = variable.uses.iter().map(|used| {
                let mut path = used.path();
                if let Source::Submodule(module) = source {
                    path.insert(0, module);
                }
                path
            });
            uses.filter(|path| !path.is_empty())
                .map(|path| of_path(&path))
                .collect()
        }
    }
}
