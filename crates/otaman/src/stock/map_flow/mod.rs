//! `map_flow`: a task or flow for each item of something.

mod flow;
mod items;
mod lines;
mod over;
#[cfg(test)]
mod tests;

pub use flow::MapFlow;
pub use over::{Over, Range};
