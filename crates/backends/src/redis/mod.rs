//! Supervised Redis: scripts and commands that go on over reconnects. The only place that names the
//! Redis client crate.

mod address;
mod check;
mod config;
mod connection;
mod connector;
mod error;
mod handle;
mod link;
mod script;
mod verdict;

pub use ::redis::{Cmd, FromRedisValue, Value, cmd, from_redis_value};

pub use address::{Address, AddressError};
pub use check::Durability;
pub use config::Config;
pub use error::Error;
pub use handle::Redis;
pub use script::Script;
