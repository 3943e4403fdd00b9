//! The kernel against its definitions.

mod history;
mod model;
mod random;
