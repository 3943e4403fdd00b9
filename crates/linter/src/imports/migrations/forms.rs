//! What becomes of one use of a name: edits, or the reason why it stays.

use ruff_python_ast::{self as ast, Expr, Stmt};
use ruff_text_size::{Ranged, TextRange, TextSize};

use super::instances;
use super::table::{Block, Form, Instance, Row, Signature, Special};
use super::uses::Use;
use crate::diagnostic::Edit;
use crate::model::File;
use crate::model::names::ScopeKind;

/// Why a use stays what it is.
#[derive(Debug, Clone)]
pub(super) struct Leave {
    pub range: TextRange,
    pub reason: String,
}

impl Leave {
    pub fn at(range: TextRange, reason: impl Into<String>) -> Self {
        Leave {
            range,
            reason: reason.into(),
        }
    }
}

/// How the file will write a name of asyncbis.
pub(super) struct Writer<'w> {
    /// The name of the module; `None` where the name that the file uses is imported from asyncbis.
    pub module: Option<&'w str>,
}

impl Writer<'_> {
    /// The edit for a name that only changes its module.
    fn name(&self, found: &Use, target: &str) -> Vec<Edit> {
        match self.module {
            Some(module) => vec![Edit::replacement(
                found.name.range(),
                format!("{module}.{target}"),
            )],
            None => Vec::new(),
        }
    }

    fn text(&self, target: &str) -> String {
        format!("{}.{target}", self.module.unwrap_or("asyncbis"))
    }
}

/// What becomes of a use.
#[derive(Default)]
pub(super) struct Edits {
    pub own: Vec<Edit>,
    /// At the uses of the object that it makes; another call may ask for the same.
    pub followed: Vec<Edit>,
}

impl From<Vec<Edit>> for Edits {
    fn from(own: Vec<Edit>) -> Self {
        Edits {
            own,
            followed: Vec::new(),
        }
    }
}

/// The edits for a use.
pub(super) fn edits<'a>(
    file: &File<'a>,
    found: &Use<'a>,
    row: &'static Row,
    writer: &Writer,
    is_made: &dyn Fn(&Expr) -> bool,
) -> Result<Edits, Leave> {
    let odd = |what: &str| Leave::at(found.name.range(), format!("it {what}"));
    if found.has_more {
        return match row.form {
            Form::Name => Ok(writer.name(found, row.target).into()),
            _ => Err(odd("is used in an unknown way")),
        };
    }
    if let Form::Name = row.form {
        return Ok(writer.name(found, row.target).into());
    }
    let Some((whole, call)) = call_of(file, found.name) else {
        let is_base = matches!(
            file.tree.stmt(file.tree.stmt_of(found.name)).node,
            Stmt::ClassDef(_)
        );
        return match row.form {
            Form::Named(_) if is_base => Err(odd("is derived from")),
            Form::Named(_) => Ok(writer.name(found, row.target).into()),
            _ => Err(odd("is handed on instead of being called")),
        };
    };
    match row.form {
        Form::Call(signature) | Form::Named(signature) => {
            let mut edits = Edits::from(writer.name(found, row.target));
            edits.own.extend(
                keywords(call, &signature)
                    .ok_or_else(|| odd("is called with arguments that asyncbis does not have"))?,
            );
            if signature.block == Block::Async {
                edits.own.extend(asynchronous(file, whole).map_err(odd)?);
            }
            if let Instance::Followed(changes) = row.instance {
                edits.followed = instances::follow(file, found, whole, changes, is_made)?;
            }
            Ok(edits)
        }
        Form::Text { name, text } if call.arguments.is_empty() => {
            let new = text.replace("{}", &writer.text(name));
            Ok(vec![Edit::replacement(call.range(), new)].into())
        }
        Form::Special(special) => match special {
            Special::ShieldScope => shield_scope(file, whole, call, writer),
            Special::MoveOnAfter => move_on_after(file, whole, call, found, writer),
            Special::Run => run(file, call, found, writer),
            Special::ToThread => to_thread(file, whole, call, found, writer),
        }
        .map(Edits::from)
        .ok_or_else(|| odd("is used in a way that asyncbis does not have")),
        _ => Err(odd("is used in an unknown way")),
    }
}

/// The call of a name.
pub(super) fn call_of<'a>(
    file: &File<'a>,
    name: &'a Expr,
) -> Option<(&'a Expr, &'a ast::ExprCall)> {
    let whole = file.tree.parent(name)?;
    let call = whole.as_call_expr()?;
    std::ptr::eq(&raw const *call.func, name).then_some((whole, call))
}

/// Whether the arguments of a call are those of a signature.
pub(super) fn fits(call: &ast::ExprCall, signature: &Signature) -> bool {
    keywords(call, signature).is_some()
}

/// The edits for the keywords of a call, if asyncbis understands all arguments.
fn keywords(call: &ast::ExprCall, signature: &Signature) -> Option<Vec<Edit>> {
    let arguments = &call.arguments;
    let is_starred = arguments.args.iter().any(Expr::is_starred_expr);
    if is_starred || arguments.args.len() > signature.positional {
        return None;
    }
    let mut edits = Vec::new();
    for keyword in &arguments.keywords {
        let name = keyword.arg.as_ref()?;
        let (_, new) = signature
            .keywords
            .iter()
            .find(|(old, _)| *old == name.as_str())?;
        if *new != name.as_str() {
            edits.push(Edit::replacement(name.range, *new));
        }
    }
    Some(edits)
}

/// The `with` statement of which a call is the only item.
fn block_of<'a>(file: &File<'a>, call: &'a Expr) -> Option<&'a ast::StmtWith> {
    if file.tree.parent(call).is_some() {
        return None;
    }
    let Stmt::With(with) = file.tree.stmt(file.tree.stmt_of(call)).node else {
        return None;
    };
    let [item] = with.items.as_slice() else {
        return None;
    };
    std::ptr::eq(&raw const item.context_expr, call).then_some(with)
}

/// Makes the block of a call `async with`.
fn asynchronous<'a>(file: &File<'a>, call: &'a Expr) -> Result<Option<Edit>, &'static str> {
    let is_item = file.tree.parent(call).is_none()
        && matches!(file.tree.stmt(file.tree.stmt_of(call)).node, Stmt::With(node) if !node.is_async);
    if !is_item {
        return Ok(None);
    }
    let Some(with) = block_of(file, call) else {
        return Err("shares its `with` statement with others");
    };
    let is_in_class = file.scope(file.tree.scope_of(call)).kind == ScopeKind::Class;
    if is_in_class || !file.tree.function(file.tree.function_of(call)).is_async() {
        return Err("stands in a function that is not async");
    }
    Ok(Some(Edit::insertion(with.start(), "async ")))
}

/// Makes the block of a call a plain `with`, if nobody uses its object.
fn synchronous<'a>(file: &File<'a>, call: &'a Expr) -> Option<Vec<Edit>> {
    let with = block_of(file, call)?;
    if with.items[0].optional_vars.is_some() {
        return None;
    }
    if !with.is_async {
        return Some(Vec::new());
    }
    let text = file.source.slice(with.range);
    text.starts_with("async with").then(|| {
        let end = with.start() + TextSize::of("async ");
        vec![Edit::deletion(TextRange::new(with.start(), end))]
    })
}

/// `ShieldScope()` and `ShieldScope(timeout)`.
fn shield_scope<'a>(
    file: &File<'a>,
    whole: &'a Expr,
    call: &ast::ExprCall,
    writer: &Writer,
) -> Option<Vec<Edit>> {
    let with = block_of(file, whole)?;
    if with.items[0].optional_vars.is_some() {
        return None;
    }
    const TIMEOUT: Signature = Signature {
        positional: 1,
        keywords: &[("timeout", "delay")],
        block: Block::Same,
    };
    let mut edits = keywords(call, &TIMEOUT)?;
    if call.arguments.is_empty() {
        edits.extend(synchronous(file, whole)?);
        edits.push(Edit::replacement(
            call.func.range(),
            writer.text("CancelScope"),
        ));
        edits.push(Edit::replacement(call.arguments.range, "(shield=True)"));
        return Some(edits);
    }
    let name = if with.is_async {
        "timeout"
    } else {
        "fail_after"
    };
    edits.push(Edit::replacement(call.func.range(), writer.text(name)));
    edits.push(after_arguments(file, call, ", shield=True"));
    Some(edits)
}

/// `async with move_on_after(timeout, shield):`
fn move_on_after<'a>(
    file: &File<'a>,
    whole: &'a Expr,
    call: &ast::ExprCall,
    found: &Use,
    writer: &Writer,
) -> Option<Vec<Edit>> {
    const ARGUMENTS: Signature = Signature {
        positional: 1,
        keywords: &[("timeout", "delay"), ("shield", "shield")],
        block: Block::Same,
    };
    let mut edits = keywords(call, &ARGUMENTS)?;
    let has_delay =
        !call.arguments.args.is_empty() || call.arguments.find_keyword("timeout").is_some();
    if !has_delay {
        return None;
    }
    edits.extend(synchronous(file, whole)?);
    edits.extend(writer.name(found, "move_on_after"));
    Some(edits)
}

/// `run(main, *args, backend="asyncio")`
fn run(file: &File, call: &ast::ExprCall, found: &Use, writer: &Writer) -> Option<Vec<Edit>> {
    let mut edits = Vec::new();
    for keyword in &call.arguments.keywords {
        let is_ours = keyword.arg.as_deref() == Some("backend")
            && keyword
                .value
                .as_string_literal_expr()
                .is_some_and(|name| matches!(name.value.to_str(), "asyncio" | "asyncbis"));
        if !is_ours {
            return None;
        }
        edits.push(without(file, call, keyword)?);
    }
    edits.extend(called(file, call, &["backend"])?);
    edits.extend(writer.name(found, "run"));
    Some(edits)
}

/// `await to_thread.run_sync(function, *args)`
fn to_thread(
    file: &File,
    whole: &Expr,
    call: &ast::ExprCall,
    found: &Use,
    writer: &Writer,
) -> Option<Vec<Edit>> {
    let is_awaited = matches!(file.tree.parent(whole), Some(Expr::Await(_)));
    if !is_awaited || call.arguments.args.is_empty() || call.arguments.args[0].is_starred_expr() {
        return None;
    }
    let mut edits = Vec::new();
    let mut is_left = false;
    for keyword in &call.arguments.keywords {
        let value = keyword.value.as_boolean_literal_expr().map(|it| it.value);
        match (keyword.arg.as_deref()?, value) {
            ("abandon_on_cancel" | "cancellable", Some(value)) => is_left = value,
            ("limiter", _) if keyword.value.is_none_literal_expr() => {}
            _ => return None,
        }
        edits.push(without(file, call, keyword)?);
    }
    if is_left {
        edits.push(Edit::replacement(
            found.name.range(),
            writer.text("to_thread"),
        ));
        return Some(edits);
    }
    let text = format!("{}({}", writer.text("shield"), writer.text("to_thread"));
    edits.push(Edit::replacement(found.name.range(), text));
    edits.push(Edit::insertion(call.end(), ")"));
    Some(edits)
}

/// `f, a, b` in the arguments of a call made `f(a, b)`; the keywords that may follow are known.
pub(super) fn called(file: &File, call: &ast::ExprCall, known: &[&str]) -> Option<Vec<Edit>> {
    let arguments = &call.arguments;
    let is_known = |keyword: &ast::Keyword| {
        keyword
            .arg
            .as_ref()
            .is_some_and(|name| known.contains(&name.as_str()))
    };
    let (function, rest) = arguments.args.split_first()?;
    // A keyword before a `*args` comes later in the tree than in the text.
    let in_order = arguments.keywords.iter().all(|keyword| {
        arguments
            .args
            .iter()
            .all(|arg| arg.start() < keyword.start())
    });
    let is_plain = matches!(
        function,
        Expr::Name(_) | Expr::Attribute(_) | Expr::Call(_) | Expr::Subscript(_)
    );
    if !is_plain || !in_order || !arguments.keywords.iter().all(is_known) {
        return None;
    }
    if let (Some(inner), true) = (partial(file, function), rest.is_empty()) {
        return Some(inner);
    }
    let Some(last) = rest.last() else {
        return Some(vec![Edit::insertion(function.end(), "()")]);
    };
    let comma = comma_after(file, function.end(), rest[0].start())?;
    Some(vec![
        Edit::replacement(comma, "("),
        Edit::insertion(closed(file, last.end(), arguments), ")"),
    ])
}

/// `partial(f, a, k=1)` made `f(a, k=1)`.
fn partial(file: &File, function: &Expr) -> Option<Vec<Edit>> {
    let call = function.as_call_expr()?;
    let is_partial = file
        .raw_qualified_names(&call.func)
        .iter()
        .all(|name| name == "functools.partial");
    let (inner, rest) = call.arguments.args.split_first()?;
    let is_plain = matches!(inner, Expr::Name(_) | Expr::Attribute(_));
    if !is_partial || !is_plain || file.raw_qualified_names(&call.func).is_empty() {
        return None;
    }
    let before = TextRange::new(call.start(), inner.start());
    if file.source.slice(before).contains('#') {
        return None;
    }
    let open = match rest.is_empty() && call.arguments.keywords.is_empty() {
        true => Edit::insertion(inner.end(), "("),
        false => {
            let next = rest.first().map(Ranged::start);
            let keyword = call.arguments.keywords.first().map(Ranged::start);
            let next = next.into_iter().chain(keyword).min()?;
            Edit::replacement(comma_after(file, inner.end(), next)?, "(")
        }
    };
    Some(vec![Edit::deletion(before), open])
}

/// The comma behind an argument, and the white space up to the next argument.
fn comma_after(file: &File, end: TextSize, next: TextSize) -> Option<TextRange> {
    let rest = file.source.slice(TextRange::new(end, next));
    let blank = rest.len() - rest.trim_start().len();
    let tail = rest[blank..].strip_prefix(',')?;
    // A parenthesis or a comment stays where it is.
    let length = blank + 1 + (tail.len() - tail.trim_start().len());
    let is_comment = tail.trim_start().starts_with('#');
    let length = if is_comment { blank + 1 } else { length };
    Some(TextRange::at(end, TextSize::try_from(length).ok()?))
}

/// Where an argument ends, with the parentheses around it.
fn closed(file: &File, argument: TextSize, arguments: &ast::Arguments) -> TextSize {
    let limit = arguments.end() - TextSize::of(")");
    let mut end = argument;
    loop {
        let rest = file.source.slice(TextRange::new(end, limit));
        let trimmed = rest.trim_start();
        if !trimmed.starts_with(')') {
            return end;
        }
        let skipped = rest.len() - trimmed.len() + 1;
        end += TextSize::try_from(skipped).expect("inside the file");
    }
}

/// A call without one of its keywords.
fn without(file: &File, call: &ast::ExprCall, keyword: &ast::Keyword) -> Option<Edit> {
    let text = file.source.text();
    let before = &text[usize::from(call.arguments.start())..usize::from(keyword.start())];
    let trimmed = before.trim_end().strip_suffix(',')?.trim_end();
    let start = call.arguments.start() + TextSize::of(trimmed);
    (!before[trimmed.len()..].contains('#'))
        .then(|| Edit::deletion(TextRange::new(start, keyword.end())))
}

/// Text behind the last argument of a call that has one.
fn after_arguments(file: &File, call: &ast::ExprCall, text: &str) -> Edit {
    let last = call
        .arguments
        .args
        .iter()
        .map(Ranged::end)
        .chain(call.arguments.keywords.iter().map(Ranged::end))
        .max()
        .unwrap_or(call.arguments.start());
    Edit::insertion(closed(file, last, &call.arguments), text)
}
