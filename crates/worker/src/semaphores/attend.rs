//! Attends to all who wait in this process: sees whose turn it is, and sleeps until that may change.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::SemaphoreName;
use tokio::sync::Notify;

use super::gate::Gate;
use super::watch::Watch;

/// How soon it is looked again after a sign: of a process that is killed, a file is told to be closed
/// just before its lock is gone.
const SHORTEST: Duration = Duration::from_millis(1);
/// How long nobody looks where the kernel gives signs; for those that it does not give.
const LONGEST: Duration = Duration::from_millis(100);
/// The same where it gives none.
const LONGEST_UNTOLD: Duration = Duration::from_millis(10);

/// The semaphores that this process has open. A std mutex: it is held to look one up or copy pointers.
#[derive(Debug, Default)]
pub(super) struct Gates {
    open: Mutex<BTreeMap<SemaphoreName, Arc<Gate>>>,
    /// Told when somebody begins to wait, or has left.
    pub(super) stirred: Arc<Notify>,
}

impl Gates {
    pub(super) fn get(&self, name: &SemaphoreName) -> Option<Arc<Gate>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Adds one; the one that was there first counts.
    pub(super) fn add(&self, name: &SemaphoreName, gate: Gate) -> Arc<Gate> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(open.entry(name.clone()).or_insert_with(|| Arc::new(gate)))
    }

    /// All of them, by name.
    pub(super) fn all(&self) -> Vec<Arc<Gate>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

/// Attends to all who wait, until dropped.
pub(super) async fn attend(gates: Arc<Gates>) {
    let mut watch = Watch::new();
    let longest = if watch.hears() { LONGEST } else { LONGEST_UNTOLD };
    let mut pause = SHORTEST;
    let mut is_troubled = false;
    loop {
        let (mut signs, mut trouble) = (Vec::new(), None);
        for gate in gates.all() {
            match gate.advance() {
                Ok(more) => signs.extend(more),
                Err(error) => trouble = Some(error),
            }
        }
        if let Some(error) = trouble.as_ref().filter(|_| !is_troubled) {
            tracing::warn!(
                error = error as &dyn std::error::Error,
                "those who wait for a semaphore wait on; trying again"
            );
        }
        is_troubled = trouble.is_some();
        let nobody_waits = signs.is_empty() && !is_troubled;
        if watch.only(signs) {
            // What has happened before they were watched was not heard.
            continue;
        }
        if nobody_waits {
            gates.stirred.notified().await;
            pause = SHORTEST;
            continue;
        }
        tokio::select! {
            () = gates.stirred.notified() => pause = SHORTEST,
            () = watch.changed() => pause = SHORTEST,
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(longest),
        }
    }
}
