//! What an expression is: a task, a future, a lock, as far as one file shows.
//!
//! An expression has a kind only where every value that the file assigns to it agrees (`None`
//! aside), or an annotation says so.

use ruff_python_ast::{self as ast, Expr};

use super::File;
use super::names::{Binding, BindingKind};
use super::tree::ClassId;

/// What an expression is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A task; whoever awaits it while cancelled cancels it and waits for its end.
    Task,
    /// A future that is no task.
    Future,
    /// What calling an `async def` returns.
    Coroutine,
    Lock,
    Semaphore,
    Condition,
    Event,
    Queue,
    TaskGroup,
    /// A cancel scope or timeout of asyncbis, AnyIO, Trio, or asyncio's timeout.
    Scope,
    EventLoop,
}

/// How many assignments are followed from a name to a kind.
const DEPTH: u32 = 4;

/// The classes and functions of asyncio whose call has a kind.
const ASYNCIO_CALLS: [(&str, Kind); 31] = [
    ("Task", Kind::Task),
    ("create_task", Kind::Task),
    ("ensure_future", Kind::Task),
    ("current_task", Kind::Task),
    ("Future", Kind::Future),
    ("gather", Kind::Future),
    ("wrap_future", Kind::Future),
    ("Lock", Kind::Lock),
    ("Semaphore", Kind::Semaphore),
    ("BoundedSemaphore", Kind::Semaphore),
    ("Condition", Kind::Condition),
    ("Event", Kind::Event),
    ("Queue", Kind::Queue),
    ("LifoQueue", Kind::Queue),
    ("PriorityQueue", Kind::Queue),
    ("TaskGroup", Kind::TaskGroup),
    ("timeout", Kind::Scope),
    ("timeout_at", Kind::Scope),
    ("Timeout", Kind::Scope),
    ("CancelScope", Kind::Scope),
    ("move_on_after", Kind::Scope),
    ("move_on_at", Kind::Scope),
    ("fail_after", Kind::Scope),
    ("fail_at", Kind::Scope),
    ("get_event_loop", Kind::EventLoop),
    ("get_running_loop", Kind::EventLoop),
    ("new_event_loop", Kind::EventLoop),
    ("sleep", Kind::Coroutine),
    ("wait_for", Kind::Coroutine),
    ("wait", Kind::Coroutine),
    ("to_thread", Kind::Coroutine),
];

/// The methods whose call has a kind whatever object they belong to.
const METHOD_CALLS: [(&str, Kind); 5] = [
    ("create_task", Kind::Task),
    ("ensure_future", Kind::Task),
    ("create_future", Kind::Future),
    ("run_in_executor", Kind::Future),
    ("async_create_task", Kind::Task),
];

impl<'a> File<'a> {
    /// What an expression is, where the file shows it.
    #[must_use]
    pub fn kind(&self, expr: &'a Expr) -> Option<Kind> {
        self.kind_at(expr, DEPTH)
    }

    /// The values that the file assigns to a plain name or to an attribute of the instance,
    /// `None` aside; empty where another way of binding (a parameter, a loop) is among them.
    #[must_use]
    pub fn values_of(&self, expr: &Expr) -> Vec<&'a Expr> {
        let mut values = Vec::new();
        match expr {
            Expr::Name(_) => {
                for binding in self.bindings_of(expr) {
                    match binding.kind {
                        BindingKind::Assign(value) => values.push(value),
                        BindingKind::Annotated(_, value) => values.extend(value),
                        _ => return Vec::new(),
                    }
                }
            }
            Expr::Attribute(attribute) => {
                if let Some(class) = self.class_of_self(&attribute.value) {
                    let name = attribute.attr.as_str();
                    values.extend(self.attribute_values(class, name));
                }
            }
            _ => {}
        }
        values.retain(|value| !value.is_none_literal_expr());
        values
    }

    /// The values that a class and its bases in the file assign to an attribute of the instance.
    pub fn attribute_values(&self, class: ClassId, name: &str) -> impl Iterator<Item = &'a Expr> {
        let classes = self.class_and_bases(class);
        let values: Vec<&'a Expr> = classes
            .into_iter()
            .flat_map(|class| self.tree.class(class).attributes.iter())
            .filter(|attribute| attribute.name == name)
            .filter_map(|attribute| attribute.value)
            .collect();
        values.into_iter()
    }

    /// A class and those of its bases, direct or not, that the file defines.
    #[must_use]
    pub fn class_and_bases(&self, class: ClassId) -> Vec<ClassId> {
        let mut found = vec![class];
        let mut next = 0;
        while next < found.len() {
            let node = self.tree.class(found[next]).node;
            for base in node.bases() {
                // `class Socket(Mixin[T])` has the base `Mixin`.
                let base = base.as_subscript_expr().map_or(base, |it| &it.value);
                let [binding] = self.bindings_of(base) else {
                    continue;
                };
                if let BindingKind::Class(base) = binding.kind
                    && !found.contains(&base)
                {
                    found.push(base);
                }
            }
            next += 1;
        }
        found
    }

    /// The class of the file whose instance an expression is, by annotation or by construction.
    #[must_use]
    pub fn class_of_instance(&self, expr: &'a Expr) -> Option<ClassId> {
        if let Some(class) = self.class_of_self(expr) {
            return Some(class);
        }
        let [binding] = self.bindings_of(expr) else {
            return None;
        };
        match binding.kind {
            BindingKind::Parameter(Some(annotation)) | BindingKind::Annotated(annotation, _) => {
                self.class_named(annotation)
            }
            BindingKind::Assign(value) => self.class_named(&value.as_call_expr()?.func),
            _ => None,
        }
    }

    fn kind_at(&self, expr: &'a Expr, depth: u32) -> Option<Kind> {
        let depth = depth.checked_sub(1)?;
        match expr {
            Expr::Call(call) => self.call_kind(call),
            Expr::Named(named) => self.kind_at(&named.value, depth),
            Expr::If(choice) => {
                let kind = self.kind_at(&choice.body, depth)?;
                let other = self.kind_at(&choice.orelse, depth);
                (other == Some(kind) || choice.orelse.is_none_literal_expr()).then_some(kind)
            }
            Expr::Name(_) => self.binding_kinds(self.bindings_of(expr), depth),
            Expr::Attribute(attribute) => {
                let class = self.class_of_self(&attribute.value)?;
                self.attribute_kind(class, attribute.attr.as_str(), depth)
            }
            _ => None,
        }
    }

    fn binding_kinds(&self, bindings: &[Binding<'a>], depth: u32) -> Option<Kind> {
        let mut found = None;
        for binding in bindings {
            let kind = match binding.kind {
                BindingKind::Assign(value) if value.is_none_literal_expr() => continue,
                BindingKind::Assign(value) => self.kind_at(value, depth)?,
                BindingKind::Annotated(annotation, value) => self
                    .annotation_kind(annotation)
                    .or_else(|| self.kind_at(value?, depth))?,
                BindingKind::Parameter(Some(annotation)) => self.annotation_kind(annotation)?,
                BindingKind::With(value) => match self.kind_at(value, depth)? {
                    kind @ (Kind::Scope | Kind::TaskGroup) => kind,
                    _ => return None,
                },
                _ => return None,
            };
            if found.is_some_and(|other| other != kind) {
                return None;
            }
            found = Some(kind);
        }
        found
    }

    fn attribute_kind(&self, class: ClassId, name: &str, depth: u32) -> Option<Kind> {
        let mut found = None;
        for class in self.class_and_bases(class) {
            for attribute in &self.tree.class(class).attributes {
                if attribute.name != name {
                    continue;
                }
                let annotated = attribute.annotation.and_then(|it| self.annotation_kind(it));
                let kind = match (annotated, attribute.value) {
                    (Some(kind), _) => kind,
                    (None, Some(value)) if value.is_none_literal_expr() => continue,
                    (None, Some(value)) => self.kind_at(value, depth)?,
                    (None, None) => return None,
                };
                if found.is_some_and(|other| other != kind) {
                    return None;
                }
                found = Some(kind);
            }
        }
        found
    }

    fn call_kind(&self, call: &'a ast::ExprCall) -> Option<Kind> {
        if let Some(name) = self.asyncio_name(&call.func) {
            return kind_named(&ASYNCIO_CALLS, &name);
        }
        if let Some(function) = self.callee(call) {
            let data = self.tree.function(function);
            let plain = data.is_async() && !data.is_generator;
            let decorated = data.def().is_some_and(|def| !def.decorator_list.is_empty());
            return (plain && !decorated).then_some(Kind::Coroutine);
        }
        if let Expr::Attribute(attribute) = &*call.func
            && let Some(kind) = kind_named(&METHOD_CALLS, attribute.attr.as_str())
        {
            return Some(kind);
        }
        let qualified = self.qualified(&call.func)?;
        let (library, name) = qualified.rsplit_once('.')?;
        let is_scope_library = ["anyio", "trio", "async_timeout"].contains(&library);
        (is_scope_library && kind_named(&ASYNCIO_CALLS, name) == Some(Kind::Scope))
            .then_some(Kind::Scope)
    }

    /// The kind that an annotation names: `asyncio.Task[None] | None`, `Optional["Task"]`.
    #[must_use]
    pub fn annotation_kind(&self, annotation: &'a Expr) -> Option<Kind> {
        match annotation {
            Expr::BinOp(union) if union.op == ast::Operator::BitOr => {
                if union.right.is_none_literal_expr() {
                    self.annotation_kind(&union.left)
                } else if union.left.is_none_literal_expr() {
                    self.annotation_kind(&union.right)
                } else {
                    let kind = self.annotation_kind(&union.left)?;
                    (self.annotation_kind(&union.right) == Some(kind)).then_some(kind)
                }
            }
            Expr::Subscript(subscript) => {
                let last = super::names::dotted_text(&subscript.value)?;
                if last.rsplit('.').next() == Some("Optional") {
                    return self.annotation_kind(&subscript.slice);
                }
                self.annotation_kind(&subscript.value)
            }
            Expr::StringLiteral(text) => string_annotation_kind(text.value.to_str()),
            Expr::Name(_) | Expr::Attribute(_) => class_kind(&self.asyncio_name(annotation)?),
            _ => None,
        }
    }
}

fn kind_named(table: &[(&str, Kind)], name: &str) -> Option<Kind> {
    table
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, kind)| *kind)
}

/// The kind of a class's instances; functions are no annotations.
fn class_kind(name: &str) -> Option<Kind> {
    let is_class = name.starts_with(char::is_uppercase);
    match name {
        "AbstractEventLoop" | "BaseEventLoop" => Some(Kind::EventLoop),
        _ if is_class => kind_named(&ASYNCIO_CALLS, name),
        _ => None,
    }
}

/// A quoted annotation is read only in its plain forms; nothing is resolved inside a string.
fn string_annotation_kind(text: &str) -> Option<Kind> {
    let text = text.trim();
    let text = text.strip_suffix("| None").map_or(text, str::trim_end);
    let text = text
        .strip_prefix("Optional[")
        .map_or(text, |rest| rest.trim_end_matches(']'));
    let text = text.split('[').next().unwrap_or(text);
    class_kind(text.strip_prefix("asyncio.")?)
}
