//! `command`: runs a program.

mod capture;
mod group;
mod memory;
mod operation;
mod spawn;
#[cfg(test)]
mod tests;

pub use group::kill_all;
pub use operation::{Command, Finished, KeptFile};
