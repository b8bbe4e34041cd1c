//! A killed coordinator: what it was told is recorded is there.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use backends::store::{Entry, Store};
use protocol::{Cause, Ending, Failure, OperationName, Outcome, Task, Value};

use crate::files::{open, record};

const STATE: &str = "BACKENDS_TEST_STATE";
const ID: &str = "killed";
/// One of so many tasks is dead.
const DEAD: u32 = 50;
const AT_ONCE: u32 = 100;

fn entry(number: u32) -> Entry {
    let operation = OperationName::new("crash").unwrap();
    let task = Task::new(operation, semver::Version::new(1, 0, 0), Value::encode(&number).unwrap());
    let ending = match number % DEAD {
        0 => Ending::Failed(Failure::new(Cause::Permanent, "no")),
        _ => Ending::Succeeded(Value::encode(&vec![number; 50]).unwrap()),
    };
    let outcome = Outcome { ending, ..Outcome::cancelled(task.id) };
    Entry { task: Arc::new(task), outcome: Arc::new(outcome) }
}

/// Not a test of its own: the process that is killed.
#[test]
#[ignore = "started by the test below"]
fn appends_until_killed() {
    let state = PathBuf::from(std::env::var_os(STATE).expect("it is started by the test below"));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let store = open(&state);
        let id = ID.parse().unwrap();
        let checkpoint = match store.resume(&id).await {
            Ok(checkpoint) => checkpoint,
            Err(_) => store.create(record(ID)).await.unwrap(),
        };
        let mut number = std::env::var("BACKENDS_TEST_FIRST").unwrap().parse::<u32>().unwrap();
        loop {
            checkpoint.append((number..number + AT_ONCE).map(entry).collect()).await.unwrap();
            number += AT_ONCE;
            writeln!(std::io::stdout(), "\nrecorded {number}").unwrap();
        }
    });
}

fn start(state: &Path, first: u32) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::appends_until_killed", "--ignored", "--nocapture"])
        .env(STATE, state)
        .env("BACKENDS_TEST_FIRST", first.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Lets a child record for a while and kills it; up to where it said that all is recorded.
fn record_and_kill(state: &Path, first: u32, lines: usize) -> u32 {
    let mut child = start(state, first);
    let output = BufReader::new(child.stdout.take().unwrap());
    let mut recorded = first;
    let mut seen = 0;
    for line in output.lines() {
        if let Some(number) = line.unwrap().strip_prefix("recorded ") {
            recorded = number.parse().unwrap();
            seen += 1;
            if seen == lines {
                child.kill().unwrap();
            }
        }
    }
    let status = child.wait().unwrap();
    assert!(seen >= lines, "the child ended by itself: {status}");
    recorded
}

#[tokio::test]
async fn appends_that_returned_survive_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let (state, id) = (directory.path(), ID.parse().unwrap());
    let mut recorded = 0;
    for round in 1..=6 {
        recorded = record_and_kill(state, recorded, 3 + round * 4);
        let store = open(state);
        if round % 2 == 0 {
            let view = store.view(&id).await.unwrap();
            assert_eq!(view.owner, None, "the dead hold nothing");
            assert!(view.dead.len() as u32 >= recorded / DEAD);
            assert_eq!(view.record.incarnation, round as u32 * 2 - 1);
        }
        let checkpoint = store.resume(&id).await.unwrap();
        let entries: Vec<_> = (0..recorded).map(entry).collect();
        let ids: Vec<_> = entries.iter().map(|entry| entry.task.id).collect();
        let recalled = checkpoint.recall(&ids).await.unwrap();
        for (entry, recalled) in entries.iter().zip(recalled) {
            assert_eq!(recalled.expect("it was recorded").outcome, entry.outcome);
        }
    }
}

#[tokio::test]
async fn a_running_coordinator_elsewhere_can_be_viewed_and_not_disturbed() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = start(directory.path(), 0);
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(output.any(|line| line.unwrap().starts_with("recorded ")));
    let store = open(directory.path());
    let id = ID.parse().unwrap();
    let owner = format!("process {} on ", child.id());
    let view = store.view(&id).await.unwrap();
    assert!(view.owner.unwrap().starts_with(&owner));
    assert_eq!((view.record, view.dead.len()), (record(ID), 0));
    let refused = store.resume(&id).await.err().unwrap().to_string();
    assert!(refused.contains(&owner), "{refused}");
    assert!(output.any(|line| line.unwrap().starts_with("recorded ")), "it still records");
    child.kill().unwrap();
    child.wait().unwrap();
    let text = store.list().await.unwrap()[0].owner.clone();
    assert_eq!(text, None);
}
