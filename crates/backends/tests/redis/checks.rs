//! What is refused when first connecting, and in which words.

use std::error::Error as _;
use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use backends::redis::{Config, Durability, Error, Redis};
use tests::{servers, until};

use crate::making::{config, connect};

/// Everything that the error and its sources say.
fn told(error: &Error) -> String {
    let mut text = format!("{error} {error:?}");
    let mut next = error.source();
    while let Some(source) = next {
        text += &format!(" {source} {source:?}");
        next = source.source();
    }
    text
}

#[tokio::test]
async fn a_wrong_password_is_refused_at_once_and_not_repeated() {
    let server = servers::Redis::shared();
    let begun = Instant::now();
    for login in [":hunter2@", "nobody:hunter2@", ""] {
        let url = format!("redis://{login}{}", server.address());
        let error = Redis::connect(config(&url)).await.unwrap_err();
        assert!(matches!(error, Error::Access { .. }), "{error:?}");
        assert!(!told(&error).contains("hunter2"), "{}", told(&error));
        assert!(error.to_string().contains(&server.address().to_string()), "{error}");
    }
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_waited_for_as_long_as_set() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("redis://:hunter2@{}", listener.local_addr().unwrap());
    // It accepts and never answers; then it is gone.
    for _ in 0..2 {
        let begun = Instant::now();
        let patience = Duration::from_secs(2);
        let error = Redis::connect(Config { patience, ..config(&url) }).await.unwrap_err();
        assert!(matches!(error, Error::Unreachable { .. }) && error.is_transient(), "{error:?}");
        assert!(!told(&error).contains("hunter2"), "{}", told(&error));
        assert!(begun.elapsed() < patience + Duration::from_secs(8), "{:?}", begun.elapsed());
    }
    drop(listener);
}

#[tokio::test]
async fn a_server_that_comes_later_is_found() {
    let server = servers::Redis::start();
    server.kill();
    let connecting = tokio::spawn(Redis::connect(config(&server.url())));
    server.restart();
    connecting.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_server_that_evicts_is_refused_with_the_cure() {
    let server = servers::Redis::options().line("maxmemory 20mb\nmaxmemory-policy allkeys-lru").start();
    let error = Redis::connect(config(&server.url())).await.unwrap_err();
    assert!(matches!(&error, Error::Evicts { policy, .. } if policy == "allkeys-lru"), "{error:?}");
    assert!(error.to_string().contains("maxmemory-policy noeviction"), "{error}");
    server.cli(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    connect(&server.url()).await;
}

#[tokio::test]
async fn a_replica_is_refused() {
    let server = servers::Redis::start();
    server.cli(&["REPLICAOF", "127.0.0.1", "1"]);
    let error = Redis::connect(config(&server.url())).await.unwrap_err();
    assert!(matches!(error, Error::Replica { .. }), "{error:?}");
}

#[tokio::test]
async fn durability_is_found() {
    let server = servers::Redis::options().without_append_only_file().start();
    assert_eq!(connect(&server.url()).await.durability(), Durability::None);
    server.cli(&["CONFIG", "SET", "appendonly", "yes"]);
    assert_eq!(connect(&server.url()).await.durability(), Durability::EverySecond);
    server.cli(&["CONFIG", "SET", "appendfsync", "always"]);
    let redis = connect(&server.url()).await;
    assert_eq!(redis.durability(), Durability::Always);
    assert_eq!(redis.with_own_connection().durability(), Durability::Always);
}

#[tokio::test]
async fn a_user_that_may_not_ask_for_settings_gets_in_unchecked() {
    let server = servers::Redis::start();
    server.cli(&["ACL", "SETUSER", "me", "on", ">word", "~*", "+@all", "-info", "-config"]);
    let redis = connect(&format!("redis://me:word@{}", server.address())).await;
    assert_eq!(redis.durability(), Durability::EverySecond);
}

#[tokio::test]
async fn a_server_that_still_loads_is_waited_for() {
    let server = servers::Redis::options().line("enable-debug-command yes\nkey-load-delay 1000").start();
    server.cli(&["DEBUG", "POPULATE", "2000", "key", "10"]);
    server.cli(&["BGREWRITEAOF"]);
    until("the file is rewritten", || {
        server.cli(&["INFO", "persistence"]).contains("aof_rewrite_in_progress:0").then_some(())
    });
    server.restart();
    let redis = connect(&server.url()).await;
    assert_eq!(redis.durability(), Durability::EverySecond, "while it loads, it says that it keeps no log");
    let size: u32 = redis.run(&backends::redis::cmd("DBSIZE")).await.unwrap();
    assert_eq!(size, 2_000);
}
