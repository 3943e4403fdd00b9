//! Strings that name what is to be patched: `mock.patch("asyncio.sleep")`.

use super::Context;

/// Rewrites them, or says why not.
pub(super) fn rewrite(context: &mut Context) {
    let _ = context;
}
