//! What the parts of the rewrite share: the file, the plan, and the edits and notes so far.
//!
//! Invariants: edits never overlap, because [`Context::edit`] takes them whole or not at all; a name
//! that a part asks for is imported.

use ruff_python_ast::Expr;
use ruff_text_size::TextRange;

use super::names::{self, Kind};
use super::plan::{NEW, Plan, asyncbis_at_top, is_visible_everywhere};
use super::uses::Variables;
use super::{Note, NoteKind, Options, Rewrite, collapse, edits, notes, statements};
use crate::diagnostic::{Applicability, Edit};
use crate::model::File;
use crate::model::tree::ScopeId;

/// What the parts of the rewrite share.
pub struct Context<'f, 'a> {
    pub file: &'f File<'a>,
    pub options: Options,
    variables: Variables<'a>,
    /// `None` while the uses are collected.
    plan: Option<Plan>,
    edits: Vec<Edit>,
    notes: Vec<Note>,
    /// The imports that the parts asked for.
    imports: Vec<Edit>,
}

impl<'f, 'a> Context<'f, 'a> {
    pub(super) fn new(file: &'f File<'a>, options: Options) -> Self {
        Context {
            file,
            options,
            variables: Variables::of(file, "asyncio"),
            plan: None,
            edits: Vec::new(),
            notes: Vec::new(),
            imports: Vec::new(),
        }
    }

    /// Step 1: says that an expression that the file has in a string or a comment counts as code
    /// of this scope. Its ranges must be those in the file (`parse_expression_range` gives them).
    /// Names of asyncio's in it are rewritten as if it stood there.
    pub fn collect(&mut self, scope: ScopeId, expr: &Expr) {
        self.variables.add_quoted(self.file, scope, expr);
    }

    /// Step 2: decides what becomes of each import, and rewrites imports and uses.
    pub(super) fn plan(&mut self) {
        let plan = Plan::of(self.file, &self.variables, &self.options);
        let (mut edits, collapsed) = collapse::edits(self.file, &self.variables, &plan);
        edits.extend(edits::at_uses(&self.variables, &plan));
        edits.extend(edits::at_declarations(self.file, &self.variables, &plan));
        edits.extend(statements::edits(
            self.file,
            &self.variables,
            &plan,
            &collapsed,
        ));
        self.edits = edits;
        self.notes.extend(notes::notes(
            self.file,
            &self.variables,
            &plan,
            &self.options.modules,
        ));
        self.plan = Some(plan);
    }

    /// How the module will write a name of asyncio's after the rewrite: of `asyncio.sleep` it is
    /// `asyncbis.sleep`, in alias style `asyncio.sleep`. `None` where the name stays asyncio's:
    /// asyncbis lacks it, or it would only raise, or the file leaves asyncio alone (`--minimal`).
    ///
    /// The name is the qualified one, whatever the file calls it, and the file need not import it.
    #[must_use]
    pub fn new_text(&self, qualified: &str) -> Option<String> {
        let path: Vec<&str> = qualified.strip_prefix("asyncio.")?.split('.').collect();
        let found = names::counterpart(&path);
        if !found.kind.is_offered() || self.is_left_alone() {
            return None;
        }
        let mut text = self.asyncbis_module().unwrap_or_else(|| NEW.to_owned());
        for part in [found.path.as_str()].iter().chain(&path[found.parts..]) {
            text.push('.');
            text.push_str(part);
        }
        Some(text)
    }

    /// What asyncbis makes of a name of asyncio's: `asyncio.sleep`.
    #[must_use]
    pub fn kind(&self, qualified: &str) -> Kind {
        let path: Vec<&str> = match qualified.strip_prefix("asyncio.") {
            Some(rest) => rest.split('.').collect(),
            None => Vec::new(),
        };
        names::counterpart(&path).kind
    }

    /// Whether the file uses asyncio, and goes on doing so because that was wished for.
    fn is_left_alone(&self) -> bool {
        let is_neutral = self.plan.as_ref().is_some_and(|plan| plan.is_neutral);
        is_neutral && !self.variables.list.is_empty()
    }

    /// The name by which the module reaches asyncbis after the rewrite.
    #[must_use]
    pub fn asyncbis_module(&self) -> Option<String> {
        asyncbis_at_top(self.file, &self.variables, self.plan.as_ref()?)
    }

    /// How the module will write a name of asyncbis (`timeout`), with the import that it needs;
    /// `None` where that can't be said, because `asyncbis` means something else here.
    ///
    /// Ask only once it is sure that the name will be written.
    pub fn asyncbis(&mut self, name: &str) -> Option<String> {
        if let Some(module) = self.asyncbis_module() {
            return Some(format!("{module}.{name}"));
        }
        let found = self.file.asyncbis(name)?;
        let root = found.text.split('.').next().unwrap_or_default();
        if !is_visible_everywhere(self.file, root) {
            return None;
        }
        if let Some(import) = found.import {
            self.want(import);
        }
        Some(found.text)
    }

    /// Adds an import once; names that go into the same statement go there together.
    fn want(&mut self, import: Edit) {
        if self.imports.contains(&import) {
            return;
        }
        let is_same_place = |other: &&mut Edit| other.range == import.range;
        match self.imports.iter_mut().find(is_same_place) {
            Some(other) => other.content.push_str(&import.content),
            None => self.imports.push(import),
        }
    }

    /// Whether an edit already changes something in a range.
    #[must_use]
    pub fn is_taken(&self, range: TextRange) -> bool {
        self.edits.iter().any(|edit| meets(edit.range, range))
    }

    /// Adds edits that belong together: all of them, or none where one meets an earlier edit.
    pub fn edit(&mut self, edits: Vec<Edit>) -> bool {
        if edits.iter().any(|edit| self.is_taken(edit.range)) {
            return false;
        }
        self.edits.extend(edits);
        true
    }

    /// Leaves a place to the reader.
    pub fn note(
        &mut self,
        range: TextRange,
        kind: NoteKind,
        message: impl Into<String>,
        help: Option<&str>,
    ) {
        self.notes.push(Note {
            range,
            kind,
            message: message.into(),
            help: help.map(str::to_owned),
        });
    }

    /// Step 4: everything as one fix.
    pub(super) fn finish(mut self) -> Rewrite {
        for import in std::mem::take(&mut self.imports) {
            let import = self.beside_edits(import);
            self.edits.push(import);
        }
        self.notes
            .sort_by_key(|note| (note.range.start(), note.kind));
        self.notes.dedup();
        let fix = self.file.fix(
            "Rewrite the imports of asyncio to asyncbis",
            Applicability::Unsafe,
            self.edits,
            false,
        );
        Rewrite {
            fix,
            notes: self.notes,
            facts: notes::facts(self.file, &self.variables),
        }
    }

    /// An import that stood inside of what another edit replaces stands before that.
    fn beside_edits(&self, import: Edit) -> Edit {
        let at = import.range.start();
        let around = self
            .edits
            .iter()
            .find(|edit| edit.range.start() < at && at < edit.range.end());
        let Some(around) = around else {
            return import;
        };
        let start = self.file.line_start(around.range.start());
        let text = import.content.trim();
        Edit::import(start, format!("{text}{}", self.file.newline()))
    }
}

/// Whether two ranges can't be changed by edits of different parts.
fn meets(one: TextRange, other: TextRange) -> bool {
    if one.is_empty() && other.is_empty() {
        return one == other;
    }
    // What is inserted beside a range does not meet it.
    one.start() < other.end() && other.start() < one.end()
}
