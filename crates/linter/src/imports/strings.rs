//! Names of asyncio's in strings that are types: `"asyncio.Task[int]"`.
//!
//! A string is a type in an annotation, in the arguments of `cast()`, `TypeVar()` and their like,
//! and in the brackets of a generic type, wherever that stands (`Callable[["asyncio.Task"], None]`).
//! What it says is read as Python, and each dotted name in it counts as if it stood in the code. A
//! string that can't be read as an expression is left alone.
//!
//! Not here: type comments, strings that name the target of a patch, and all other strings: those
//! mean what the program makes of them.

use ruff_python_ast::helpers::any_over_expr;
use ruff_python_ast::visitor::{Visitor, walk_expr};
use ruff_python_ast::{self as ast, Expr, ExprStringLiteral, Stmt};
use ruff_python_parser::parse_parenthesized_expression_range;
use ruff_text_size::{TextRange, TextSize};
use rustc_hash::FxHashSet;

use super::NoteKind;
use super::context::Context;
use super::literal::Text;
use crate::model::File;
use crate::model::names::{dotted_text, last_name, root_name};
use crate::model::tree::ScopeId;
use crate::nesting::too_deep;

/// Adds the names in strings that are types to those that the plan looks at.
pub(super) fn collect(context: &mut Context) {
    let file = context.file;
    if !file.source.text().contains("asyncio") {
        return;
    }
    for string in types(file) {
        let text = Text::of(file.source.text(), string.literal);
        collect_text(context, string.scope, &text, string.literal.range);
    }
}

/// The plain names at the root of what the strings of a file name that are types.
pub(super) fn roots(file: &File) -> FxHashSet<String> {
    let mut roots = FxHashSet::default();
    for string in types(file) {
        let text = Text::of(file.source.text(), string.literal);
        add_roots(&text.value, &mut roots);
    }
    roots
}

/// Adds the plain names of a text that is an expression, also those in its strings.
pub(super) fn add_roots(text: &str, roots: &mut FxHashSet<String>) {
    if too_deep(text).is_some() {
        return;
    }
    let whole = TextRange::up_to(TextSize::of(text));
    let Ok(parsed) = parse_parenthesized_expression_range(text, whole) else {
        return;
    };
    let mut names = Names::default();
    names.visit_expr(parsed.expr());
    let found = names.dotted.iter().filter_map(|name| root_name(name));
    roots.extend(found.map(|root| root.id.to_string()));
    for string in names.strings {
        add_roots(string.value.to_str(), roots);
    }
}

/// A string that is a type.
struct Type<'a> {
    literal: &'a ExprStringLiteral,
    scope: ScopeId,
}

fn types<'a>(file: &File<'a>) -> Vec<Type<'a>> {
    let mut types = Types {
        file,
        found: Vec::new(),
        seen: FxHashSet::default(),
    };
    for id in file.tree.stmt_ids() {
        types.of_stmt(file.tree.stmt(id).node);
        for expr in file.tree.exprs_of(id) {
            types.of_expr(expr);
        }
    }
    let strings = types.found.into_iter();
    strings
        .filter_map(|expr| {
            Some(Type {
                literal: expr.as_string_literal_expr()?,
                scope: file.tree.scope_of(expr),
            })
        })
        .collect()
}

/// Adds the dotted names of a text that is an expression. `place` is the whole of it.
pub(super) fn collect_text(context: &mut Context, scope: ScopeId, text: &Text, place: TextRange) {
    // A file is refused where its tree would be too deep; what its strings say was not looked at.
    if !text.value.contains("asyncio") || too_deep(&text.value).is_some() {
        return;
    }
    let whole = TextRange::up_to(TextSize::of(text.value.as_str()));
    let Ok(parsed) = parse_parenthesized_expression_range(&text.value, whole) else {
        return;
    };
    let mut names = Names::default();
    names.visit_expr(parsed.expr());
    for name in names.dotted {
        match relocated(name, text) {
            Some(expr) => context.collect(scope, &expr),
            None if is_asyncio(name) => context.note(
                place,
                NoteKind::Decision,
                format!(
                    "the string names `{}` in a way that can't be edited",
                    dotted_text(name).unwrap_or_default()
                ),
                Some("Write the name in one piece and without escapes"),
            ),
            None => {}
        }
    }
    for string in names.strings {
        collect_text(context, scope, &text.inner(string), place);
    }
}

/// Whether a name surely means asyncio, which the file may no longer import.
fn is_asyncio(name: &Expr) -> bool {
    root_name(name).is_some_and(|root| root.id == "asyncio")
}

/// A dotted name with the ranges that it has in the file.
pub(super) fn relocated(name: &Expr, text: &Text) -> Option<Expr> {
    match name {
        Expr::Name(node) => Some(Expr::Name(ast::ExprName {
            range: text.range_of(node.range)?,
            ..node.clone()
        })),
        Expr::Attribute(node) => {
            // Between the parts may be white space, also in a concatenated string: only the parts
            // have to stand in one piece.
            let value = relocated(&node.value, text)?;
            let range = text.range_of(node.attr.range)?;
            let mut attr = node.attr.clone();
            attr.range = range;
            Some(Expr::Attribute(ast::ExprAttribute {
                range: TextRange::new(ruff_text_size::Ranged::start(&value), range.end()),
                value: Box::new(value),
                attr,
                ..node.clone()
            }))
        }
        _ => None,
    }
}

/// The dotted names and the strings of a type.
#[derive(Default)]
struct Names<'e> {
    dotted: Vec<&'e Expr>,
    strings: Vec<&'e ExprStringLiteral>,
}

impl<'e> Visitor<'e> for Names<'e> {
    fn visit_expr(&mut self, expr: &'e Expr) {
        match expr {
            Expr::Name(_) => self.dotted.push(expr),
            Expr::Attribute(_) if dotted_text(expr).is_some() => self.dotted.push(expr),
            Expr::StringLiteral(string) => self.strings.push(string),
            Expr::Subscript(node) => {
                self.visit_expr(&node.value);
                for part in type_arguments(node) {
                    self.visit_expr(part);
                }
            }
            _ => walk_expr(self, expr),
        }
    }
}

/// What stands in the brackets of a type and is a type itself.
fn type_arguments(subscript: &ast::ExprSubscript) -> Vec<&Expr> {
    match last_name(&subscript.value) {
        Some("Literal") => Vec::new(),
        Some("Annotated") => match &*subscript.slice {
            Expr::Tuple(tuple) => tuple.elts.first().into_iter().collect(),
            other => vec![other],
        },
        _ => vec![&subscript.slice],
    }
}

/// The strings of a file that are types.
struct Types<'f, 'a> {
    file: &'f File<'a>,
    found: Vec<&'a Expr>,
    seen: FxHashSet<TextSize>,
}

/// The modules whose classes are generic: what is in their brackets is a type.
const GENERIC: [&str; 9] = [
    "asyncbis",
    "asyncio",
    "collections",
    "contextlib",
    "contextvars",
    "queue",
    "typing",
    "typing_extensions",
    "weakref",
];
const GENERIC_BUILTINS: [&str; 6] = ["dict", "frozenset", "list", "set", "tuple", "type"];

impl<'a> Types<'_, 'a> {
    fn of_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::FunctionDef(def) => {
                for parameter in &def.parameters {
                    self.add_all(parameter.annotation());
                }
                self.add_all(def.returns.as_deref());
                self.of_parameters(def.type_params.as_deref());
            }
            Stmt::ClassDef(class) => self.of_parameters(class.type_params.as_deref()),
            Stmt::AnnAssign(node) => {
                self.add(&node.annotation);
                if last_name(&node.annotation) == Some("TypeAlias") {
                    self.add_all(node.value.as_deref());
                }
            }
            Stmt::TypeAlias(node) => {
                self.add(&node.value);
                self.of_parameters(node.type_params.as_deref());
            }
            _ => {}
        }
    }

    fn of_parameters(&mut self, parameters: Option<&'a ast::TypeParams>) {
        for parameter in parameters.into_iter().flat_map(|it| &it.type_params) {
            if let ast::TypeParam::TypeVar(node) = parameter {
                self.add_all(node.bound.as_deref());
                self.add_all(node.default.as_deref());
            }
        }
    }

    fn of_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Subscript(node) if has_string(&node.slice) && self.is_generic(&node.value) => {
                self.add(expr);
            }
            Expr::Call(call) => self.of_call(call),
            _ => {}
        }
    }

    fn is_generic(&self, expr: &Expr) -> bool {
        let is_builtin = |name: &str| self.file.is_builtin(expr, name);
        GENERIC_BUILTINS.iter().any(|name| is_builtin(name))
            || self.file.raw_qualified_names(expr).iter().any(|name| {
                let (module, below) = name.split_once('.').unwrap_or((name, ""));
                let last = below.rsplit('.').next().unwrap_or_default();
                GENERIC.contains(&module) && last.starts_with(|c: char| c.is_ascii_uppercase())
            })
    }

    /// The arguments of `cast()`, `TypeVar()` and their like that are types.
    fn of_call(&mut self, call: &'a ast::ExprCall) {
        let arguments = &call.arguments;
        if arguments.is_empty() {
            return;
        }
        let names = self.file.raw_qualified_names(&call.func);
        let name = names.iter().find_map(|name| {
            name.strip_prefix("typing.")
                .or_else(|| name.strip_prefix("typing_extensions."))
        });
        match name {
            Some("cast") => self.add_all(arguments.find_argument_value("typ", 0)),
            Some("assert_type") => self.add_all(arguments.find_argument_value("typ", 1)),
            Some("NewType") => self.add_all(arguments.find_argument_value("tp", 1)),
            Some("TypeAliasType") => self.add_all(arguments.find_argument_value("value", 1)),
            Some("TypeVar" | "ParamSpec") => {
                for constraint in arguments.args.iter().skip(1) {
                    self.add(constraint);
                }
                for name in ["bound", "default"] {
                    self.add_all(arguments.find_keyword(name).map(|it| &it.value));
                }
            }
            Some("TypedDict") => {
                if let Some(Expr::Dict(fields)) = arguments.args.get(1) {
                    for item in &fields.items {
                        self.add(&item.value);
                    }
                }
            }
            Some("NamedTuple") => self.of_fields(arguments.args.get(1)),
            _ => {}
        }
    }

    /// `[("task", "asyncio.Task")]`
    fn of_fields(&mut self, fields: Option<&'a Expr>) {
        let fields = match fields {
            Some(Expr::List(list)) => &list.elts,
            Some(Expr::Tuple(tuple)) => &tuple.elts,
            _ => return,
        };
        for field in fields {
            if let Expr::Tuple(pair) = field {
                self.add_all(pair.elts.get(1));
            }
        }
    }

    fn add_all(&mut self, expr: Option<&'a Expr>) {
        if let Some(expr) = expr {
            self.add(expr);
        }
    }

    /// Adds the strings of a type.
    fn add(&mut self, expr: &'a Expr) {
        match expr {
            Expr::StringLiteral(string) if self.seen.insert(string.range.start()) => {
                self.found.push(expr);
            }
            Expr::Subscript(node) => {
                for part in type_arguments(node) {
                    self.add(part);
                }
            }
            Expr::BinOp(node) => {
                self.add(&node.left);
                self.add(&node.right);
            }
            Expr::Tuple(node) => node.elts.iter().for_each(|part| self.add(part)),
            Expr::List(node) => node.elts.iter().for_each(|part| self.add(part)),
            Expr::Starred(node) => self.add(&node.value),
            _ => {}
        }
    }
}

fn has_string(expr: &Expr) -> bool {
    any_over_expr(expr, &|below: &Expr| below.is_string_literal_expr())
}
