//! Rules that find the cause of a failure about which the operation said nothing.

mod defaults;
mod error_types;
mod file;
mod list;
mod rule;

pub(crate) use error_types::collect as collect_types;
pub use file::RulesError;
pub use list::{Origin, Rules};
pub use rule::Rule;
pub(crate) use rule::{COMMAND, PANIC, PROCESS};
