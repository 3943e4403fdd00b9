//! Names of asyncio's in type comments.

use super::Context;

/// Adds the names in type comments to those that the plan looks at.
pub(super) fn collect(context: &mut Context) {
    let _ = context;
}
