//! The imports in doctests.

use super::Context;

/// Rewrites `>>> import asyncio`, where that is wished for.
pub(super) fn rewrite(context: &mut Context) {
    let _ = context;
}
