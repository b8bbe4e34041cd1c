//! Broker and store over RabbitMQ and Redis.
//!
//! RabbitMQ holds the obligation: no copy of a task is acknowledged before its successor, another
//! copy or its outcome, is confirmed. Redis only arbitrates who runs what. So whatever Redis loses
//! costs repetitions, never tasks; and what counts in the end is the coordinator's record, in which
//! the first outcome wins.

mod announcement;
mod blobs;
mod config;
mod connect;
mod consumer;
mod control;
mod copy;
mod crash;
mod delayed;
mod endings;
mod fate;
mod heartbeat;
mod keep;
mod learned;
#[cfg(feature = "clap")]
mod options;
mod producer;
mod queues;
mod signing;
mod sweep;
mod vitals;
mod workers;

pub use config::Config;
pub use connect::{Distributed, Error};
pub use consumer::RemoteConsumer;
pub use control::{Control, Disagreement, Queued, Trouble};
pub use endings::Upshot;
#[cfg(feature = "clap")]
pub use options::{Options, OptionsError, QueueType, without_passwords};
pub use producer::RemoteProducer;
pub use queues::Names;
pub use signing::{KeyTooShort, SigningKey};
pub use vitals::{Counters, Means, Standing, Vitals};
pub use workers::Worker;
