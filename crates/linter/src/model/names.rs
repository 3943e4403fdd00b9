//! What a name means: scopes, bindings, and the qualified names that they resolve to.
//!
//! Resolution follows Python: a class scope is invisible to the functions in it, `global` and
//! `nonlocal` redirect, a comprehension has a scope of its own. Where a name has several bindings
//! (conditional and `try` imports, a fallback of `None`), it resolves to each of them.
//!
//! `asyncbis` counts as `asyncio`, and asyncio's submodules as asyncio itself
//! (`asyncio.tasks.shield` is `asyncio.shield`), so that a rule asks for one name.
//!
//! Not here: the order of assignments; a name means the same everywhere in its scope.

use ruff_python_ast::{self as ast, Expr};
use ruff_text_size::TextRange;
use rustc_hash::{FxHashMap, FxHashSet};

use super::File;
use super::tree::{ClassId, FunctionId, ScopeId, StmtId};

/// What kind of scope it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScopeKind {
    Module,
    Class,
    /// A function or a lambda.
    Function,
    Comprehension,
}

/// How a name comes to be.
#[derive(Clone, Copy)]
pub enum BindingKind<'a> {
    /// `import a.b as name`, or `import name.b`.
    Import(&'a str),
    /// `from module import name`, relative where `level` is above 0.
    ImportFrom {
        level: u32,
        module: &'a str,
        name: &'a str,
    },
    Function(FunctionId),
    Class(ClassId),
    /// A parameter and its annotation.
    Parameter(Option<&'a Expr>),
    /// The whole value of an assignment.
    Assign(&'a Expr),
    /// An annotated assignment: annotation and value.
    Annotated(&'a Expr, Option<&'a Expr>),
    /// `with value as name`
    With(&'a Expr),
    /// `for name in iterable`
    Iterated(&'a Expr),
    /// `except Error as name`
    Except(&'a ast::ExceptHandlerExceptHandler),
    /// A part of a value, `+=`, a pattern.
    Other,
}

/// One way that a name gets a value.
#[derive(Clone, Copy)]
pub struct Binding<'a> {
    pub kind: BindingKind<'a>,
    pub stmt: StmtId,
    /// The function that binds it.
    pub function: FunctionId,
    pub range: TextRange,
}

/// The names of a module, class, function or comprehension.
pub struct Scope<'a> {
    pub kind: ScopeKind,
    pub parent: Option<ScopeId>,
    bindings: FxHashMap<&'a str, Vec<Binding<'a>>>,
    pub(crate) globals: Vec<&'a str>,
    pub(crate) nonlocals: Vec<&'a str>,
    /// The modules of `from module import *`; `.` for relative ones.
    pub(crate) stars: Vec<&'a str>,
}

impl<'a> Scope<'a> {
    pub(crate) fn new(kind: ScopeKind, parent: Option<ScopeId>) -> Self {
        Scope {
            kind,
            parent,
            bindings: FxHashMap::default(),
            globals: Vec::new(),
            nonlocals: Vec::new(),
            stars: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, name: &'a str, binding: Binding<'a>) {
        self.bindings.entry(name).or_default().push(binding);
    }

    pub(crate) fn take(&mut self, name: &str) -> Vec<Binding<'a>> {
        self.bindings.remove(name).unwrap_or_default()
    }

    /// Adds bindings, in the order of the text.
    pub(crate) fn extend(&mut self, name: &'a str, more: Vec<Binding<'a>>) {
        if !more.is_empty() {
            let bindings = self.bindings.entry(name).or_default();
            bindings.extend(more);
            bindings.sort_by_key(|binding| binding.range.start());
        }
    }

    /// The bindings of a name in this very scope.
    #[must_use]
    pub fn bindings(&self, name: &str) -> &[Binding<'a>] {
        self.bindings.get(name).map_or(&[], Vec::as_slice)
    }

    /// Every name and its bindings, in no order.
    pub fn names(&self) -> impl Iterator<Item = (&'a str, &[Binding<'a>])> {
        self.bindings
            .iter()
            .map(|(name, list)| (*name, list.as_slice()))
    }
}

/// The packages whose names are asyncio's.
const ASYNCIO: [&str; 2] = ["asyncio", "asyncbis"];

/// The submodules of asyncio whose public names asyncio has too.
const SUBMODULES: [&str; 16] = [
    "base_events",
    "base_futures",
    "base_tasks",
    "coroutines",
    "events",
    "exceptions",
    "futures",
    "locks",
    "mixins",
    "queues",
    "runners",
    "streams",
    "taskgroups",
    "tasks",
    "threads",
    "timeouts",
];

/// The names that `from asyncio import *` is expected to bring, as far as rules ask for them.
const STAR_NAMES: [&str; 48] = [
    "ALL_COMPLETED",
    "BaseEventLoop",
    "BoundedSemaphore",
    "CancelledError",
    "Condition",
    "Event",
    "FIRST_COMPLETED",
    "FIRST_EXCEPTION",
    "Future",
    "InvalidStateError",
    "Lock",
    "LifoQueue",
    "PriorityQueue",
    "Queue",
    "QueueEmpty",
    "QueueFull",
    "Runner",
    "Semaphore",
    "StreamReader",
    "StreamWriter",
    "Task",
    "TaskGroup",
    "Timeout",
    "TimeoutError",
    "all_tasks",
    "as_completed",
    "create_eager_task_factory",
    "create_subprocess_exec",
    "create_subprocess_shell",
    "create_task",
    "current_task",
    "eager_task_factory",
    "ensure_future",
    "gather",
    "get_event_loop",
    "get_running_loop",
    "new_event_loop",
    "open_connection",
    "run",
    "run_coroutine_threadsafe",
    "set_event_loop",
    "shield",
    "sleep",
    "timeout",
    "timeout_at",
    "to_thread",
    "wait",
    "wait_for",
];

/// How far aliases (`shield = asyncio.shield`) are followed.
const ALIAS_DEPTH: u32 = 4;

impl<'a> File<'a> {
    #[must_use]
    pub fn scope(&self, id: ScopeId) -> &Scope<'a> {
        &self.tree.scopes[id.index()]
    }

    /// The bindings that a name used in a scope refers to; empty for builtins and unknown names.
    #[must_use]
    pub fn lookup(&self, scope: ScopeId, name: &str) -> &[Binding<'a>] {
        self.lookup_scope(scope, name)
            .map_or(&[], |found| self.scope(found).bindings(name))
    }

    /// The scope that a name used in a scope belongs to.
    #[must_use]
    pub fn lookup_scope(&self, scope: ScopeId, name: &str) -> Option<ScopeId> {
        let mut current = scope;
        let mut is_own = true;
        loop {
            let data = self.scope(current);
            if data.globals.contains(&name) {
                let module = ScopeId(0);
                return (!self.scope(module).bindings(name).is_empty()).then_some(module);
            }
            let visible = is_own || data.kind != ScopeKind::Class;
            let redirected = data.nonlocals.contains(&name);
            if visible && !redirected && !data.bindings(name).is_empty() {
                return Some(current);
            }
            // A comprehension sees the class body it stands in only through its first iterable.
            is_own = false;
            current = data.parent?;
        }
    }

    /// The bindings of a plain name where it is used.
    #[must_use]
    pub fn bindings_of(&self, expr: &Expr) -> &[Binding<'a>] {
        match expr {
            Expr::Name(name) => self.lookup(self.tree.scope_of(expr), name.id.as_str()),
            _ => &[],
        }
    }

    /// Every qualified name that an expression may resolve to: `asyncio.shield`,
    /// `concurrent.futures.CancelledError`, `builtins.BaseException`; empty where it is a local
    /// value. asyncbis counts as asyncio.
    #[must_use]
    pub fn qualified_names(&self, expr: &Expr) -> Vec<String> {
        let mut names = self.raw_names(expr, ALIAS_DEPTH);
        for name in &mut names {
            normalise(name);
        }
        names.sort();
        names.dedup();
        names
    }

    /// The qualified name of an expression, where there is just one.
    #[must_use]
    pub fn qualified(&self, expr: &Expr) -> Option<String> {
        let mut names = self.qualified_names(expr);
        if names.len() == 1 { names.pop() } else { None }
    }

    /// The name below asyncio (or asyncbis) that an expression resolves to, in every alternative
    /// that is an import of asyncio's: `shield`, `subprocess.PIPE`.
    #[must_use]
    pub fn asyncio_name(&self, expr: &Expr) -> Option<String> {
        // Most expressions are no dotted names: decide that without allocating.
        root_name(expr)?;
        let names = self.qualified_names(expr);
        let found = names
            .iter()
            .find_map(|name| name.strip_prefix("asyncio.").map(str::to_owned))?;
        // A fallback that stands in for asyncio's own (async_timeout.timeout) has the same last
        // part; anything else makes the name ambiguous.
        let last = found.rsplit('.').next();
        let agree = names.iter().all(|name| name.rsplit('.').next() == last);
        agree.then_some(found)
    }

    /// Whether an expression is this name of asyncio or asyncbis.
    #[must_use]
    pub fn is_asyncio(&self, expr: &Expr, name: &str) -> bool {
        ends_with(expr, self, name) && self.asyncio_name(expr).is_some_and(|found| found == name)
    }

    /// Whether an expression is a builtin that the file doesn't redefine.
    #[must_use]
    pub fn is_builtin(&self, expr: &Expr, name: &str) -> bool {
        match expr {
            Expr::Name(node) => node.id == name && self.bindings_of(expr).is_empty(),
            Expr::Attribute(_) => self
                .qualified(expr)
                .is_some_and(|found| found.strip_prefix("builtins.") == Some(name)),
            _ => false,
        }
    }

    /// Whether the file takes any name from asyncbis.
    #[must_use]
    pub fn imports_asyncbis(&self) -> bool {
        self.imports("asyncbis")
    }

    /// Whether the file takes any name from a package.
    #[must_use]
    pub fn imports(&self, package: &str) -> bool {
        let packages = self.packages.get_or_init(|| self.imported_packages());
        packages.contains(package)
    }

    /// The first parts of all modules that the file imports from.
    fn imported_packages(&self) -> FxHashSet<&'a str> {
        let mut packages = FxHashSet::default();
        let first = |module: &'a str| module.split('.').next().unwrap_or(module);
        for scope in &self.tree.scopes {
            packages.extend(scope.stars.iter().copied());
            for (_, bindings) in scope.names() {
                packages.extend(bindings.iter().filter_map(|binding| match binding.kind {
                    BindingKind::Import(module)
                    | BindingKind::ImportFrom {
                        level: 0, module, ..
                    } => Some(first(module)),
                    _ => None,
                }));
            }
        }
        packages
    }

    /// The class, where an expression is the instance that a method of it works on.
    #[must_use]
    pub fn class_of_self(&self, expr: &Expr) -> Option<ClassId> {
        let [binding] = self.bindings_of(expr) else {
            return None;
        };
        let function = self.tree.function(binding.function);
        let first = function.def()?.parameters.iter().next()?;
        let is_first = first.as_parameter().range == binding.range;
        matches!(binding.kind, BindingKind::Parameter(_) if is_first)
            .then_some(function.class)
            .flatten()
    }

    /// The qualified names of an expression before asyncbis and submodules are folded away.
    #[must_use]
    pub fn raw_qualified_names(&self, expr: &Expr) -> Vec<String> {
        self.raw_names(expr, ALIAS_DEPTH)
    }

    fn raw_names(&self, expr: &Expr, depth: u32) -> Vec<String> {
        match expr {
            Expr::Name(name) => {
                let scope = self.tree.scope_of(expr);
                self.names_of(scope, name.id.as_str(), depth)
            }
            Expr::Attribute(attribute) => {
                let mut names = self.raw_names(&attribute.value, depth);
                for name in &mut names {
                    name.push('.');
                    name.push_str(attribute.attr.as_str());
                }
                names
            }
            // A generic alias is its class: `asyncio.Future[int]`.
            Expr::Subscript(subscript) => self.raw_names(&subscript.value, depth),
            _ => Vec::new(),
        }
    }

    fn names_of(&self, scope: ScopeId, name: &str, depth: u32) -> Vec<String> {
        let Some(found) = self.lookup_scope(scope, name) else {
            return vec![self.unbound_name(name)];
        };
        let mut names = Vec::new();
        for binding in self.scope(found).bindings(name) {
            match binding.kind {
                BindingKind::Import(module) => names.push(module.to_owned()),
                BindingKind::ImportFrom {
                    level,
                    module,
                    name,
                } => {
                    let dots = ".".repeat(level as usize);
                    let separator = if module.is_empty() { "" } else { "." };
                    names.push(format!("{dots}{module}{separator}{name}"));
                }
                BindingKind::Assign(value) | BindingKind::Annotated(_, Some(value)) => {
                    if value.is_none_literal_expr() {
                        continue;
                    }
                    if depth == 0 || root_name(value).is_none() {
                        return Vec::new();
                    }
                    let alias = self.raw_names(value, depth - 1);
                    if alias.is_empty() {
                        return alias;
                    }
                    names.extend(alias);
                }
                BindingKind::Annotated(_, None) => {}
                _ => return Vec::new(),
            }
        }
        names
    }

    /// What a name without a binding is: from a star import of asyncio, or a builtin.
    fn unbound_name(&self, name: &str) -> String {
        let stars = &self.scope(ScopeId(0)).stars;
        let star = stars.iter().find(|module| ASYNCIO.contains(module));
        match star {
            Some(module) if STAR_NAMES.contains(&name) => format!("{module}.{name}"),
            _ => format!("builtins.{name}"),
        }
    }
}

fn normalise(name: &mut String) {
    for package in ASYNCIO {
        let Some(rest) = name
            .strip_prefix(package)
            .and_then(|rest| rest.strip_prefix('.'))
        else {
            continue;
        };
        let rest = match rest.split_once('.') {
            Some((submodule, below)) if SUBMODULES.contains(&submodule) => below,
            _ => rest,
        };
        *name = format!("asyncio.{rest}");
        return;
    }
}

/// The plain name at the root of a dotted expression.
#[must_use]
pub fn root_name(expr: &Expr) -> Option<&ast::ExprName> {
    match expr {
        Expr::Name(name) => Some(name),
        Expr::Attribute(attribute) => root_name(&attribute.value),
        Expr::Subscript(subscript) => root_name(&subscript.value),
        _ => None,
    }
}

/// A cheap test that rules out most expressions: the last part of a dotted name is the name
/// itself, or the expression is a plain name that may be an alias.
fn ends_with(expr: &Expr, file: &File, name: &str) -> bool {
    match expr {
        Expr::Attribute(attribute) => {
            attribute.attr.as_str() == name.rsplit('.').next().unwrap_or(name)
        }
        Expr::Name(node) => node.id == name || !file.bindings_of(expr).is_empty(),
        Expr::Subscript(_) => true,
        _ => false,
    }
}

/// `a.b.c` for a dotted expression, as it is written.
#[must_use]
pub fn dotted_text(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Name(name) => Some(name.id.to_string()),
        Expr::Attribute(attribute) => {
            let mut text = dotted_text(&attribute.value)?;
            text.push('.');
            text.push_str(attribute.attr.as_str());
            Some(text)
        }
        _ => None,
    }
}

/// `c` of `a.b.c` and of `c`.
#[must_use]
pub fn last_name(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Name(name) => Some(name.id.as_str()),
        Expr::Attribute(attribute) => Some(attribute.attr.as_str()),
        _ => None,
    }
}
