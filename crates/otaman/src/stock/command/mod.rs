//! `command`: runs a program.

mod capture;
mod group;
mod lines;
mod memory;
mod operation;
mod spawn;
#[cfg(test)]
mod tests;

pub use operation::{Command, Finished, KeptFile};
