//! Tests against a real Redis.

mod agreement;
mod behaviour;
mod clock;
mod mirror;
mod question;
mod throughput;
