//! The store: the conformance suite, and what only happens with a server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use backends::conformance::{self, StoreFixture};
use backends::redis_store::RedisStore;
use backends::store::{Checkpoint, Entry, Error, Store};
use futures::future::BoxFuture;
use protocol::{
    Cause, Counts, Ending, ExecutionRecord, Failure, OperationName, Outcome, Status, Task, Value,
};
use tests::servers;

use crate::making::{connect, eventually};

/// Redis by its URL.
pub(crate) struct Fixture(pub(crate) String);

impl StoreFixture for Fixture {
    fn open(&self) -> BoxFuture<'_, Arc<dyn Store>> {
        Box::pin(async { Arc::new(store(&self.0).await) as Arc<dyn Store> })
    }
}

async fn store(url: &str) -> RedisStore {
    RedisStore::new(connect(url).await, "otaman")
}

fn record(id: &str) -> ExecutionRecord {
    ExecutionRecord::new(id.parse().unwrap(), "-", "{}", 1)
}

fn entry(number: u32, result: &str) -> Entry {
    let arguments = Value::encode(&number).unwrap();
    let task = Task::new(OperationName::new("make").unwrap(), "1.0.0".parse().unwrap(), arguments);
    let ending = Ending::Succeeded(Value::encode(&result).unwrap());
    let outcome = Outcome { ending, ..Outcome::cancelled(task.id) };
    Entry { task: Arc::new(task), outcome: Arc::new(outcome) }
}

fn dead_entry(number: u32) -> Entry {
    let entry = entry(number, "");
    let ending = Ending::Failed(Failure::new(Cause::Permanent, "no"));
    Entry { outcome: Arc::new(Outcome { ending, ..(*entry.outcome).clone() }), ..entry }
}

async fn recorded(checkpoint: &dyn Checkpoint, numbers: std::ops::Range<u32>) -> Vec<Option<String>> {
    let ids: Vec<_> = numbers.map(|number| entry(number, "").task.id).collect();
    let recalled = checkpoint.recall(&ids).await.unwrap();
    let text = |value: &Value| value.decode().unwrap();
    recalled.into_iter().map(|found| found.and_then(|found| found.outcome.value().map(text))).collect()
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_remembers_as_promised() {
    let server = servers::Redis::start();
    conformance::run::<dyn StoreFixture>(Arc::new(Fixture(server.url())), conformance::RECORDS).await;
}

#[tokio::test]
async fn a_wiped_server_is_written_again_and_the_run_goes_on() {
    let server = servers::Redis::start();
    let store = store(&server.url()).await;
    let checkpoint = store.create(record("wiped")).await.unwrap();
    checkpoint.append(vec![entry(1, "lost"), dead_entry(2)]).await.unwrap();
    server.wipe();
    checkpoint.append(vec![entry(3, "kept")]).await.unwrap();
    server.wipe();
    let counts = Counts { succeeded: 2, ..Counts::default() };
    checkpoint.show_progress(counts).await.unwrap();
    checkpoint.append(vec![entry(4, "kept"), dead_entry(5)]).await.unwrap();
    assert_eq!(recorded(&*checkpoint, 4..5).await, [some("kept")]);
    assert_eq!(store.list().await.unwrap()[0].record.counts, counts);
    server.wipe();
    let ended = ExecutionRecord { status: Status::Succeeded, ..record("wiped") };
    checkpoint.update(ended.clone()).await.unwrap();
    checkpoint.append(vec![entry(6, "kept")]).await.unwrap();
    drop(checkpoint);
    let checkpoint = store.resume(&ended.id).await.unwrap();
    assert_eq!(checkpoint.record(), ExecutionRecord { incarnation: 2, ..ended });
    assert_eq!(recorded(&*checkpoint, 1..7).await, [None, None, None, None, None, some("kept")]);
}

#[tokio::test]
async fn a_take_over_that_the_server_forgot_is_not_another_coordinator() {
    let server = servers::Redis::start();
    let first = store(&server.url()).await.create(record("rolled-back")).await.unwrap();
    first.append(vec![entry(1, "one")]).await.unwrap();
    let before = server.snapshot();
    drop(first);
    let store = store(&server.url()).await;
    let second = store.resume(&record("rolled-back").id).await.unwrap();
    second.append(vec![entry(2, "lost")]).await.unwrap();
    server.roll_back(&before);
    second.append(vec![entry(3, "three")]).await.unwrap();
    drop(second);
    let third = store.resume(&record("rolled-back").id).await.unwrap();
    assert_eq!(third.record().incarnation, 3);
    assert_eq!(recorded(&*third, 1..4).await, [some("one"), None, some("three")]);
}

#[tokio::test]
async fn another_incarnation_fences_the_former_one() {
    let server = servers::Redis::start();
    let store = store(&server.url()).await;
    let former = store.create(record("fenced")).await.unwrap();
    let id = record("fenced").id;
    let take_over = async || {
        // As if it had been cut off for longer than its hold lasts. It may renew it just now.
        server.cli(&["DEL", "{otaman:fenced}:hold"]);
        store.resume(&id).await.ok()
    };
    let latter = eventually("a take-over", take_over).await;
    let refused = [
        former.append(vec![entry(1, "late")]).await,
        former.update(record("fenced")).await,
        former.show_progress(Counts::default()).await,
    ];
    for refused in refused {
        let Err(Error::Busy { owner, .. }) = refused else { panic!("{refused:?}") };
        assert!(owner.contains(&std::process::id().to_string()), "{owner}");
    }
    latter.append(vec![entry(2, "two")]).await.unwrap();
    drop(former);
    store.settle().await;
    assert_eq!(server.cli(&["EXISTS", "{otaman:fenced}:hold"]), "1", "the former one ends its own hold only");
    assert_eq!(recorded(&*latter, 1..3).await, [None, some("two")]);
}

#[tokio::test]
async fn being_cut_off_for_longer_than_the_hold_lasts_is_not_fatal() {
    let server = servers::Redis::start();
    let store = store(&server.url()).await;
    let checkpoint = store.create(record("cut-off")).await.unwrap();
    server.cli(&["DEL", "{otaman:cut-off}:hold"]);
    checkpoint.append(vec![entry(1, "one")]).await.unwrap();
    let is_held = async || store.view(&record("cut-off").id).await.unwrap().owner;
    eventually("the hold to be renewed", is_held).await;
}

#[tokio::test]
async fn the_hold_of_a_process_that_was_killed_elsewhere_is_waited_for() {
    let server = servers::Redis::start();
    let store = store(&server.url()).await;
    drop(store.create(record("killed")).await.unwrap());
    store.settle().await;
    server.cli(&["SET", "{otaman:killed}:hold", "another machine's", "PX", "1500"]);
    let begun = Instant::now();
    store.resume(&record("killed").id).await.unwrap();
    assert!((1_000..6_000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_hold_that_is_renewed_elsewhere_is_busy_soon() {
    let server = servers::Redis::start();
    let held = store(&server.url()).await;
    let _checkpoint = held.create(record("renewed")).await.unwrap();
    let text = server.cli(&["GET", "{otaman:renewed}:hold"]);
    let begun = Instant::now();
    let refused = store(&server.url()).await.resume(&record("renewed").id).await.err();
    assert!(matches!(refused, Some(Error::Busy { .. })), "{refused:?}");
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert_eq!(server.cli(&["GET", "{otaman:renewed}:hold"]), text);
}

#[tokio::test]
async fn a_batch_that_was_never_completely_written_does_not_count() {
    let server = servers::Redis::start();
    let store = store(&server.url()).await;
    let checkpoint = store.create(record("torn")).await.unwrap();
    let large = "x".repeat(400_000);
    checkpoint.append(vec![entry(0, "whole")]).await.unwrap();
    checkpoint.append((1..8).map(|number| entry(number, &large)).collect()).await.unwrap();
    checkpoint.append(vec![dead_entry(9)]).await.unwrap();
    drop(checkpoint);
    assert_eq!(chunks(&server, "torn"), ["0", "1", "2", "3", "4"]);
    // The last chunk of the second batch was never written.
    server.cli(&["HDEL", "{otaman:torn}:chunks", "3"]);
    let checkpoint = store.resume(&record("torn").id).await.unwrap();
    assert_eq!(recorded(&*checkpoint, 0..8).await.iter().flatten().count(), 1);
    checkpoint.append(vec![entry(1, "again")]).await.unwrap();
    assert_eq!(recorded(&*checkpoint, 0..3).await, [some("whole"), some("again"), None]);
    drop(checkpoint);
    assert_eq!(chunks(&server, "torn"), ["0", "4", "5"], "the rest of it is gone");
    assert_eq!(store.view(&record("torn").id).await.unwrap().dead.len(), 1);
}

fn chunks(server: &servers::Redis, id: &str) -> Vec<String> {
    let listed = server.cli(&["HKEYS", &format!("{{otaman:{id}}}:chunks")]);
    let mut chunks: Vec<_> = listed.lines().map(str::to_owned).collect();
    chunks.sort();
    chunks
}

#[tokio::test]
async fn large_batches_go_by_calls_of_a_megabyte() {
    let server = servers::Redis::start();
    let store = store(&server.url()).await;
    let checkpoint = store.create(record("large")).await.unwrap();
    let text = "x".repeat(100_000);
    let entries: Vec<_> =
        (0..50).map(|number| entry(number, &text)).chain((50..3_000).map(dead_entry)).collect();
    checkpoint.append(entries).await.unwrap();
    let calls = server.cli(&["INFO", "commandstats"]);
    let field = |name: &str| -> u32 {
        let line = calls.lines().find(|line| line.starts_with(&format!("cmdstat_{name}:")));
        line.and_then(|line| line.split(['=', ',']).nth(1)).unwrap_or("0").parse().unwrap()
    };
    assert!((6..12).contains(&(field("evalsha") + field("eval"))), "{calls}");
    drop(checkpoint);
    assert_eq!(store.view(&record("large").id).await.unwrap().dead.len(), 1_000);
    let checkpoint = store.resume(&record("large").id).await.unwrap();
    assert!(recorded(&*checkpoint, 0..50).await.iter().all(|value| *value == Some(text.clone())));
}

#[tokio::test]
async fn a_later_format_is_refused() {
    let server = servers::Redis::start();
    let store = store(&server.url()).await;
    drop(store.create(record("later")).await.unwrap());
    server.cli(&["HSET", "{otaman:later}:record", "format", "2"]);
    for refused in
        [store.resume(&record("later").id).await.err(), store.view(&record("later").id).await.err()]
    {
        assert!(matches!(refused, Some(Error::Format { found: 2, supported: 1, .. })), "{refused:?}");
    }
    assert!(store.list().await.unwrap().is_empty());
}

#[tokio::test]
async fn two_who_resume_at_once_do_not_both_get_it() {
    let server = servers::Redis::start();
    let first = store(&server.url()).await;
    drop(first.create(record("wanted")).await.unwrap());
    first.settle().await;
    let id = record("wanted").id;
    let stores = [store(&server.url()).await, store(&server.url()).await, store(&server.url()).await];
    let taken = futures::future::join_all(stores.iter().map(|store| store.resume(&id))).await;
    assert_eq!(taken.iter().filter(|taken| taken.is_ok()).count(), 1);
    let busy = |taken: &&Result<_, Error>| matches!(taken, Err(Error::Busy { .. }));
    assert_eq!(taken.iter().filter(busy).count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_appended_survives_kills_of_the_server() {
    let server = servers::Redis::options().line("appendfsync always").start();
    let store = store(&server.url()).await;
    let checkpoint = store.create(record("kills")).await.unwrap();
    for round in 0..5 {
        server.kill();
        let appending = tokio::spawn({
            let checkpoint = Arc::clone(&checkpoint);
            async move {
                for number in round * 20..round * 20 + 20 {
                    checkpoint.append(vec![entry(number, &number.to_string())]).await.unwrap();
                }
            }
        });
        server.restart();
        appending.await.unwrap();
    }
    drop(checkpoint);
    let checkpoint = store.resume(&record("kills").id).await.unwrap();
    let expected: Vec<_> = (0..100).map(|number| some(&number.to_string())).collect();
    assert_eq!(recorded(&*checkpoint, 0..100).await, expected);
}
