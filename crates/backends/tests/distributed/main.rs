//! The distributed backend, live: the conformance suite over RabbitMQ and Redis, and what is its own.
#![cfg(feature = "live")]

mod broker;
mod copies;
mod hostile;
