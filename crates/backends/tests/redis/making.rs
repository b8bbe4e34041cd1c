//! What the tests have in common.

use std::time::Duration;

use backends::redis::{Config, Redis, Script, cmd};

/// A config for tests: waits shorter than by default.
pub(crate) fn config(url: &str) -> Config {
    Config {
        response_timeout: Duration::from_millis(500),
        connect_timeout: Duration::from_millis(500),
        ..Config::new(url.parse().unwrap())
    }
}

pub(crate) async fn connect(url: &str) -> Redis {
    Redis::connect(config(url)).await.unwrap()
}

/// Adds a member to a set; says how many there are.
pub(crate) fn adding() -> Script {
    Script::new("add", "redis.call('SADD', KEYS[1], ARGV[1])\nreturn redis.call('SCARD', KEYS[1])")
}

/// Adds numbered members, all at once; gives the size of the set at the end.
pub(crate) async fn add_all(redis: &Redis, key: &str, numbers: std::ops::Range<u32>) -> u32 {
    let script = adding();
    let calls = numbers.map(|number| {
        let (redis, script) = (redis.clone(), script.clone());
        async move { redis.call::<u32>(&script, &[key], &[number.to_string()]).await.unwrap() }
    });
    futures::future::join_all(calls).await;
    redis.run(cmd("SCARD").arg(key)).await.unwrap()
}

/// Waits until something is there.
pub(crate) async fn eventually<T>(what: &str, mut found: impl AsyncFnMut() -> Option<T>) -> T {
    let waiting = async {
        loop {
            if let Some(found) = found().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(60), waiting).await;
    found.unwrap_or_else(|_| panic!("waited a minute for {what}"))
}
