//! The variables that hold asyncio or something of it, the imports that bind them, and their uses.
//!
//! A variable is a name in a scope, as Python resolves it. `import asyncio` in two functions makes
//! two variables; at the top and in a `try` below it makes one.
//!
//! Not here: what becomes of them (`plan`).

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{self as ast, Alias, Expr, ExprContext, Stmt};
use ruff_text_size::{Ranged, TextRange};

use super::names::is_submodule;
use crate::model::File;
use crate::model::names::BindingKind;
use crate::model::tree::{FunctionId, ScopeId, StmtId};

/// A name in a scope that some import binds to asyncio or to something of it.
pub struct Variable<'a> {
    pub scope: ScopeId,
    pub name: &'a str,
    pub sites: Vec<Site<'a>>,
    /// Something else binds it, too: a fallback, an assignment.
    pub is_foreign: bool,
    pub uses: Vec<Use>,
}

/// What an import statement binds a variable to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source<'a> {
    /// `import asyncio`, `import asyncio as aio`
    Package,
    /// `import asyncio.events`: binds the package.
    Below(&'a str),
    /// `import asyncio.events as events`, `from asyncio import events`
    Submodule(&'a str),
    /// `from asyncio import sleep`, `from asyncio.tasks import sleep`
    Name {
        module: Option<&'a str>,
        name: &'a str,
    },
}

/// One name of an import statement.
#[derive(Clone, Copy)]
pub struct Site<'a> {
    pub stmt: StmtId,
    pub alias: &'a Alias,
    pub source: Source<'a>,
}

/// A place that reads or changes a variable or what is below it: `asyncio.Task.cancel`.
#[derive(Debug, Clone)]
pub struct Use {
    /// The variable's name.
    pub root: TextRange,
    /// The attributes behind it.
    pub attributes: Vec<(String, TextRange)>,
    pub access: Access,
    /// A call of it in the body of an `async def`.
    pub is_call_in_coroutine: bool,
    /// Its text appears in the output: `f"{asyncio.sleep=}"`.
    pub is_printed: bool,
    /// It is written without comments and line breaks.
    pub is_plain: bool,
}

impl Use {
    /// The whole dotted name.
    #[must_use]
    pub fn range(&self) -> TextRange {
        let end = self.attributes.last().map_or(self.root, |last| last.1);
        self.root.cover(end)
    }

    /// The names behind the variable, also the one that `getattr()` asks for.
    #[must_use]
    pub fn path(&self) -> Vec<&str> {
        let mut path: Vec<&str> = self
            .attributes
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        if let Access::Named(name) | Access::ChangeNamed(Some(name)) = &self.access {
            path.push(name);
        }
        path
    }

    /// Whether it changes asyncio.
    #[must_use]
    pub fn is_patch(&self) -> bool {
        matches!(self.access, Access::Change | Access::ChangeNamed(_))
    }
}

/// What is done at a use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    Read,
    /// `getattr(asyncio, "timeout")`, `hasattr()`: as if it were an attribute.
    Named(String),
    /// `getattr(asyncio, name)`
    Dynamic,
    /// `asyncio.sleep = fake`, `del asyncio.sleep`
    Change,
    /// `setattr(asyncio, "sleep", fake)`, `delattr()`
    ChangeNamed(Option<String>),
    /// `del asyncio`
    Unbind,
}

/// All variables of a file, in the order of their first import.
pub struct Variables<'a> {
    pub list: Vec<Variable<'a>>,
}

impl<'a> Variables<'a> {
    /// Those of a package: `asyncio`.
    #[must_use]
    pub fn of(file: &File<'a>, package: &str) -> Self {
        let mut variables = Variables { list: Vec::new() };
        for id in file.tree.stmt_ids() {
            match file.tree.stmt(id).node {
                Stmt::Import(node) => {
                    for alias in &node.names {
                        if let Some(source) = source_of_import(alias, package) {
                            variables.add_site(file, id, alias, source);
                        }
                    }
                }
                Stmt::ImportFrom(node) => {
                    for alias in &node.names {
                        if let Some(source) = source_of_import_from(node, alias, package) {
                            variables.add_site(file, id, alias, source);
                        }
                    }
                }
                _ => {}
            }
        }
        for variable in &mut variables.list {
            let bindings = file.scope(variable.scope).bindings(variable.name);
            variable.is_foreign = bindings.len() != variable.sites.len();
        }
        if !variables.list.is_empty() {
            variables.add_uses(file);
        }
        variables
    }

    fn add_site(&mut self, file: &File<'a>, stmt: StmtId, alias: &'a Alias, source: Source<'a>) {
        let name = bound_name(alias);
        let Some(scope) = file.lookup_scope(file.tree.stmt(stmt).scope, name) else {
            return;
        };
        let site = Site {
            stmt,
            alias,
            source,
        };
        match self.find(scope, name) {
            Some(found) => self.list[found].sites.push(site),
            None => self.list.push(Variable {
                scope,
                name,
                sites: vec![site],
                is_foreign: false,
                uses: Vec::new(),
            }),
        }
    }

    /// The variable of a name in the scope that owns it.
    #[must_use]
    pub fn find(&self, scope: ScopeId, name: &str) -> Option<usize> {
        self.list
            .iter()
            .position(|variable| variable.scope == scope && variable.name == name)
    }

    /// The variable that a name means in a scope.
    fn resolve(&self, file: &File<'a>, scope: ScopeId, name: &str) -> Option<usize> {
        if !self.list.iter().any(|variable| variable.name == name) {
            return None;
        }
        self.find(file.lookup_scope(scope, name)?, name)
    }

    fn add_uses(&mut self, file: &File<'a>) {
        for stmt in file.body() {
            let mut printed: Vec<TextRange> = Vec::new();
            for expr in file.tree.exprs_below(file.tree.stmt_id(stmt)) {
                if let Expr::FString(node) = expr {
                    printed.extend(printed_parts(node));
                }
                let Expr::Name(name) = expr else { continue };
                let scope = file.tree.scope_of(expr);
                let Some(variable) = self.resolve(file, scope, name.id.as_str()) else {
                    continue;
                };
                if let Some(mut found) = use_of(file, expr, name) {
                    let range = found.root;
                    found.is_printed = printed.iter().any(|part| part.contains_range(range));
                    let text = file.source.slice(found.range());
                    found.is_plain = !text.contains(['\n', '\r', '#', '\\']);
                    self.list[variable].uses.push(found);
                }
            }
        }
    }

    /// Counts an expression of a string or comment as code of a scope.
    pub fn add_quoted(&mut self, file: &File<'a>, scope: ScopeId, expr: &Expr) {
        let mut names = QuotedNames::default();
        names.visit_expr(expr);
        for (name, found) in names.found {
            if let Some(variable) = self.resolve(file, scope, &name) {
                self.list[variable].uses.push(found);
            }
        }
    }
}

/// The name that an import binds.
#[must_use]
pub fn bound_name(alias: &Alias) -> &str {
    match &alias.asname {
        Some(name) => name.as_str(),
        None => alias
            .name
            .as_str()
            .split('.')
            .next()
            .unwrap_or(alias.name.as_str()),
    }
}

fn source_of_import<'a>(alias: &'a Alias, package: &str) -> Option<Source<'a>> {
    let module = below(alias.name.as_str(), package)?;
    Some(match (module, &alias.asname) {
        ("", _) => Source::Package,
        (module, None) => Source::Below(module),
        (module, Some(_)) => Source::Submodule(module),
    })
}

fn source_of_import_from<'a>(
    node: &'a ast::StmtImportFrom,
    alias: &'a Alias,
    package: &str,
) -> Option<Source<'a>> {
    let name = alias.name.as_str();
    if node.level != 0 || name == "*" {
        return None;
    }
    let module = below(node.module.as_ref()?.as_str(), package)?;
    Some(match module {
        "" if is_submodule(name) => Source::Submodule(name),
        "" => Source::Name { module: None, name },
        module => Source::Name {
            module: Some(module),
            name,
        },
    })
}

/// `tasks` of `asyncio.tasks`, nothing of `asyncio`; `None` of another package.
#[must_use]
pub fn below<'t>(module: &'t str, package: &str) -> Option<&'t str> {
    let rest = module.strip_prefix(package)?;
    if rest.is_empty() {
        return Some(rest);
    }
    rest.strip_prefix('.')
}

/// The parts of an f-string whose source text is printed.
fn printed_parts(node: &ast::ExprFString) -> impl Iterator<Item = TextRange> {
    node.value
        .elements()
        .filter_map(|element| element.as_interpolation())
        .filter(|element| element.debug_text.is_some())
        .map(Ranged::range)
}

fn use_of<'a>(file: &File<'a>, root: &'a Expr, name: &ast::ExprName) -> Option<Use> {
    let mut attributes = Vec::new();
    let mut top = root;
    let mut context = name.ctx;
    while let Some(Expr::Attribute(attribute)) = file.tree.parent(top) {
        if !std::ptr::eq(&raw const *attribute.value, top) {
            break;
        }
        attributes.push((attribute.attr.to_string(), attribute.attr.range));
        context = attribute.ctx;
        top = file.tree.parent(top)?;
    }
    let access = match (context, attributes.is_empty()) {
        (ExprContext::Load, _) => reflection(file, top),
        (ExprContext::Del, true) => Access::Unbind,
        // A binding of another kind: the variable is foreign.
        (_, true) => return None,
        (_, false) => Access::Change,
    };
    let parent = file.tree.parent(top);
    let is_call = parent
        .and_then(Expr::as_call_expr)
        .is_some_and(|call| std::ptr::eq(&raw const *call.func, top));
    Some(Use {
        root: name.range,
        attributes,
        access,
        is_call_in_coroutine: is_call && file.tree.function(file.tree.function_of(top)).is_async(),
        is_printed: false,
        is_plain: true,
    })
}

/// What is done with a variable that is handed to a function.
fn reflection(file: &File, expr: &Expr) -> Access {
    let Some(Expr::Call(call)) = file.tree.parent(expr) else {
        return Access::Read;
    };
    if !call
        .arguments
        .args
        .first()
        .is_some_and(|first| std::ptr::eq(first, expr))
    {
        return Access::Read;
    }
    let name = call.arguments.args.get(1).and_then(|second| match second {
        Expr::StringLiteral(text) => Some(text.value.to_str().to_owned()),
        _ => None,
    });
    let is = |function: &str| file.is_builtin(&call.func, function);
    if is("getattr") || is("hasattr") {
        return name.map_or(Access::Dynamic, Access::Named);
    }
    if is("setattr") || is("delattr") {
        return Access::ChangeNamed(name);
    }
    // `patch.object(asyncio, "sleep")` and `monkeypatch.setattr(asyncio, "sleep", ..)` belong to
    // what the file itself does with the name.
    let is_patch = matches!(&*call.func, Expr::Attribute(function)
        if matches!(function.attr.as_str(), "object" | "setattr" | "delattr" | "spy" | "stub"));
    match name {
        Some(name) if is_patch => Access::Named(name),
        _ => Access::Read,
    }
}

/// The dotted names in an expression that has no place in the tree.
#[derive(Default)]
struct QuotedNames {
    found: Vec<(String, Use)>,
}

impl<'e> Visitor<'e> for QuotedNames {
    fn visit_expr(&mut self, expr: &'e Expr) {
        let mut attributes = Vec::new();
        let mut root = expr;
        while let Expr::Attribute(attribute) = root {
            attributes.push((attribute.attr.to_string(), attribute.attr.range));
            root = &attribute.value;
        }
        let Expr::Name(name) = root else {
            visitor::walk_expr(self, expr);
            return;
        };
        attributes.reverse();
        let found = Use {
            root: name.range,
            attributes,
            access: Access::Read,
            is_call_in_coroutine: false,
            is_printed: false,
            is_plain: true,
        };
        self.found.push((name.id.to_string(), found));
    }
}

/// Whether some binding of a name in a scope is anything else than an import of this package.
#[must_use]
pub fn is_only_package(file: &File, scope: ScopeId, name: &str, package: &str) -> bool {
    file.scope(scope)
        .bindings(name)
        .iter()
        .all(|binding| matches!(binding.kind, BindingKind::Import(module) if module == package))
}

/// Whether a statement is one of the module's own, in no block.
#[must_use]
pub fn is_at_top(file: &File, stmt: StmtId) -> bool {
    let data = file.tree.stmt(stmt);
    data.function == FunctionId::MODULE && data.parent.is_none()
}
