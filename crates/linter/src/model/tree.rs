//! The syntax tree with ids and parents: statements, expressions, functions, classes and scopes.
//!
//! One visit fills the tables; every later question is a look-up. A node's id is stored in the
//! node itself (`node_index`), statements and expressions counting separately.
//!
//! Invariants: ids grow in evaluation order; the expressions below an expression have the ids up
//! to its `end`; a parent's id is smaller than its child's.
//!
//! Not here: what a name means (`names.rs`), how control flows (`flow.rs`).

use ruff_python_ast::{self as ast, Expr, HasNodeIndex, Stmt};

use super::names::Scope;
use super::tree_build;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub(crate) u32);

        impl $name {
            pub(crate) fn index(self) -> usize {
                self.0 as usize
            }
        }
    )*};
}

ids! {
    /// A statement.
    StmtId,
    /// A function, a lambda, or the module's top level, which is function 0.
    FunctionId,
    /// A class.
    ClassId,
    /// A scope of names; the module's is scope 0.
    ScopeId,
}

impl FunctionId {
    pub const MODULE: FunctionId = FunctionId(0);
}

/// The part of its parent that a statement stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The body of a function, class, loop, `with`, `if` branch or `try`; the module itself.
    Body,
    /// The handler with this index.
    Handler(usize),
    /// The `else` of a loop or `try`, an `elif` or `else` of an `if`.
    Else,
    Finally,
    /// The `case` with this index.
    Case(usize),
}

/// What is known of a statement.
pub struct StmtData<'a> {
    pub node: &'a Stmt,
    pub parent: Option<StmtId>,
    pub part: Part,
    /// The function whose body it belongs to.
    pub function: FunctionId,
    pub scope: ScopeId,
    /// The statement and everything below have the ids up to this one.
    pub end: StmtId,
    /// The expressions in it, its own and those of the statements below.
    pub(super) first_expr: u32,
    pub(super) end_expr: u32,
}

pub(super) struct ExprData<'a> {
    pub(super) node: &'a Expr,
    /// `u32::MAX` where the parent is the statement.
    pub(super) parent: u32,
    /// The first id after the expressions below.
    pub(super) end: u32,
    pub(super) stmt: StmtId,
    pub(super) scope: ScopeId,
    pub(super) function: FunctionId,
}

/// What makes a function.
#[derive(Clone, Copy)]
pub enum FunctionKind<'a> {
    Module,
    Def(&'a ast::StmtFunctionDef),
    Lambda(&'a ast::ExprLambda),
}

/// A function, a lambda, or the module's top level.
pub struct Function<'a> {
    pub kind: FunctionKind<'a>,
    /// The function it is defined in.
    pub parent: FunctionId,
    /// The class whose method it is.
    pub class: Option<ClassId>,
    /// The `def` statement.
    pub stmt: Option<StmtId>,
    /// The scope of its parameters and local names.
    pub scope: ScopeId,
    /// It contains a `yield` of its own.
    pub is_generator: bool,
}

impl<'a> Function<'a> {
    #[must_use]
    pub fn def(&self) -> Option<&'a ast::StmtFunctionDef> {
        match self.kind {
            FunctionKind::Def(def) => Some(def),
            _ => None,
        }
    }

    #[must_use]
    pub fn is_async(&self) -> bool {
        self.def().is_some_and(|def| def.is_async)
    }

    /// The function's name; empty for a lambda and the module.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.def().map_or("", |def| def.name.as_str())
    }
}

/// An assignment to an attribute of the instance: `self.task = value`.
pub struct AttributeBinding<'a> {
    pub name: &'a str,
    /// `None` for an annotation without value.
    pub value: Option<&'a Expr>,
    pub annotation: Option<&'a Expr>,
    /// The method that assigns; for an annotation in the class body the enclosing function.
    pub function: FunctionId,
    pub stmt: StmtId,
}

/// A class.
pub struct Class<'a> {
    pub node: &'a ast::StmtClassDef,
    pub stmt: StmtId,
    pub scope: ScopeId,
    /// The functions defined directly in it.
    pub methods: Vec<FunctionId>,
    pub attributes: Vec<AttributeBinding<'a>>,
}

/// An `await`, `async for`, `async with` or async comprehension, in evaluation order.
#[derive(Clone, Copy)]
pub(crate) enum YieldSite {
    Await,
    AsyncComprehension,
    /// A `yield` in a generator.
    Yield,
}

/// The tables.
pub struct Tree<'a> {
    pub(super) stmts: Vec<StmtData<'a>>,
    pub(super) exprs: Vec<ExprData<'a>>,
    pub(crate) functions: Vec<Function<'a>>,
    pub(crate) classes: Vec<Class<'a>>,
    pub(crate) scopes: Vec<Scope<'a>>,
    /// The ids of the call expressions.
    pub(super) calls: Vec<u32>,
    /// The expressions that may suspend, by id.
    pub(super) yields: Vec<(u32, YieldSite)>,
}

impl<'a> Tree<'a> {
    pub(crate) fn new(body: &'a [Stmt]) -> Self {
        tree_build::build(body)
    }

    #[must_use]
    pub fn stmt(&self, id: StmtId) -> &StmtData<'a> {
        &self.stmts[id.index()]
    }

    #[must_use]
    pub fn stmt_id(&self, stmt: &Stmt) -> StmtId {
        StmtId(own_index(stmt.node_index()))
    }

    pub fn stmt_ids(&self) -> impl Iterator<Item = StmtId> + use<'a> {
        (0..self.stmts.len() as u32).map(StmtId)
    }

    /// The statement's parents, the nearest first, inside and outside its function.
    pub fn ancestors(&self, id: StmtId) -> impl Iterator<Item = (StmtId, Part)> {
        let mut current = id;
        std::iter::from_fn(move || {
            let data = self.stmt(current);
            let parent = data.parent?;
            let part = data.part;
            current = parent;
            Some((parent, part))
        })
    }

    /// The statement's parents inside its own function, the nearest first.
    pub fn ancestors_in_function(&self, id: StmtId) -> impl Iterator<Item = (StmtId, Part)> {
        let function = self.stmt(id).function;
        self.ancestors(id)
            .take_while(move |(parent, _)| self.stmt(*parent).function == function)
    }

    /// Whether `inner` is `outer` or stands below it, in nested functions too.
    #[must_use]
    pub fn contains(&self, outer: StmtId, inner: StmtId) -> bool {
        outer <= inner && inner <= self.stmt(outer).end
    }

    /// The part of `outer` that `inner` stands in; `None` where it doesn't stand below it.
    #[must_use]
    pub fn part_of(&self, outer: StmtId, inner: StmtId) -> Option<Part> {
        self.ancestors(inner)
            .find(|(parent, _)| *parent == outer)
            .map(|(_, part)| part)
    }

    /// The statement that an expression belongs to.
    #[must_use]
    pub fn stmt_of(&self, expr: &Expr) -> StmtId {
        self.expr(expr).stmt
    }

    #[must_use]
    pub fn scope_of(&self, expr: &Expr) -> ScopeId {
        self.expr(expr).scope
    }

    /// The function that evaluates an expression.
    #[must_use]
    pub fn function_of(&self, expr: &Expr) -> FunctionId {
        self.expr(expr).function
    }

    /// The expression that an expression is a direct part of; `None` below a statement.
    #[must_use]
    pub fn parent(&self, expr: &Expr) -> Option<&'a Expr> {
        let parent = self.expr(expr).parent;
        (parent != u32::MAX).then(|| self.exprs[parent as usize].node)
    }

    #[must_use]
    pub fn function(&self, id: FunctionId) -> &Function<'a> {
        &self.functions[id.index()]
    }

    pub fn function_ids(&self) -> impl Iterator<Item = FunctionId> + use<'a> {
        (0..self.functions.len() as u32).map(FunctionId)
    }

    #[must_use]
    pub fn class(&self, id: ClassId) -> &Class<'a> {
        &self.classes[id.index()]
    }

    pub fn class_ids(&self) -> impl Iterator<Item = ClassId> + use<'a> {
        (0..self.classes.len() as u32).map(ClassId)
    }

    /// Every call, in evaluation order.
    pub fn calls(&self) -> impl Iterator<Item = (&'a Expr, &'a ast::ExprCall)> {
        self.calls.iter().map(|id| {
            let node = self.exprs[*id as usize].node;
            (node, node.as_call_expr().expect("only calls are listed"))
        })
    }

    /// Every expression of the file.
    pub fn exprs(&self) -> impl Iterator<Item = &'a Expr> {
        self.exprs.iter().map(|expr| expr.node)
    }

    /// Every expression of a statement, those of the statements below it included.
    pub fn exprs_below(&self, id: StmtId) -> impl Iterator<Item = &'a Expr> {
        let data = self.stmt(id);
        self.exprs[data.first_expr as usize..data.end_expr as usize]
            .iter()
            .map(|expr| expr.node)
    }

    /// Every expression of a statement's own header or line.
    pub fn exprs_of(&self, id: StmtId) -> impl Iterator<Item = &'a Expr> {
        let data = self.stmt(id);
        self.exprs[data.first_expr as usize..data.end_expr as usize]
            .iter()
            .filter(move |expr| expr.stmt == id)
            .map(|expr| expr.node)
    }

    /// An expression and every expression below it.
    pub fn exprs_in(&self, expr: &Expr) -> impl Iterator<Item = &'a Expr> {
        let index = own_index(expr.node_index());
        self.exprs[index as usize..self.exprs[index as usize].end as usize]
            .iter()
            .map(|below| below.node)
    }

    /// The calls in a statement and below it.
    pub fn calls_below(&self, id: StmtId) -> impl Iterator<Item = (&'a Expr, &'a ast::ExprCall)> {
        let data = self.stmt(id);
        let from = self.calls.partition_point(|call| *call < data.first_expr);
        let end = data.end_expr;
        self.calls[from..]
            .iter()
            .take_while(move |call| **call < end)
            .map(|call| {
                let node = self.exprs[*call as usize].node;
                (node, node.as_call_expr().expect("only calls are listed"))
            })
    }

    /// The expressions in a statement and below it that may suspend, nested functions included.
    pub(crate) fn yields_below(&self, id: StmtId) -> impl Iterator<Item = (&'a Expr, YieldSite)> {
        let data = self.stmt(id);
        let from = self
            .yields
            .partition_point(|(expr, _)| *expr < data.first_expr);
        let end = data.end_expr;
        self.yields[from..]
            .iter()
            .take_while(move |(expr, _)| *expr < end)
            .map(|(expr, site)| (self.exprs[*expr as usize].node, *site))
    }

    /// Whether an expression is `outer` or stands below it.
    #[must_use]
    pub fn is_below(&self, outer: &Expr, inner: &Expr) -> bool {
        let (outer, inner) = (own_index(outer.node_index()), own_index(inner.node_index()));
        outer <= inner && inner < self.exprs[outer as usize].end
    }

    fn expr(&self, expr: &Expr) -> &ExprData<'a> {
        &self.exprs[own_index(expr.node_index()) as usize]
    }
}

fn own_index(index: &ast::AtomicNodeIndex) -> u32 {
    index
        .load()
        .as_u32()
        .expect("the model numbers every node it is asked about")
}
