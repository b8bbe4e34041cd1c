//! What authors of operations and flows rely on: macros, registry, inline runner.
#![forbid(unsafe_code)]
#![deny(missing_docs, unreachable_pub, unused)]

mod failures;
mod inline;
mod linked;
pub mod macros;
mod problems;
mod registry;
