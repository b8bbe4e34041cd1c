//! Outcomes: how tasks ended.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::ids::{SessionId, TaskId};
use crate::text::micros;
use crate::value::{self, Value};

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It returned a value.
    Succeeded(#[serde(with = "value::opaque")] Value),
    /// It failed for good.
    Failed(Failure),
    /// It was taken back before it ran.
    Cancelled,
}

/// One failed attempt, as evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// 1-based number.
    pub number: u32,
    /// The worker's session.
    pub session: SessionId,
    /// The machine.
    pub node: String,
    /// When it began, microseconds since 1970 (UTC).
    pub started_at_us: u64,
    /// How long it took.
    #[serde(with = "micros", rename = "duration_us")]
    pub duration: Duration,
    /// Why it failed.
    pub failure: Failure,
}

/// How a task ended: its value or failure, with timings and attempts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The task.
    pub task: TaskId,
    /// How it ended.
    pub ending: Ending,
    /// Number of the attempt that ended it, 1-based; 0 if it never ran. Attempts that were handed
    /// back before they began have numbers, too.
    pub attempt: u32,
    /// How many attempts before it had begun and ended nothing.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retries: u32,
    /// Session of the worker that ran that attempt; absent if it never ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// When that attempt began, microseconds since 1970 (UTC).
    pub started_at_us: u64,
    /// How long that attempt took.
    #[serde(with = "micros", rename = "duration_us")]
    pub duration: Duration,
    /// The failed attempts, oldest first; of many only the last few.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed_attempts: Vec<Attempt>,
}

impl Outcome {
    /// Most failed attempts that travel with an outcome.
    pub const MAX_EVIDENCE: usize = 10;

    /// The outcome of a task that was taken back before it ran.
    pub fn cancelled(task: TaskId) -> Self {
        Self {
            task,
            ending: Ending::Cancelled,
            attempt: 0,
            retries: 0,
            session: None,
            started_at_us: 0,
            duration: Duration::ZERO,
            failed_attempts: Vec::new(),
        }
    }

    /// The value, if it succeeded.
    pub fn value(&self) -> Option<&Value> {
        match &self.ending {
            Ending::Succeeded(value) => Some(value),
            Ending::Failed(_) | Ending::Cancelled => None,
        }
    }

    /// The failure, if it failed.
    pub fn failure(&self) -> Option<&Failure> {
        match &self.ending {
            Ending::Failed(failure) => Some(failure),
            Ending::Succeeded(_) | Ending::Cancelled => None,
        }
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A moment as the wire writes it: microseconds since 1970 (UTC). Earlier moments become 0.
pub fn to_unix_micros(moment: SystemTime) -> u64 {
    moment.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}
