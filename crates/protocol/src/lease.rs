//! Sessions and leases: who may run what until when.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::{SessionId, TaskId};
use crate::names::WorkerType;
use crate::text::micros;

/// One worker process's life, as it announces itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its identity; never used twice.
    pub id: SessionId,
    /// The machine.
    pub node: String,
    /// Process id on that machine.
    pub pid: u32,
    /// The queues it takes tasks from.
    pub worker_types: Vec<WorkerType>,
    /// How many tasks it runs at once.
    pub concurrency: u32,
    /// How long it lives after its last heartbeat.
    #[serde(with = "micros", rename = "lease_us")]
    pub lease: Duration,
}

/// Fencing token: proof of the right to end one attempt. Compared for equality only, since a store
/// that lost writes may give the same attempt number twice, but never to the same session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Token {
    /// 1-based number of the attempt.
    pub attempt: u32,
    /// The session that holds it.
    pub session: SessionId,
}

/// The right of a session to run one attempt of one task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Lease {
    /// The task.
    pub task: TaskId,
    /// The proof.
    pub token: Token,
}
