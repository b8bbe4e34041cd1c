//! Tasks: calls of operations.

use std::time::Duration;

use semver::Version;
use serde::{Deserialize, Serialize};

use crate::ids::TaskId;
use crate::isolation::Isolation;
use crate::names::{OperationName, SemaphoreName, WorkerType};
use crate::retry::{RetryPolicy, Spent};
use crate::text::optional_micros;
use crate::value::{self, Value};

/// One call of an operation. Its id depends on operation, version and arguments alone (or on an
/// explicit key); everything else says where and how it may run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Identity by content.
    pub id: TaskId,
    /// What to call.
    pub operation: OperationName,
    /// Which version of it.
    pub version: Version,
    /// The arguments, a map by name; opaque until a worker runs the task.
    #[serde(with = "value::opaque")]
    pub arguments: Value,
    /// Which workers may run it.
    pub worker_type: WorkerType,
    /// Longest that one attempt may take.
    #[serde(
        with = "optional_micros",
        rename = "runtime_limit_us",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub runtime_limit: Option<Duration>,
    /// How failed attempts are tried again; the default policy when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Box<RetryPolicy>>,
    /// What it shares with the worker that runs it.
    #[serde(default, skip_serializing_if = "Isolation::is_default")]
    pub isolation: Isolation,
    /// Most memory that one attempt may take, in bytes; it then has a process of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<u64>,
    /// Semaphores of which an attempt holds a place each while it runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub semaphores: Vec<SemaphoreName>,
}

impl Task {
    /// A call with the default worker type, no runtime limit, the default retry policy and no semaphores.
    pub fn new(operation: OperationName, version: Version, arguments: Value) -> Self {
        let id = TaskId::of_call(&operation, &version, &arguments);
        let worker_type = WorkerType::default();
        Self {
            id,
            operation,
            version,
            arguments,
            worker_type,
            runtime_limit: None,
            retry: None,
            isolation: Isolation::None,
            memory_limit: None,
            semaphores: Vec::new(),
        }
    }

    /// The same call for another worker type; its id stays.
    #[must_use]
    pub fn on(mut self, worker_type: WorkerType) -> Self {
        self.worker_type = worker_type;
        self
    }

    /// Which workers are to run it after attempts that ended like this: others than at first if one
    /// ran out of memory and its retry policy says so.
    pub fn worker_type_after(&self, spent: &Spent) -> &WorkerType {
        match self.larger_worker_type() {
            Some(larger) if spent.out_of_memory > 0 => larger,
            Some(_) | None => &self.worker_type,
        }
    }

    /// All workers that may have to run it.
    pub fn worker_types(&self) -> impl Iterator<Item = &WorkerType> {
        [&self.worker_type].into_iter().chain(self.larger_worker_type())
    }

    fn larger_worker_type(&self) -> Option<&WorkerType> {
        Some(&self.retry.as_deref()?.on_out_of_memory.as_ref()?.worker_type)
    }

    /// The same call under an explicit key instead of its content.
    #[must_use]
    pub fn with_key(mut self, key: &str) -> Self {
        self.id = TaskId::of_key(key);
        self
    }
}
