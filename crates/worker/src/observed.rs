//! What can be seen of a running worker: its health and its numbers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use backends::distributed::{Control, Counters, Standing, Vitals};
use protocol::WorkerType;

use crate::activity::Activity;
use crate::health::Signs;
use crate::leaving::Leaving;
use crate::metrics::Numbers;
use crate::semaphores::MachineSemaphores;

/// What can be seen of a running worker.
pub(crate) struct Observed {
    pub(crate) node: String,
    pub(crate) queues: Vec<WorkerType>,
    pub(crate) lease: Duration,
    pub(crate) activity: Arc<Activity>,
    pub(crate) semaphores: Arc<MachineSemaphores>,
    pub(crate) leaving: Arc<Leaving>,
    /// Set once the servers are connected.
    pub(crate) control: OnceLock<Control>,
    sessions: AtomicU64,
    /// Those of the latest session. A std mutex: it is held to clone a pointer.
    vitals: Mutex<Option<Arc<Vitals>>>,
}

impl Observed {
    pub(crate) fn new(
        node: String,
        queues: Vec<WorkerType>,
        lease: Duration,
        activity: Arc<Activity>,
        semaphores: Arc<MachineSemaphores>,
        leaving: Arc<Leaving>,
    ) -> Self {
        let (control, sessions, vitals) = Default::default();
        Self { node, queues, lease, activity, semaphores, leaving, control, sessions, vitals }
    }

    /// A session has started.
    pub(crate) fn begin_session(&self, vitals: Arc<Vitals>) {
        self.sessions.fetch_add(1, Ordering::Relaxed);
        *self.vitals() = Some(vitals);
    }

    /// The signs of its health; `None` before the first session.
    pub(crate) fn signs(&self) -> Option<Signs> {
        let vitals = self.vitals().clone()?;
        Some(Signs {
            lease: self.lease,
            since_turn: vitals.since_turn(),
            since_renewal: vitals.since_renewal(),
            is_ended: vitals.standing() == Standing::Ended,
            is_subscribed: vitals.is_subscribed(),
            is_draining: self.leaving.stop.is_cancelled() || vitals.is_draining(),
            trouble: self.control.get().and_then(Control::trouble),
        })
    }

    /// Its numbers at this moment.
    pub(crate) fn numbers(&self) -> Numbers<'_> {
        let signs = self.signs();
        Numbers {
            node: &self.node,
            queues: &self.queues,
            slots: self.activity.slots(),
            running: self.activity.running(),
            waiting: self.activity.waiting(),
            report: self.activity.report(),
            semaphores: self.semaphores.figures(),
            sessions: self.sessions.load(Ordering::Relaxed),
            counters: self.vitals().as_ref().map_or_else(Counters::default, |vitals| vitals.counters()),
            is_ready: signs.as_ref().is_some_and(|signs| signs.hindrance().is_none()),
            since_renewal: signs.as_ref().map(|signs| signs.since_renewal),
            since_turn: signs.as_ref().map(|signs| signs.since_turn),
        }
    }

    fn vitals(&self) -> MutexGuard<'_, Option<Arc<Vitals>>> {
        self.vitals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
