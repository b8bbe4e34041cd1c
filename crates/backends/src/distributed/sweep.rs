//! Looks for tasks in flight of which no copy is left, and publishes them again.
//!
//! What is in the broker is not lost; this is for what somebody has deleted there, and for a queue that
//! was declared so shortly before a crash that RabbitMQ 3.10 makes it anew. A copy too many costs a run
//! too many, so nothing is published while a copy may still wait somewhere.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::{SessionId, Task, TaskId, WorkerType};
use tokio::sync::mpsc;

use super::connect::{Error, Shared};
use super::producer::Core;
use crate::lease::{Record, State};
use crate::rabbitmq::Standing;

/// How often it is looked, and how long a copy must be missed: longer than one may be on its way
/// between its queue and its lease.
const LOOK: Duration = Duration::from_secs(5);
/// So long after the broker has come back, tasks are looked for of which nothing was heard since it went.
const SETTLED: Duration = Duration::from_secs(5);
/// A task that was handed back may wait for so long before it is missed.
const LONGEST_DELAY: Duration = Duration::from_secs(15 * 60);

/// A task without an outcome.
pub(super) struct InFlight {
    pub(super) task: Arc<Task>,
    /// When it was published, or last known to be somewhere.
    pub(super) seen: Instant,
    /// How long after that it is looked for.
    pub(super) patience: Duration,
    /// Whether no copy of it was found when it was last looked for.
    pub(super) is_missed: bool,
}

impl InFlight {
    pub(super) fn new(task: Arc<Task>, patience: Duration) -> Self {
        Self { task, seen: Instant::now(), patience, is_missed: false }
    }

    pub(super) fn is_there(&mut self, now: Instant) {
        self.seen = now;
        self.is_missed = false;
    }

    /// Whether it is to be published again, now that it was looked for: missed twice, that is.
    fn looked_for(&mut self, is_missing: bool, now: Instant) -> bool {
        let is_lost = self.is_missed && is_missing;
        self.is_missed = is_missing && !is_lost;
        if is_lost {
            self.seen = now;
            self.patience *= 2;
        }
        is_lost
    }
}

/// Looks, until dropped.
pub(super) async fn sweep(core: Arc<Core>, to_publish: mpsc::UnboundedSender<Arc<Task>>) {
    let mut standing = core.shared.rabbit.standing();
    let mut gone_since: Option<Instant> = None;
    let mut to_suspect: Option<(Instant, Instant)> = None;
    loop {
        let pause =
            to_suspect.map_or(LOOK, |(due, _)| due.saturating_duration_since(Instant::now()).min(LOOK));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            changed = standing.changed() => if changed.is_err() { return },
        }
        let now = Instant::now();
        match &*standing.borrow_and_update() {
            Standing::Disconnected { .. } => gone_since = gone_since.or(Some(now)),
            Standing::Ready => {
                to_suspect = gone_since.take().map(|since| (now + SETTLED, since)).or(to_suspect)
            }
            Standing::Blocked { .. } => {}
        }
        if gone_since.is_some() {
            continue;
        }
        // While workers cannot report, nothing may be published here either.
        if !core.desk().in_flight.is_empty() {
            tokio::select! {
                () = core.shared.rabbit.provoke() => {}
                _ = standing.changed() => {}
            }
        }
        let suspected = to_suspect.take_if(|(due, _)| *due <= now).map(|(_, since)| since);
        let late = late(&core, now, suspected);
        if late.is_empty() {
            continue;
        }
        let missing = match missing(&core, &late).await {
            Ok(missing) => missing,
            Err(error) => {
                tracing::debug!(%error, "cannot look for tasks now");
                continue;
            }
        };
        let lost = settle(&core, &late, &missing);
        if !lost.is_empty() {
            tracing::info!(execution = %core.execution, tasks = lost.len(), "published again, since no copy was found");
        }
        for task in lost {
            if to_publish.send(task).is_err() {
                return;
            }
        }
    }
}

/// Tasks of which nothing has been heard for long, or not since the broker went away.
fn late(core: &Core, now: Instant, gone_since: Option<Instant>) -> Vec<Arc<Task>> {
    let mut desk = core.desk();
    let is_late = |in_flight: &mut InFlight| {
        if gone_since.is_some_and(|moment| in_flight.seen < moment) {
            in_flight.patience = Duration::ZERO;
        }
        now.duration_since(in_flight.seen) >= in_flight.patience
    };
    let all = desk.in_flight.values_mut();
    all.filter_map(|in_flight| is_late(in_flight).then(|| Arc::clone(&in_flight.task))).collect()
}

/// Notes what was found; the tasks to publish again.
fn settle(core: &Core, late: &[Arc<Task>], missing: &HashMap<TaskId, Found>) -> Vec<Arc<Task>> {
    let now = Instant::now();
    let mut desk = core.desk();
    let mut lost = Vec::new();
    for task in late {
        let Some(in_flight) = desk.in_flight.get_mut(&task.id) else { continue };
        match missing.get(&task.id) {
            Some(Found::Leased) => {
                in_flight.is_there(now);
                in_flight.patience = in_flight.patience.max(core.shared.resend_after);
            }
            Some(Found::Delayed) if now.duration_since(in_flight.seen) < LONGEST_DELAY => {
                in_flight.looked_for(false, now);
            }
            Some(Found::Delayed | Found::Nothing) => {
                if in_flight.looked_for(true, now) {
                    in_flight.patience = in_flight.patience.max(core.shared.resend_after);
                    lost.push(Arc::clone(task));
                }
            }
            None => {
                in_flight.looked_for(false, now);
            }
        }
    }
    lost
}

/// What was found of a task that is not in its queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// A live session has it.
    Leased,
    /// It was handed back, perhaps to be tried again much later.
    Delayed,
    /// Nobody has it.
    Nothing,
}

/// What is found of the tasks whose queues are empty. Of others nothing can be said.
async fn missing(core: &Core, late: &[Arc<Task>]) -> Result<HashMap<TaskId, Found>, Error> {
    let Shared { arbiter, rabbit, copies, .. } = &*core.shared;
    if arbiter.flags(&core.execution).await?.is_paused {
        // All of its copies wait.
        return Ok(HashMap::new());
    }
    let kinds: HashSet<&WorkerType> = late.iter().flat_map(|task| task.worker_types()).collect();
    let mut empty = HashSet::new();
    for kind in kinds {
        if rabbit.count(&copies.names.tasks(kind)).await?.is_none_or(|count| count.ready == 0) {
            empty.insert(kind);
        }
    }
    let is_nowhere = |task: &&Arc<Task>| task.worker_types().all(|kind| empty.contains(kind));
    let ids: Vec<TaskId> = late.iter().filter(is_nowhere).map(|task| task.id).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let records = arbiter.look(&core.execution, &ids).await?;
    let live: HashSet<SessionId> =
        arbiter.sessions().await?.into_iter().map(|member| member.session).collect();
    let found = |record: Option<Record>| match record.map(|record| (record.state, record.session)) {
        Some((State::Leased { .. }, session)) if live.contains(&session) => Found::Leased,
        Some((State::Free { .. }, _)) => Found::Delayed,
        Some((State::Leased { .. } | State::Done { .. } | State::Withdrawn { .. }, _)) | None => {
            Found::Nothing
        }
    };
    Ok(ids.into_iter().zip(records.into_iter().map(found)).collect())
}

#[cfg(test)]
mod tests {
    use protocol::{OperationName, Value};

    use super::*;

    fn in_flight() -> InFlight {
        let name = OperationName::new("anything").unwrap();
        InFlight::new(Arc::new(Task::new(name, "1.0.0".parse().unwrap(), Value::null())), LOOK)
    }

    #[test]
    fn a_task_is_lost_once_it_was_missed_twice_in_a_row() {
        let mut task = in_flight();
        let now = Instant::now();
        let looks = [true, false, true, true, true, true];
        let lost = looks.map(|is_missing| task.looked_for(is_missing, now));
        assert_eq!(lost, [false, false, false, true, false, true]);
        assert_eq!(task.patience, 4 * LOOK);
    }
}
