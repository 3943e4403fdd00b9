//! The rules, one file each, named by their code; `build.rs` lists them.
//!
//! A rule declares `NEEDLES` (see [`crate::prefilter`]) and `check(&File, &mut Report)`.

include!(concat!(env!("OUT_DIR"), "/rule_modules.rs"));

mod unshielded;
