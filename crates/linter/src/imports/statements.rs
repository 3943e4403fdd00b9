//! The edits at the import statements.
//!
//! A statement keeps its form: of `import os, asyncio` one name changes. What has to be added stands
//! in the same statement where it names several modules, else on a line below.
//!
//! Invariant: no name is imported twice in a block that imported it once.

use ruff_python_ast::{self as ast, Alias, Stmt};
use ruff_text_size::{Ranged, TextRange, TextSize};
use rustc_hash::FxHashSet;

use super::names;
use super::plan::{NEW, Outcome, Plan, counterpart_of};
use super::split::{self, Group};
use super::uses::{Access, Site, Source, Use, Variable, Variables, bound_name};
use crate::diagnostic::Edit;
use crate::model::File;
use crate::model::tree::{Part, StmtId};

/// The edits at all import statements but those in `done`.
#[must_use]
pub fn edits<'a>(
    file: &File<'a>,
    variables: &Variables<'a>,
    plan: &Plan,
    done: &[TextRange],
) -> Vec<Edit> {
    let mut writer = Writer {
        file,
        variables,
        plan,
        written: FxHashSet::default(),
        edits: Vec::new(),
    };
    for id in file.tree.stmt_ids() {
        let node = file.tree.stmt(id).node;
        if done.iter().any(|range| range.contains_range(node.range())) {
            continue;
        }
        match node {
            Stmt::Import(node) => writer.import(id, node),
            Stmt::ImportFrom(node) => writer.import_from(id, node),
            _ => {}
        }
    }
    writer.edits
}

struct Writer<'w, 'f, 'a> {
    file: &'f File<'a>,
    variables: &'w Variables<'a>,
    plan: &'w Plan,
    /// What the blocks import that were rewritten so far, and whether `import asyncio` stood there.
    written: FxHashSet<(Block, String, bool)>,
    edits: Vec<Edit>,
}

/// A block: its statement and the part of it.
type Block = (Option<StmtId>, u32);

/// What becomes of one module of `import a, b`.
struct NewName {
    /// `None` where it stays.
    replaced: Option<String>,
    added: Option<String>,
}

impl<'w, 'a> Writer<'w, '_, 'a> {
    fn site(&self, alias: &Alias) -> Option<(&'w Variable<'a>, &'w Site<'a>, &'w Outcome)> {
        self.variables
            .list
            .iter()
            .zip(&self.plan.outcomes)
            .find_map(|(variable, outcome)| {
                let site = variable
                    .sites
                    .iter()
                    .find(|site| site.alias.range == alias.range)?;
                Some((variable, site, outcome))
            })
    }

    fn import(&mut self, id: StmtId, node: &ast::StmtImport) {
        let mut edits = Vec::new();
        let mut dropped = Vec::new();
        let mut added = Vec::new();
        for (index, alias) in node.names.iter().enumerate() {
            let Some((variable, site, outcome)) = self.site(alias) else {
                continue;
            };
            let new = new_name(variable, site, outcome);
            let is_package = matches!(site.source, Source::Package);
            match new.replaced {
                Some(text) if self.is_imported(id, variable, &text, is_package) => {
                    dropped.push(index);
                }
                Some(text) => {
                    edits.push(Edit::replacement(alias.range, text.as_str()));
                    self.remember(id, text, is_package);
                }
                None => {}
            }
            if let Some(text) = new.added
                && !self.is_imported(id, variable, &text, false)
            {
                added.push(text.clone());
                self.remember(id, text, false);
            }
        }
        if dropped.len() == node.names.len() {
            match added.as_slice() {
                [] => self.drop_statement(id, node),
                added => {
                    let names = node.names[0]
                        .range
                        .cover(node.names[dropped.len() - 1].range);
                    let text = added.join(", ");
                    self.edits.push(Edit::replacement(names, text));
                }
            }
            return;
        }
        self.drop_names(node, &dropped, &mut edits);
        self.edits.append(&mut edits);
        for text in added {
            self.add(id, node, &text);
        }
    }

    /// Adds a module to a statement, or a statement.
    fn add(&mut self, id: StmtId, node: &ast::StmtImport, text: &str) {
        let stmt = self.file.tree.stmt(id).node;
        if node.names.len() > 1 {
            self.edits
                .push(Edit::insertion(stmt.end(), format!(", {text}")));
            return;
        }
        let lazy = if node.is_lazy { "lazy " } else { "" };
        let line = format!("{lazy}import {text}");
        let below = self.file.insert_line_after(stmt, &line);
        self.edits
            .push(below.unwrap_or_else(|| Edit::insertion(stmt.end(), format!("; {line}"))));
    }

    /// Removes a statement that would only repeat another one; where a comment stands beside it,
    /// or another statement, it repeats it.
    fn drop_statement(&mut self, id: StmtId, node: &ast::StmtImport) {
        match self.removed(id) {
            Some(edit) => self.edits.push(edit),
            None => {
                for alias in &node.names {
                    if let Some((variable, site, outcome)) = self.site(alias)
                        && let Some(text) = new_name(variable, site, outcome).replaced
                    {
                        self.edits.push(Edit::replacement(alias.range, text));
                    }
                }
            }
        }
    }

    /// The removal of a statement that stands alone on its lines, without a comment.
    fn removed(&self, id: StmtId) -> Option<Edit> {
        let stmt = self.file.tree.stmt(id).node;
        let line_end = self.file.line_end(stmt.end());
        let behind = TextRange::new(stmt.end(), line_end);
        let has_comment = self.file.source.slice(stmt.range()).contains('#');
        let is_alone = self.file.source.slice(behind).trim().is_empty() && !has_comment;
        is_alone
            .then(|| self.file.remove_stmt(stmt, false))
            .flatten()
    }

    /// Removes some modules of a statement that keeps others.
    fn drop_names(&self, node: &ast::StmtImport, dropped: &[usize], edits: &mut Vec<Edit>) {
        for index in dropped {
            let range = match index.checked_sub(1) {
                Some(before) => TextRange::new(node.names[before].end(), node.names[*index].end()),
                None => TextRange::new(node.names[0].start(), node.names[1].start()),
            };
            edits.push(Edit::deletion(range));
        }
    }

    fn remember(&mut self, id: StmtId, text: String, is_package: bool) {
        self.written.insert((self.block(id), text, is_package));
    }

    fn block(&self, id: StmtId) -> Block {
        let data = self.file.tree.stmt(id);
        let part = match data.part {
            Part::Body => 0,
            Part::Else => 1,
            Part::Finally => 2,
            Part::Handler(index) => 3 + 2 * index as u32,
            Part::Case(index) => 4 + 2 * index as u32,
        };
        (data.parent, part)
    }

    /// Whether the block of a statement imports this by another statement. Whoever imports asyncio
    /// twice imports asyncbis twice.
    fn is_imported(&self, id: StmtId, variable: &Variable, text: &str, is_package: bool) -> bool {
        let has_written = |by_package: bool| {
            let key = (self.block(id), text.to_owned(), by_package);
            self.written.contains(&key)
        };
        // What is unbound between two imports needs both.
        let is_unbound = |used: &Use| used.access == Access::Unbind;
        if variable.is_foreign || variable.uses.iter().any(is_unbound) {
            return false;
        }
        has_written(false)
            || !is_package && has_written(true)
            || self.has_import_of_new(id, variable, text)
    }

    /// Whether the file itself already has this import in the same block, before any use.
    fn has_import_of_new(&self, id: StmtId, variable: &Variable, text: &str) -> bool {
        let own = self.file.tree.stmt(id).node.range();
        self.file.tree.stmt_ids().any(|other| {
            let Stmt::Import(node) = self.file.tree.stmt(other).node else {
                return false;
            };
            let has_it = node
                .names
                .iter()
                .any(|alias| self.file.source.slice(alias.range) == text);
            let is_before = node.start() <= own.start();
            let is_used_between = || {
                let between = TextRange::new(own.end(), node.start());
                let mut uses = variable.uses.iter();
                uses.any(|used| between.contains_range(used.root))
            };
            has_it && self.block(other) == self.block(id) && (is_before || !is_used_between())
        })
    }

    fn import_from(&mut self, id: StmtId, node: &ast::StmtImportFrom) {
        let mut groups: Vec<Group> = Vec::new();
        for (index, alias) in node.names.iter().enumerate() {
            let head = self.new_head(alias);
            match groups.iter_mut().find(|group| group.head == head) {
                Some(group) => group.members.push(index),
                None => groups.push(Group {
                    head,
                    members: vec![index],
                }),
            }
        }
        let mut dropped = false;
        groups.retain(|group| {
            let is_there = self.is_module_there(id, node, group);
            dropped |= is_there;
            !is_there
        });
        match groups.as_slice() {
            [] => {
                let repeated = Edit::replacement(node.range, format!("import {NEW}"));
                self.edits.push(self.removed(id).unwrap_or(repeated));
            }
            [Group { head: None, .. }] if !dropped => {}
            [
                Group {
                    head: Some(head), ..
                },
            ] if !dropped => {
                self.edits.push(one_group(node, head));
            }
            _ => {
                // What stays comes first.
                groups.sort_by_key(|group| group.head.is_some());
                let text = split::split(self.file, id, node, &groups);
                self.edits.push(text);
            }
        }
    }

    /// Whether a group is an import of a module that the block has by another statement; if not it
    /// has it from now on.
    fn is_module_there(&mut self, id: StmtId, node: &ast::StmtImportFrom, group: &Group) -> bool {
        let Some(Head::Module(text)) = &group.head else {
            return false;
        };
        let Some((variable, _, _)) = self.site(&node.names[group.members[0]]) else {
            return false;
        };
        if self.is_imported(id, variable, text, false) {
            return true;
        }
        self.remember(id, text.clone(), false);
        false
    }

    /// How the statement begins that will bring a name: `from asyncbis import`; `None` where it
    /// stays as it is.
    fn new_head(&self, alias: &Alias) -> Option<Head> {
        let (_, site, outcome) = self.site(alias)?;
        let found = counterpart_of(site)?;
        match outcome {
            Outcome::From if found.kind.is_offered() => Some(Head::From(module_of(&found.path))),
            Outcome::Submodule { renames: true } => Some(Head::Module(NEW.to_owned())),
            Outcome::Submodule { renames: false } => {
                Some(Head::Module(format!("{NEW} as {}", bound_name(alias))))
            }
            _ => None,
        }
    }
}

/// How a statement begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Head {
    /// `from module import ..`
    From(String),
    /// `import ..`, complete.
    Module(String),
}

/// The module of asyncbis that has a name: `asyncbis`, `asyncbis.subprocess`.
fn module_of(path: &str) -> String {
    match path.rsplit_once('.') {
        Some((module, _)) => format!("{NEW}.{module}"),
        None => NEW.to_owned(),
    }
}

fn one_group(node: &ast::StmtImportFrom, head: &Head) -> Edit {
    match head {
        Head::From(module) => {
            let range = node
                .module
                .as_ref()
                .map_or(TextRange::empty(TextSize::new(0)), Ranged::range);
            Edit::replacement(range, module.as_str())
        }
        Head::Module(text) => {
            let lazy = if node.is_lazy { "lazy " } else { "" };
            Edit::replacement(node.range, format!("{lazy}import {text}"))
        }
    }
}

/// What becomes of a module of an `import` statement.
fn new_name(variable: &Variable, site: &Site, outcome: &Outcome) -> NewName {
    let stays = NewName {
        replaced: None,
        added: None,
    };
    let name = variable.name;
    let below = match site.source {
        Source::Below(module) if names::counterpart(&[module]).kind.is_offered() => {
            format!("{NEW}.{module}")
        }
        _ => NEW.to_owned(),
    };
    match outcome {
        Outcome::Stay => stays,
        Outcome::Rename { keeps: false } => NewName {
            replaced: Some(below),
            added: None,
        },
        Outcome::Rename { keeps: true } => NewName {
            replaced: None,
            added: Some(below),
        },
        Outcome::Alias { second } => NewName {
            replaced: Some(format!("{NEW} as {name}")),
            added: second
                .as_ref()
                .filter(|it| it.is_new)
                .map(|it| match it.name.as_str() {
                    "asyncio" => "asyncio".to_owned(),
                    other => format!("asyncio as {other}"),
                }),
        },
        Outcome::From => match site.source {
            Source::Submodule(module) => NewName {
                replaced: Some(format!("{NEW}.{module} as {name}")),
                added: None,
            },
            _ => stays,
        },
        Outcome::Submodule { .. } => NewName {
            replaced: Some(format!("{NEW} as {name}")),
            added: None,
        },
    }
}
