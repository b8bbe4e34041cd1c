//! The store in Redis.

mod append;
mod checkpoint;
mod fence;
mod handle;
mod hold;
mod inner;
mod keys;
mod load;
mod look;
mod owner;
mod place;
mod record;
mod remove;
mod scripts;
mod take;
mod view;

pub use handle::RedisStore;
