//! Names of other libraries that have a counterpart in asyncbis.

use super::Context;

/// Rewrites them, and says what has no counterpart.
pub(super) fn rewrite(context: &mut Context) {
    let _ = context;
}
