//! What becomes of each variable that holds asyncio or something of it.
//!
//! A name is taken from asyncbis where asyncbis has it wherever asyncio does (`names`). Everything
//! else stays asyncio's: names that asyncbis lacks, functions that would only raise there, and every
//! place that changes asyncio from outside. Such uses keep an import of asyncio.
//!
//! Not here: edits (`edits`, `statements`).

use ruff_python_ast::{Expr, ExprContext, Stmt};
use ruff_text_size::Ranged;

use super::names::{self, Counterpart, Kind};
use super::uses::{Access, Site, Source, Use, Variable, Variables, is_at_top, is_only_package};
use super::{Options, Style};
use crate::model::File;
use crate::model::names::{Binding, BindingKind, ScopeKind};
use crate::model::tree::ScopeId;

/// The package that is written.
pub const NEW: &str = "asyncbis";

/// The name of asyncio itself where `asyncio` means asyncbis.
const SECOND: &str = "stdlib_asyncio";

/// What becomes of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Everything about it stays.
    Stay,
    /// `import asyncbis`, and the uses are renamed; with `keeps` the import of asyncio stays beside
    /// it, for the uses that stay.
    Rename { keeps: bool },
    /// `import asyncbis as asyncio`, and the uses stay. Those that need asyncio itself get the
    /// second name, which an import has to bring.
    Alias { second: Option<Second> },
    /// `from asyncbis import sleep`: the uses stay.
    From,
    /// A submodule of which asyncbis has all that is used: `events.Handle` is `asyncbis.Handle`, or
    /// the uses stay below `import asyncbis as events`.
    Submodule { renames: bool },
}

/// The name under which asyncio itself is reached where `asyncio` means asyncbis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Second {
    pub name: String,
    /// The file does not import it yet.
    pub is_new: bool,
}

/// What becomes of one use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Taken from asyncbis, as this.
    Move(Counterpart),
    /// `asyncio.get_event_loop()` in a coroutine is `asyncbis.get_running_loop()`.
    RunningLoop,
    /// The module itself is handed on.
    Whole,
    /// Stays asyncio's.
    Keep(Reason),
}

impl Fate {
    /// Whether the use can't stay as it is where its variable becomes asyncbis.
    fn needs_edit(&self) -> bool {
        match self {
            Fate::Move(found) => is_shortened(found),
            Fate::RunningLoop | Fate::Keep(_) => true,
            Fate::Whole => false,
        }
    }
}

/// Why a use stays asyncio's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    Absent,
    Raises,
    Patch,
}

/// The decisions, one for each variable.
pub struct Plan {
    pub outcomes: Vec<Outcome>,
    /// The file is left alone because it uses neutral names only.
    pub is_neutral: bool,
}

impl Plan {
    #[must_use]
    pub fn of<'a>(file: &File<'a>, variables: &Variables<'a>, options: &Options) -> Self {
        let decide = Decide {
            file,
            variables,
            options,
        };
        let is_neutral = options.minimal && !decide.has_changed_names();
        let stay = is_neutral
            || names_bound_by_type_parameters(file, variables)
            || is_used_early(file, variables);
        let outcomes = variables
            .list
            .iter()
            .map(|variable| match stay {
                true => Outcome::Stay,
                false => decide.outcome(variable),
            })
            .collect();
        Plan {
            outcomes,
            is_neutral,
        }
    }
}

/// What becomes of a use of a variable, wherever its import is rewritten.
#[must_use]
pub fn fate(variable: &Variable, used: &Use) -> Fate {
    if used.is_patch() {
        return Fate::Keep(Reason::Patch);
    }
    let Some(site) = variable.sites.first() else {
        return Fate::Keep(Reason::Absent);
    };
    let mut path = used.path();
    match site.source {
        Source::Package | Source::Below(_) => {}
        Source::Submodule(module) => path.insert(0, module),
        Source::Name { module, name } => {
            path.insert(0, name);
            if let Some(module) = module {
                path.insert(0, module);
            }
        }
    }
    if path.is_empty() {
        return Fate::Whole;
    }
    let found = names::counterpart(&path);
    // A submodule's name can't be taken out of the middle of what spans lines.
    if is_shortened(&found) && !used.is_plain && used.attributes.len() > 1 {
        return Fate::Keep(Reason::Absent);
    }
    match found.kind {
        Kind::Same | Kind::Changed => Fate::Move(found),
        Kind::Raises if found.path == "get_event_loop" && used.is_call_in_coroutine => {
            Fate::RunningLoop
        }
        Kind::Raises => Fate::Keep(Reason::Raises),
        Kind::Absent => Fate::Keep(Reason::Absent),
    }
}

/// Whether the source text of a use is printed that no import can leave as it is.
#[must_use]
pub fn is_printed_otherwise(variable: &Variable) -> bool {
    has_use(variable, |used, fate| used.is_printed && fate.needs_edit())
}

/// Whether a name of a submodule is one of the package.
#[must_use]
pub fn is_shortened(found: &Counterpart) -> bool {
    found.parts == 2 && !found.path.contains('.')
}

/// Whether something of a variable is used that can be taken from asyncbis.
#[must_use]
pub fn has_movable_use(variable: &Variable) -> bool {
    has_use(variable, |used, fate| {
        used.access != Access::Unbind && !matches!(fate, Fate::Keep(_))
    })
}

fn has_use(variable: &Variable, wanted: impl Fn(&Use, &Fate) -> bool) -> bool {
    let mut uses = variable.uses.iter();
    uses.any(|used| wanted(used, &fate(variable, used)))
}

/// What asyncbis makes of what an import brings: a name, or a submodule.
#[must_use]
pub fn counterpart_of(site: &Site) -> Option<Counterpart> {
    let path: Vec<&str> = match site.source {
        Source::Package | Source::Below(_) => return None,
        Source::Submodule(module) => vec![module],
        Source::Name { module, name } => module.into_iter().chain([name]).collect(),
    };
    Some(names::counterpart(&path))
}

struct Decide<'v, 'f, 'a> {
    file: &'f File<'a>,
    variables: &'v Variables<'a>,
    options: &'v Options,
}

impl Decide<'_, '_, '_> {
    fn outcome(&self, variable: &Variable) -> Outcome {
        let kind = |site: &Site| match site.source {
            Source::Package | Source::Below(_) => 0,
            Source::Submodule(_) => 1,
            Source::Name { .. } => 2,
        };
        let first = kind(&variable.sites[0]);
        if variable.sites.iter().any(|site| kind(site) != first) {
            return Outcome::Stay;
        }
        match variable.sites[0].source {
            Source::Package | Source::Below(_) => self.package(variable),
            Source::Submodule(_) => self.submodule(variable),
            Source::Name { .. } => self.name(variable),
        }
    }

    /// `import asyncio`, perhaps `as` something.
    fn package(&self, variable: &Variable) -> Outcome {
        let keeps = has_use(variable, |_, fate| matches!(fate, Fate::Keep(_)));
        let moves = has_movable_use(variable);
        let is_for_others = variable.scope == ScopeId(0) && variable.name != SECOND;
        if !moves && (keeps || !is_for_others) {
            return Outcome::Stay;
        }
        // The fallback may be what such a use means.
        let is_unsure = variable.is_foreign && has_use(variable, |_, fate| fate.needs_edit());
        if is_unsure || is_printed_otherwise(variable) {
            return Outcome::Stay;
        }
        let patches = variable.uses.iter().any(Use::is_patch);
        let wished = self.options.style == Style::Rename || patches;
        // What nobody uses here is imported for other files, under its name.
        if wished && moves && self.can_rename(variable) {
            return Outcome::Rename { keeps };
        }
        if !keeps {
            return Outcome::Alias { second: None };
        }
        match self.second(variable) {
            Some(second) => Outcome::Alias {
                second: Some(second),
            },
            None if moves && self.can_rename(variable) => Outcome::Rename { keeps },
            None => Outcome::Stay,
        }
    }

    fn can_rename(&self, variable: &Variable) -> bool {
        let plain = |site: &Site| site.alias.asname.is_none();
        !variable.is_foreign
            && variable.sites.iter().all(plain)
            && !variable.uses.iter().any(|used| used.is_printed)
            && !self.is_seen_from_outside(variable)
            && self.is_free_for(variable)
    }

    /// Whether the name itself matters: in a class it is an attribute, in `__all__` it is public.
    fn is_seen_from_outside(&self, variable: &Variable) -> bool {
        if self.file.scope(variable.scope).kind == ScopeKind::Class {
            return true;
        }
        variable.scope == ScopeId(0) && is_exported(self.file, variable.name)
    }

    /// Whether `asyncbis` means nothing else wherever the variable is used.
    fn is_free_for(&self, variable: &Variable) -> bool {
        let file = self.file;
        let module = ScopeId(0);
        for index in 0..file.tree.scopes.len() {
            let scope = ScopeId(index as u32);
            let data = file.scope(scope);
            if data.globals.contains(&NEW) || data.nonlocals.contains(&NEW) {
                return false;
            }
            if data.bindings(NEW).is_empty() {
                continue;
            }
            // Another import of the same module is the same thing; but in a function it makes the
            // name local, which earlier uses of the outer one would notice.
            let is_import = is_only_package(file, scope, NEW, NEW);
            if !is_import || (scope != module && scope != variable.scope) {
                return false;
            }
            if scope == module && variable.scope != module {
                return false;
            }
        }
        if is_exported(file, NEW) {
            return false;
        }
        // One that nothing binds comes from a star import, or from outside.
        !file.tree.exprs().any(|expr| {
            matches!(expr, Expr::Name(node) if node.id == NEW)
                && file.lookup_scope(file.tree.scope_of(expr), NEW).is_none()
        })
    }

    /// A second name for asyncio beside a variable that becomes asyncbis.
    fn second(&self, variable: &Variable) -> Option<Second> {
        if self.has_other_name(variable) {
            return None;
        }
        for name in ["asyncio", SECOND] {
            if name == variable.name {
                continue;
            }
            let bound = self.file.scope(variable.scope).bindings(name);
            if !bound.is_empty() && is_only_package(self.file, variable.scope, name, "asyncio") {
                // It has to stay what it is: it does where all its uses stay.
                let other = self.variables.find(variable.scope, name)?;
                let other = &self.variables.list[other];
                let stays = |used: &Use| matches!(fate(other, used), Fate::Keep(_));
                let is_everywhere = variable.scope == ScopeId(0)
                    && is_visible_everywhere(self.file, name)
                    && other
                        .sites
                        .iter()
                        .any(|site| is_at_top(self.file, site.stmt));
                if is_everywhere && !other.uses.is_empty() && other.uses.iter().all(stays) {
                    return Some(Second {
                        name: name.to_owned(),
                        is_new: false,
                    });
                }
                continue;
            }
            if !is_mentioned(self.file, name) {
                return Some(Second {
                    name: name.to_owned(),
                    is_new: true,
                });
            }
        }
        None
    }

    /// Whether another scope imports the package under another name: the second names of both would
    /// be one, and shadow each other where the first ones don't.
    fn has_other_name(&self, variable: &Variable) -> bool {
        let is_package = |binding: &Binding| matches!(binding.kind, BindingKind::Import(module) if module == "asyncio" || module == NEW);
        let scopes = self.file.tree.scopes.iter().enumerate();
        scopes
            .filter(|(index, _)| ScopeId(*index as u32) != variable.scope)
            .flat_map(|(_, scope)| scope.names())
            .any(|(name, bindings)| name != variable.name && bindings.iter().any(is_package))
    }

    /// `from asyncio import events`, `import asyncio.events as events`.
    fn submodule(&self, variable: &Variable) -> Outcome {
        let [site] = variable.sites.as_slice() else {
            return Outcome::Stay;
        };
        let moves = |used: &Use| matches!(fate(variable, used), Fate::Move(_) | Fate::RunningLoop);
        let all_move = variable.uses.iter().all(moves);
        if counterpart_of(site).is_some_and(|found| found.kind.is_offered()) {
            return match all_move {
                true => Outcome::From,
                false => Outcome::Stay,
            };
        }
        let is_whole = |used: &Use| used.attributes.is_empty();
        if variable.is_foreign
            || variable.uses.is_empty()
            || !all_move
            || variable.uses.iter().any(is_whole)
            || self.is_seen_from_outside(variable)
        {
            return Outcome::Stay;
        }
        // A function that imports asyncio for itself makes `asyncbis` its own, also above that.
        let is_only_scope = self.variables.list.iter().all(|other| {
            matches!(other.sites[0].source, Source::Name { .. }) || other.scope == variable.scope
        });
        let wished = self.options.style == Style::Rename && is_only_scope;
        Outcome::Submodule {
            renames: wished && self.can_rename(variable),
        }
    }

    /// `from asyncio import sleep`.
    fn name(&self, variable: &Variable) -> Outcome {
        if variable.uses.iter().any(Use::is_patch) {
            return Outcome::Stay;
        }
        Outcome::From
    }

    /// Whether the file uses a name that is not the same in asyncbis.
    fn has_changed_names(&self) -> bool {
        let is_changed = |found: &Counterpart| found.kind == Kind::Changed;
        self.variables.list.iter().any(|variable| {
            let brings = variable.sites.iter().filter_map(counterpart_of);
            let uses = variable.uses.iter().any(|used| match fate(variable, used) {
                Fate::Move(found) => is_changed(&found),
                Fate::Whole => used.access != Access::Unbind,
                Fate::RunningLoop | Fate::Keep(_) => false,
            });
            // A submodule counts by what is used of it.
            let is_name = matches!(variable.sites[0].source, Source::Name { .. });
            uses || is_name && brings.into_iter().any(|found| is_changed(&found))
        })
    }
}

/// Whether `__all__` names it.
fn is_exported(file: &File, name: &str) -> bool {
    let is_name = |expr: &Expr| {
        expr.as_string_literal_expr()
            .is_some_and(|text| text.value.to_str() == name)
    };
    let bindings = file.scope(ScopeId(0)).bindings("__all__");
    bindings
        .iter()
        .any(|binding| file.tree.exprs_of(binding.stmt).any(is_name))
}

/// Whether a name is bound or used anywhere in the file.
#[must_use]
pub fn is_mentioned(file: &File, name: &str) -> bool {
    let is_bound = file
        .tree
        .scopes
        .iter()
        .any(|scope| !scope.bindings(name).is_empty());
    let is_name = |expr: &Expr| matches!(expr, Expr::Name(node) if node.id == name);
    is_bound || file.tree.exprs().any(is_name)
}

/// Whether a class body uses the name of a variable where it may not have bound it yet: there it is
/// the name outside of the class.
fn is_used_early(file: &File, variables: &Variables) -> bool {
    let is_ours = |name: &str| variables.list.iter().any(|it| it.name == name);
    file.tree.exprs().any(|expr| {
        let Expr::Name(node) = expr else {
            return false;
        };
        let scope = file.scope(file.tree.scope_of(expr));
        let name = node.id.as_str();
        let bindings = scope.bindings(name);
        if scope.kind != ScopeKind::Class || bindings.is_empty() || !is_ours(name) {
            return false;
        }
        let is_first = |binding: &Binding| {
            let parent = file.tree.stmt(binding.stmt).parent;
            let is_unconditional =
                parent.is_some_and(|parent| file.tree.stmt(parent).node.is_class_def_stmt());
            // What an `except` binds is unbound at its end.
            let is_lasting = !matches!(binding.kind, BindingKind::Except(_));
            is_unconditional && is_lasting && binding.range.start() < node.start()
        };
        match node.ctx {
            ExprContext::Load => !bindings.iter().any(is_first),
            // From there on it is the outer name again.
            ExprContext::Del => true,
            _ => false,
        }
    })
}

/// Whether a type parameter or type alias has the name of a variable, or of asyncbis: the model
/// does not see them as names.
fn names_bound_by_type_parameters(file: &File, variables: &Variables) -> bool {
    let clashes =
        |name: &str| name == NEW || variables.list.iter().any(|variable| variable.name == name);
    file.tree.stmt_ids().any(|id| {
        let (name, parameters) = match file.tree.stmt(id).node {
            Stmt::FunctionDef(node) => (None, &node.type_params),
            Stmt::ClassDef(node) => (None, &node.type_params),
            Stmt::TypeAlias(node) => (Some(&*node.name), &node.type_params),
            _ => return false,
        };
        let name = name.and_then(|name| name.as_name_expr());
        name.is_some_and(|name| clashes(name.id.as_str()))
            || parameters
                .iter()
                .flat_map(|parameters| parameters.iter())
                .any(|parameter| clashes(parameter.name().as_str()))
    })
}

/// The name under which the module's top level surely has asyncbis, whatever ran before.
#[must_use]
pub fn asyncbis_at_top(file: &File, variables: &Variables, plan: &Plan) -> Option<String> {
    for (variable, outcome) in variables.list.iter().zip(&plan.outcomes) {
        let name = match outcome {
            Outcome::Rename { .. } | Outcome::Submodule { renames: true } => NEW,
            Outcome::Alias { .. } if !variable.is_foreign => variable.name,
            _ => continue,
        };
        if variable.scope == ScopeId(0)
            && variable.sites.iter().any(|site| is_at_top(file, site.stmt))
            && is_visible_everywhere(file, name)
        {
            return Some(name.to_owned());
        }
    }
    let module = file.scope(ScopeId(0));
    let mut names: Vec<&str> = module
        .names()
        .filter(|(_, bindings)| {
            bindings
                .iter()
                .all(|it| matches!(it.kind, BindingKind::Import(module) if module == NEW))
                && bindings.iter().any(|it| is_at_top(file, it.stmt))
        })
        .map(|(name, _)| name)
        .collect();
    names.sort_unstable();
    names
        .into_iter()
        .find(|name| is_visible_everywhere(file, name))
        .map(str::to_owned)
}

/// Whether no inner scope has another meaning for a name of the module.
#[must_use]
pub fn is_visible_everywhere(file: &File, name: &str) -> bool {
    file.tree.scopes[1..]
        .iter()
        .all(|scope| scope.bindings(name).is_empty())
}
