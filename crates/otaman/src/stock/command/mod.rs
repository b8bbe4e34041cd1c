//! `command`: runs a program.

mod capture;
mod group;
mod guard;
mod marks;
mod memory;
mod operation;
mod spawn;
mod strays;
#[cfg(test)]
mod tests;

pub use guard::guard_commands;
pub use marks::{guard_commands_with, kill_all};
pub use memory::OomKills;
pub use operation::{Command, Finished, KeptFile};
