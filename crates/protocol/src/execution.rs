//! Executions: what is remembered of one run of a spec besides its outcomes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::ExecutionId;
use crate::value::Value;

/// Where an execution is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// A coordinator works on it, or one did and was killed.
    Running,
    /// All of it succeeded.
    Succeeded,
    /// Some task or flow failed for good.
    Failed,
    /// A user stopped it; it can be resumed.
    Cancelled,
}

impl Status {
    /// The word for it in messages and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// How many tasks of an execution are known and how they ended. Each task counts once, however
/// often it was yielded or tried.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Tasks that flows have yielded.
    pub expanded: u64,
    /// Tasks that returned a value, in this run or an earlier one.
    pub succeeded: u64,
    /// Dead tasks.
    pub failed: u64,
    /// Tasks taken back before they ran.
    pub cancelled: u64,
    /// Tasks never submitted, because something they depend on failed; not among `expanded`. What a
    /// flow that was never started would have yielded is not known and not counted.
    pub skipped: u64,
    /// Attempts beyond each task's first.
    pub retried: u64,
    /// Those of `succeeded` whose outcome an earlier run had recorded.
    pub reused: u64,
}

/// What is remembered of an execution besides its outcomes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecutionRecord {
    /// Its name.
    pub id: ExecutionId,
    /// Where the spec came from: a path, or `-`.
    pub source: String,
    /// The spec as it was given.
    pub spec: String,
    /// Values given for the spec's variables.
    #[serde(default)]
    pub variables: BTreeMap<String, serde_json::Value>,
    /// Where relative paths of the spec begin; the directory in which it was first started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// Whether work that does not depend on dead tasks goes on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub continues_on_failure: bool,
    /// How often a coordinator has taken it up: 1 for the first run.
    pub incarnation: u32,
    /// Where it is.
    pub status: Status,
    /// When it was first started, microseconds since 1970 (UTC).
    pub created_at_us: u64,
    /// When this record was last written.
    pub updated_at_us: u64,
    /// Time spent running, over all incarnations, in microseconds.
    pub elapsed_us: u64,
    /// Task counts as of this record.
    #[serde(default)]
    pub counts: Counts,
    /// What the spec's flow returned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// Failures of flows, which have no outcome of their own: flow and error.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flow_failures: Vec<String>,
}

impl ExecutionRecord {
    /// The record of an execution that starts now, `now_us` microseconds since 1970 (UTC).
    pub fn new(id: ExecutionId, source: impl Into<String>, spec: impl Into<String>, now_us: u64) -> Self {
        Self {
            id,
            source: source.into(),
            spec: spec.into(),
            variables: BTreeMap::new(),
            directory: None,
            continues_on_failure: false,
            incarnation: 1,
            status: Status::Running,
            created_at_us: now_us,
            updated_at_us: now_us,
            elapsed_us: 0,
            counts: Counts::default(),
            result: None,
            flow_failures: Vec::new(),
        }
    }
}
