//! Golden files: bytes that an earlier release wrote. They are read for ever and never edited; a
//! change of the format adds files under new names.
//!
//! `BLESS=1` writes files that do not exist yet, and nothing else.

use std::fmt::Debug;
use std::fs;
use std::path::PathBuf;

use protocol::{Cause, Envelope, Message, Status};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::samples;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.msgpack"))
}

#[track_caller]
fn golden(name: &str, encode: impl Fn() -> Vec<u8>) -> Vec<u8> {
    let path = path(name);
    if !path.exists() && std::env::var_os("BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, encode()).unwrap();
    }
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Reads the golden bytes as `sample`, and writes `sample` as the golden bytes.
#[track_caller]
fn message_stays<M: Message + PartialEq + Debug + Clone>(name: &str, sample: &M) {
    let envelope = Envelope { execution: "nightly-7".parse().unwrap(), body: sample.clone() };
    let bytes = golden(name, || envelope.encode().unwrap());
    assert_eq!(Envelope::decode(&bytes).unwrap(), envelope, "{name} reads differently");
    assert_eq!(envelope.encode().unwrap(), bytes, "{name} is written differently");
}

#[track_caller]
fn noun_stays<T: Serialize + DeserializeOwned + PartialEq + Debug>(name: &str, sample: &T) {
    let encode = || rmp_serde::to_vec_named(sample).unwrap();
    let bytes = golden(name, encode);
    assert_eq!(rmp_serde::from_slice::<T>(&bytes).unwrap(), *sample, "{name} reads differently");
    assert_eq!(encode(), bytes, "{name} is written differently");
}

#[test]
fn tasks_stay_as_they_are() {
    message_stays("task-minimal", &samples::minimal_task());
    message_stays("task-full", &samples::full_task());
    message_stays("task-all-exit-codes", &samples::task_that_retries_on_all_exit_codes());
    message_stays("task-retries-elsewhere", &samples::task_that_retries_elsewhere());
    message_stays("task-semaphores", &samples::task_with_semaphores());
}

#[test]
fn outcomes_stay_as_they_are() {
    message_stays("outcome-succeeded", &samples::succeeded());
    message_stays("outcome-failed", &samples::failed());
    message_stays("outcome-cancelled", &samples::cancelled());
}

#[test]
fn sessions_stay_as_they_are() {
    message_stays("session", &samples::session());
}

#[test]
fn failures_stay_as_they_are() {
    noun_stays("failure-minimal", &samples::minimal_failure());
    noun_stays("failure-full", &samples::full_failure(Cause::Transient));
    noun_stays("failure-shortage", &samples::shortage());
    noun_stays("failure-doubted", &samples::doubted());
}

#[test]
fn records_stay_as_they_are() {
    noun_stays("record-minimal", &samples::minimal_record());
    for status in [Status::Succeeded, Status::Failed, Status::Cancelled] {
        noun_stays(&format!("record-{}", status.as_str()), &samples::full_record(status));
    }
}

#[test]
fn every_golden_file_is_read_by_some_test() {
    let mut names: Vec<_> = fs::read_dir(path("x").parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let expected = [
        "failure-doubted",
        "failure-full",
        "failure-minimal",
        "failure-shortage",
        "outcome-cancelled",
        "outcome-failed",
        "outcome-succeeded",
        "record-cancelled",
        "record-failed",
        "record-minimal",
        "record-succeeded",
        "session",
        "task-all-exit-codes",
        "task-full",
        "task-minimal",
        "task-retries-elsewhere",
        "task-semaphores",
    ];
    assert_eq!(names, expected.map(|name| format!("{name}.msgpack")));
}
