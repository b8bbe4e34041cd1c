//! How the connections are doing, for health checks and admission.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

/// How the connections are doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// All is well.
    Ready,
    /// The broker takes no messages for now: an alarm of its memory or disk. Publishing waits.
    Blocked {
        /// What the broker says.
        reason: String,
    },
    /// A connection is gone, or a subscription that should consume does not; it is being mended.
    Disconnected {
        /// What happened.
        error: String,
    },
}

/// Something that can fail by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Publishing,
    Consuming,
    /// Queues that give no confirms.
    Silence,
    Subscription(u64),
}

/// Where each part tells how it does, and where all of it is told as one.
#[derive(Debug, Clone)]
pub(super) struct Health {
    // Std: never held across an await.
    troubles: Arc<Mutex<BTreeMap<Part, Standing>>>,
    told: watch::Sender<Standing>,
}

impl Health {
    pub(super) fn new() -> Self {
        Self { troubles: Arc::default(), told: watch::Sender::new(Standing::Ready) }
    }

    pub(super) fn told(&self) -> watch::Receiver<Standing> {
        self.told.subscribe()
    }

    pub(super) fn tell(&self, part: Part, standing: Standing) {
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        match standing {
            Standing::Ready => troubles.remove(&part),
            Standing::Blocked { .. } | Standing::Disconnected { .. } => troubles.insert(part, standing),
        };
        let worst = troubles
            .values()
            .find(|trouble| matches!(trouble, Standing::Disconnected { .. }))
            .or_else(|| troubles.values().next());
        let worst = worst.cloned().unwrap_or(Standing::Ready);
        self.told.send_if_modified(|told| {
            let is_news = *told != worst;
            *told = worst;
            is_news
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_trouble_is_told() {
        let health = Health::new();
        let told = health.told();
        let disconnected = Standing::Disconnected { error: "gone".to_owned() };
        let blocked = Standing::Blocked { reason: "low on memory".to_owned() };

        health.tell(Part::Publishing, blocked.clone());
        assert_eq!(*told.borrow(), blocked);
        health.tell(Part::Subscription(7), disconnected.clone());
        assert_eq!(*told.borrow(), disconnected);
        health.tell(Part::Subscription(7), Standing::Ready);
        assert_eq!(*told.borrow(), blocked);
        health.tell(Part::Publishing, Standing::Ready);
        assert_eq!(*told.borrow(), Standing::Ready);
    }
}
