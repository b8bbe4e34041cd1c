//! Running one task: attempts until one succeeds or the budget is spent.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures::FutureExt;
use protocol::{
    Cause, Decision, Ending, ExecutionId, Failure, Outcome, RetryPolicy, Spent, Task, Value, to_unix_micros,
};
use tokio_util::sync::CancellationToken;

use crate::context::{Context, ContextParts};
use crate::entry::OperationEntry;
use crate::error::Error;
use crate::inline::reporter::Reports;
use crate::inline::run::Ran;
use crate::inline::semaphores::LocalSemaphores;
use crate::registry::Registry;
use crate::resources::Resources;
use crate::running::panic_text;
use crate::semaphores::Semaphores;

/// What tasks run with.
pub(crate) struct Attempts {
    pub(crate) registry: Arc<Registry>,
    pub(crate) resources: Arc<Resources>,
    pub(crate) execution: ExecutionId,
    pub(crate) files: Option<PathBuf>,
    pub(crate) semaphores: Arc<LocalSemaphores>,
}

impl Attempts {
    /// Runs a task to its end. What may be tried again is tried again at once.
    pub(crate) async fn run(&self, task: Arc<Task>) -> Ran {
        let reports =
            Arc::new(Reports::new(self.files.as_ref().map(|files| files.join(task.id.to_string()))));
        let policy = task.retry.as_deref().cloned().unwrap_or_default();
        let started_at_us = to_unix_micros(SystemTime::now());
        let (attempt, duration, result) = match self.registry.operation(&task.operation, &task.version) {
            Some(operation) => self.until_decided(&operation.entry, &task, &policy, &reports).await,
            None => (0, Duration::ZERO, Err(self.unknown(&task))),
        };
        let told = reports.take();
        let ending = match result {
            Ok(value) => Ending::Succeeded(value),
            Err(error) => Ending::Failed(error.into_failure().with_tail(&told.log.join("\n"))),
        };
        let outcome = Outcome {
            task: task.id,
            ending,
            attempt,
            retries: attempt.saturating_sub(1),
            session: None,
            started_at_us,
            duration,
            failed_attempts: Vec::new(),
        };
        Ran { task, outcome: Arc::new(outcome), log: told.log, progress: told.progress }
    }

    fn unknown(&self, task: &Task) -> Error {
        let Task { operation, version, .. } = task;
        let others = self.registry.operations().filter(|other| other.info.name == *operation);
        let others: Vec<_> = others.map(|other| other.info.version.to_string()).collect();
        let hint = match others.is_empty() {
            true => "add it with Builder::operation".to_owned(),
            false => format!("there is {}", others.join(", ")),
        };
        Error::permanent(format!("this runner's registry has no operation {operation}@{version}; {hint}"))
    }

    /// The number of the last attempt, how long it took, and how it ended.
    async fn until_decided(
        &self,
        operation: &OperationEntry,
        task: &Arc<Task>,
        policy: &RetryPolicy,
        reports: &Arc<Reports>,
    ) -> (u32, Duration, Result<Value, Error>) {
        let mut spent = Spent::default();
        let mut attempt = 1;
        loop {
            let start = Instant::now();
            let result = self.attempt(operation, task, attempt, reports).await;
            let decision = result.as_ref().err().map(|error| {
                spent.charge(error.cause());
                // Elsewhere a preempted task goes to another worker, as often as it takes. Here is none.
                let preempted = error.cause() == Cause::Preempted;
                if preempted { Decision::Dead } else { policy.decide(error.cause(), &spent, 0.0) }
            });
            match decision {
                Some(Decision::Retry { .. }) => attempt += 1,
                Some(Decision::Dead) | None => return (attempt, start.elapsed(), result),
            }
        }
    }

    async fn attempt(
        &self,
        operation: &OperationEntry,
        task: &Arc<Task>,
        attempt: u32,
        reports: &Arc<Reports>,
    ) -> Result<Value, Error> {
        // Nothing else runs that could have them, so all that this can do is fail.
        let mut permits = Vec::with_capacity(task.semaphores.len());
        for name in task.semaphores.iter().collect::<BTreeSet<_>>() {
            permits.push(self.semaphores.acquire(name, 0).await?);
        }
        let cancellation = CancellationToken::new();
        // What still runs after its limit hears that it should stop.
        let _cancelled_at_the_end = cancellation.clone().drop_guard();
        let context = Context::new(ContextParts {
            execution: self.execution.clone(),
            task: Arc::clone(task),
            attempt,
            cancellation,
            resources: Arc::clone(&self.resources),
            reporter: Arc::clone(reports) as _,
            place: Arc::new(()),
            semaphores: Arc::clone(&self.semaphores) as _,
            permits,
        });
        let work = AssertUnwindSafe(operation.run(task.arguments.clone(), context)).catch_unwind();
        let ended = match task.runtime_limit {
            None => work.await,
            Some(limit) => match tokio::time::timeout(limit, work).await {
                Ok(ended) => ended,
                Err(_) => return Err(timed_out(limit)),
            },
        };
        ended.unwrap_or_else(|panic| Err(Error::of_panic(panic_text(&*panic), None)))
    }
}

fn timed_out(limit: Duration) -> Error {
    let message = format!("it took longer than its runtime limit of {}", protocol::DurationText(limit));
    Error::from_failure(Failure::new(Cause::Timeout, message))
}
