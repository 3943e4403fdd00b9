//! Exception classes: which handlers catch a cancellation, which catch what else is raised.
//!
//! Not here: where control goes then (`flow.rs`).

use ruff_python_ast::{self as ast, Expr};

use super::File;
use super::names::{BindingKind, dotted_text, last_name};

/// What a handler catches of ordinary exceptions.
pub(super) enum CaughtNames {
    All,
    /// Just the classes of these names.
    Some(Vec<String>),
}

impl CaughtNames {
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, CaughtNames::Some(names) if names.is_empty())
    }

    pub(super) fn catch(&self, classes: &[String]) -> bool {
        match self {
            CaughtNames::All => true,
            CaughtNames::Some(names) => names.iter().any(|name| classes.contains(name)),
        }
    }
}

/// The builtin exceptions with another base than `Exception` that programs raise themselves.
const BUILTIN_BASES: [(&str, &str); 14] = [
    ("BrokenPipeError", "ConnectionError"),
    ("ConnectionAbortedError", "ConnectionError"),
    ("ConnectionRefusedError", "ConnectionError"),
    ("ConnectionResetError", "ConnectionError"),
    ("ConnectionError", "OSError"),
    ("FileExistsError", "OSError"),
    ("FileNotFoundError", "OSError"),
    ("IndexError", "LookupError"),
    ("KeyError", "LookupError"),
    ("ModuleNotFoundError", "ImportError"),
    ("NotImplementedError", "RuntimeError"),
    ("PermissionError", "OSError"),
    ("TimeoutError", "OSError"),
    ("UnicodeError", "ValueError"),
];

/// What of a cancellation a handler catches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Catches {
    /// It names `CancelledError`.
    Cancelled,
    /// `except BaseException`
    BaseException,
    /// `except:`
    Everything,
}

impl<'a> File<'a> {
    /// Whether an expression is asyncio's `CancelledError` (or what AnyIO says it is).
    #[must_use]
    pub fn is_cancelled_error(&self, expr: &Expr) -> bool {
        if let Expr::Call(call) = expr {
            // AnyIO's own modules import it from one another.
            return last_name(&call.func) == Some("get_cancelled_exc_class");
        }
        self.is_asyncio(expr, "CancelledError")
    }

    /// What of a cancellation a handler catches, the handlers before it aside.
    #[must_use]
    pub fn catches(&self, handler: &'a ast::ExceptHandlerExceptHandler) -> Option<Catches> {
        match handler.type_.as_deref() {
            None => Some(Catches::Everything),
            Some(class) => self.class_catches(class),
        }
    }

    /// What of a cancellation an exception class, or a tuple of them, matches.
    #[must_use]
    pub fn class_catches(&self, class: &'a Expr) -> Option<Catches> {
        match class {
            Expr::Tuple(tuple) => {
                let found: Vec<Catches> = tuple
                    .elts
                    .iter()
                    .filter_map(|class| self.class_catches(class))
                    .collect();
                let explicit = found.iter().find(|it| **it == Catches::Cancelled);
                explicit.or(found.first()).copied()
            }
            _ if self.is_cancelled_error(class) => Some(Catches::Cancelled),
            _ if self.is_builtin(class, "BaseException") => Some(Catches::BaseException),
            Expr::Name(_) => {
                // A module's own tuple of exceptions: `ERRORS = (OSError, CancelledError)`.
                let values = self.values_of(class);
                match values.as_slice() {
                    [value @ Expr::Tuple(_)] => self.class_catches(value),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// What a handler catches, by name.
    pub(super) fn caught_names(&self, handler: &'a ast::ExceptHandlerExceptHandler) -> CaughtNames {
        let Some(class) = handler.type_.as_deref() else {
            return CaughtNames::All;
        };
        let classes: &[Expr] = match class {
            Expr::Tuple(tuple) => &tuple.elts,
            // A slice of one borrows the node itself, whose id is known to the model.
            _ => std::slice::from_ref(class),
        };
        let is_any = |class: &Expr| {
            self.is_builtin(class, "Exception") || self.is_builtin(class, "BaseException")
        };
        if classes.iter().any(is_any) {
            return CaughtNames::All;
        }
        let others = classes
            .iter()
            .filter(|class| !self.is_cancelled_error(class));
        CaughtNames::Some(
            others
                .map(|it| dotted_text(it).unwrap_or_default())
                .collect(),
        )
    }

    /// The names that a raised exception goes by: its class, the bases of it that the file shows,
    /// and those of the builtin exceptions.
    pub(super) fn exception_classes(&self, raised: &'a Expr) -> Vec<String> {
        let class = raised.as_call_expr().map_or(raised, |call| &call.func);
        let mut names: Vec<String> = dotted_text(class).into_iter().collect();
        if let Some(id) = self.class_named(class) {
            for class in self.class_and_bases(id) {
                let node = self.tree.class(class).node;
                names.push(node.name.to_string());
                names.extend(node.bases().iter().filter_map(dotted_text));
            }
        }
        let mut next = 0;
        while next < names.len() {
            let parent = BUILTIN_BASES
                .iter()
                .find(|(child, _)| *child == names[next]);
            names.extend(parent.map(|(_, base)| (*base).to_owned()));
            next += 1;
        }
        names
    }

    /// Whether `isinstance(exc, class)` holds for a `CancelledError`.
    pub(super) fn cancellation_is_instance(&self, class: &'a Expr) -> Option<bool> {
        if let Expr::Tuple(tuple) = class {
            let known: Vec<Option<bool>> = tuple
                .elts
                .iter()
                .map(|class| self.cancellation_is_instance(class))
                .collect();
            if known.contains(&Some(true)) {
                return Some(true);
            }
            return known.iter().all(Option::is_some).then_some(false);
        }
        if self.class_catches(class).is_some() {
            return Some(true);
        }
        // Any class that is known by name and is not one of the above is another one.
        let known = !self.qualified_names(class).is_empty() || self.class_named(class).is_some();
        known.then_some(false)
    }

    /// The class in `contextlib.suppress(..)` that swallows a cancellation.
    #[must_use]
    pub fn suppressed_class(&self, manager: &'a Expr) -> Option<&'a Expr> {
        let call = manager.as_call_expr()?;
        let last = last_name(&call.func)?;
        let may_be = last == "suppress" || matches!(&*call.func, Expr::Name(_));
        if !may_be || self.qualified(&call.func).as_deref() != Some("contextlib.suppress") {
            return None;
        }
        call.arguments
            .args
            .iter()
            .find(|class| self.class_catches(class).is_some())
    }

    /// Whether a name holds a cancellation that a handler stored in it: `error = exc`.
    #[must_use]
    pub fn is_stored_cancellation(&self, expr: &'a Expr) -> bool {
        self.values_of(expr).iter().any(|value| {
            self.bindings_of(value)
                .iter()
                .any(|binding| match binding.kind {
                    BindingKind::Except(handler) => self.catches(handler).is_some(),
                    _ => false,
                })
        })
    }
}
