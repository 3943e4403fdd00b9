//! Jumps out of a `finally`, and `__aexit__` methods that swallow: cancellations that are dropped
//! without any `except`.

use ruff_python_ast::{self as ast, Expr, Stmt};

use super::File;
use super::flow::{NodeId, NodeKind};
use super::names::{dotted_text, last_name};
use super::suspend::Suspension;
use super::tree::{FunctionId, Part, StmtId};

/// A `return`, `break` or `continue` that leaves a `finally` through which a cancellation passes.
pub struct FinallyJump<'a> {
    pub jump: StmtId,
    /// The `try` whose `finally` it leaves.
    pub stmt: StmtId,
    /// Where the cancellation comes from.
    pub source: Suspension<'a>,
}

/// A `return` of `__aexit__` that swallows a cancellation.
pub struct SwallowingExit {
    pub function: FunctionId,
    pub stmt: StmtId,
}

impl<'a> File<'a> {
    /// The jumps out of a `finally` that drop a cancellation, in source order.
    #[must_use]
    pub fn finally_jumps(&self) -> Vec<FinallyJump<'a>> {
        if self.is_trio_only() {
            return Vec::new();
        }
        self.tree
            .stmt_ids()
            .filter(|id| {
                matches!(
                    self.tree.stmt(*id).node,
                    Stmt::Return(_) | Stmt::Break(_) | Stmt::Continue(_)
                )
            })
            .filter_map(|jump| {
                let stmt = self.left_finally(jump)?;
                let source = self.cancellation_through_finally(stmt)?;
                Some(FinallyJump { jump, stmt, source })
            })
            .collect()
    }

    /// The innermost `try` whose `finally` a jump leaves.
    fn left_finally(&self, jump: StmtId) -> Option<StmtId> {
        let function = self.tree.stmt(jump).function;
        if !self.tree.function(function).is_async() {
            return None;
        }
        let is_return = self.tree.stmt(jump).node.is_return_stmt();
        for (parent, part) in self.tree.ancestors_in_function(jump) {
            let node = self.tree.stmt(parent).node;
            if part == Part::Finally && node.is_try_stmt() {
                return Some(parent);
            }
            let is_own_loop = part == Part::Body && (node.is_for_stmt() || node.is_while_stmt());
            if is_own_loop && !is_return {
                return None;
            }
        }
        None
    }

    /// A suspension of a `try` whose cancellation is on its way when the `finally` runs.
    fn cancellation_through_finally(&self, id: StmtId) -> Option<Suspension<'a>> {
        let flow = self.flow(self.tree.stmt(id).function);
        let entries: Vec<NodeId> = flow
            .node_ids()
            .filter(|node| {
                let node = flow.node(*node);
                node.stmt == Some(id) && matches!(node.kind, NodeKind::Finally { cancelled: true })
            })
            .collect();
        let mut sources: Vec<Suspension<'a>> = flow
            .node_ids()
            .filter(|node| {
                let (Some(cut), Some(inner)) = (flow.node(*node).cut, flow.node(*node).stmt) else {
                    return false;
                };
                let part = self.tree.part_of(id, inner);
                part.is_some()
                    && part != Some(Part::Finally)
                    && self.leads_inside(flow, cut, id, &entries)
            })
            .flat_map(|node| self.cut_suspensions(flow, node))
            .collect();
        sources.sort_by_key(|it| it.range.start());
        sources.first().copied()
    }

    /// The `return`s of `async def __aexit__` that swallow a cancellation, in source order.
    #[must_use]
    pub fn swallowing_exits(&self) -> Vec<SwallowingExit> {
        let mut found = Vec::new();
        for function in self.tree.function_ids() {
            let data = self.tree.function(function);
            let Some(def) = data.def() else { continue };
            if data.class.is_none() || !def.is_async || data.name() != "__aexit__" {
                continue;
            }
            let walk = ExitWalk {
                file: self,
                parameters: Parameters::of(def),
            };
            let mut returns = Vec::new();
            walk.block(&def.body, &mut returns);
            found.extend(
                returns
                    .into_iter()
                    .map(|stmt| SwallowingExit { function, stmt }),
            );
        }
        found
    }
}

/// The names under which `__aexit__` gets the exception.
struct Parameters<'a> {
    class: Option<&'a str>,
    value: Option<&'a str>,
    traceback: Option<&'a str>,
    /// `*exc_info`
    all: Option<&'a str>,
}

impl<'a> Parameters<'a> {
    fn of(def: &'a ast::StmtFunctionDef) -> Self {
        let mut names = def
            .parameters
            .posonlyargs
            .iter()
            .chain(&def.parameters.args)
            .map(|parameter| parameter.parameter.name.as_str())
            .skip(1);
        Parameters {
            class: names.next(),
            value: names.next(),
            traceback: names.next(),
            all: def
                .parameters
                .vararg
                .as_ref()
                .map(|parameter| parameter.name.as_str()),
        }
    }

    fn mentions(&self, expr: &Expr) -> bool {
        let Expr::Name(name) = expr else { return false };
        [self.class, self.value, self.traceback, self.all].contains(&Some(name.id.as_str()))
    }

    fn is_class(&self, expr: &Expr) -> bool {
        self.is_parameter(expr, self.class, 0)
            || matches!(expr, Expr::Call(call) if last_name(&call.func) == Some("type")
                && matches!(&*call.arguments.args, [value] if self.is_value(value)))
    }

    fn is_value(&self, expr: &Expr) -> bool {
        self.is_parameter(expr, self.value, 1)
    }

    fn is_any(&self, expr: &Expr) -> bool {
        self.is_class(expr) || self.is_value(expr) || self.is_parameter(expr, self.traceback, 2)
    }

    fn is_parameter(&self, expr: &Expr, name: Option<&str>, index: i64) -> bool {
        match expr {
            Expr::Name(node) => name == Some(node.id.as_str()),
            Expr::Subscript(node) => {
                matches!(&*node.value, Expr::Name(all) if self.all == Some(all.id.as_str()))
                    && matches!(&*node.slice, Expr::NumberLiteral(literal)
                        if matches!(&literal.value, ast::Number::Int(value) if value.as_i64() == Some(index)))
            }
            _ => false,
        }
    }
}

/// A walk over `__aexit__` as it runs for a `CancelledError`.
///
/// A test of the exception that the walk doesn't understand is taken to let the cancellation out.
struct ExitWalk<'f, 'a> {
    file: &'f File<'a>,
    parameters: Parameters<'a>,
}

impl<'a> ExitWalk<'_, 'a> {
    /// Collects the swallowing `return`s of a block; false where control can't leave its end.
    fn block(&self, body: &'a [Stmt], found: &mut Vec<StmtId>) -> bool {
        body.iter().all(|stmt| self.stmt(stmt, found))
    }

    fn stmt(&self, stmt: &'a Stmt, found: &mut Vec<StmtId>) -> bool {
        match stmt {
            Stmt::Return(node) => {
                if node.value.as_deref().is_some_and(is_true) {
                    found.push(self.file.tree.stmt_id(stmt));
                }
                false
            }
            Stmt::Raise(_) => false,
            Stmt::If(node) => self.if_stmt(node, found),
            Stmt::With(node) => self.block(&node.body, found),
            Stmt::For(node) => {
                self.block(&node.body, found);
                self.block(&node.orelse, found)
            }
            Stmt::While(node) => {
                self.block(&node.body, found);
                self.block(&node.orelse, found)
            }
            Stmt::Try(node) => {
                let body = self.block(&node.body, found) && self.block(&node.orelse, found);
                let mut goes_on = body;
                // What a handler returns is about an error in `__aexit__` itself.
                goes_on |= !node.handlers.is_empty();
                self.block(&node.finalbody, found) && goes_on
            }
            _ => true,
        }
    }

    fn if_stmt(&self, node: &'a ast::StmtIf, found: &mut Vec<StmtId>) -> bool {
        let mut goes_on = false;
        let branches = std::iter::once((Some(&*node.test), &node.body)).chain(
            node.elif_else_clauses
                .iter()
                .map(|clause| (clause.test.as_ref(), &clause.body)),
        );
        for (test, body) in branches {
            let Some(test) = test else {
                return self.block(body, found) || goes_on;
            };
            match self.truth(test) {
                Truth::Yes => return self.block(body, found) || goes_on,
                Truth::No => {}
                Truth::Either => goes_on |= self.block(body, found),
                Truth::Guard => return goes_on,
            }
        }
        true
    }

    fn truth(&self, test: &'a Expr) -> Truth {
        match test {
            _ if self.parameters.is_any(test) => Truth::Yes,
            Expr::UnaryOp(node) if node.op == ast::UnaryOp::Not => self.truth(&node.operand).not(),
            Expr::BoolOp(node) => self.truth_of_all(node),
            Expr::Call(call) => self
                .truth_of_call(call)
                .unwrap_or_else(|| self.unknown(test)),
            Expr::Compare(node) => self
                .truth_of_comparison(node)
                .unwrap_or_else(|| self.unknown(test)),
            _ => self.unknown(test),
        }
    }

    fn unknown(&self, test: &'a Expr) -> Truth {
        let mentions = self
            .file
            .tree
            .exprs_in(test)
            .any(|part| self.parameters.mentions(part));
        if mentions {
            Truth::Guard
        } else {
            Truth::Either
        }
    }

    fn truth_of_all(&self, node: &'a ast::ExprBoolOp) -> Truth {
        let is_and = node.op == ast::BoolOp::And;
        let decided = if is_and { Truth::No } else { Truth::Yes };
        let mut result = decided.not();
        for value in &node.values {
            match self.truth(value) {
                found if found == decided => return decided,
                Truth::Guard => result = Truth::Guard,
                Truth::Either if result != Truth::Guard => result = Truth::Either,
                _ => {}
            }
        }
        result
    }

    /// `issubclass(exc_type, E)`, `isinstance(exc, E)`, `any(exc_info)`.
    fn truth_of_call(&self, call: &'a ast::ExprCall) -> Option<Truth> {
        let arguments = &*call.arguments.args;
        match (last_name(&call.func)?, arguments) {
            ("issubclass", [subject, class]) if self.parameters.is_class(subject) => {
                self.file.cancellation_is_instance(class).map(Truth::of)
            }
            ("isinstance", [subject, class]) if self.parameters.is_value(subject) => {
                self.file.cancellation_is_instance(class).map(Truth::of)
            }
            // Another context manager decides.
            ("__aexit__" | "__exit__", _) => Some(Truth::Guard),
            ("any", [Expr::Name(name)]) if self.parameters.all == Some(name.id.as_str()) => {
                Some(Truth::Yes)
            }
            _ => None,
        }
    }

    /// `exc_type is None`, `exc_type is E`, `exc_type in (E, F)`.
    fn truth_of_comparison(&self, node: &'a ast::ExprCompare) -> Option<Truth> {
        let ([op], [right]) = (&*node.ops, &*node.comparators) else {
            return None;
        };
        if !self.parameters.is_any(&node.left) {
            return None;
        }
        let (is_positive, is_membership) = match op {
            ast::CmpOp::Is | ast::CmpOp::Eq => (true, false),
            ast::CmpOp::IsNot | ast::CmpOp::NotEq => (false, false),
            ast::CmpOp::In => (true, true),
            ast::CmpOp::NotIn => (false, true),
            _ => return None,
        };
        let holds = if right.is_none_literal_expr() {
            false
        } else if is_membership {
            let Expr::Tuple(classes) = right else {
                return None;
            };
            classes
                .elts
                .iter()
                .any(|class| self.file.is_cancelled_error(class))
        } else {
            dotted_text(right)?;
            self.file.is_cancelled_error(right)
        };
        Some(Truth::of(holds == is_positive))
    }
}

/// What a test is for a `CancelledError`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Truth {
    Yes,
    No,
    /// It doesn't ask for the exception.
    Either,
    /// It asks for the exception in a way that isn't understood.
    Guard,
}

impl Truth {
    fn of(value: bool) -> Self {
        if value { Truth::Yes } else { Truth::No }
    }

    fn not(self) -> Self {
        match self {
            Truth::Yes => Truth::No,
            Truth::No => Truth::Yes,
            other => other,
        }
    }
}

fn is_true(value: &Expr) -> bool {
    matches!(value, Expr::BooleanLiteral(literal) if literal.value)
}
