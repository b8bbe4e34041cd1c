//! Running flows in the current task, without engine, broker or store: for unit tests of operations
//! and flows.

mod attempts;
mod frame;
mod reporter;
mod run;
mod runner;
pub(crate) mod semaphores;

pub use run::{Ran, Run};
pub use runner::Runner;
