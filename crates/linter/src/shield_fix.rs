//! The two ways out of a `shield()`: a wait that can be interrupted, and a scope.
//!
//! Both replace one whole statement, `await shield(x)` or `name = await shield(x)` or
//! `return await shield(x)`; where the shield stands deeper in an expression there is no fix.

use ruff_python_ast::token::TokenKind;
use ruff_python_ast::{Expr, Stmt};
use ruff_text_size::{Ranged, TextRange};

use crate::diagnostic::{Applicability, Edit, Fix};
use crate::model::File;
use crate::model::kinds::Kind;
use crate::model::shield_calls::{ShieldCall, Verdict};

impl<'a> File<'a> {
    /// `await asyncio.wait([x])` and `x.result()`: the old meaning of a shield around a future,
    /// under asyncio and under asyncbis. `wait()` takes no coroutines: the fix is only safe where
    /// the target is known to be a future.
    pub(crate) fn wait_instead(&self, shield: &ShieldCall<'a>, awaited: &'a Expr) -> Option<Fix> {
        let applicability = match self.kind(shield.target) {
            Some(Kind::Task | Kind::Future) => Applicability::Safe,
            None if matches!(shield.verdict, Verdict::SharedFuture { .. }) => Applicability::Unsafe,
            _ => return None,
        };
        let stmt = self.whole_statement(awaited)?;
        let indentation = self.indentation(stmt)?;
        let newline = self.newline();
        let (wait, import) = self.wait_beside(&shield.call.func)?;
        let target = self.source.slice(shield.target.range());
        let (name, mut text) = match shield.target {
            Expr::Name(_) => (target.to_owned(), String::new()),
            // The attribute may be assigned again during the wait.
            Expr::Attribute(attribute) => {
                let name = attribute.attr.trim_start_matches('_').to_owned();
                if !self.is_free_name(awaited, &name) {
                    return None;
                }
                let text = format!("{name} = {target}{newline}{indentation}");
                (name, text)
            }
            _ => return None,
        };
        text.push_str(&format!("await {wait}([{name}]){newline}{indentation}"));
        text.push_str(
            self.source
                .slice(TextRange::new(stmt.start(), awaited.start())),
        );
        text.push_str(&format!("{name}.result()"));
        text.push_str(self.source.slice(TextRange::new(awaited.end(), stmt.end())));
        let mut edits = vec![Edit::replacement(stmt.range(), text)];
        let needs_asyncbis = import.is_some();
        edits.extend(import);
        self.fix(
            "Wait without a shield",
            applicability,
            edits,
            needs_asyncbis,
        )
    }

    /// `with CancelScope(shield=True):` around the statement, which then awaits the target.
    pub(crate) fn scope_instead(&self, shield: &ShieldCall<'a>, awaited: &'a Expr) -> Option<Fix> {
        let is_atom = matches!(
            shield.target,
            Expr::Call(_) | Expr::Name(_) | Expr::Attribute(_) | Expr::Subscript(_)
        );
        let stmt = self.whole_statement(awaited)?;
        let text = self.source.slice(shield.expr.range());
        if !is_atom || text.contains('#') {
            return None;
        }
        let before = TextRange::new(shield.expr.start(), shield.target.start());
        let after = TextRange::new(shield.target.end(), shield.expr.end());
        let ([scope], import) = self.asyncbis_at(["CancelScope"], self.tree.stmt_id(stmt))?;
        let header = format!("with {scope}(shield=True):");
        let is_broken = |range: TextRange| self.source.slice(range).contains(['\n', '\r']);
        let mut edits = if is_broken(before) || is_broken(after) {
            if is_broken(shield.target.range())
                || is_broken(TextRange::new(stmt.start(), shield.expr.start()))
                || is_broken(TextRange::new(shield.expr.end(), stmt.end()))
            {
                return None;
            }
            let indentation = self.indentation(stmt)?;
            let line = format!(
                "{header}{}{indentation}{}{}{}{}",
                self.newline(),
                self.indent_unit_of(stmt),
                self.source
                    .slice(TextRange::new(stmt.start(), shield.expr.start())),
                self.source.slice(shield.target.range()),
                self.source
                    .slice(TextRange::new(shield.expr.end(), stmt.end())),
            );
            vec![Edit::replacement(stmt.range(), line)]
        } else if self.breaks_outside_brackets(shield.target.range()) {
            // Only the parentheses of the call hold its lines together.
            return None;
        } else {
            let mut edits = self.wrap(std::slice::from_ref(stmt), &header)?;
            edits.push(Edit::deletion(before));
            edits.push(Edit::deletion(after));
            edits
        };
        edits.extend(import);
        self.fix("Write the scope itself", Applicability::Safe, edits, true)
    }

    /// A shield around consecutive statements that clean up: endless, or for as long as the settings
    /// say; and whether it needs asyncbis. Code that runs on AnyIO gets AnyIO's.
    pub(crate) fn shield_cleanup(&self, body: &[Stmt]) -> Option<(Vec<Edit>, bool)> {
        let at = self.tree.stmt_id(body.first()?);
        let is_anyio = self.is_neutral() && self.imports("anyio") && !self.settings.target_asyncbis;
        let (header, import) = match self.settings.cleanup_timeout {
            None if is_anyio => {
                let ([scope], import) = self.package_names("anyio", ["CancelScope"], Some(at))?;
                (format!("with {scope}(shield=True):"), import)
            }
            Some(seconds) if is_anyio => {
                let ([fail_after], import) =
                    self.package_names("anyio", ["fail_after"], Some(at))?;
                (
                    format!("with {fail_after}({seconds}, shield=True):"),
                    import,
                )
            }
            None => {
                let ([scope], import) = self.asyncbis_at(["CancelScope"], at)?;
                (format!("with {scope}(shield=True):"), import)
            }
            Some(seconds) => {
                let ([timeout], import) = self.asyncbis_at(["timeout"], at)?;
                let header = format!("async with {timeout}({seconds}, shield=True):");
                (header, import)
            }
        };
        let mut edits = self.wrap(body, &header)?;
        edits.extend(import);
        Some((edits, !is_anyio))
    }

    /// Whether an expression has a line break that none of its own brackets holds together.
    fn breaks_outside_brackets(&self, range: TextRange) -> bool {
        let mut depth = 0_usize;
        self.tokens().in_range(range).iter().any(|token| {
            match token.kind() {
                TokenKind::Lpar | TokenKind::Lsqb | TokenKind::Lbrace => depth += 1,
                TokenKind::Rpar | TokenKind::Rsqb | TokenKind::Rbrace => {
                    depth = depth.saturating_sub(1);
                }
                TokenKind::NonLogicalNewline => return depth == 0,
                _ => {}
            }
            false
        })
    }

    /// The statement that does nothing but take the value of an await, on lines of its own.
    fn whole_statement(&self, awaited: &'a Expr) -> Option<&'a Stmt> {
        if !awaited.is_await_expr() || self.tree.parent(awaited).is_some() {
            return None;
        }
        let stmt = self.tree.stmt(self.tree.stmt_of(awaited)).node;
        let is_simple = match stmt {
            Stmt::Expr(_) | Stmt::Return(_) | Stmt::AnnAssign(_) => true,
            Stmt::Assign(node) => node.targets.len() == 1,
            _ => false,
        };
        (is_simple && self.indentation(stmt).is_some() && self.ends_its_line(stmt.end()))
            .then_some(stmt)
    }

    /// `asyncio.wait` as the file can write it, by the way it writes `asyncio.shield`.
    fn wait_beside(&self, shield: &'a Expr) -> Option<(String, Option<Edit>)> {
        if let Expr::Attribute(attribute) = shield {
            let module = self.source.slice(attribute.value.range());
            return Some((format!("{module}.wait"), None));
        }
        let at = self.tree.stmt_of(shield);
        if let Some(name) = self.asyncio_text("wait", at) {
            return Some((name, None));
        }
        let ([name], import) = self.asyncbis_at(["wait"], at)?;
        Some((name, import))
    }

    /// Whether a name means nothing yet where an expression stands.
    fn is_free_name(&self, expr: &'a Expr, name: &str) -> bool {
        let function = self.tree.function(self.tree.function_of(expr));
        let Some(def) = function.stmt else {
            return false;
        };
        let is_identifier = !name.is_empty() && !is_keyword(name);
        let is_used = self
            .tree
            .exprs_below(def)
            .any(|part| matches!(part, Expr::Name(node) if node.id == name));
        is_identifier && !is_used && self.scope(function.scope).bindings(name).is_empty()
    }
}

/// The words that can be an attribute without its underscores and not a name.
fn is_keyword(name: &str) -> bool {
    const KEYWORDS: [&str; 35] = [
        "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class",
        "continue", "def", "del", "elif", "else", "except", "finally", "for", "from", "global",
        "if", "import", "in", "is", "lambda", "nonlocal", "not", "or", "pass", "raise", "return",
        "try", "while", "with", "yield",
    ];
    KEYWORDS.contains(&name) || name.starts_with(|first: char| first.is_ascii_digit())
}
