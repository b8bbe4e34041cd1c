//! The coordinator: expands flows, schedules their tasks and remembers how they ended.
//!
//! The [`engine`] decides and is pure; everything around it moves values. This crate must never
//! know how a worker runs an operation: it hands tasks to a broker and hears of outcomes.

mod args;
mod cli;
mod commands;
mod display;
pub mod embedded;
pub mod engine;
mod expand;
mod interrupt;
mod journal;
mod logging;
pub mod plan;
mod remember;
mod root;
pub mod run;
mod seen;
mod terminal;

pub use cli::{Extra, main, main_with};
