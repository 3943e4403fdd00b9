//! The functions of a file that a call reaches, and what is known of them as a whole.

use ruff_python_ast::{self as ast, Expr, Stmt};
use ruff_text_size::Ranged;

use super::File;
use super::names::{BindingKind, dotted_text, last_name};
use super::tree::{ClassId, FunctionId};

impl<'a> File<'a> {
    /// The function of this file that a call reaches: `helper()`, `self.method()`,
    /// `cls.method()`, `Class.method()`; `None` where the file doesn't show it for certain.
    #[must_use]
    pub fn callee(&self, call: &'a ast::ExprCall) -> Option<FunctionId> {
        self.function_named(&call.func)
    }

    /// The function of this file that an expression names, without calling it.
    #[must_use]
    pub fn function_named(&self, expr: &'a Expr) -> Option<FunctionId> {
        match expr {
            Expr::Name(_) => match self.bindings_of(expr) {
                [binding] => match binding.kind {
                    BindingKind::Function(id) => Some(id),
                    _ => None,
                },
                _ => None,
            },
            Expr::Attribute(attribute) => {
                let class = self
                    .class_of_self(&attribute.value)
                    .or_else(|| self.class_named(&attribute.value))?;
                self.method(class, attribute.attr.as_str())
            }
            _ => None,
        }
    }

    /// The method of a class, or of the nearest base that the file defines.
    #[must_use]
    pub fn method(&self, class: ClassId, name: &str) -> Option<FunctionId> {
        self.class_and_bases(class).into_iter().find_map(|class| {
            let methods = &self.tree.class(class).methods;
            let mut named = methods
                .iter()
                .filter(|id| self.tree.function(**id).name() == name);
            let found = named.next()?;
            named.next().is_none().then_some(*found)
        })
    }

    /// The class of this file that an expression names.
    #[must_use]
    pub fn class_named(&self, expr: &Expr) -> Option<ClassId> {
        match self.bindings_of(expr) {
            [binding] => match binding.kind {
                BindingKind::Class(id) => Some(id),
                _ => None,
            },
            _ => None,
        }
    }

    /// The functions of this file that a function calls or awaits, itself included, through any
    /// number of calls. Functions that it hands to somebody else are not among them.
    #[must_use]
    pub fn reachable_functions(&self, from: FunctionId) -> Vec<FunctionId> {
        let mut found = vec![from];
        let mut next = 0;
        while next < found.len() {
            let function = found[next];
            for (expr, call) in self.tree.calls() {
                if self.tree.function_of(expr) == function
                    && let Some(callee) = self.callee(call)
                    && !found.contains(&callee)
                    && self.runs_in_place(expr, callee)
                {
                    found.push(callee);
                }
            }
            next += 1;
        }
        found
    }

    /// A plain function runs where it is called, a coroutine where it is awaited.
    fn runs_in_place(&self, call: &'a Expr, callee: FunctionId) -> bool {
        !self.tree.function(callee).is_async() || self.is_awaited(call)
    }

    /// Whether an expression is the operand of `await`.
    #[must_use]
    pub fn is_awaited(&self, expr: &Expr) -> bool {
        self.tree.parent(expr).is_some_and(Expr::is_await_expr)
    }

    /// Whether a function's body says nothing: a docstring, `...`, `pass`, or
    /// `raise NotImplementedError`. Another class is meant to fill it in.
    #[must_use]
    pub fn is_stub(&self, function: FunctionId) -> bool {
        let Some(def) = self.tree.function(function).def() else {
            return false;
        };
        def.body.iter().all(|stmt| match stmt {
            Stmt::Pass(_) => true,
            Stmt::Expr(node) => {
                node.value.is_string_literal_expr() || node.value.is_ellipsis_literal_expr()
            }
            Stmt::Raise(node) => node.exc.as_deref().is_some_and(|exc| {
                let class = exc.as_call_expr().map_or(exc, |call| &*call.func);
                self.is_builtin(class, "NotImplementedError")
            }),
            _ => false,
        })
    }

    /// Whether a decorator's last name part, its call aside, fits.
    pub fn has_decorator(&self, function: FunctionId, fits: impl Fn(&str) -> bool) -> bool {
        let Some(def) = self.tree.function(function).def() else {
            return false;
        };
        def.decorator_list.iter().any(|decorator| {
            let name = decorator
                .expression
                .as_call_expr()
                .map_or(&decorator.expression, |call| &call.func);
            match name {
                Expr::Name(name) => fits(name.id.as_str()),
                Expr::Attribute(attribute) => fits(attribute.attr.as_str()),
                _ => false,
            }
        })
    }

    /// Whether a call never returns: `sys.exit()`, or a function of this file all of whose ways
    /// end in `raise`.
    #[must_use]
    pub fn never_returns(&self, call: &'a ast::ExprCall) -> bool {
        if let Some(function) = self.callee(call) {
            return self.is_no_return(function);
        }
        let (Expr::Name(_) | Expr::Attribute(_)) = &*call.func else {
            return false;
        };
        const KNOWN: [&str; 4] = ["sys.exit", "os._exit", "os.abort", "builtins.exit"];
        let Some(last) = last_name(&call.func) else {
            return false;
        };
        KNOWN.iter().any(|known| known.ends_with(last))
            && self
                .qualified(&call.func)
                .is_some_and(|name| KNOWN.contains(&name.as_str()))
    }

    fn is_no_return(&self, function: FunctionId) -> bool {
        if let Some(known) = self.no_return.borrow().get(&function) {
            return *known;
        }
        // A recursive function is taken to return while it is looked at.
        if self.flows_begun.borrow().contains(&function) {
            return false;
        }
        self.no_return.borrow_mut().insert(function, false);
        let result = self.compute_no_return(function);
        self.no_return.borrow_mut().insert(function, result);
        result
    }

    fn compute_no_return(&self, function: FunctionId) -> bool {
        let data = self.tree.function(function);
        let Some(def) = data.def() else {
            return false;
        };
        if let Some(returns) = &def.returns
            && let Some(name) = dotted_text(returns)
            && ["NoReturn", "Never"].contains(&name.rsplit('.').next().unwrap_or_default())
        {
            return true;
        }
        if data.is_generator || self.is_stub(function) || !self.contains_raise(def) {
            return false;
        }
        self.flow(function).never_returns()
    }

    /// A cheap test before the flow graph is built: a function without `raise` returns.
    fn contains_raise(&self, def: &ast::StmtFunctionDef) -> bool {
        let text = self.source.slice(def.range());
        text.contains("raise") || text.contains("exit")
    }
}
