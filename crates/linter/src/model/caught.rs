//! What a handler does with the exception that it caught: raises another one, hands it on, logs it.
//!
//! Not here: where control goes afterwards (`flow.rs`), and what that means (`fate.rs`).

use ruff_python_ast::{self as ast, Expr, Stmt};

use super::File;
use super::handlers::{Catcher, CatcherKind};
use super::names::last_name;
use super::tree::{Part, StmtId};

impl<'a> File<'a> {
    /// Whether a `raise` names another exception class: a call of a class, or the class itself.
    /// What a function returns, or a variable holds, may be the cancellation after all; who raises
    /// `SystemExit` or `KeyboardInterrupt` means to end the program; and an `AssertionError` stands
    /// where nothing is expected to come.
    pub(super) fn raises_other_class(&self, stmt: StmtId) -> bool {
        let Stmt::Raise(node) = self.tree.stmt(stmt).node else {
            return false;
        };
        let Some(exc) = node.exc.as_deref() else {
            return false;
        };
        let class = match exc {
            Expr::Call(call) => match &*call.func {
                Expr::Attribute(method) if method.attr.as_str() == "with_traceback" => {
                    match &*method.value {
                        Expr::Call(inner) => &inner.func,
                        value => value,
                    }
                }
                func => func,
            },
            other => other,
        };
        let Some(name) = last_name(class) else {
            return false;
        };
        let is_class = name
            .trim_start_matches('_')
            .starts_with(|first: char| first.is_uppercase());
        let is_meant = [
            "AssertionError",
            "GeneratorExit",
            "KeyboardInterrupt",
            "NotImplementedError",
            "SystemExit",
        ]
        .contains(&name);
        is_class && !is_meant && !self.may_be_cancellation_class(class, name)
    }

    /// Whether a class is, or by its name might be, a subclass of `CancelledError`.
    fn may_be_cancellation_class(&self, class: &'a Expr, name: &str) -> bool {
        match self.class_named(class) {
            Some(id) => self.class_and_bases(id).into_iter().any(|id| {
                let bases = self.tree.class(id).node.bases();
                bases.iter().any(|base| self.is_cancelled_error(base))
            }),
            None => name.contains("Cancel"),
        }
    }

    /// Whether the exception is thrown into a generator, a greenlet or a retry machine, which
    /// decides how the loop goes on.
    pub(super) fn throws_elsewhere(&self, catcher: &Catcher<'a>) -> bool {
        self.exception_uses(catcher).into_iter().any(|value| {
            let is_info = value.is_call_expr();
            self.taker_of(value).is_some_and(|taker| match taker {
                Taker::Call(name) => is_info && !is_log_method(name) || name.ends_with("throw"),
                _ => false,
            })
        })
    }

    /// Whether the handler stores, returns or hands on what it caught, or asks what it is; to log
    /// it is not enough.
    pub(super) fn keeps_exception(&self, catcher: &Catcher<'a>) -> bool {
        self.exception_uses(catcher)
            .into_iter()
            .any(|value| match self.taker_of(value) {
                Some(Taker::Call(name)) => !only_describes(name),
                Some(Taker::Stored | Taker::Compared) => true,
                None => false,
            })
    }

    /// The places of a handler where what it caught is mentioned: its name, or `sys.exc_info()`.
    fn exception_uses(&self, catcher: &Catcher<'a>) -> Vec<&'a Expr> {
        let CatcherKind::Except(handler, index) = catcher.kind else {
            return Vec::new();
        };
        let name = handler.name.as_ref().map(ast::Identifier::as_str);
        self.statements_in(catcher.stmt, Part::Handler(index))
            .flat_map(|id| self.tree.exprs_of(id))
            .filter(|expr| match expr {
                Expr::Name(node) => name == Some(node.id.as_str()),
                Expr::Call(call) => {
                    last_name(&call.func)
                        .is_some_and(|last| ["exc_info", "exception"].contains(&last))
                        && matches!(
                            self.qualified(&call.func).as_deref(),
                            Some("sys.exc_info" | "sys.exception")
                        )
                }
                _ => false,
            })
            .collect()
    }

    /// Who takes a value: a call that it, or something built of it, is an argument of; a target;
    /// the caller.
    fn taker_of(&self, value: &'a Expr) -> Option<Taker<'a>> {
        let mut child = value;
        loop {
            let Some(parent) = self.tree.parent(child) else {
                let stmt = self.tree.stmt(self.tree.stmt_of(child)).node;
                let is_stored = matches!(
                    stmt,
                    Stmt::Assign(_) | Stmt::AnnAssign(_) | Stmt::AugAssign(_) | Stmt::Return(_)
                );
                return is_stored.then_some(Taker::Stored);
            };
            match parent {
                Expr::Call(call) if std::ptr::eq(&raw const *call.func, child) => return None,
                Expr::Call(call) => {
                    let name = last_name(&call.func)?;
                    // An object made of the exception stands for it.
                    if !name.starts_with(|first: char| first.is_uppercase()) {
                        return Some(Taker::Call(name));
                    }
                }
                Expr::Yield(_) => return Some(Taker::Stored),
                Expr::Compare(_) => return Some(Taker::Compared),
                Expr::Tuple(_)
                | Expr::List(_)
                | Expr::Dict(_)
                | Expr::Starred(_)
                | Expr::Await(_)
                | Expr::If(_)
                | Expr::Named(_) => {}
                _ => return None,
            }
            child = parent;
        }
    }
}

/// Who takes the exception.
enum Taker<'a> {
    /// The call of a function or method with this name.
    Call(&'a str),
    /// An assignment, a `return`, a `yield`.
    Stored,
    Compared,
}

/// Whether a statement only tells: a log call, a string, `pass`.
#[must_use]
pub fn is_log(stmt: &Stmt) -> bool {
    match stmt {
        Stmt::Pass(_) => true,
        Stmt::Expr(node) => match &*node.value {
            Expr::Call(call) => last_name(&call.func).is_some_and(is_log_method),
            Expr::StringLiteral(_) | Expr::EllipsisLiteral(_) => true,
            _ => false,
        },
        _ => false,
    }
}

/// Whether a method's name is one of a logger's.
#[must_use]
pub fn is_log_method(name: &str) -> bool {
    const NAMES: [&str; 12] = [
        "critical",
        "debug",
        "error",
        "exception",
        "fatal",
        "info",
        "log",
        "print",
        "print_exc",
        "trace",
        "warn",
        "warning",
    ];
    NAMES.contains(&name)
}

/// Whether a function, by its name, makes a text of an exception or writes it somewhere.
fn only_describes(name: &str) -> bool {
    const NAMES: [&str; 6] = ["getattr", "hasattr", "print", "repr", "str", "warn"];
    const WORDS: [&str; 5] = ["describe", "format", "log", "print", "traceback"];
    is_log_method(name) || NAMES.contains(&name) || WORDS.iter().any(|word| name.contains(word))
}
