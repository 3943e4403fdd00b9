//! The kernel against its definitions: examples of the clauses, random histories, and every short history.

mod clauses;
mod exhaustive;
mod history;
mod model;
mod oracle;
mod parts;
mod random;
