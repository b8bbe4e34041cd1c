//! Servers that freeze, die, become replicas, and networks that break.

use std::time::{Duration, Instant};

use backends::redis::{Error, cmd};
use tests::{Proxy, servers};

use crate::making::{add_all, adding, config, connect};

#[tokio::test]
async fn a_frozen_server_is_given_up_as_set() {
    let server = servers::Redis::start();
    let redis = connect(&server.url()).await.with_patience(Duration::from_secs(2));
    server.freeze();
    let begun = Instant::now();
    let error = redis.call::<u32>(&adding(), &["set"], &["1"]).await.unwrap_err();
    let took = begun.elapsed();
    assert!(matches!(&error, Error::Unavailable { what, .. } if what == "add"), "{error:?}");
    assert!((Duration::from_secs(1)..Duration::from_secs(10)).contains(&took), "{took:?}");
    let once = redis.with_patience(Duration::ZERO);
    let begun = Instant::now();
    once.run::<()>(&cmd("PING")).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    server.thaw();
    // The pause between two tries may be as long as the patience that it had.
    let patient = redis.with_patience(Duration::from_secs(30));
    assert_eq!(patient.call::<u32>(&adding(), &["set"], &["1"]).await.unwrap(), 1);
    let fresh = redis.with_own_connection().with_patience(Duration::ZERO);
    fresh.run::<()>(&cmd("PING")).await.expect("one try includes the connection");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_go_on_when_a_frozen_server_thaws() {
    let server = servers::Redis::start();
    let redis = connect(&server.url()).await;
    server.freeze();
    let calls = tokio::spawn({
        let redis = redis.clone();
        async move { add_all(&redis, "set", 0..300).await }
    });
    // Longer than an answer may take.
    let once = redis.with_own_connection().with_patience(Duration::ZERO);
    once.run::<()>(&cmd("PING")).await.unwrap_err();
    server.thaw();
    assert_eq!(calls.await.unwrap(), 300);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_go_on_after_a_killed_server_is_back() {
    let server = servers::Redis::options().line("appendfsync always").start();
    let redis = connect(&server.url()).await;
    for round in 0..3 {
        server.kill();
        let calls = tokio::spawn({
            let redis = redis.clone();
            async move { add_all(&redis, "set", round * 200..round * 200 + 200).await }
        });
        server.restart();
        // Scripts are unknown to it; the calls before are still there.
        assert_eq!(calls.await.unwrap(), round * 200 + 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_is_lost_when_connections_break_all_the_time() {
    let server = servers::Redis::start();
    let proxy = Proxy::start(server.address());
    let redis = connect(&proxy.url(&server.url())).await;
    let mut cuts = 0;
    for round in 0..30 {
        let calls = tokio::spawn({
            let redis = redis.clone();
            async move { add_all(&redis, "set", round * 100..round * 100 + 100).await }
        });
        cuts += proxy.cut();
        assert_eq!(calls.await.unwrap(), round * 100 + 100);
    }
    assert!(cuts >= 20, "{cuts}");
}

#[tokio::test]
async fn a_network_that_swallows_everything_is_noticed() {
    let server = servers::Redis::start();
    let proxy = Proxy::start(server.address());
    let redis = connect(&proxy.url(&server.url())).await;
    proxy.drop_all();
    let call = tokio::spawn({
        let redis = redis.clone();
        async move { redis.call::<u32>(&adding(), &["set"], &["1"]).await }
    });
    let once = redis.with_own_connection().with_patience(Duration::from_secs(1));
    once.run::<()>(&cmd("PING")).await.unwrap_err();
    proxy.heal();
    assert_eq!(call.await.unwrap().unwrap(), 1);
}

#[tokio::test]
async fn a_master_that_became_a_replica_is_tried_until_it_is_one_again() {
    let server = servers::Redis::start();
    let redis = connect(&server.url()).await;
    server.cli(&["REPLICAOF", "127.0.0.1", "1"]);
    let impatient = redis.with_patience(Duration::from_millis(300));
    let error = impatient.call::<u32>(&adding(), &["set"], &["1"]).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    let call = tokio::spawn(async move { redis.call::<u32>(&adding(), &["set"], &["1"]).await });
    server.cli(&["REPLICAOF", "NO", "ONE"]);
    assert_eq!(call.await.unwrap().unwrap(), 1);
}

#[tokio::test]
async fn a_full_server_is_waited_for() {
    let server = servers::Redis::start();
    let redis = connect(&server.url()).await;
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    let writing = tokio::spawn(async move { redis.run::<()>(cmd("SET").arg("key").arg("value")).await });
    let impatient = connect_impatiently(&server).await;
    let error = impatient.run::<()>(cmd("SET").arg("other").arg("value")).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    server.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    writing.await.unwrap().unwrap();
}

async fn connect_impatiently(server: &servers::Redis) -> backends::redis::Redis {
    let redis = backends::redis::Redis::connect(config(&server.url())).await.unwrap();
    redis.with_patience(Duration::from_millis(300))
}
