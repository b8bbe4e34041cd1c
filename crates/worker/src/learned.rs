//! What a worker has learned about how long operations take: from what it ran itself, and from other
//! workers, before it and beside it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use backends::distributed::{Control, Error};
use otaman::Registry;
use protocol::Task;

use crate::durations::Durations;

/// How often workers tell each other.
pub(crate) const TOLD: Duration = Duration::from_secs(5);

/// How long operations take. It holds no more than the registry has operations.
#[derive(Debug)]
pub(crate) struct Learned {
    /// A std mutex: held for an addition, never across an await.
    by_operation: Mutex<HashMap<String, Known>>,
}

/// About one operation.
#[derive(Debug, Default)]
struct Known {
    /// Kept for all workers.
    shared: Durations,
    /// Not kept yet.
    own: Durations,
}

impl Learned {
    pub(crate) fn new(registry: &Registry) -> Self {
        let names = registry.operations().map(|known| format!("{}@{}", known.info.name, known.info.version));
        Self { by_operation: Mutex::new(names.map(|name| (name, Known::default())).collect()) }
    }

    /// An attempt with a value took so long.
    pub(crate) fn add(&self, task: &Task, duration: Duration) {
        if let Some(known) = self.known().get_mut(&name(task)) {
            known.own.add(duration);
        }
    }

    /// How long an attempt takes in all likelihood, its runtime limit at most; `None` if that is not known.
    pub(crate) fn expected(&self, task: &Task) -> Option<Duration> {
        let p95 = self.known().get(&name(task)).and_then(|Known { shared, own }| {
            let mut all = shared.clone();
            all.merge(own);
            all.p95()
        })?;
        Some(task.runtime_limit.map_or(p95, |limit| limit.min(p95)))
    }

    /// Tells other workers what is new, and hears what they have told. Of two who do so at once one may be
    /// unheard, which does no harm.
    ///
    /// # Errors
    /// If the store cannot be reached; nothing is forgotten.
    pub(crate) async fn exchange(&self, control: &Control) -> Result<(), Error> {
        let names: Vec<String> = self.known().keys().cloned().collect();
        let kept = control.learned(&names).await?;
        for (name, kept) in names.iter().zip(kept) {
            let mut shared = kept.and_then(|bytes| protocol::decode_part(&bytes).ok()).unwrap_or_default();
            let told = self.known().get(name).map(|known| known.own.clone()).unwrap_or_default();
            if !told.is_empty() {
                Durations::merge(&mut shared, &told);
                let bytes = protocol::encode_part(&shared).expect("a histogram is small and plain");
                control.keep_learned(name, &bytes).await?;
            }
            if let Some(known) = self.known().get_mut(name) {
                known.hear(shared, &told);
            }
        }
        Ok(())
    }

    /// The same again and again.
    pub(crate) async fn keep_telling(&self, control: &Control) {
        loop {
            if let Err(error) = self.exchange(control).await {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "cannot tell how long operations take"
                );
            }
            tokio::time::sleep(TOLD).await;
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.by_operation.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// What is kept now, of which `told` was ours. What came meanwhile is told the next time.
    fn hear(&mut self, shared: Durations, told: &Durations) {
        self.shared = shared;
        self.own.subtract(told);
    }
}

fn name(task: &Task) -> String {
    format!("{}@{}", task.operation, task.version)
}
