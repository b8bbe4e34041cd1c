//! The backend with nothing to install: a broker in memory and a store in one file per execution.

mod broker;
mod store;

pub use broker::{EmbeddedBroker, EmbeddedConsumer, EmbeddedProducer};
pub use store::EmbeddedStore;
