//! The broker in memory.

mod board;
mod consumer;
mod handle;
mod inbox;
mod job;

mod lease;
mod producer;
mod slots;
mod sweeper;

pub use consumer::EmbeddedConsumer;
pub use handle::EmbeddedBroker;
pub use producer::EmbeddedProducer;
