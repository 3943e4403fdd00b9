//! Strings that name what is to be patched: `mock.patch("asyncio.sleep")`.
//!
//! Known are `unittest.mock` and `mock` (`patch`, `patch.multiple`, `patch.dict`), pytest-mock's
//! `mocker` and pytest's `monkeypatch`. What becomes of a target:
//! - `asyncio.NAME`: asyncbis has a NAME of its own, so the target is `asyncbis.NAME`, which is what
//!   the tested code uses now. Where both have the same object, code that was rewritten looks it up
//!   in asyncbis and code that wasn't in asyncio: the target stays, with a note.
//! - `asyncio.NAME.attribute` of such a common object reaches both, and stays.
//! - `package.module.asyncio.NAME` names a variable of a module. It is called `asyncbis` if that
//!   module is rewritten and its variable renamed; it stays in alias style, and where the module is
//!   not among those that are rewritten. If nothing is known of the modules, there is a note.
//!
//! Not here: `patch.object(asyncio, "sleep")`, where the name in the code decides, and any other
//! string with a dot in it.

use ruff_python_ast::{self as ast, Arguments, Expr};
use ruff_text_size::{Ranged, TextRange};

use super::literal::Text;
use super::names::{Kind, counterpart};
use super::{Context, NoteKind, Style};
use crate::diagnostic::Edit;
use crate::model::File;
use crate::model::names::BindingKind;

/// Rewrites them, or says why not.
pub(super) fn rewrite(context: &mut Context) {
    let file = context.file;
    if !file.source.text().contains("asyncio") {
        return;
    }
    for (_, call) in file.tree.calls() {
        match patcher(file, call) {
            Some(Patcher::Target) => target_of(context, call),
            Some(Patcher::Multiple) => multiple(context, call),
            Some(Patcher::Items) => items(context, call),
            None => {}
        }
    }
}

/// What a call patches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Patcher {
    /// What its first argument names.
    Target,
    /// Attributes, the keywords, of what its first argument names.
    Multiple,
    /// Items of a dictionary.
    Items,
}

fn patcher(file: &File, call: &ast::ExprCall) -> Option<Patcher> {
    let Expr::Attribute(function) = &*call.func else {
        return is_mock_patch(file, &call.func).then_some(Patcher::Target);
    };
    let name = function.attr.as_str();
    match name {
        "patch" => (is_mock_patch(file, &call.func) || is_mocker(file, &function.value))
            .then_some(Patcher::Target),
        "multiple" | "dict" => {
            let is_patch = is_mock_patch(file, &function.value)
                || matches!(&*function.value, Expr::Attribute(outer)
                    if outer.attr.as_str() == "patch" && is_mocker(file, &outer.value));
            let patcher = match name {
                "multiple" => Patcher::Multiple,
                _ => Patcher::Items,
            };
            is_patch.then_some(patcher)
        }
        "setattr" | "delattr" => is_monkeypatch(file, &function.value).then_some(Patcher::Target),
        "setitem" | "delitem" => is_monkeypatch(file, &function.value).then_some(Patcher::Items),
        _ => None,
    }
}

fn is_mock_patch(file: &File, expr: &Expr) -> bool {
    file.raw_qualified_names(expr).iter().any(|name| {
        matches!(
            name.as_str(),
            "unittest.mock.patch" | "mock.patch" | "mock.mock.patch"
        )
    })
}

/// pytest-mock's fixtures: `mocker`, `session_mocker`.
fn is_mocker(file: &File, expr: &Expr) -> bool {
    is_fixture(
        file,
        expr,
        |name| name == "mocker" || name.ends_with("_mocker"),
        "MockerFixture",
    )
}

fn is_monkeypatch(file: &File, expr: &Expr) -> bool {
    is_fixture(file, expr, |name| name == "monkeypatch", "MonkeyPatch")
        || file
            .bindings_of(expr)
            .iter()
            .any(|binding| is_context_of_monkeypatch(file, &binding.kind))
}

/// `with monkeypatch.context() as patches`
fn is_context_of_monkeypatch(file: &File, kind: &BindingKind) -> bool {
    let BindingKind::With(Expr::Call(call)) = kind else {
        return false;
    };
    matches!(&*call.func, Expr::Attribute(node)
        if node.attr.as_str() == "context"
            && is_fixture(file, &node.value, |name| name == "monkeypatch", "MonkeyPatch"))
}

/// Whether a name is a parameter with the name or the class of a fixture, or is made by the class:
/// `pytest.MonkeyPatch()`, `with pytest.MonkeyPatch.context() as patch`.
fn is_fixture(file: &File, expr: &Expr, is_name: impl Fn(&str) -> bool, class: &str) -> bool {
    let Expr::Name(name) = expr else { return false };
    let is_class = |expr: &Expr| {
        file.raw_qualified_names(expr)
            .iter()
            .any(|found| found.split('.').any(|part| part == class))
    };
    file.bindings_of(expr)
        .iter()
        .any(|binding| match binding.kind {
            BindingKind::Parameter(None) => is_name(name.id.as_str()),
            BindingKind::Parameter(Some(annotation)) => {
                is_name(name.id.as_str()) || is_class(annotation)
            }
            BindingKind::Assign(value) | BindingKind::With(value) => value
                .as_call_expr()
                .is_some_and(|call| is_class(&call.func)),
            _ => false,
        })
}

/// The argument that says what is patched.
fn first_argument(arguments: &Arguments) -> Option<&Expr> {
    arguments.find_argument_value("target", 0)
}

fn target_of(context: &mut Context, call: &ast::ExprCall) {
    let Some(target) = first_argument(&call.arguments) else {
        return;
    };
    let Expr::StringLiteral(string) = target else {
        note_computed(context, target);
        return;
    };
    let text = Text::of(context.file.source.text(), string);
    rename(context, &text, string.range, None);
}

/// `patch.multiple("asyncio", sleep=DEFAULT, wait=DEFAULT)`
fn multiple(context: &mut Context, call: &ast::ExprCall) {
    let Some(Expr::StringLiteral(string)) = first_argument(&call.arguments) else {
        return;
    };
    const OPTIONS: [&str; 5] = ["target", "spec", "create", "spec_set", "autospec"];
    let names: Vec<&str> = call
        .arguments
        .keywords
        .iter()
        .filter_map(|keyword| keyword.arg.as_ref())
        .map(|name| name.as_str())
        .filter(|name| !OPTIONS.contains(name) && *name != "new_callable")
        .collect();
    let text = Text::of(context.file.source.text(), string);
    rename(context, &text, string.range, Some(&names));
}

/// `patch.dict("sys.modules", {"asyncio": fake})`, `monkeypatch.setitem(sys.modules, "asyncio", ..)`
fn items(context: &mut Context, call: &ast::ExprCall) {
    let Some(first) = call.arguments.args.first() else {
        return;
    };
    let is_modules = match first {
        Expr::StringLiteral(string) => string.value.to_str() == "sys.modules",
        other => context.file.qualified(other).as_deref() == Some("sys.modules"),
    };
    let is_asyncio = |expr: &Expr| {
        expr.as_string_literal_expr().is_some_and(|string| {
            let name = string.value.to_str();
            name == "asyncio" || name.starts_with("asyncio.")
        })
    };
    let is_key = match call.arguments.args.get(1) {
        Some(Expr::Dict(dict)) => dict.iter_keys().flatten().any(is_asyncio),
        Some(key) => is_asyncio(key),
        None => false,
    };
    if is_modules && is_key {
        context.note(
            call.range(),
            NoteKind::PatchTarget,
            "a test puts another module in the place of `asyncio`",
            Some("Code that was rewritten imports `asyncbis` and does not see it"),
        );
    }
}

/// Rewrites one target. `below` are the names that are patched in it, where the target doesn't say
/// that itself.
fn rename(context: &mut Context, text: &Text, place: TextRange, below: Option<&[&str]>) {
    let parts: Vec<&str> = text.value.split('.').collect();
    let Some(at) = parts.iter().position(|part| *part == "asyncio") else {
        return;
    };
    let path = &parts[at + 1..];
    let decision = match at {
        0 => asyncio_itself(path, below),
        _ => variable_of(context, &parts[..at], path, below),
    };
    let new = match decision {
        Decision::Silent => return,
        Decision::Rename(path) => path,
        Decision::Note(message, help) => {
            context.note(place, NoteKind::PatchTarget, message, Some(&help));
            return;
        }
    };
    let start: usize = parts[..at].iter().map(|part| part.len() + 1).sum();
    let end = match &new {
        // The name of the submodule goes, too.
        Some(_) => text.value.len(),
        None => start + "asyncio".len(),
    };
    let content = match &new {
        Some(path) => format!("asyncbis.{path}"),
        None => "asyncbis".to_owned(),
    };
    let edited = text
        .range(start, end)
        .is_some_and(|range| context.edit(vec![Edit::replacement(range, content)]));
    if !edited {
        context.note(
            place,
            NoteKind::PatchTarget,
            format!(
                "`{}` names what asyncbis has, in a way that can't be edited",
                text.value
            ),
            Some("Write the target in one piece and without escapes"),
        );
    }
}

/// What becomes of a target.
enum Decision {
    Silent,
    /// `asyncio` in it becomes `asyncbis`; with a path also what follows it.
    Rename(Option<String>),
    Note(String, String),
}

/// `asyncio.sleep`, or names below `asyncio`.
fn asyncio_itself(path: &[&str], below: Option<&[&str]>) -> Decision {
    let Some(names) = below else {
        return one_name(path);
    };
    let kinds: Vec<Kind> = names
        .iter()
        .map(|name| counterpart(&[path, &[*name]].concat()).kind)
        .collect();
    let all = |wanted: Kind| kinds.iter().all(|kind| *kind == wanted);
    if kinds.is_empty() || all(Kind::Absent) || all(Kind::Raises) {
        return Decision::Silent;
    }
    if path.is_empty() && all(Kind::Changed) {
        return Decision::Rename(None);
    }
    let target = [&["asyncio"], path].concat().join(".");
    Decision::Note(
        format!(
            "a test patches names of `{target}`, which code that was rewritten takes from `asyncbis`"
        ),
        "Patch them in `asyncbis`, those that it has".to_owned(),
    )
}

fn one_name(path: &[&str]) -> Decision {
    if path.is_empty() {
        return Decision::Silent;
    }
    let found = counterpart(path);
    let rest = &path[found.parts.min(path.len())..];
    let stays_below = found.parts < 2 || found.path.contains('.');
    match found.kind {
        Kind::Absent | Kind::Raises => Decision::Silent,
        // An attribute of an object that both have.
        Kind::Same if !rest.is_empty() => Decision::Silent,
        Kind::Changed if stays_below => {
            let mut path = found.path;
            for part in rest {
                path.push('.');
                path.push_str(part);
            }
            Decision::Rename(Some(path))
        }
        Kind::Same | Kind::Changed => Decision::Note(
            format!(
                "a test patches `asyncio.{}`, which code that was rewritten takes from `asyncbis`",
                path.join(".")
            ),
            format!(
                "patch `asyncbis.{}` if the tested code was rewritten",
                found.path
            ),
        ),
    }
}

/// `package.module.asyncio.sleep`: a variable of a module.
fn variable_of(
    context: &Context,
    module: &[&str],
    path: &[&str],
    below: Option<&[&str]>,
) -> Decision {
    if context.options.style == Style::Alias {
        return Decision::Silent;
    }
    let modules = &context.options.modules;
    let module = module.join(".");
    // A module of that name, as `redis.asyncio`.
    if modules.contains(&format!("{module}.asyncio")) {
        return Decision::Silent;
    }
    let is_offered = |path: &[&str]| path.is_empty() || counterpart(path).kind.is_offered();
    let offered = match below {
        Some(names) => names
            .iter()
            .all(|name| is_offered(&[path, &[*name]].concat())),
        None => is_offered(path),
    };
    if !offered {
        return Decision::Silent;
    }
    if modules.contains(&module) {
        return Decision::Rename(None);
    }
    if modules.are_known() {
        return Decision::Silent;
    }
    let target = [&[module.as_str(), "asyncbis"], path].concat().join(".");
    Decision::Note(
        format!("a test patches the variable `asyncio` of `{module}`"),
        format!("If that module was rewritten, the target is `{target}`"),
    )
}

/// A target that is put together: `f"{__name__}.asyncio.sleep"`.
fn note_computed(context: &mut Context, target: &Expr) {
    let is_computed = match target {
        Expr::FString(_) | Expr::BinOp(_) => true,
        // `"{}.asyncio.sleep".format(__name__)`
        Expr::Call(call) => call
            .func
            .as_attribute_expr()
            .is_some_and(|method| method.value.is_string_literal_expr()),
        _ => false,
    };
    let text = context.file.source.slice(target.range());
    if is_computed && context.options.style == Style::Rename && text.contains("asyncio.") {
        context.note(
            target.range(),
            NoteKind::PatchTarget,
            "what is patched is put together from parts, one of which names `asyncio`",
            Some("If the tested module was rewritten, its variable is called `asyncbis`"),
        );
    }
}
