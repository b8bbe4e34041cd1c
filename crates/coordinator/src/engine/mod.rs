//! The engine: which flow to ask next, which task to publish, what is done. Pure: inputs in,
//! effects out; no clock, no randomness, no I/O.

mod core;
mod flows;
mod message;
mod planning;
mod settling;
mod tally;
mod tasks;
#[cfg(test)]
mod tests;
mod turn;

pub use core::{Engine, Policy};
pub use message::{
    Child, ChildNode, Conclusion, Effect, FlowFailure, Input, Known, OnDead, PlannedStep, Told,
};
pub use tally::{OperationTally, Tally};
