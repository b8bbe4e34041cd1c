//! The store in files: the conformance suite, and what may be found in a directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use backends::conformance::{self, StoreFixture};
use backends::embedded::EmbeddedStore;
use backends::store::{Error, Store};
use futures::future::BoxFuture;
use protocol::{ExecutionId, ExecutionRecord};

struct Fixture {
    directory: tempfile::TempDir,
}

impl StoreFixture for Fixture {
    fn open(&self) -> BoxFuture<'_, Arc<dyn Store>> {
        Box::pin(async { Arc::new(open(self.directory.path())) as Arc<dyn Store> })
    }
}

pub(crate) fn open(directory: &Path) -> EmbeddedStore {
    EmbeddedStore::open(directory.join("state")).unwrap()
}

pub(crate) fn record(id: &str) -> ExecutionRecord {
    ExecutionRecord::new(id.parse().unwrap(), "-", "{}", 1)
}

fn database(directory: &Path, id: &str) -> PathBuf {
    directory.join("state/executions").join(id).join("store.redb")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_remembers_as_promised() {
    let fixture = Fixture { directory: tempfile::tempdir().unwrap() };
    conformance::run::<dyn StoreFixture>(Arc::new(fixture), conformance::RECORDS).await;
}

#[tokio::test]
async fn a_half_created_execution_does_not_exist_and_can_be_created() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let path = database(directory.path(), "half");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path.with_extension("redb.new"), "torn").unwrap();
    fs::write(path.with_file_name("owner"), "process 1 on nowhere").unwrap();
    let id: ExecutionId = "half".parse().unwrap();
    assert!(matches!(store.view(&id).await, Err(Error::Unknown { .. })));
    assert!(matches!(store.resume(&id).await.err(), Some(Error::Unknown { .. })));
    assert!(store.list().await.unwrap().is_empty());
    drop(store.create(record("half")).await.unwrap());
    assert_eq!(store.resume(&id).await.unwrap().record().incarnation, 2);
}

#[tokio::test]
async fn what_a_half_removed_execution_has_left_is_not_a_later_ones() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let id: ExecutionId = "half".parse().unwrap();
    drop(store.create(record("half")).await.unwrap());
    fs::create_dir_all(store.kept_dir(&id)).unwrap();
    fs::write(store.kept_dir(&id).join("standard-input"), "of the first").unwrap();
    let path = database(directory.path(), "half");
    fs::write(path.with_file_name("live.json"), "torn").unwrap();
    // Where a removal was killed.
    fs::remove_file(&path).unwrap();
    assert!(store.list().await.unwrap().is_empty());
    let checkpoint = store.create(record("half")).await.unwrap();
    assert!(!store.kept_dir(&id).exists() && !path.with_file_name("live.json").exists());
    assert!(matches!(store.resume(&id).await.err(), Some(Error::Busy { .. })));
    drop(checkpoint);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_may_be_used_again_while_its_former_execution_is_being_removed() {
    const FILES: u32 = 300;
    let directory = tempfile::tempdir().unwrap();
    let id: ExecutionId = "again".parse().unwrap();
    for _ in 0..30 {
        let store = open(directory.path());
        drop(store.create(record("again")).await.unwrap());
        fs::create_dir_all(store.kept_dir(&id)).unwrap();
        for number in 0..FILES {
            fs::write(store.kept_dir(&id).join(number.to_string()), "").unwrap();
        }
        let removal = store.take_to_remove(&id).await.unwrap();
        let removing = tokio::spawn(removal.finish());
        let checkpoint = loop {
            match store.create(record("again")).await {
                Ok(checkpoint) => break checkpoint,
                Err(error) => assert!(matches!(error, Error::Exists { .. }), "{error:?}"),
            }
        };
        removing.await.unwrap().unwrap();
        assert!(store.view(&id).await.unwrap().owner.is_some());
        assert!(matches!(store.resume(&id).await.err(), Some(Error::Busy { .. })));
        assert!(!store.kept_dir(&id).exists(), "nothing is left of the first one");
        drop(checkpoint);
        store.take_to_remove(&id).await.unwrap().finish().await.unwrap();
        assert_eq!(fs::read_dir(directory.path().join("state/executions")).unwrap().count(), 0);
    }
}

#[tokio::test]
async fn a_stale_owner_does_not_block() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    drop(store.create(record("stale")).await.unwrap());
    let owner = database(directory.path(), "stale").with_file_name("owner");
    fs::write(&owner, "process 1 on nowhere").unwrap();
    assert_eq!(store.view(&"stale".parse().unwrap()).await.unwrap().owner, None);
    store.resume(&"stale".parse().unwrap()).await.unwrap();
    let text = fs::read_to_string(owner).unwrap();
    assert!(text.starts_with(&format!("process {} on ", std::process::id())), "{text}");
}

#[tokio::test]
async fn a_later_format_is_refused_with_the_cure() {
    const META: redb::TableDefinition<'_, &str, &[u8]> = redb::TableDefinition::new("meta");
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    drop(store.create(record("later")).await.unwrap());
    let path = database(directory.path(), "later");
    let file = redb::Database::open(&path).unwrap();
    let transaction = file.begin_write().unwrap();
    transaction.open_table(META).unwrap().insert("format", 2u32.to_be_bytes().as_slice()).unwrap();
    transaction.commit().unwrap();
    drop(file);
    let id = "later".parse().unwrap();
    for error in [store.resume(&id).await.err().unwrap(), store.view(&id).await.unwrap_err()] {
        let Error::Format { place, found: 2, supported: 1 } = &error else { panic!("{error:?}") };
        assert_eq!(place, path.to_str().unwrap());
        assert!(error.to_string().contains("upgrade"));
    }
}

#[tokio::test]
async fn a_damaged_file_is_named_and_left_out_of_lists() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    for id in ["good", "bad", "empty"] {
        drop(store.create(record(id)).await.unwrap());
    }
    for (id, content) in [("bad", "this is not a database".repeat(100)), ("empty", String::new())] {
        let path = database(directory.path(), id);
        fs::write(&path, content).unwrap();
        fs::remove_file(path.with_file_name("record.json")).unwrap();
        let id = id.parse().unwrap();
        for error in [store.resume(&id).await.err().unwrap(), store.view(&id).await.unwrap_err()] {
            let Error::Medium { place, .. } = &error else { panic!("{error:?}") };
            assert_eq!(place, path.to_str().unwrap());
        }
    }
    fs::create_dir(directory.path().join("state/executions/NOT AN ID")).unwrap();
    let listed = store.list().await.unwrap();
    let listed: Vec<_> = listed.iter().map(|view| view.record.id.as_str()).collect();
    assert_eq!(listed, ["good"]);
}

#[tokio::test]
async fn a_lost_copy_of_the_record_is_not_missed() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    drop(store.create(record("copy")).await.unwrap());
    fs::remove_file(database(directory.path(), "copy").with_file_name("record.json")).unwrap();
    assert_eq!(store.list().await.unwrap().len(), 1);
    assert_eq!(store.view(&"copy".parse().unwrap()).await.unwrap().record, record("copy"));
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let Err(Error::Medium { place, .. }) = EmbeddedStore::open(file.join("below")) else {
        panic!("it opened")
    };
    assert!(place.starts_with(file.to_str().unwrap()), "{place}");
}

#[tokio::test]
async fn kept_files_are_beside_the_record() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let kept = store.kept_dir(&"mine".parse().unwrap());
    assert_eq!(kept, directory.path().join("state/executions/mine/kept"));
}
