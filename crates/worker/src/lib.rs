//! Takes tasks, runs operations, reports outcomes.
//!
//! A worker is a number of slots. Each slot leases a task from the broker, runs one attempt of its
//! operation and tells the broker how it ended: with a value, with a failure for good, or with one
//! that is worth another attempt. Whatever an operation does — panic, hang, fail — becomes an
//! outcome with evidence. This crate must never know what a flow is or how tasks travel.

mod activity;
mod attempt;
mod bundle;
mod cli;
mod colleagues;
mod config;
mod decline;
mod doubt;
mod doubts;
mod durations;
mod embedded;
mod execute;
mod failed;
mod health;
mod isolated;
mod learned;
mod leaving;
mod lifetime;
mod limits;
mod listen;
mod logging;
mod metrics;
mod observed;
mod operations;
mod panics;
mod peers;
mod pending;
mod places;
mod probe;
mod rules;
mod run;
mod semaphores;
mod serve;
mod session;
mod settle;
mod shortage;
mod slot;
mod slurm;
mod unfit;
mod unknown;

pub use activity::Report;
pub use cli::main;
pub use config::Config;
pub use embedded::embedded;
pub use run::{Error, MissingResource, run};
pub use semaphores::Error as SemaphoreError;
