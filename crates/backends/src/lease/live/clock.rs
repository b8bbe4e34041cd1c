//! An arbiter whose scripts read the time, and the server's identity, from keys that the test sets.

use std::sync::Arc;

use crate::lease::arbiter::Arbiter;
use crate::lease::scripts::Scripts;
use crate::redis::{Config, Redis, cmd};

/// The scripts with a clock of ours in Redis' place. Only for an own server: the keys have no prefix.
pub(super) fn with_clock_in_keys(redis: Redis) -> Arbiter {
    let mut arbiter = Arbiter::new(redis, Arbiter::DEFAULT_PREFIX);
    arbiter.scripts = Arc::new(Scripts::with(|source| {
        source
            .replace("redis.call('TIME')", "redis.call('LRANGE', 'clock', 0, 1)")
            .replace("redis.pcall('INFO', 'server')", "redis.pcall('GET', 'identity')")
            .leak()
    }));
    arbiter
}

/// Sets what those scripts take for the time.
pub(super) async fn set_clock(redis: &Redis, now_ms: u64) {
    redis.run::<()>(cmd("DEL").arg("clock")).await.unwrap();
    let (seconds, micros) = (now_ms / 1000, now_ms % 1000 * 1000);
    redis.run::<()>(cmd("RPUSH").arg("clock").arg(seconds).arg(micros)).await.unwrap();
}

/// Sets what those scripts take for the server's identity.
pub(super) async fn set_identity(redis: &Redis, identity: &str) {
    redis.run::<()>(cmd("SET").arg("identity").arg(format!("run_id:{identity}\r\n"))).await.unwrap();
}

/// Connects to a server of the harness.
pub(super) async fn connect(server: &tests::servers::Redis) -> Redis {
    Redis::connect(Config::new(server.url().parse().unwrap())).await.unwrap()
}
