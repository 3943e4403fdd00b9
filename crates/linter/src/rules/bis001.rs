//! BIS001 unused-suppression: a `noqa` that suppresses nothing.

use crate::model::File;
use crate::prefilter::Needles;
use crate::report::Report;

/// A comment that names one of our codes, or our file-level comment.
pub(crate) const NEEDLES: Needles = &[&["BIS", "asyncbis-lint:"]];

/// Nothing yet: `suppress.rs` reports, once it knows what every rule found.
pub(crate) fn check(_file: &File, _report: &mut Report) {}
