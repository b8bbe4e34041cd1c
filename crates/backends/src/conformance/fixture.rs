//! What the suite needs of a backend under test.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use protocol::{ExecutionId, Session};

use crate::broker::{TaskConsumer, TaskProducer};
use crate::store::Store;

/// A broker under test.
pub trait BrokerFixture: Send + Sync {
    /// A coordinator's side for an execution; may be asked for again, as by a coordinator that was
    /// restarted.
    fn producer(&self, execution: ExecutionId) -> BoxFuture<'_, Arc<dyn TaskProducer>>;

    /// A worker's side. Every behaviour uses worker types of its own.
    fn consumer(&self, session: Session) -> BoxFuture<'_, Arc<dyn TaskConsumer>>;

    /// Ends a worker as a kill would: nothing it has leased is handed back by itself. The suite has
    /// dropped its own handle and all futures of it.
    fn kill(&self, consumer: Arc<dyn TaskConsumer>) -> BoxFuture<'_, ()>;

    /// A directory in which files for results can be made.
    fn files(&self) -> PathBuf;

    /// How long to wait for something that should happen, such as the end of a dead worker's lease.
    fn patience(&self) -> Duration;
}

/// A store under test.
pub trait StoreFixture: Send + Sync {
    /// A handle of the one store under test, as a process of its own would have it.
    fn open(&self) -> BoxFuture<'_, Arc<dyn Store>>;
}
