//! The imports in doctests.

use super::Context;

/// Adds the names in doctests to those that the plan looks at.
pub(super) fn collect(context: &mut Context) {
    let _ = context;
}

/// Rewrites `>>> import asyncio`, where that is wished for.
pub(super) fn rewrite(context: &mut Context) {
    let _ = context;
}
