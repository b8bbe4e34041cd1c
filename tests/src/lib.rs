//! Harness: real coordinator processes, temporary state, conditions with deadlines.

mod coordinator;
mod programs;
mod wait;

pub use coordinator::{Coordinator, Ended, Running};
pub use programs::{program, repository};
pub use wait::until;
