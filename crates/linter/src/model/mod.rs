//! The questions that a rule may ask about a file.
//!
//! [`File`] owns the tables and answers; each submodule adds the questions of one subject:
//! - `tree`: statements, expressions, functions, classes, their parents (made by `tree_build`);
//! - `names`: what a name resolves to;
//! - `kinds`: what an expression is (a task, a lock, ..);
//! - `callgraph`: which function of the file a call reaches;
//! - `suspend`: where a function may suspend;
//! - `cut`: what a cancelled task does at an awaitable;
//! - `shields`: the scopes that keep a cancellation out;
//! - `exceptions`: which handlers catch a cancellation;
//! - `flow`: where control and a cancellation go (made by `flow_build` and `flow_truth`);
//! - `uses`: where a local name is used, who takes a value;
//! - `shield_calls`: what becomes of each `shield()`;
//! - `tasks`: tasks that are cancelled: the current one, an object's own, all of them;
//! - `host_task`: tasks that are cancelled to interrupt a block of them;
//! - `handlers`: who catches a cancellation and what becomes of it;
//! - `cleanup`: what runs while a cancellation passes, and where it is cut off;
//! - `loss`: what is missed then;
//! - `caught`: what a handler does with the exception that it caught;
//! - `fate`: what becomes of a caught cancellation;
//! - `drain`: loops that wait for one task whatever happens;
//! - `jumps`: cancellations dropped without an `except`.
//!
//! Everything beyond the tables is computed when it is first asked for, and kept.

pub mod callgraph;
pub mod caught;
pub mod cleanup;
mod cleanup_walk;
mod cut;
pub mod drain;
pub mod exceptions;
pub mod fate;
pub mod flow;
mod flow_build;
mod flow_truth;
pub mod handlers;
pub mod host_task;
pub mod jumps;
pub mod kinds;
pub mod loss;
pub mod names;
pub mod shield_calls;
mod shield_handlers;
pub mod shields;
pub mod suspend;
pub mod tasks;
pub mod tree;
mod tree_build;
pub mod uses;

use std::cell::{OnceCell, RefCell};

use ruff_python_ast::token::Tokens;
use ruff_python_ast::{ModModule, Stmt};
use ruff_python_parser::{ParseError, parse_unchecked_source};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::Settings;
use crate::compile_errors;
use crate::source::SourceFile;
use cleanup::{Cleanup, CleanupMemo};
use drain::Drain;
use fate::Fate;
use flow::Flow;
use handlers::Catcher;
use suspend::Suspensions;
use tree::{FunctionId, Tree};

/// The syntax tree of a text; the model borrows from it.
pub struct Parsed(ruff_python_parser::Parsed<ModModule>);

impl Parsed {
    #[must_use]
    pub fn new(source: &SourceFile) -> Self {
        Parsed(parse_unchecked_source(
            source.text(),
            source.kind().parser_type(),
        ))
    }

    /// Whether the parser could read all of it.
    pub(crate) fn is_valid(&self) -> bool {
        self.0.errors().is_empty()
    }

    /// How much there is that Python's compiler refuses, in a text that the parser could read.
    pub(crate) fn compile_errors(&self, source: &SourceFile) -> usize {
        compile_errors::count(source, &self.0.syntax().body)
    }
}

/// A file, ready to be asked.
pub struct File<'a> {
    pub source: &'a SourceFile,
    pub settings: &'a Settings,
    pub tree: Tree<'a>,
    parsed: &'a Parsed,
    suspensions: OnceCell<Suspensions<'a>>,
    flows: Vec<OnceCell<Box<Flow<'a>>>>,
    no_return: RefCell<FxHashMap<FunctionId, bool>>,
    /// The functions whose flow graph is being built: they may call each other.
    flows_begun: RefCell<Vec<FunctionId>>,
    catchers: OnceCell<Vec<Catcher<'a>>>,
    drains: OnceCell<Vec<Drain<'a>>>,
    fates: OnceCell<Vec<Fate<'a>>>,
    cleanups: OnceCell<Vec<Cleanup<'a>>>,
    cleanup_memo: CleanupMemo,
    /// Whether the text sets the `shield` of some scope.
    sets_shields: OnceCell<bool>,
    /// The packages that the file imports from.
    packages: OnceCell<FxHashSet<&'a str>>,
}

impl<'a> File<'a> {
    #[must_use]
    pub fn new(source: &'a SourceFile, parsed: &'a Parsed, settings: &'a Settings) -> Self {
        let tree = Tree::new(&parsed.0.syntax().body);
        let functions = tree.functions.len();
        File {
            source,
            settings,
            tree,
            parsed,
            suspensions: OnceCell::new(),
            flows: (0..functions).map(|_| OnceCell::new()).collect(),
            no_return: RefCell::default(),
            flows_begun: RefCell::default(),
            catchers: OnceCell::new(),
            drains: OnceCell::new(),
            fates: OnceCell::new(),
            cleanups: OnceCell::new(),
            cleanup_memo: CleanupMemo::default(),
            sets_shields: OnceCell::new(),
            packages: OnceCell::new(),
        }
    }

    /// The statements of the module.
    #[must_use]
    pub fn body(&self) -> &'a [Stmt] {
        &self.parsed.0.syntax().body
    }

    /// What the parser could not read.
    #[must_use]
    pub fn syntax_errors(&self) -> &'a [ParseError] {
        self.parsed.0.errors()
    }

    pub(crate) fn tokens(&self) -> &'a Tokens {
        self.parsed.0.tokens()
    }
}
