//! Other workers on the same queues, which may have what this one lacks: an operation, time, a machine in order.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backends::distributed::{Control, Worker};
use otaman::Info;
use protocol::{OperationName, Presence, SemaphoreWidths, Session, Task};
use tokio::time::Instant;

/// After how long a task that belongs to others is offered to them again.
pub(crate) const PUT_OFF: Duration = Duration::from_secs(1);

/// For so long who was there is taken to be there.
const REMEMBERED: Duration = Duration::from_secs(1);

/// Other workers on the same queues.
pub(crate) struct Colleagues {
    control: Control,
    session: Session,
    /// Operations about which something was said. A std mutex: held to look one up.
    told: Mutex<HashSet<OperationName>>,
    /// Who was there when that was last asked. A tokio mutex: whoever comes while somebody asks waits for the answer.
    seen: tokio::sync::Mutex<Option<(Instant, Arc<Vec<Seen>>)>>,
}

/// Workers that announce the same operations.
struct Seen {
    infos: Vec<Info>,
    workers: Vec<Worker>,
}

impl Colleagues {
    pub(crate) fn new(control: Control, session: Session) -> Self {
        Self { control, session, told: Mutex::default(), seen: tokio::sync::Mutex::default() }
    }

    /// The machine of this worker.
    pub(crate) fn node(&self) -> &str {
        &self.session.node
    }

    /// Whether another worker that takes from one of our queues has the task's operation.
    pub(crate) async fn have(&self, task: &Task) -> bool {
        // A task is dead if none has it, so that nothing old will do.
        let have = self.include(task, Duration::ZERO, |_| true).await;
        if have && self.is_first(&task.operation) {
            tracing::warn!(
                operation = %task.operation,
                "this worker lacks an operation that others on its queues have, and leaves its tasks to them; \
                 give workers with other operations other queues"
            );
        }
        have
    }

    /// Whether another worker that may run the task has all its semaphores.
    pub(crate) async fn have_semaphores(&self, task: &Task) -> bool {
        let stock = SemaphoreWidths::default();
        let has = |presence: &Presence| {
            task.semaphores.iter().all(|name| stock.get(name).is_some() || presence.semaphores.contains(name))
        };
        // As above.
        self.include(task, Duration::ZERO, has).await
    }

    /// Whether there is a worker on another machine that may run the task.
    pub(crate) async fn are_elsewhere(&self, task: &Task) -> bool {
        self.include(task, REMEMBERED, |presence| presence.session.node != self.session.node).await
    }

    /// Whether another worker that may run the task goes on for so long.
    pub(crate) async fn have_time(&self, task: &Task, wanted: Duration) -> bool {
        self.include(task, REMEMBERED, |presence| presence.drains_in.is_none_or(|left| left >= wanted)).await
    }

    /// Whether another worker may run the task and is what is wanted, as far as was known so long ago.
    async fn include(&self, task: &Task, age: Duration, is_wanted: impl Fn(&Presence) -> bool) -> bool {
        let Some(seen) = self.see(age).await else {
            // Nobody is wronged by asking again.
            return true;
        };
        seen.iter().any(|seen| {
            let has_it = |info: &Info| info.name == task.operation && info.version == task.version;
            let may_run = |other: &Worker| self.takes(other, task) && is_wanted(&other.presence);
            seen.infos.iter().any(has_it) && seen.workers.iter().any(may_run)
        })
    }

    fn takes(&self, other: &Worker, task: &Task) -> bool {
        let theirs = &other.presence.session;
        theirs.id != self.session.id
            && !other.presence.is_draining
            && theirs.worker_types.contains(&task.worker_type)
    }

    /// Who is there, as of so long ago at most; `None` if that cannot be told.
    async fn see(&self, age: Duration) -> Option<Arc<Vec<Seen>>> {
        let mut last = self.seen.lock().await;
        if let Some((moment, seen)) = &*last
            && moment.elapsed() < age
        {
            return Some(Arc::clone(seen));
        }
        let announced = match self.control.announced().await {
            Ok(announced) => announced,
            Err(error) => {
                tracing::warn!(%error, "cannot see what other workers have");
                return None;
            }
        };
        // A description of a later release that cannot be read has nothing.
        let read = |description: &[u8]| serde_json::from_slice(description).unwrap_or_default();
        let seen =
            announced.into_iter().map(|(description, workers)| Seen { infos: read(&description), workers });
        let seen = Arc::new(seen.collect::<Vec<_>>());
        *last = Some((Instant::now(), Arc::clone(&seen)));
        Some(seen)
    }

    fn is_first(&self, operation: &OperationName) -> bool {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(operation.clone())
    }
}
