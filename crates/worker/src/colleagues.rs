//! Other workers on the same queues, which may have operations that this one lacks.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use backends::distributed::{Control, Worker};
use otaman::Info;
use protocol::{OperationName, Session, Task};

/// After how long a task that belongs to others is offered to them again.
pub(crate) const PUT_OFF: Duration = Duration::from_secs(1);

/// Other workers on the same queues.
pub(crate) struct Colleagues {
    control: Control,
    session: Session,
    /// Operations about which something was said. A std mutex: held to look one up.
    told: Mutex<HashSet<OperationName>>,
}

impl Colleagues {
    pub(crate) fn new(control: Control, session: Session) -> Self {
        Self { control, session, told: Mutex::default() }
    }

    /// Whether another worker that takes from one of our queues has the task's operation.
    pub(crate) async fn have(&self, task: &Task) -> bool {
        let announced = match self.control.announced().await {
            Ok(announced) => announced,
            Err(error) => {
                // Nobody is wronged by asking again.
                tracing::warn!(%error, "cannot see what other workers have");
                return true;
            }
        };
        let others =
            announced.iter().filter(|(_, workers)| workers.iter().any(|other| self.shares_with(other)));
        let have = others.into_iter().any(|(description, _)| offers(description, task));
        if have && self.is_first(&task.operation) {
            tracing::warn!(
                operation = %task.operation,
                "this worker lacks an operation that others on its queues have, and leaves its tasks to them; \
                 give workers with other operations other queues"
            );
        }
        have
    }

    fn shares_with(&self, other: &Worker) -> bool {
        let theirs = &other.presence.session;
        theirs.id != self.session.id
            && !other.presence.is_draining
            && theirs.worker_types.iter().any(|kind| self.session.worker_types.contains(kind))
    }

    fn is_first(&self, operation: &OperationName) -> bool {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(operation.clone())
    }
}

/// Whether a description, as [`crate::operations::announcement`] makes it, has the task's operation.
/// One of a later release that cannot be read has nothing.
fn offers(description: &[u8], task: &Task) -> bool {
    let infos: Vec<Info> = serde_json::from_slice(description).unwrap_or_default();
    infos.iter().any(|info| info.name == task.operation && info.version == task.version)
}
