//! The one visit that fills the tables of the tree: statements, expressions, functions, classes,
//! scopes and their bindings.

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{
    self as ast, ElifElseClause, ExceptHandler, Expr, HasNodeIndex, MatchCase, NodeIndex, Pattern,
    Stmt,
};
use ruff_text_size::TextRange;

use super::names::{Binding, BindingKind, Scope, ScopeKind};
use super::tree::{
    AttributeBinding, Class, ClassId, ExprData, Function, FunctionId, FunctionKind, Part, ScopeId,
    StmtData, StmtId, Tree, YieldSite,
};

/// The tables of a module.
pub(super) fn build(body: &[Stmt]) -> Tree<'_> {
    let mut builder = Builder::new();
    builder.visit_part(body, Part::Body);
    builder.settle_nonlocals();
    builder.tree
}

struct Builder<'a> {
    tree: Tree<'a>,
    parent_stmt: Option<StmtId>,
    part: Part,
    parent_expr: u32,
    function: FunctionId,
    scope: ScopeId,
    class: Option<ClassId>,
    /// The statement whose expressions are visited.
    current_stmt: StmtId,
}

impl<'a> Builder<'a> {
    fn new() -> Self {
        let tree = Tree {
            stmts: Vec::new(),
            exprs: Vec::new(),
            functions: vec![Function {
                kind: FunctionKind::Module,
                parent: FunctionId::MODULE,
                class: None,
                stmt: None,
                scope: ScopeId(0),
                is_generator: false,
            }],
            classes: Vec::new(),
            scopes: vec![Scope::new(ScopeKind::Module, None)],
            calls: Vec::new(),
            yields: Vec::new(),
        };
        Builder {
            tree,
            parent_stmt: None,
            part: Part::Body,
            parent_expr: u32::MAX,
            function: FunctionId::MODULE,
            scope: ScopeId(0),
            class: None,
            current_stmt: StmtId(0),
        }
    }

    fn visit_part(&mut self, body: &'a [Stmt], part: Part) {
        let outer = std::mem::replace(&mut self.part, part);
        for stmt in body {
            self.visit_stmt(stmt);
        }
        self.part = outer;
    }

    fn new_scope(&mut self, kind: ScopeKind) -> ScopeId {
        let id = ScopeId(self.tree.scopes.len() as u32);
        self.tree.scopes.push(Scope::new(kind, Some(self.scope)));
        id
    }

    fn bind(&mut self, name: &'a str, range: TextRange, kind: BindingKind<'a>) {
        self.bind_in(self.scope, name, range, kind);
    }

    fn bind_in(&mut self, scope: ScopeId, name: &'a str, range: TextRange, kind: BindingKind<'a>) {
        let binding = Binding {
            kind,
            stmt: self.current_stmt,
            function: self.function,
            range,
        };
        let owner = self.owner_of(scope, name);
        self.tree.scopes[owner.index()].add(name, binding);
    }

    /// The scope that a name assigned in a scope belongs to, by `global`.
    fn owner_of(&self, scope: ScopeId, name: &str) -> ScopeId {
        match self.tree.scopes[scope.index()].globals.contains(&name) {
            true => ScopeId(0),
            false => scope,
        }
    }

    /// Gives the names that are `nonlocal` to the functions that own them: these may bind them below
    /// the function that declares them.
    fn settle_nonlocals(&mut self) {
        for index in 0..self.tree.scopes.len() {
            let names = self.tree.scopes[index].nonlocals.clone();
            for name in names {
                let Some(owner) = self.owner_of_nonlocal(index, name) else {
                    continue;
                };
                let moved = self.tree.scopes[index].take(name);
                self.tree.scopes[owner.index()].extend(name, moved);
            }
        }
    }

    fn owner_of_nonlocal(&self, scope: usize, name: &str) -> Option<ScopeId> {
        let mut outer = self.tree.scopes[scope].parent;
        while let Some(id) = outer {
            let data = &self.tree.scopes[id.index()];
            let is_own = !data.nonlocals.contains(&name) && !data.bindings(name).is_empty();
            if data.kind == ScopeKind::Function && is_own {
                return Some(id);
            }
            outer = data.parent;
        }
        None
    }

    /// Binds the names of an assignment target; `value` where the target takes it whole.
    fn bind_target(&mut self, target: &'a Expr, kind: BindingKind<'a>) {
        match target {
            Expr::Name(name) => self.bind(name.id.as_str(), name.range, kind),
            Expr::Tuple(tuple) => self.bind_elements(&tuple.elts, kind),
            Expr::List(list) => self.bind_elements(&list.elts, kind),
            Expr::Starred(starred) => self.bind_target(&starred.value, BindingKind::Other),
            Expr::Attribute(attribute) => self.bind_attribute(attribute, kind),
            _ => {}
        }
    }

    fn bind_elements(&mut self, elements: &'a [Expr], kind: BindingKind<'a>) {
        let values = match kind {
            BindingKind::Assign(Expr::Tuple(tuple)) if tuple.elts.len() == elements.len() => {
                Some(&tuple.elts)
            }
            _ => None,
        };
        for (index, element) in elements.iter().enumerate() {
            let kind = values.map_or(BindingKind::Other, |values| {
                BindingKind::Assign(&values[index])
            });
            self.bind_target(element, kind);
        }
    }

    fn bind_attribute(&mut self, target: &'a ast::ExprAttribute, kind: BindingKind<'a>) {
        let (value, annotation) = match kind {
            BindingKind::Assign(value) => (Some(value), None),
            BindingKind::Annotated(annotation, value) => (value, Some(annotation)),
            _ => (None, None),
        };
        let Some(class) = self.class_of_self(&target.value) else {
            return;
        };
        let binding = AttributeBinding {
            name: target.attr.as_str(),
            value,
            annotation,
            function: self.function,
            stmt: self.current_stmt,
        };
        self.tree.classes[class.index()].attributes.push(binding);
    }

    /// The class, where an expression is the first parameter of one of its methods.
    fn class_of_self(&self, expr: &Expr) -> Option<ClassId> {
        let name = expr.as_name_expr()?;
        let mut function = self.function;
        loop {
            let data = self.tree.function(function);
            let def = data.def()?;
            let first = def.parameters.iter().next();
            if let (Some(class), Some(first)) = (data.class, first) {
                return (first.name() == name.id.as_str()).then_some(class);
            }
            function = data.parent;
        }
    }

    fn visit_def(&mut self, def: &'a ast::StmtFunctionDef, stmt: StmtId) {
        for decorator in &def.decorator_list {
            self.visit_decorator(decorator);
        }
        let id = FunctionId(self.tree.functions.len() as u32);
        self.bind(def.name.as_str(), def.name.range, BindingKind::Function(id));
        if let Some(parameters) = &def.type_params {
            self.visit_type_params(parameters);
        }
        for parameter in &*def.parameters {
            if let Some(default) = parameter.default() {
                self.visit_expr(default);
            }
            if let Some(annotation) = parameter.annotation() {
                self.visit_annotation(annotation);
            }
        }
        if let Some(returns) = &def.returns {
            self.visit_annotation(returns);
        }
        let class = self.class.take();
        if let Some(class) = class {
            self.tree.classes[class.index()].methods.push(id);
        }
        let scope = self.new_scope(ScopeKind::Function);
        self.tree.functions.push(Function {
            kind: FunctionKind::Def(def),
            parent: self.function,
            class,
            stmt: Some(stmt),
            scope,
            is_generator: false,
        });
        let outer = (self.function, self.scope);
        (self.function, self.scope) = (id, scope);
        for parameter in &*def.parameters {
            let kind = BindingKind::Parameter(parameter.annotation());
            self.bind(
                parameter.name().as_str(),
                parameter.as_parameter().range,
                kind,
            );
        }
        self.visit_part(&def.body, Part::Body);
        (self.function, self.scope) = outer;
        self.class = class;
    }

    fn visit_class(&mut self, node: &'a ast::StmtClassDef, stmt: StmtId) {
        for decorator in &node.decorator_list {
            self.visit_decorator(decorator);
        }
        if let Some(parameters) = &node.type_params {
            self.visit_type_params(parameters);
        }
        if let Some(arguments) = &node.arguments {
            self.visit_arguments(arguments);
        }
        let id = ClassId(self.tree.classes.len() as u32);
        self.bind(node.name.as_str(), node.name.range, BindingKind::Class(id));
        let scope = self.new_scope(ScopeKind::Class);
        self.tree.classes.push(Class {
            node,
            stmt,
            scope,
            methods: Vec::new(),
            attributes: Vec::new(),
        });
        let outer_class = self.class.replace(id);
        let outer_scope = std::mem::replace(&mut self.scope, scope);
        self.visit_part(&node.body, Part::Body);
        self.scope = outer_scope;
        self.class = outer_class;
    }

    fn visit_lambda(&mut self, lambda: &'a ast::ExprLambda) {
        let parameters = lambda.parameters.as_deref();
        for parameter in parameters.into_iter().flatten() {
            if let Some(default) = parameter.default() {
                self.visit_expr(default);
            }
        }
        let id = FunctionId(self.tree.functions.len() as u32);
        let scope = self.new_scope(ScopeKind::Function);
        self.tree.functions.push(Function {
            kind: FunctionKind::Lambda(lambda),
            parent: self.function,
            class: None,
            stmt: None,
            scope,
            is_generator: false,
        });
        let outer = (self.function, self.scope);
        (self.function, self.scope) = (id, scope);
        for parameter in parameters.into_iter().flatten() {
            let range = parameter.as_parameter().range;
            self.bind(
                parameter.name().as_str(),
                range,
                BindingKind::Parameter(None),
            );
        }
        self.visit_expr(&lambda.body);
        (self.function, self.scope) = outer;
    }

    fn visit_generators(&mut self, generators: &'a [ast::Comprehension], results: &[&'a Expr]) {
        let mut rest = generators;
        // The first iterable is evaluated outside the comprehension's scope.
        if let Some((first, _)) = rest.split_first() {
            self.visit_expr(&first.iter);
        }
        let scope = self.new_scope(ScopeKind::Comprehension);
        let outer = std::mem::replace(&mut self.scope, scope);
        let mut is_first = true;
        while let Some((generator, others)) = rest.split_first() {
            if !is_first {
                self.visit_expr(&generator.iter);
            }
            is_first = false;
            self.visit_expr(&generator.target);
            self.bind_target(&generator.target, BindingKind::Iterated(&generator.iter));
            for test in &generator.ifs {
                self.visit_expr(test);
            }
            rest = others;
        }
        for result in results {
            self.visit_expr(result);
        }
        self.scope = outer;
    }

    fn visit_comprehensions(&mut self, expr: &'a Expr) -> bool {
        match expr {
            Expr::ListComp(node) => self.visit_generators(&node.generators, &[&node.elt]),
            Expr::SetComp(node) => self.visit_generators(&node.generators, &[&node.elt]),
            Expr::Generator(node) => self.visit_generators(&node.generators, &[&node.elt]),
            Expr::DictComp(node) => {
                let results: Vec<&Expr> = node
                    .key
                    .as_deref()
                    .into_iter()
                    .chain([&*node.value])
                    .collect();
                self.visit_generators(&node.generators, &results);
            }
            _ => return false,
        }
        true
    }

    fn yield_site(expr: &Expr) -> Option<YieldSite> {
        let generators = match expr {
            Expr::Await(_) => return Some(YieldSite::Await),
            Expr::Yield(_) | Expr::YieldFrom(_) => return Some(YieldSite::Yield),
            Expr::ListComp(node) => &node.generators,
            Expr::SetComp(node) => &node.generators,
            Expr::DictComp(node) => &node.generators,
            _ => return None,
        };
        let is_async = generators.iter().any(|generator| generator.is_async);
        is_async.then_some(YieldSite::AsyncComprehension)
    }

    fn bind_statement(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::Assign(node) => {
                for target in &node.targets {
                    self.bind_target(target, BindingKind::Assign(&node.value));
                }
            }
            Stmt::AnnAssign(node) => {
                let kind = BindingKind::Annotated(&node.annotation, node.value.as_deref());
                let in_class = self.tree.scopes[self.scope.index()].kind == ScopeKind::Class;
                if let (true, Some(class), Expr::Name(name)) = (in_class, self.class, &*node.target)
                {
                    let binding = AttributeBinding {
                        name: name.id.as_str(),
                        value: node.value.as_deref(),
                        annotation: Some(&node.annotation),
                        function: self.function,
                        stmt: self.current_stmt,
                    };
                    self.tree.classes[class.index()].attributes.push(binding);
                }
                self.bind_target(&node.target, kind);
            }
            Stmt::AugAssign(node) => self.bind_target(&node.target, BindingKind::Other),
            Stmt::For(node) => {
                self.bind_target(&node.target, BindingKind::Iterated(&node.iter));
            }
            Stmt::With(node) => {
                for item in &node.items {
                    if let Some(target) = &item.optional_vars {
                        self.bind_target(target, BindingKind::With(&item.context_expr));
                    }
                }
            }
            Stmt::Import(node) => {
                for alias in &node.names {
                    self.bind_import(alias);
                }
            }
            Stmt::ImportFrom(node) => {
                for alias in &node.names {
                    self.bind_import_from(node, alias);
                }
            }
            Stmt::Global(node) => {
                let scope = &mut self.tree.scopes[self.scope.index()];
                scope
                    .globals
                    .extend(node.names.iter().map(ast::Identifier::as_str));
            }
            Stmt::Nonlocal(node) => {
                let scope = &mut self.tree.scopes[self.scope.index()];
                scope
                    .nonlocals
                    .extend(node.names.iter().map(ast::Identifier::as_str));
            }
            Stmt::Delete(_) | Stmt::TypeAlias(_) => {}
            _ => {}
        }
    }

    fn bind_import(&mut self, alias: &'a ast::Alias) {
        let module = alias.name.as_str();
        match &alias.asname {
            Some(name) => self.bind(name.as_str(), alias.range, BindingKind::Import(module)),
            None => {
                let root = module.split('.').next().unwrap_or(module);
                self.bind(root, alias.range, BindingKind::Import(root));
            }
        }
    }

    fn bind_import_from(&mut self, node: &'a ast::StmtImportFrom, alias: &'a ast::Alias) {
        let module = node.module.as_ref().map_or("", ast::Identifier::as_str);
        if alias.name.as_str() == "*" {
            let from = if node.level == 0 { module } else { "." };
            self.tree.scopes[self.scope.index()].stars.push(from);
            return;
        }
        let name = alias.asname.as_ref().unwrap_or(&alias.name);
        let kind = BindingKind::ImportFrom {
            level: node.level,
            module,
            name: alias.name.as_str(),
        };
        self.bind(name.as_str(), alias.range, kind);
    }

    fn visit_compound(&mut self, stmt: &'a Stmt, id: StmtId) {
        match stmt {
            Stmt::FunctionDef(def) => self.visit_def(def, id),
            Stmt::ClassDef(class) => self.visit_class(class, id),
            Stmt::For(node) => {
                self.visit_expr(&node.iter);
                self.visit_expr(&node.target);
                self.visit_part(&node.body, Part::Body);
                self.visit_part(&node.orelse, Part::Else);
            }
            Stmt::While(node) => {
                self.visit_expr(&node.test);
                self.visit_part(&node.body, Part::Body);
                self.visit_part(&node.orelse, Part::Else);
            }
            Stmt::Try(node) => {
                self.visit_part(&node.body, Part::Body);
                for (index, handler) in node.handlers.iter().enumerate() {
                    self.visit_handler(handler, index, id);
                }
                self.visit_part(&node.orelse, Part::Else);
                self.visit_part(&node.finalbody, Part::Finally);
            }
            Stmt::Match(node) => {
                self.visit_expr(&node.subject);
                for (index, case) in node.cases.iter().enumerate() {
                    self.visit_case(case, index, id);
                }
            }
            _ => visitor::walk_stmt(self, stmt),
        }
    }

    fn visit_handler(&mut self, handler: &'a ExceptHandler, index: usize, stmt: StmtId) {
        let ExceptHandler::ExceptHandler(handler) = handler;
        if let Some(class) = &handler.type_ {
            self.visit_expr(class);
        }
        if let Some(name) = &handler.name {
            self.current_stmt = stmt;
            let kind = BindingKind::Except(handler);
            self.bind(name.as_str(), name.range, kind);
        }
        self.visit_part(&handler.body, Part::Handler(index));
        self.current_stmt = stmt;
    }

    fn visit_case(&mut self, case: &'a MatchCase, index: usize, stmt: StmtId) {
        self.visit_pattern(&case.pattern);
        if let Some(guard) = &case.guard {
            self.visit_expr(guard);
        }
        self.visit_part(&case.body, Part::Case(index));
        self.current_stmt = stmt;
    }
}

impl<'a> Visitor<'a> for Builder<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        let id = StmtId(self.tree.stmts.len() as u32);
        stmt.node_index().set(NodeIndex::from(id.0));
        let first_expr = self.tree.exprs.len() as u32;
        self.tree.stmts.push(StmtData {
            node: stmt,
            parent: self.parent_stmt,
            part: self.part,
            function: self.function,
            scope: self.scope,
            end: id,
            first_expr,
            end_expr: first_expr,
        });
        let outer = (self.parent_stmt, self.current_stmt, self.parent_expr);
        (self.parent_stmt, self.current_stmt, self.parent_expr) = (Some(id), id, u32::MAX);
        self.bind_statement(stmt);
        self.visit_compound(stmt, id);
        (self.parent_stmt, self.current_stmt, self.parent_expr) = outer;
        let end = StmtId(self.tree.stmts.len() as u32 - 1);
        let end_expr = self.tree.exprs.len() as u32;
        let data = &mut self.tree.stmts[id.index()];
        (data.end, data.end_expr) = (end, end_expr);
    }

    fn visit_body(&mut self, body: &'a [Stmt]) {
        self.visit_part(body, Part::Body);
    }

    fn visit_elif_else_clause(&mut self, clause: &'a ElifElseClause) {
        if let Some(test) = &clause.test {
            self.visit_expr(test);
        }
        self.visit_part(&clause.body, Part::Else);
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        let id = self.tree.exprs.len() as u32;
        expr.node_index().set(NodeIndex::from(id));
        self.tree.exprs.push(ExprData {
            node: expr,
            parent: self.parent_expr,
            end: id,
            stmt: self.current_stmt,
            scope: self.scope,
            function: self.function,
        });
        if expr.is_call_expr() {
            self.tree.calls.push(id);
        }
        if let Some(site) = Self::yield_site(expr) {
            self.tree.yields.push((id, site));
            if matches!(site, YieldSite::Yield) {
                self.tree.functions[self.function.index()].is_generator = true;
            }
        }
        if let Expr::Named(node) = expr {
            let mut scope = self.scope;
            while self.tree.scopes[scope.index()].kind == ScopeKind::Comprehension {
                scope = self.tree.scopes[scope.index()]
                    .parent
                    .expect("never the module");
            }
            if let Expr::Name(name) = &*node.target {
                let kind = BindingKind::Assign(&node.value);
                self.bind_in(scope, name.id.as_str(), name.range, kind);
            }
        }
        let outer = std::mem::replace(&mut self.parent_expr, id);
        if let Expr::Lambda(lambda) = expr {
            self.visit_lambda(lambda);
        } else if !self.visit_comprehensions(expr) {
            visitor::walk_expr(self, expr);
        }
        self.parent_expr = outer;
        self.tree.exprs[id as usize].end = self.tree.exprs.len() as u32;
    }

    fn visit_pattern(&mut self, pattern: &'a Pattern) {
        let name = match pattern {
            Pattern::MatchStar(node) => node.name.as_ref(),
            Pattern::MatchAs(node) => node.name.as_ref(),
            Pattern::MatchMapping(node) => node.rest.as_ref(),
            _ => None,
        };
        if let Some(name) = name {
            self.bind(name.as_str(), name.range, BindingKind::Other);
        }
        visitor::walk_pattern(self, pattern);
    }
}
