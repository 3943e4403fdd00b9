//! Names of other libraries that have a counterpart in asyncbis.
//!
//! `table` says what asyncbis has for each name. A use is rewritten only where the name surely means
//! the library's, the arguments are understood, and every use of the object that a call makes is
//! seen, if its attributes change. Everything else stays and gets a note.
//!
//! A name that a file imports with `from` stays as a whole or is imported from asyncbis as a whole;
//! so does all of async_timeout in a file.
//!
//! Not here: what other files do with the names, and with objects that they are given.

mod forms;
mod imports;
mod instances;
mod libraries;
pub mod table;
mod uses;

use ruff_python_ast::{Expr, Stmt};
use ruff_text_size::Ranged;
use rustc_hash::FxHashSet;

use super::{Context, NoteKind, strings, type_comments};
use crate::diagnostic::Edit;
use crate::model::File;
use crate::model::names::ScopeKind;
use crate::model::tree::{ScopeId, StmtId};
use forms::{Edits, Leave, Writer};
use imports::Fate;
pub use libraries::{Library, Migrations};
use table::{Form, Instance, Row, Safety};
use uses::{Use, Variable};

/// Rewrites them, and says what has no counterpart.
pub(super) fn rewrite(context: &mut Context) {
    let mut module = context.asyncbis_module();
    for library in Library::ALL {
        let migrations = context.options.migrations;
        if migrations.includes(library) && context.file.imports(library.name()) {
            let migration = Migration {
                file: context.file,
                library,
                is_unsafe: migrations.asks_for(library),
                variables: uses::variables(context.file, library),
                module: module.as_deref(),
                exported: uses::exported(context.file),
                quoted: quoted(context.file),
            };
            let (edits, brings_module, notes) = migration.run();
            let is_done = !edits.is_empty() && context.edit(edits);
            if is_done && brings_module {
                module = Some("asyncbis".to_owned());
            }
            for (leave, kind, help) in notes {
                context.note(leave.range, kind, leave.reason, Some(&help));
            }
        }
    }
}

fn quoted(file: &File) -> FxHashSet<String> {
    let mut roots = strings::roots(file);
    type_comments::add_roots(file, &mut roots);
    roots
}

/// The rewrite of one library in one file.
struct Migration<'f, 'a, 'm> {
    file: &'f File<'a>,
    library: Library,
    is_unsafe: bool,
    variables: Vec<Variable<'a>>,
    /// The name under which the whole file has asyncbis after the rewrite, if it has.
    module: Option<&'m str>,
    /// What `__all__` names.
    exported: FxHashSet<&'a str>,
    /// What strings and comments name that are types.
    quoted: FxHashSet<String>,
}

type NoteParts = (Leave, NoteKind, String);

/// What becomes of one use.
enum Outcome {
    /// No row is about it, or none that is asked for.
    Other,
    Edits(Edits),
    Leave(Leave),
}

impl<'a> Migration<'_, 'a, '_> {
    /// The edits, whether they give the whole file `import asyncbis`, and the notes.
    fn run(&self) -> (Vec<Edit>, bool, Vec<NoteParts>) {
        let mut notes = Vec::new();
        let mut outcomes: Vec<Vec<Outcome>> = self
            .variables
            .iter()
            .map(|variable| self.outcomes(variable, &mut notes))
            .collect();
        self.keep_without_company(&mut outcomes);
        let is_whole = self.library == Library::AsyncTimeout;
        let some_stay = outcomes
            .iter()
            .flatten()
            .any(|it| !matches!(it, Outcome::Edits(_)));
        if is_whole && some_stay {
            return (Vec::new(), false, notes);
        }
        let mut edits = Vec::new();
        let mut followed: Vec<Edit> = Vec::new();
        let mut moved = Vec::new();
        for (variable, outcomes) in self.variables.iter().zip(outcomes) {
            let all = outcomes.iter().all(|it| matches!(it, Outcome::Edits(_)));
            // What a `from` import brings has one meaning.
            let moves = !outcomes.is_empty()
                && match variable.row() {
                    Some(_) => all,
                    None => outcomes.iter().any(|it| matches!(it, Outcome::Edits(_))),
                };
            let is_gone = moves
                && all
                && !self.is_seen_from_outside(variable)
                && !self.quoted.contains(variable.name);
            if moves && (variable.row().is_none() || !self.is_seen_from_outside(variable)) {
                for outcome in outcomes {
                    if let Outcome::Edits(found) = outcome {
                        edits.extend(found.own);
                        followed.extend(found.followed);
                    }
                }
                moved.push((variable, is_gone));
            }
        }
        for edit in followed {
            if !edits.contains(&edit) {
                edits.push(edit);
            }
        }
        match self.import_edits(&moved) {
            Ok((imports, brings_module)) => {
                edits.extend(imports);
                (joined(edits).unwrap_or_default(), brings_module, notes)
            }
            Err(stmt) => {
                let range = self.file.tree.stmt(stmt).node.range();
                let reason = format!(
                    "`{}` stays: this import can't be edited",
                    self.library.name()
                );
                let help =
                    "Give it lines of its own, without comments between its names".to_owned();
                notes.push((Leave::at(range, reason), NoteKind::Decision, help));
                (Vec::new(), false, notes)
            }
        }
    }

    /// Keeps the names that only change together with others which stay.
    fn keep_without_company(&self, outcomes: &mut [Vec<Outcome>]) {
        let uses = || self.variables.iter().flat_map(|it| &it.uses);
        let rows: Vec<Option<&Row>> = uses().map(|found| found.row).collect();
        let change: Vec<bool> = outcomes
            .iter()
            .flatten()
            .map(|it| matches!(it, Outcome::Edits(_)))
            .collect();
        let all_change = |names: &[&str]| {
            let mut about = rows
                .iter()
                .zip(&change)
                .filter(|(row, _)| row.is_some_and(|row| names.contains(&row.names[0])))
                .peekable();
            about.peek().is_some() && about.all(|(_, changes)| *changes)
        };
        for (row, outcome) in rows.iter().zip(outcomes.iter_mut().flatten()) {
            let company = row.map_or(&[][..], |row| row.only_with);
            if !company.is_empty() && !all_change(company) {
                *outcome = Outcome::Other;
            }
        }
    }

    fn outcomes(&self, variable: &Variable<'a>, notes: &mut Vec<NoteParts>) -> Vec<Outcome> {
        let mut flagged = FxHashSet::default();
        let mut outcomes = Vec::new();
        for found in &variable.uses {
            let outcome = self.outcome(variable, found);
            if let (Outcome::Leave(leave), Some(row)) = (&outcome, found.row) {
                let kind = match row.safety {
                    Safety::Flag => NoteKind::NoCounterpart,
                    Safety::Safe | Safety::Unsafe => NoteKind::Decision,
                };
                // What has nothing in asyncbis is said once in a file.
                if row.safety != Safety::Flag || flagged.insert(row.names[0]) {
                    let library = self.library.name();
                    let leave = Leave::at(
                        leave.range,
                        format!("`{library}.{}` stays: {}", found.path, leave.reason),
                    );
                    notes.push((leave, kind, self.help(row)));
                }
            }
            outcomes.push(outcome);
        }
        outcomes
    }

    fn help(&self, row: &Row) -> String {
        match row.safety {
            Safety::Flag => capitalized(row.remark),
            Safety::Unsafe if !self.is_unsafe => {
                format!("Use `--migrate {}` to rewrite it", self.library.name())
            }
            _ => format!("Asyncbis has `{}` for it", row.target),
        }
    }

    fn outcome(&self, variable: &Variable<'a>, found: &Use<'a>) -> Outcome {
        let Some(row) = found.row else {
            return Outcome::Other;
        };
        let leave = |reason: String| Outcome::Leave(Leave::at(found.name.range(), reason));
        match row.safety {
            Safety::Flag => return leave("asyncbis has nothing for it".to_owned()),
            Safety::Unsafe if !self.is_unsafe => {
                return leave("its counterpart may do something else".to_owned());
            }
            _ => {}
        }
        if let Some(word) = row.unless.iter().find(|word| self.mentions(word)) {
            return leave(format!("the file has `{word}`, too"));
        }
        if let Instance::Free(forbidden) = row.instance
            && let Some(word) = forbidden.iter().find(|word| self.reads(word))
        {
            return leave(format!("the file uses an attribute `{word}`"));
        }
        if variable.row().is_some() && self.is_seen_from_outside(variable) {
            return leave("other files may take it from here".to_owned());
        }
        let module = self
            .module_for(variable)
            .filter(|_| !self.is_too_early(variable, found));
        let writer = match (self.comes(variable, row), module) {
            (Some(_), _) => Writer { module: None },
            (None, Some(module)) => Writer {
                module: Some(module),
            },
            (None, None) => {
                return leave("the name `asyncbis` means something else in this file".to_owned());
            }
        };
        match forms::edits(self.file, found, row, &writer, &|expr| self.is_made(expr)) {
            Ok(edits) => Outcome::Edits(edits),
            Err(leave) => Outcome::Leave(leave),
        }
    }

    /// The name for asyncbis where a variable is used.
    fn module_for(&self, variable: &Variable) -> Option<&str> {
        // In a class the name is an attribute, too.
        if self.file.scope(variable.scope).kind == ScopeKind::Class {
            return None;
        }
        if let Some(module) = self.module {
            return Some(module);
        }
        // Its own import brings it, so that it is seen wherever the variable is.
        let mut scopes = self.file.tree.scopes.iter();
        let is_free = scopes.all(|scope| scope.bindings("asyncbis").is_empty());
        is_free.then_some("asyncbis")
    }

    /// Whether a use stands before an import of asyncio that makes `asyncbis`, as it is called
    /// afterwards, a name of an inner scope.
    fn is_too_early(&self, variable: &Variable, found: &Use) -> bool {
        let mut scope = self.file.tree.scope_of(found.name);
        while scope != variable.scope {
            let data = self.file.scope(scope);
            let imports = data.bindings("asyncio").iter();
            if imports
                .map(|it| it.range.start())
                .any(|at| at > found.name.start())
            {
                return true;
            }
            match data.parent {
                Some(parent) => scope = parent,
                None => return false,
            }
        }
        false
    }

    /// Where a name comes from that keeps its name: the module and the name there.
    fn comes(&self, variable: &Variable, row: &Row) -> Option<(String, String)> {
        if variable.row().is_none()
            || !matches!(row.form, Form::Name | Form::Call(_) | Form::Named(_))
        {
            return None;
        }
        let (module, name) = match row.target.rsplit_once('.') {
            Some((module, name)) => (format!("asyncbis.{module}"), name),
            None => ("asyncbis".to_owned(), row.target),
        };
        let imported = variable.path.rsplit('.').next();
        let is_renamed = Some(variable.name) != imported;
        (is_renamed || imported == Some(name)).then(|| (module, name.to_owned()))
    }

    /// Whether an expression makes an object of which every use has to be seen.
    fn is_made(&self, expr: &Expr) -> bool {
        let Expr::Call(call) = expr else { return false };
        self.variables.iter().flat_map(|it| &it.uses).any(|found| {
            std::ptr::eq(found.name, &raw const *call.func)
                && found.row.is_some_and(|row| match (row.form, row.instance) {
                    (Form::Call(signature), Instance::Followed(_)) => forms::fits(call, &signature),
                    _ => false,
                })
        })
    }

    /// Whether the file imports or uses a name of the library.
    fn mentions(&self, word: &str) -> bool {
        self.variables.iter().any(|variable| {
            variable.path.rsplit('.').next() == Some(word)
                || variable
                    .uses
                    .iter()
                    .any(|found| found.path.split('.').any(|part| part == word))
        })
    }

    /// Whether the file reads an attribute of this name, as `+=` does, too.
    fn reads(&self, word: &str) -> bool {
        let tree = &self.file.tree;
        tree.stmt_ids().any(|id| {
            let is_augmented = matches!(tree.stmt(id).node, Stmt::AugAssign(_));
            tree.exprs_of(id).any(|expr| {
                matches!(expr, Expr::Attribute(node)
                    if node.attr.as_str() == word && (is_augmented || node.ctx.is_load()))
            })
        })
    }

    /// Whether other files may take a variable from this one.
    fn is_seen_from_outside(&self, variable: &Variable) -> bool {
        let is_class = self.file.scope(variable.scope).kind == ScopeKind::Class;
        let is_public = variable.scope == ScopeId(0) && self.exported.contains(variable.name);
        is_class || is_public || self.is_reexport(variable)
    }

    /// `from library import name as name`
    fn is_reexport(&self, variable: &Variable) -> bool {
        variable.scope == ScopeId(0)
            && variable.sites.iter().any(|(stmt, index)| {
                let Stmt::ImportFrom(node) = self.file.tree.stmt(*stmt).node else {
                    return false;
                };
                let alias = &node.names[*index];
                alias
                    .asname
                    .as_ref()
                    .is_some_and(|asname| asname.as_str() == alias.name.as_str())
            })
    }

    /// The edits of the import statements, and whether they give the whole file `import asyncbis`; or
    /// the statement that can't be edited.
    fn import_edits(&self, moved: &[(&Variable<'a>, bool)]) -> Result<(Vec<Edit>, bool), StmtId> {
        let mut statements: Vec<StmtId> = moved
            .iter()
            .flat_map(|(variable, _)| variable.sites.iter().map(|(stmt, _)| *stmt))
            .collect();
        statements.sort_unstable();
        statements.dedup();
        let mut edits = Vec::new();
        let mut has_module = self.module.is_some();
        for id in statements {
            let count = match self.file.tree.stmt(id).node {
                Stmt::Import(node) => node.names.len(),
                Stmt::ImportFrom(node) => node.names.len(),
                _ => continue,
            };
            let mut fates = vec![Fate::Stay; count];
            let mut needs_module = false;
            for (variable, is_gone) in moved {
                for (_, index) in variable.sites.iter().filter(|(stmt, _)| *stmt == id) {
                    let comes = variable.row().and_then(|row| self.comes(variable, row));
                    needs_module |= comes.is_none() && !has_module;
                    fates[*index] = match comes {
                        Some((module, name)) => Fate::Come { module, name },
                        None if *is_gone => Fate::Go,
                        None => Fate::Stay,
                    };
                }
            }
            edits.extend(imports::edits(self.file, id, &fates, needs_module).ok_or(id)?);
            let data = self.file.tree.stmt(id);
            has_module |= needs_module && data.parent.is_none();
        }
        Ok((edits, has_module && self.module.is_none()))
    }
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}

/// Sorted edits, those that touch made one; `None` where two overlap.
fn joined(mut edits: Vec<Edit>) -> Option<Vec<Edit>> {
    edits.sort_by_key(|edit| (edit.range.start(), edit.range.end()));
    let mut result: Vec<Edit> = Vec::new();
    for edit in edits {
        match result.last_mut() {
            Some(last) if last.range.end() > edit.range.start() => return None,
            Some(last) if last.range.end() == edit.range.start() => {
                last.range = last.range.cover(edit.range);
                last.content.push_str(&edit.content);
            }
            _ => result.push(edit),
        }
    }
    Some(result)
}
