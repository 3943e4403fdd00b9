//! What a test is known to be where it stands.

use ruff_python_ast::{self as ast, Expr};

use super::flow_build::{Around, Builder, Caught};

impl<'a> Builder<'_, 'a> {
    /// What a test is known to be: constants, and in a handler that caught a cancellation the
    /// tests that ask for the exception's class or for `cancelling()`.
    pub(super) fn truth(&self, test: &'a Expr, around: &Around<'a>) -> Option<bool> {
        match test {
            Expr::BooleanLiteral(literal) => Some(literal.value),
            Expr::NumberLiteral(literal) => match &literal.value {
                ast::Number::Int(value) => Some(*value != ast::Int::ZERO),
                _ => None,
            },
            Expr::UnaryOp(node) if node.op == ast::UnaryOp::Not => {
                self.truth(&node.operand, around).map(|value| !value)
            }
            Expr::BoolOp(node) => {
                let is_and = node.op == ast::BoolOp::And;
                let mut all_known = true;
                for value in &node.values {
                    match self.truth(value, around) {
                        Some(value) if value != is_and => return Some(value),
                        Some(_) => {}
                        None => all_known = false,
                    }
                }
                all_known.then_some(is_and)
            }
            _ => around
                .caught
                .filter(|caught| caught.cancellation)
                .and_then(|caught| self.truth_when_cancelled(test, &caught)),
        }
    }

    fn truth_when_cancelled(&self, test: &'a Expr, caught: &Caught<'a>) -> Option<bool> {
        let is_caught =
            |expr: &Expr| matches!(expr, Expr::Name(name) if Some(name.id.as_str()) == caught.name);
        match test {
            Expr::Call(call) => {
                if self.file.is_builtin(&call.func, "isinstance")
                    && let [subject, class] = &*call.arguments.args
                    && is_caught(subject)
                {
                    return self.file.cancellation_is_instance(class);
                }
                if let Expr::Attribute(method) = &*call.func
                    && method.attr.as_str() == "cancelling"
                {
                    // Inside a cancelled scope `cancelling()` is above 0.
                    return Some(true);
                }
                None
            }
            Expr::Compare(node) => self.truth_of_comparison(node, &is_caught),
            _ => None,
        }
    }

    /// `type(exc) is CancelledError`, `task.cancelling() > 0`.
    fn truth_of_comparison(
        &self,
        node: &'a ast::ExprCompare,
        is_caught: &dyn Fn(&Expr) -> bool,
    ) -> Option<bool> {
        let ([op], [right]) = (&*node.ops, &*node.comparators) else {
            return None;
        };
        let Expr::Call(call) = &*node.left else {
            return None;
        };
        if self.file.is_builtin(&call.func, "type")
            && let [subject] = &*call.arguments.args
            && is_caught(subject)
        {
            let same = self.file.is_cancelled_error(right);
            return match op {
                ast::CmpOp::Is | ast::CmpOp::Eq => Some(same),
                ast::CmpOp::IsNot | ast::CmpOp::NotEq => Some(!same),
                _ => None,
            };
        }
        let is_cancelling =
            matches!(&*call.func, Expr::Attribute(method) if method.attr.as_str() == "cancelling");
        let is_zero = matches!(right, Expr::NumberLiteral(literal)
            if matches!(&literal.value, ast::Number::Int(value) if *value == ast::Int::ZERO));
        if !is_cancelling || !is_zero {
            return None;
        }
        match op {
            ast::CmpOp::Gt | ast::CmpOp::NotEq => Some(true),
            ast::CmpOp::Eq | ast::CmpOp::LtE => Some(false),
            _ => None,
        }
    }
}
