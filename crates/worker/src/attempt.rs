//! What an operation reports while an attempt runs.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use backends::broker::{Settled, TaskConsumer};
use futures::FutureExt;
use futures::future::BoxFuture;
use otaman::driver::Reporter;
use protocol::{ExecutionId, Lease, Value};

/// Most lines of log that travel with a failure.
const MAX_LINES: usize = 100;

/// Longest line that is remembered whole.
const MAX_LINE: usize = 4 * 1024;

/// The reports of one attempt.
pub(crate) struct Reports {
    execution: ExecutionId,
    lease: Lease,
    consumer: Arc<dyn TaskConsumer>,
    /// The last lines. Most attempts log nothing, and an empty queue owns no memory. A std mutex: it
    /// is held for a push, never across an await.
    lines: Mutex<VecDeque<String>>,
}

impl Reports {
    pub(crate) fn new(execution: ExecutionId, lease: Lease, consumer: Arc<dyn TaskConsumer>) -> Self {
        Self { execution, lease, consumer, lines: Mutex::default() }
    }

    /// The last lines of the log.
    pub(crate) fn tail(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().flat_map(|line| [line, "\n"]).collect()
    }
}

impl Reporter for Reports {
    fn progress(&self, done: u64, total: u64) {
        tracing::trace!(done, total, "progress");
    }

    fn log(&self, line: &str) {
        tracing::debug!(target: "otaman::log", "{line}");
        let line = shortened(line);
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == MAX_LINES {
            lines.pop_front();
        }
        lines.push_back(line.to_owned());
    }

    fn keep<'a>(&'a self, file: &'a Path) -> BoxFuture<'a, otaman::Result<String>> {
        async move { Ok(self.consumer.keep(&self.execution, file).await?) }.boxed()
    }

    fn holds_lease(&self) -> BoxFuture<'_, otaman::Result<bool>> {
        async move { Ok(self.consumer.holds(&self.execution, self.lease).await?) }.boxed()
    }

    fn save_progress(&self, progress: Value) -> BoxFuture<'_, otaman::Result<()>> {
        async move {
            let bytes = progress.as_bytes().to_vec().into();
            match self.consumer.save_progress(&self.execution, self.lease, bytes).await? {
                Settled::Accepted => Ok(()),
                Settled::Stale => Err(otaman::Error::permanent("the task was given to another worker")),
            }
        }
        .boxed()
    }

    fn saved_progress(&self) -> BoxFuture<'_, otaman::Result<Option<Value>>> {
        async move {
            let saved = self.consumer.saved_progress(&self.execution, self.lease.task).await?;
            Ok(saved.map(|bytes| Value::from_bytes(&bytes)).transpose()?)
        }
        .boxed()
    }
}

/// As much of a line as is remembered.
fn shortened(line: &str) -> &str {
    let mut end = line.len().min(MAX_LINE);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    &line[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_between_characters() {
        assert_eq!(shortened("žluť"), "žluť");
        assert_eq!(shortened(&"€".repeat(MAX_LINE)).len(), MAX_LINE - 1);
    }
}
