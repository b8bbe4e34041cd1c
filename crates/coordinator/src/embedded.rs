//! Embedded mode: broker, store and worker in the coordinator's own process.
//!
//! The coordinator does not know the worker; whoever links both hands over a function that starts
//! one. This is that function's type.

use std::sync::Arc;

use backends::broker::TaskConsumer;
use futures::future::BoxFuture;
use otaman::Registry;
use protocol::{SemaphoreWidth, Session};
use tokio_util::sync::CancellationToken;

/// Why an embedded worker ended early.
pub type WorkerError = Box<dyn std::error::Error + Send + Sync>;

/// Starts a worker: it takes tasks from the consumer, runs as many at once as the session says, with
/// semaphores of these widths, and ends soon after the token is cancelled.
pub trait StartWorker:
    Fn(
        Arc<Registry>,
        Arc<dyn TaskConsumer>,
        Session,
        Vec<SemaphoreWidth>,
        CancellationToken,
    ) -> BoxFuture<'static, Result<(), WorkerError>>
    + Send
    + Sync
    + 'static
{
}

impl<F> StartWorker for F where
    F: Fn(
            Arc<Registry>,
            Arc<dyn TaskConsumer>,
            Session,
            Vec<SemaphoreWidth>,
            CancellationToken,
        ) -> BoxFuture<'static, Result<(), WorkerError>>
        + Send
        + Sync
        + 'static
{
}
