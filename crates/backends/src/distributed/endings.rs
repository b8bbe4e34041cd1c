//! What has become of tasks, as anybody can see for some minutes after they have ended.

use protocol::{Ending, ExecutionId, Outcome, TaskId};

use super::connect::Error;
use super::control::Control;
use crate::lease::State;

/// What has become of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upshot {
    /// It has no outcome yet.
    Open,
    /// It has a value.
    Succeeded,
    /// It has failed for good.
    Failed,
    /// Nothing is known of it any more, or nobody wants it.
    Gone,
}

impl Control {
    /// What has become of tasks of an execution, in the order asked.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn endings(&self, execution: &ExecutionId, tasks: &[TaskId]) -> Result<Vec<Upshot>, Error> {
        let mut endings = Vec::with_capacity(tasks.len());
        for record in self.leases(execution, tasks).await? {
            endings.push(match record.map(|record| record.state) {
                None | Some(State::Withdrawn { .. }) => Upshot::Gone,
                Some(State::Free { .. } | State::Leased { .. }) => Upshot::Open,
                Some(State::Done { outcome }) => self.ending(execution, &outcome).await,
            });
        }
        Ok(endings)
    }

    /// How a task ended of which this is the outcome, or a reference to it.
    async fn ending(&self, execution: &ExecutionId, outcome: &[u8]) -> Upshot {
        let decoded = match self.shared.blobs().get(execution, outcome).await {
            Ok(Some(bytes)) => protocol::decode_part::<Outcome>(&bytes),
            Ok(None) => protocol::decode_part::<Outcome>(outcome),
            Err(error) => {
                tracing::debug!(%error, "cannot see how a task has ended");
                return Upshot::Gone;
            }
        };
        match decoded.map(|outcome| outcome.ending) {
            Ok(Ending::Succeeded(_)) => Upshot::Succeeded,
            Ok(Ending::Failed(_)) => Upshot::Failed,
            Ok(Ending::Cancelled) | Err(_) => Upshot::Gone,
        }
    }
}
