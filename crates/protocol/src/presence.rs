//! Presence: what a live worker says of itself with each heartbeat.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::{ExecutionId, TaskId};
use crate::lease::Session;
use crate::names::SemaphoreName;
use crate::text::optional_micros;

/// A task that a session has been running for a while.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Running {
    /// The execution it belongs to.
    pub execution: ExecutionId,
    /// The task.
    pub task: TaskId,
    /// Number of the attempt, 1-based.
    pub attempt: u32,
    /// When the attempt began, microseconds since 1970 (UTC) by the worker's clock.
    pub since_us: u64,
    /// What it waits for before it begins, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<SemaphoreWait>,
}

/// A wait for a place in a semaphore.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SemaphoreWait {
    /// The semaphore.
    pub semaphore: SemaphoreName,
    /// Since when, microseconds since 1970 (UTC) by the worker's clock.
    pub since_us: u64,
}

/// What a live worker says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Presence {
    /// Its session.
    pub session: Session,
    /// Release of the worker program.
    pub version: String,
    /// When it started, microseconds since 1970 (UTC) by its own clock.
    pub started_at_us: u64,
    /// Whether it takes no more tasks.
    pub is_draining: bool,
    /// Tasks that it has been running for a while, at most [`Presence::MOST_RUNNING`].
    pub running: Vec<Running>,
    /// Tasks it has ended so far.
    pub ended: u64,
    /// Under which key its operations are announced; absent if it announces none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operations: Option<String>,
    /// Semaphores that it has besides those that every worker has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub semaphores: Vec<SemaphoreName>,
    /// By what others tell whether it has their signing key; absent if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// How long it goes on taking tasks, as of this heartbeat; absent if that has no known end.
    #[serde(
        with = "optional_micros",
        rename = "drains_in_us",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub drains_in: Option<Duration>,
}

impl Presence {
    /// Most running tasks that are named.
    pub const MOST_RUNNING: usize = 256;
}
