//! Private servers: on loopback and free ports, with their own data, gone when dropped.

mod certificates;
mod files;
mod node;
mod port;
mod rabbitmq;
mod redis;

pub use certificates::Certificates;
pub use rabbitmq::{RabbitMq, RabbitMqOptions};
pub use redis::{Redis, RedisOptions, Snapshot};
