//! What Python's compiler refuses although it parses: `return` outside of a function, `await` in a
//! plain one, a late `from __future__`.
//!
//! Only counted, to compare a text with what a fix made of it: ruff's checker asks for more than a
//! walk over the tree can tell, and what it is not told it does not report.

use std::cell::Cell;

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{self as ast, Expr, PythonVersion, Stmt};
use ruff_python_parser::semantic_errors::{
    LazyImportContext, SemanticSyntaxChecker, SemanticSyntaxContext, SemanticSyntaxError,
};
use ruff_text_size::TextRange;

use crate::source::{SourceFile, SourceKind};

/// How many there are in a text that parses.
pub(crate) fn count(source: &SourceFile, body: &[Stmt]) -> usize {
    let mut walk = Walk {
        checker: SemanticSyntaxChecker::new(),
        context: Context {
            source,
            scopes: vec![Scope::Module],
            in_loop: false,
            found: Cell::new(0),
        },
    };
    walk.visit_body(body);
    walk.context.found.get()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Module,
    Class,
    Function { is_async: bool },
    Lambda,
    Generator,
}

struct Context<'a> {
    source: &'a SourceFile,
    scopes: Vec<Scope>,
    in_loop: bool,
    found: Cell<usize>,
}

impl Context<'_> {
    fn scope(&self) -> Scope {
        *self.scopes.last().expect("the module's stays")
    }

    /// The nearest scope that a comprehension doesn't hide.
    fn outer(&self) -> Scope {
        let mut scopes = self.scopes.iter().rev();
        *scopes
            .find(|scope| **scope != Scope::Generator)
            .expect("the module's stays")
    }
}

impl SemanticSyntaxContext for Context<'_> {
    fn future_annotations_or_stub(&self) -> bool {
        false
    }

    fn lazy_import_context(&self) -> Option<LazyImportContext> {
        None
    }

    fn python_version(&self) -> PythonVersion {
        PythonVersion::latest()
    }

    fn source(&self) -> &str {
        self.source.text()
    }

    fn global(&self, _: &str) -> Option<TextRange> {
        None
    }

    fn has_nonlocal_binding(&self, _: &str) -> bool {
        true
    }

    fn in_async_context(&self) -> bool {
        self.outer() == Scope::Function { is_async: true }
    }

    fn in_await_allowed_context(&self) -> bool {
        matches!(self.outer(), Scope::Function { .. } | Scope::Lambda)
    }

    fn in_yield_allowed_context(&self) -> bool {
        matches!(self.scope(), Scope::Function { .. } | Scope::Lambda)
    }

    fn in_sync_comprehension(&self) -> bool {
        false
    }

    fn in_class_body_comprehension(&self) -> bool {
        false
    }

    fn in_module_scope(&self) -> bool {
        self.scope() == Scope::Module
    }

    fn in_function_scope(&self) -> bool {
        matches!(self.scope(), Scope::Function { .. })
    }

    fn in_generator_context(&self) -> bool {
        self.scope() == Scope::Generator
    }

    fn in_notebook(&self) -> bool {
        self.source.kind() == SourceKind::Notebook
    }

    fn report_semantic_error(&self, _: SemanticSyntaxError) {
        self.found.set(self.found.get() + 1);
    }

    fn in_loop_context(&self) -> bool {
        self.in_loop
    }

    fn is_bound_parameter(&self, _: &str) -> bool {
        false
    }
}

struct Walk<'a> {
    checker: SemanticSyntaxChecker,
    context: Context<'a>,
}

impl Walk<'_> {
    fn within(&mut self, scope: Scope, walk: impl FnOnce(&mut Self)) {
        let in_loop = std::mem::replace(&mut self.context.in_loop, false);
        self.context.scopes.push(scope);
        walk(self);
        self.context.scopes.pop();
        self.context.in_loop = in_loop;
    }

    fn loop_body(&mut self, body: &[Stmt], orelse: &[Stmt]) {
        let in_loop = std::mem::replace(&mut self.context.in_loop, true);
        self.visit_body(body);
        self.context.in_loop = in_loop;
        self.visit_body(orelse);
    }
}

impl<'a> Visitor<'a> for Walk<'_> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        self.checker.visit_stmt(stmt, &self.context);
        match stmt {
            Stmt::FunctionDef(node) => {
                for decorator in &node.decorator_list {
                    self.visit_decorator(decorator);
                }
                self.visit_parameters(&node.parameters);
                let is_async = node.is_async;
                self.within(Scope::Function { is_async }, |walk| {
                    walk.visit_body(&node.body);
                });
            }
            Stmt::ClassDef(node) => {
                for decorator in &node.decorator_list {
                    self.visit_decorator(decorator);
                }
                self.within(Scope::Class, |walk| walk.visit_body(&node.body));
            }
            Stmt::For(ast::StmtFor {
                target,
                iter,
                body,
                orelse,
                ..
            }) => {
                self.visit_expr(iter);
                self.visit_expr(target);
                self.loop_body(body, orelse);
            }
            Stmt::While(node) => {
                self.visit_expr(&node.test);
                self.loop_body(&node.body, &node.orelse);
            }
            _ => visitor::walk_stmt(self, stmt),
        }
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        self.checker.visit_expr(expr, &self.context);
        match expr {
            Expr::Lambda(_) => {
                self.within(Scope::Lambda, |walk| visitor::walk_expr(walk, expr));
            }
            Expr::ListComp(_) | Expr::SetComp(_) | Expr::DictComp(_) | Expr::Generator(_) => {
                self.within(Scope::Generator, |walk| visitor::walk_expr(walk, expr));
            }
            _ => visitor::walk_expr(self, expr),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Parsed;

    #[test]
    fn what_the_compiler_refuses_is_counted() {
        let table = [
            ("return", 1),
            ("def f():\n    return", 0),
            ("def f():\n    await x", 1),
            ("async def f():\n    await x\n    async with y: pass", 0),
            (
                "async def f():\n    def g():\n        async with y: pass",
                1,
            ),
            ("import a\nfrom __future__ import annotations", 1),
            ("'doc'\nfrom __future__ import annotations\nimport a", 0),
            ("while x:\n    break\nelse:\n    break", 1),
            ("for x in y:\n    def f():\n        continue", 1),
            ("async def f():\n    yield 1\n    return 2", 1),
            ("class C:\n    yield 1", 1),
            ("async def f():\n    return [await x async for x in y]", 0),
            ("def f(a, a): pass", 1),
        ];
        for (text, expected) in table {
            let source = SourceFile::python("a.py", text);
            let parsed = Parsed::new(&source);
            assert!(parsed.is_valid(), "{text}");
            assert_eq!(parsed.compile_errors(&source), expected, "{text}");
        }
    }
}
