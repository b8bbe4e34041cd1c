//! Operations: typed units of work, and the calls that make tasks of them.

use std::future::Future;
use std::time::Duration;

use protocol::{Isolation, OperationName, RetryPolicy, Task, Value};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::context::Context;
use crate::descriptor::Descriptor;
use crate::error::Error;
use crate::running::OnFailure;

/// A unit of work. The implementing type is its arguments; a value of it is a call.
///
/// `#[operation]` on a function writes this; by hand:
///
/// ```
/// use otaman::{Context, Descriptor, Operation, Result};
/// # use schemars::JsonSchema; use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, JsonSchema)]
/// #[serde(deny_unknown_fields)]
/// struct Double { number: i64 }
///
/// impl Operation for Double {
///     type Output = i64;
///     fn descriptor() -> Descriptor { Descriptor::new("double", "1.0.0") }
///     async fn run(self, _: Context) -> Result<i64> { Ok(self.number * 2) }
/// }
/// ```
pub trait Operation: Serialize + DeserializeOwned + JsonSchema + Send + 'static {
    /// What it returns.
    type Output: Serialize + DeserializeOwned + Send + 'static;

    /// What it says about itself.
    fn descriptor() -> Descriptor;

    /// Does the work. It may be tried again, and after a lost connection even run twice at once,
    /// so it must be safe to repeat.
    fn run(self, context: Context) -> impl Future<Output = Result<Self::Output, Error>> + Send;

    /// A call with other than the operation's own settings.
    fn call(self) -> Call<Self> {
        Call {
            operation: self,
            worker_type: None,
            runtime_limit: None,
            retry: None,
            isolation: None,
            memory_limit: None,
            key: None,
            semaphores: None,
            on_failure: OnFailure::Propagate,
        }
    }
}

/// A call of an operation, with settings for this one task.
#[derive(Debug)]
#[must_use = "a call does nothing until a flow yields it"]
pub struct Call<T> {
    operation: T,
    worker_type: Option<String>,
    runtime_limit: Option<Duration>,
    retry: Option<RetryPolicy>,
    isolation: Option<Isolation>,
    memory_limit: Option<u64>,
    key: Option<String>,
    semaphores: Option<Vec<String>>,
    on_failure: OnFailure,
}

impl<T: Operation> Call<T> {
    /// Runs it on workers of this type.
    pub fn worker_type(mut self, worker_type: impl Into<String>) -> Self {
        self.worker_type = Some(worker_type.into());
        self
    }

    /// Limits each attempt's time.
    pub fn runtime_limit(mut self, limit: Duration) -> Self {
        self.runtime_limit = Some(limit);
        self
    }

    /// Tries it again by this policy.
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = Some(retry);
        self
    }

    /// Says what it shares with the worker.
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.isolation = Some(isolation);
        self
    }

    /// Limits each attempt's memory, in bytes, and gives it a process of its own.
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.memory_limit = Some(bytes);
        self
    }

    /// Identifies the task by this key instead of its content.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Holds a place in each of these semaphores while it runs, such as `cuda`, and in no others that its
    /// operation may name. How many places there are on a machine is for its workers to say.
    pub fn semaphores<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.semaphores = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Leaves a failure for the flow to look at: it neither stops the execution nor fails the flow.
    pub fn catch(mut self) -> Self {
        self.on_failure = OnFailure::Catch;
        self
    }
}

/// A call, plain or with settings.
pub trait IntoCall {
    /// The operation.
    type Operation: Operation;
    /// The call.
    fn into_call(self) -> Call<Self::Operation>;
}

impl<T: Operation> IntoCall for T {
    type Operation = T;
    fn into_call(self) -> Call<T> {
        self.call()
    }
}

impl<T: Operation> IntoCall for Call<T> {
    type Operation = T;
    fn into_call(self) -> Self {
        self
    }
}

/// The part of a task that all calls of an operation share, parsed once.
#[derive(Clone)]
pub(crate) struct TaskMold {
    template: Task,
}

impl TaskMold {
    pub(crate) fn of<T: Operation>() -> Result<Self, Error> {
        let descriptor = T::descriptor();
        let place = || format!("operation {}", descriptor.name);
        let name = OperationName::new(descriptor.name)?;
        let version = descriptor.version.parse().map_err(|error| Error::from(error).context(place()))?;
        let mut template = Task::new(name, version, Value::null());
        template.worker_type =
            descriptor.worker_type.parse().map_err(|error| Error::from(error).context(place()))?;
        template.runtime_limit = descriptor.runtime_limit;
        template.retry = descriptor.retry.map(Box::new);
        template.isolation = descriptor.isolation;
        template.memory_limit = descriptor.memory_limit;
        let semaphores: Result<_, _> = descriptor.semaphores.iter().map(|name| name.parse()).collect();
        template.semaphores = semaphores.map_err(|error| Error::from(error).context(place()))?;
        Ok(Self { template })
    }

    pub(crate) fn cast<T: Operation>(&self, call: Call<T>) -> Result<(Task, OnFailure), Error> {
        let arguments = Value::encode(&call.operation)?;
        let template = &self.template;
        let mut task = Task::new(template.operation.clone(), template.version.clone(), arguments);
        task.worker_type = match call.worker_type {
            Some(worker_type) => worker_type.parse()?,
            None => template.worker_type.clone(),
        };
        task.runtime_limit = call.runtime_limit.or(template.runtime_limit);
        task.retry = call.retry.map(Box::new).or_else(|| template.retry.clone());
        task.isolation = call.isolation.unwrap_or(template.isolation);
        task.memory_limit = call.memory_limit.or(template.memory_limit);
        task.semaphores = match &call.semaphores {
            Some(names) => names.iter().map(|name| name.parse()).collect::<Result<_, _>>()?,
            None => template.semaphores.clone(),
        };
        if let Some(key) = call.key {
            task = task.with_key(&key);
        }
        Ok((task, call.on_failure))
    }
}
