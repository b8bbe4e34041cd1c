//! The coordinator's side of the broker in memory.

use std::sync::Arc;

use futures::future::BoxFuture;
use protocol::{Task, TaskId};

use super::handle::Broker;
use super::inbox::Inbox;
use super::job::Job;
use crate::broker::{Error, News, Receipt, TaskProducer};

/// Publishes one execution's tasks and hears what becomes of them.
#[derive(Debug)]
pub struct EmbeddedProducer {
    pub(super) broker: Arc<Broker>,
    pub(super) inbox: Arc<Inbox>,
}

impl TaskProducer for EmbeddedProducer {
    fn publish(&self, mut tasks: Vec<Arc<Task>>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            self.broker.sweeper.start(&self.broker);
            // A task that is in hand already has its outcome ahead of it; a second copy could only
            // make two workers run it at once.
            self.inbox.take_in(&mut tasks, |task| task.id);
            let handovers = {
                let mut board = self.broker.board();
                if board.is_closed() {
                    return Err(Error::Closed);
                }
                board.goes_on(&self.inbox.execution);
                board.add(tasks.into_iter().map(|task| Job::new(task, Arc::clone(&self.inbox))))
            };
            self.broker.hand_over(handovers);
            Ok(())
        })
    }

    fn withdraw(&self) -> BoxFuture<'_, Result<Vec<TaskId>, Error>> {
        Box::pin(async move {
            let jobs = self.broker.board().withdraw(&self.inbox.execution);
            let ids: Vec<_> = jobs.iter().map(|job| job.task.id).collect();
            self.inbox.give_back(&ids);
            Ok(ids)
        })
    }

    fn news(&self) -> BoxFuture<'_, Result<News, Error>> {
        Box::pin(self.inbox.news())
    }

    fn acknowledge(&self, receipt: Receipt) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            self.inbox.acknowledge(receipt);
            Ok(())
        })
    }
}
