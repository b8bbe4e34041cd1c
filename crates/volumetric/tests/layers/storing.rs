//! What every kind of storage must do alike.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use otaman::Cause;
use volumetric::layer::storage::Storage;

use crate::support::{assert_says, files};

/// The same promises for files and for object stores.
fn check(storage: &Storage) {
    assert_eq!(storage.get("a/b").unwrap(), None);
    assert_eq!(storage.size("a/b").unwrap(), None);
    assert_eq!(storage.get_range("a/b", 0..4).unwrap(), None);
    assert_eq!(storage.get_end("a/b", 4).unwrap(), None);
    assert_eq!(storage.list("").unwrap(), Vec::<String>::new());
    storage.delete("a/b").unwrap();
    storage.delete_all("a").unwrap();

    storage.put("a/b", b"0123456789").unwrap();
    storage.put("a/c/d", b"").unwrap();
    storage.put("ab", b"x").unwrap();
    assert_eq!(storage.get("a/b").unwrap().unwrap(), "0123456789");
    assert_eq!(storage.get("a/c/d").unwrap().unwrap(), "");
    assert_eq!(storage.get("a").unwrap_or_default(), None, "what others go on from is nothing itself");
    assert_eq!(storage.size("a/b").unwrap(), Some(10));
    assert_eq!(storage.get_range("a/b", 2..5).unwrap().unwrap(), "234");
    assert_eq!(storage.get_range("a/b", 8..50).unwrap().unwrap(), "89");
    assert_eq!(storage.get_range("a/b", 8..u64::MAX).unwrap().unwrap(), "89");
    assert_eq!(storage.get_range("a/b", 4..4).unwrap().unwrap(), "");
    assert_eq!(storage.get_end("a/b", 3).unwrap().unwrap(), "789");
    assert_eq!(storage.get_end("a/b", 30).unwrap().unwrap(), "0123456789");
    assert_eq!(storage.list("").unwrap(), ["a/b", "a/c/d", "ab"]);
    assert_eq!(storage.list("a").unwrap(), ["b", "c/d"]);

    storage.put("a/b", b"new").unwrap();
    assert_eq!(storage.get("a/b").unwrap().unwrap(), "new");
    assert!(!storage.put_if_absent("a/b", b"other").unwrap());
    assert_eq!(storage.get("a/b").unwrap().unwrap(), "new");
    assert!(storage.put_if_absent("e", b"first").unwrap());
    assert_eq!(storage.child("a").get("b").unwrap().unwrap(), "new");

    storage.delete("a/b").unwrap();
    assert_eq!(storage.get("a/b").unwrap(), None);
    storage.put("a/b", b"again").unwrap();
    storage.delete_all("a").unwrap();
    assert_eq!(storage.list("").unwrap(), ["ab", "e"]);
    storage.delete_all("ab").unwrap();
    assert_eq!(storage.list("").unwrap(), ["e"]);

    let won = AtomicU64::new(0);
    thread::scope(|scope| {
        for number in 0..8 {
            let won = &won;
            scope.spawn(move || {
                if storage.put_if_absent("race", &[number; 100_000]).unwrap() {
                    won.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(won.into_inner(), 1);
    let content = storage.get("race").unwrap().unwrap();
    assert!(content.len() == 100_000 && content.iter().all(|byte| *byte == content[0]));
}

#[test]
fn files_do_what_storage_must() {
    let directory = tempfile::tempdir().unwrap();
    check(&Storage::open(directory.path().to_str().unwrap()).unwrap());
    assert_eq!(files(directory.path()), ["e", "race"]);
    let directory = tempfile::tempdir().unwrap();
    check(&Storage::open(&format!("file://{}", directory.path().display())).unwrap());
}

#[test]
fn object_stores_do_what_storage_must() {
    check(&Storage::open("memory://storing/some%20path").unwrap());
    check(&Storage::open("memory://storing-at-the-root").unwrap());
}

#[tokio::test]
async fn storage_may_be_waited_for_inside_of_a_runtime() {
    let storage = Storage::open("memory://inside/a").unwrap();
    storage.put("b", b"c").unwrap();
    assert_eq!(storage.get("b").unwrap().unwrap(), "c");
}

#[test]
fn errors_name_the_place_and_say_whether_trying_again_may_help() {
    let directory = tempfile::tempdir().unwrap();
    let storage = Storage::open(directory.path().to_str().unwrap()).unwrap();
    storage.put("a", b"").unwrap();
    // A file is no directory, today and tomorrow.
    let error = storage.put("a/b", b"").unwrap_err();
    assert_says(&error, &format!("cannot write {}/a/b", directory.path().display()));
    assert!(!error.is_transient());
    assert_eq!(otaman::Error::from(error).cause(), Cause::Permanent);
    let error = otaman::Error::from(volumetric::layer::Error::from(storage.put("a/b", b"").unwrap_err()));
    assert_eq!(error.cause(), Cause::Permanent);
}
