//! Scripts and commands on a server that is well.

use std::time::{Duration, Instant};

use backends::redis::{Error, Redis, Script, cmd};
use tests::servers;

use crate::making::{add_all, adding, config, connect};

#[tokio::test]
async fn scripts_are_sent_when_the_server_does_not_know_them() {
    let server = servers::Redis::start();
    let redis = connect(&server.url()).await;
    let script = adding();
    assert_eq!(redis.call::<u32>(&script, &["set"], &["1"]).await.unwrap(), 1);
    server.cli(&["SCRIPT", "FLUSH"]);
    assert_eq!(redis.call::<u32>(&script, &["set"], &["2"]).await.unwrap(), 2);
    let known: Vec<u8> = redis.run(cmd("SCRIPT").arg("EXISTS").arg(digest(&server))).await.unwrap();
    assert_eq!(known, [1], "the next call needs no source");
}

/// As the server computes it.
fn digest(server: &servers::Redis) -> String {
    let source = "redis.call('SADD', KEYS[1], ARGV[1])\nreturn redis.call('SCARD', KEYS[1])";
    server.cli(&["SCRIPT", "LOAD", source])
}

#[tokio::test]
async fn bytes_arrive_as_they_are() {
    let redis = connect(&servers::Redis::shared().url()).await;
    let script = Script::new("echo", "return {KEYS[1], ARGV[1], #ARGV[2]}");
    let (key, value, large) = (&[0, 255, b'\r', b'\n'][..], &[1, 0, 2][..], vec![7; 3_000_000]);
    let answer: (Vec<u8>, Vec<u8>, usize) = redis.call(&script, &[key], &[value, &large]).await.unwrap();
    assert_eq!(answer, (key.to_vec(), value.to_vec(), large.len()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_share_one_connection_unless_told_otherwise() {
    let server = servers::Redis::start();
    let redis = connect(&server.url()).await;
    assert_eq!(add_all(&redis, "set", 0..2_000).await, 2_000);
    let before = connections(&redis).await;
    let other = redis.with_own_connection();
    assert_eq!(connections(&redis).await, before, "made when needed");
    add_all(&other, "set", 0..100).await;
    assert_eq!((before, connections(&redis).await), (1, 2));
}

async fn connections(redis: &Redis) -> usize {
    redis.run::<String>(cmd("CLIENT").arg("LIST")).await.unwrap().lines().count()
}

#[tokio::test]
async fn what_is_refused_for_good_is_not_tried_again() {
    let redis = connect(&servers::Redis::shared().url()).await;
    let begun = Instant::now();
    let error = redis.run::<()>(&cmd("NOSUCHCOMMAND")).await.unwrap_err();
    assert!(matches!(&error, Error::Refused { what, .. } if what == "NOSUCHCOMMAND"), "{error:?}");
    let broken = Script::new("broken", "return redis.call('GET')");
    let error = redis.call::<()>(&broken, &[""; 0], &[""; 0]).await.unwrap_err();
    assert!(matches!(&error, Error::Refused { what, .. } if what == "broken"), "{error:?}");
    let text = redis.call::<u32>(&Script::new("text", "return 'x'"), &[""; 0], &[""; 0]).await.unwrap_err();
    assert!(matches!(text, Error::Answer { .. }) && !text.is_transient());
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_database_of_the_address_is_used() {
    let server = servers::Redis::start();
    let redis = connect(&server.url().replace("/0", "/3")).await;
    redis.run::<()>(cmd("SET").arg("key").arg("value")).await.unwrap();
    assert_eq!(server.cli(&["-n", "3", "GET", "key"]), "value");
}

#[tokio::test]
async fn a_user_with_a_password_of_special_characters_is_let_in() {
    let server = servers::Redis::start();
    server.cli(&["ACL", "SETUSER", "me", "on", ">p@ss/w%rd", "~*", "+@all"]);
    let url = format!("redis://me:p%40ss%2Fw%25rd@{}", server.address());
    let redis = connect(&url).await;
    assert_eq!(redis.run::<String>(cmd("ACL").arg("WHOAMI")).await.unwrap(), "me");
    let shown = format!("{redis:?} {:?} {}", config(&url), redis.place());
    assert!(!shown.contains("p@ss") && !shown.contains("p%40ss"), "{shown}");
}
