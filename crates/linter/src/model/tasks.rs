//! Tasks that a file cancels: the current one, the ones that run an object's methods, all of them.
//!
//! Not here: what becomes of the awaits afterwards (`flow.rs`).

use ruff_python_ast::{self as ast, Expr, Stmt};
use ruff_text_size::Ranged;
use rustc_hash::FxHashMap;

use super::File;
use super::flow::{Flow, NodeKind};
use super::names::{BindingKind, dotted_text, last_name};
use super::suspend::{Cut, Suspension};
use super::tree::{ClassId, FunctionId, StmtId};

/// A method that cancels the task it may run in.
pub struct SelfCancel<'a> {
    /// The `.cancel()` call.
    pub cancel: &'a Expr,
    /// What is cancelled: `self._task`, or the current task.
    pub task: &'a Expr,
    /// The call that starts the task; `None` where the current task is named.
    pub started: Option<&'a Expr>,
    /// The calls that lead from the task's coroutine to the method, the first of them.
    pub called: Option<&'a Expr>,
    /// The await that raises because of it.
    pub raises: Suspension<'a>,
    /// The task awaits nothing of its own after the method has returned.
    pub is_last: bool,
}

/// How a function comes to run in a task: the call in the function before it.
type Callers<'a> = FxHashMap<FunctionId, Option<(FunctionId, &'a Expr)>>;

impl<'a> File<'a> {
    /// Whether an expression is the running task: `current_task()`, or a name or an attribute of
    /// the instance that holds nothing else.
    #[must_use]
    pub fn is_current_task(&self, expr: &'a Expr) -> bool {
        match expr {
            Expr::Call(call) => self.is_current_task_call(call),
            Expr::Named(named) => self.is_current_task(&named.value),
            Expr::Name(_) | Expr::Attribute(_) => {
                let values = self.values_of(expr);
                !values.is_empty()
                    && values.iter().all(|value| {
                        value
                            .as_call_expr()
                            .is_some_and(|call| self.is_current_task_call(call))
                    })
            }
            _ => false,
        }
    }

    /// `asyncio.current_task()`, or `asyncio.Task.current_task()` of old.
    fn is_current_task_call(&self, call: &'a ast::ExprCall) -> bool {
        self.is_asyncio(&call.func, "current_task")
            || self.is_asyncio(&call.func, "Task.current_task")
    }

    /// The receiver of `receiver.cancel()`.
    #[must_use]
    pub fn cancelled_task(&self, call: &'a ast::ExprCall) -> Option<&'a Expr> {
        let method = call.func.as_attribute_expr()?;
        (method.attr.as_str() == "cancel").then_some(&*method.value)
    }

    /// Whether a function asks which task is running.
    #[must_use]
    pub fn asks_for_current_task(&self, function: FunctionId) -> bool {
        let Some(def) = self.tree.function(function).stmt else {
            return false;
        };
        self.tree
            .calls_below(def)
            .any(|(_, call)| self.is_current_task_call(call))
    }

    /// The cancels of the running task after which it awaits.
    #[must_use]
    pub fn self_cancels(&self) -> Vec<SelfCancel<'a>> {
        let mut found: Vec<SelfCancel<'a>> = self
            .tree
            .calls()
            .filter_map(|(expr, call)| self.cancel_of_current_task(expr, call))
            .collect();
        for class in self.tree.class_ids() {
            self.add_self_cancels_of(class, &mut found);
        }
        found.sort_by_key(|it| self.tree.stmt_of(it.cancel));
        found.dedup_by(|one, other| std::ptr::eq(one.cancel, other.cancel));
        found
    }

    fn cancel_of_current_task(
        &self,
        expr: &'a Expr,
        call: &'a ast::ExprCall,
    ) -> Option<SelfCancel<'a>> {
        let task = self.cancelled_task(call)?;
        let is_here = match task {
            // Kept in an attribute, it may be another method's task.
            Expr::Attribute(_) => false,
            task => self.is_current_task(task) && self.binds_here(task),
        };
        let function = self.tree.function_of(expr);
        let is_statement = self.tree.stmt(self.tree.stmt_of(expr)).node.is_expr_stmt();
        if !is_here || !is_statement || !self.tree.function(function).is_async() {
            return None;
        }
        // A handler that flags the task again, so that its next await raises, means just that.
        if self.is_in_cleanup(self.tree.stmt_of(expr)) {
            return None;
        }
        let raises = self.next_raising(function, self.tree.stmt_of(expr))?;
        // `sleep(0)` right after it is how a task ends itself.
        if raises.call_name() == Some("sleep") {
            return None;
        }
        Some(SelfCancel {
            cancel: expr,
            task,
            started: None,
            called: None,
            raises,
            is_last: false,
        })
    }

    /// Whether a name is bound in the function that uses it: a nested function runs elsewhere.
    pub(super) fn binds_here(&self, expr: &'a Expr) -> bool {
        let function = self.tree.function_of(expr);
        self.bindings_of(expr)
            .iter()
            .all(|binding| binding.function == function)
    }

    fn add_self_cancels_of(&self, class: ClassId, found: &mut Vec<SelfCancel<'a>>) {
        for attribute in &self.tree.class(class).attributes {
            let Some(started) = attribute.value else {
                continue;
            };
            let Some(run) = self.coroutine_of_task(started) else {
                continue;
            };
            let callers = self.runs_in_task_of(run);
            for (expr, call) in self.tree.calls() {
                let Some(task) = self.cancelled_task(call) else {
                    continue;
                };
                let function = self.tree.function_of(expr);
                if function == run
                    || !callers.contains_key(&function)
                    || !self.is_attribute(task, class, attribute.name)
                    || !self.tree.stmt(self.tree.stmt_of(expr)).node.is_expr_stmt()
                {
                    continue;
                }
                found.extend(self.self_cancel(expr, task, started, run, &callers));
            }
        }
    }

    /// The function of the file whose coroutine a call makes a task of.
    #[must_use]
    pub fn coroutine_of_task(&self, value: &'a Expr) -> Option<FunctionId> {
        let call = value.as_call_expr()?;
        let name = last_name(&call.func)?;
        if !["create_task", "ensure_future", "async_create_task"].contains(&name) {
            return None;
        }
        let coroutine = call.arguments.args.first()?.as_call_expr()?;
        self.callee(coroutine)
    }

    fn is_attribute(&self, expr: &'a Expr, class: ClassId, name: &str) -> bool {
        expr.as_attribute_expr().is_some_and(|attribute| {
            attribute.attr.as_str() == name && self.class_of_self(&attribute.value) == Some(class)
        })
    }

    /// The functions that run in the task of a coroutine, each with the call that leads to it;
    /// functions that ask for the current task know what they do, and are left out.
    fn runs_in_task_of(&self, run: FunctionId) -> Callers<'a> {
        let mut callers: Callers<'a> = FxHashMap::default();
        callers.insert(run, None);
        let mut open = vec![run];
        while let Some(function) = open.pop() {
            let Some(def) = self.tree.function(function).stmt else {
                continue;
            };
            if self.asks_for_current_task(function) {
                callers.remove(&function);
                continue;
            }
            for (expr, call) in self.tree.calls_below(def) {
                if self.tree.function_of(expr) != function {
                    continue;
                }
                let Some(callee) = self.callee(call) else {
                    continue;
                };
                let runs = !self.tree.function(callee).is_async() || self.is_awaited(expr);
                if runs && !callers.contains_key(&callee) {
                    callers.insert(callee, Some((function, expr)));
                    open.push(callee);
                }
            }
        }
        callers
    }

    fn self_cancel(
        &self,
        cancel: &'a Expr,
        task: &'a Expr,
        started: &'a Expr,
        run: FunctionId,
        callers: &Callers<'a>,
    ) -> Option<SelfCancel<'a>> {
        let mut function = self.tree.function_of(cancel);
        let mut stmt = self.tree.stmt_of(cancel);
        let mut raises = None;
        let is_last;
        let mut called = None;
        // From the cancel outwards, through the calls that led to it.
        loop {
            let next = self.next_raising(function, stmt);
            if function == run {
                is_last = next.is_none();
                break;
            }
            raises = raises.or(next);
            let (caller, call) = (*callers.get(&function)?)?;
            if self.forgets_before(task, caller, call) {
                return None;
            }
            called = Some(call);
            (function, stmt) = (caller, self.tree.stmt_of(call));
        }
        Some(SelfCancel {
            cancel,
            task,
            started: Some(started),
            called,
            raises: raises?,
            is_last,
        })
    }

    /// Whether a function sets an attribute to `None` before a call, so that what it calls leaves
    /// the task in it alone.
    fn forgets_before(&self, task: &'a Expr, function: FunctionId, call: &'a Expr) -> bool {
        let Expr::Attribute(attribute) = task else {
            return false;
        };
        let Some(class) = self.class_of_self(&attribute.value) else {
            return false;
        };
        self.tree.class(class).attributes.iter().any(|binding| {
            binding.name == attribute.attr.as_str()
                && binding.function == function
                && binding.stmt < self.tree.stmt_of(call)
                && binding.value.is_some_and(Expr::is_none_literal_expr)
        })
    }

    /// The first suspension that a task reaches after a statement and where it raises, being
    /// cancelled.
    fn next_raising(&self, function: FunctionId, after: StmtId) -> Option<Suspension<'a>> {
        let flow = self.flow(function);
        let from = flow
            .node_ids()
            .filter(|id| {
                flow.node(*id).stmt == Some(after) && matches!(flow.node(*id).kind, NodeKind::Step)
            })
            .flat_map(|id| flow.node(id).next.iter().copied());
        let reached = flow.reach(from, |id| self.raises_at(flow, id).is_some());
        let mut found: Vec<Suspension<'a>> = reached
            .iter()
            .filter(|id| flow.node(*id).stmt != Some(after))
            .filter_map(|id| self.raises_at(flow, id))
            .collect();
        found.sort_by_key(|it| it.range.start());
        found.into_iter().next()
    }

    fn raises_at(&self, flow: &Flow<'a>, id: super::flow::NodeId) -> Option<Suspension<'a>> {
        let all = self.suspensions(flow.function);
        flow.node(id)
            .suspensions
            .iter()
            .map(|index| all[*index])
            .find(|it| it.cut == Cut::Raises && !it.conditional)
    }

    /// Whether a name or attribute is mentioned in the text of a class or function: a cheap way
    /// to ask for a protocol as a whole.
    #[must_use]
    pub fn mentions_word(&self, stmt: StmtId, word: &str) -> bool {
        self.source
            .slice(self.tree.stmt(stmt).node.range())
            .contains(word)
    }

    /// The variable that an `all_tasks()` is put into, and the loops over it, give the tasks that
    /// a function handles: whether an expression is one of them.
    #[must_use]
    pub fn is_element_of_call(&self, element: &'a Expr, call: &'a Expr) -> bool {
        self.bindings_of(element).iter().any(|binding| {
            matches!(binding.kind, BindingKind::Iterated(iterable)
                if self.holds_call(iterable, call, 3))
        })
    }

    /// Whether a call is a part of an expression, or of what its names were assigned.
    #[must_use]
    pub fn holds_call(&self, expr: &'a Expr, call: &'a Expr, depth: u32) -> bool {
        if self.tree.is_below(expr, call) {
            return true;
        }
        depth > 0
            && self.tree.exprs_in(expr).any(|part| {
                part.is_name_expr()
                    && dotted_text(part).is_some()
                    && self
                        .values_of(part)
                        .into_iter()
                        .any(|value| self.holds_call(value, call, depth - 1))
            })
    }

    /// The statements of the block that a statement stands in.
    #[must_use]
    pub fn block_of(&self, id: StmtId) -> &'a [Stmt] {
        let data = self.tree.stmt(id);
        let Some(parent) = data.parent else {
            return self.body();
        };
        let holds = |block: &&'a [Stmt]| block.iter().any(|stmt| self.tree.stmt_id(stmt) == id);
        let blocks: Vec<&'a [Stmt]> = match self.tree.stmt(parent).node {
            Stmt::FunctionDef(node) => vec![&node.body],
            Stmt::ClassDef(node) => vec![&node.body],
            Stmt::With(node) => vec![&node.body],
            Stmt::For(node) => vec![&node.body, &node.orelse],
            Stmt::While(node) => vec![&node.body, &node.orelse],
            Stmt::If(node) => {
                let mut blocks: Vec<&'a [Stmt]> = vec![&node.body];
                blocks.extend(node.elif_else_clauses.iter().map(|it| it.body.as_slice()));
                blocks
            }
            Stmt::Try(node) => {
                let mut blocks: Vec<&'a [Stmt]> = vec![&node.body, &node.orelse, &node.finalbody];
                blocks.extend(node.handlers.iter().map(|handler| {
                    let ast::ExceptHandler::ExceptHandler(handler) = handler;
                    handler.body.as_slice()
                }));
                blocks
            }
            Stmt::Match(node) => node.cases.iter().map(|it| it.body.as_slice()).collect(),
            _ => Vec::new(),
        };
        blocks.into_iter().find(holds).unwrap_or(&[])
    }
}
