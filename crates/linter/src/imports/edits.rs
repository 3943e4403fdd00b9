//! The edits at the uses of asyncio's names, and at the `global` statements that declare them.
//!
//! Not here: import statements (`statements`).

use ruff_python_ast::{Identifier, Stmt};
use ruff_text_size::{Ranged, TextRange};

use super::plan::{Fate, NEW, Outcome, Plan, fate, is_shortened};
use super::uses::{Access, Use, Variable, Variables};
use crate::diagnostic::Edit;
use crate::model::File;
use crate::model::tree::ScopeId;

/// The edits at all uses.
#[must_use]
pub fn at_uses(variables: &Variables, plan: &Plan) -> Vec<Edit> {
    let mut edits = Vec::new();
    for (variable, outcome) in variables.list.iter().zip(&plan.outcomes) {
        for used in &variable.uses {
            at_use(variable, outcome, used, &mut edits);
        }
    }
    edits
}

fn at_use(variable: &Variable, outcome: &Outcome, used: &Use, edits: &mut Vec<Edit>) {
    let fate = fate(variable, used);
    match (outcome, &fate) {
        // What is added beside asyncio stays where that is deleted.
        (Outcome::Rename { keeps: true }, Fate::Whole) if used.access == Access::Unbind => return,
        (Outcome::Rename { .. }, Fate::Move(_) | Fate::RunningLoop | Fate::Whole) => {
            edits.push(Edit::replacement(used.root, NEW));
        }
        (Outcome::Alias { second: Some(it) }, Fate::Keep(_)) => {
            edits.push(Edit::replacement(used.root, it.name.as_str()));
        }
        (Outcome::Submodule { renames: true }, Fate::Move(_) | Fate::RunningLoop) => {
            edits.push(Edit::replacement(used.root, NEW));
        }
        (Outcome::Alias { .. } | Outcome::Submodule { .. }, Fate::Move(_) | Fate::RunningLoop) => {}
        _ => return,
    }
    let is_package = !matches!(outcome, Outcome::Submodule { .. });
    let is_shortened = is_package
        && match &fate {
            Fate::Move(found) => is_shortened(found),
            Fate::RunningLoop => used.attributes.len() == 2,
            Fate::Whole | Fate::Keep(_) => false,
        };
    if is_shortened && let Some((_, submodule)) = used.attributes.first() {
        let range = TextRange::new(used.root.end(), submodule.end());
        edits.push(Edit::deletion(range));
    }
    if fate == Fate::RunningLoop
        && let Some((_, last)) = used.attributes.last()
    {
        edits.push(Edit::replacement(*last, "get_running_loop"));
    }
}

/// The edits at `global asyncio` and `nonlocal asyncio`.
#[must_use]
pub fn at_declarations(file: &File, variables: &Variables, plan: &Plan) -> Vec<Edit> {
    let mut edits = Vec::new();
    for id in file.tree.stmt_ids() {
        let data = file.tree.stmt(id);
        let names = match data.node {
            Stmt::Global(node) => &node.names,
            Stmt::Nonlocal(node) => &node.names,
            _ => continue,
        };
        for name in names {
            if let Some(outcome) = declared(file, variables, plan, data.scope, name) {
                edits.extend(match outcome {
                    Outcome::Rename { keeps: false } | Outcome::Submodule { renames: true } => {
                        Some(Edit::replacement(name.range(), NEW))
                    }
                    Outcome::Rename { keeps: true } => {
                        Some(Edit::insertion(name.end(), format!(", {NEW}")))
                    }
                    Outcome::Alias { second: Some(it) } if it.is_new => {
                        Some(Edit::insertion(name.end(), format!(", {}", it.name)))
                    }
                    _ => None,
                });
            }
        }
    }
    edits
}

fn declared<'p>(
    file: &File,
    variables: &Variables,
    plan: &'p Plan,
    scope: ScopeId,
    name: &Identifier,
) -> Option<&'p Outcome> {
    let owner = file.lookup_scope(scope, name.as_str())?;
    let index = variables.find(owner, name.as_str())?;
    Some(&plan.outcomes[index])
}
