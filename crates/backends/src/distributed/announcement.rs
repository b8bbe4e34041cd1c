//! What operations workers have, said where coordinators can read it.

use crate::redis::{self, Redis};

/// One description of operations, which many workers may share.
#[derive(Debug, Clone)]
pub(super) struct Announcement {
    redis: Redis,
    all: String,
    key: String,
    description: Vec<u8>,
}

impl Announcement {
    pub(super) fn new(redis: Redis, prefix: &str, description: Vec<u8>) -> Self {
        let key = blake3::hash(&description).to_hex()[..32].to_owned();
        Self { redis, all: all(prefix), key, description }
    }

    /// The same on a connection that nobody else uses; it is made where it is used first.
    pub(super) fn with_own_connection(self) -> Self {
        Self { redis: self.redis.with_own_connection(), ..self }
    }

    /// The key under which sessions name it; equal descriptions have equal keys.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// Makes sure that it can be read.
    pub(super) async fn make(&self) -> Result<(), redis::Error> {
        let mut set = ::redis::cmd("HSET");
        set.arg(&self.all).arg(&self.key).arg(&self.description);
        self.redis.run(&set).await
    }
}

/// The description that has a key, if it was not lost.
pub(super) async fn read(redis: &Redis, prefix: &str, key: &str) -> Result<Option<Vec<u8>>, redis::Error> {
    let mut get = ::redis::cmd("HGET");
    get.arg(all(prefix)).arg(key);
    redis.run(&get).await
}

/// The hash of all announcements.
fn all(prefix: &str) -> String {
    format!("{{{prefix}}}:announced")
}
