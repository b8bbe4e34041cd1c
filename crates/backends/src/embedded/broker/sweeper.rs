//! The broker's sense of time: queues delayed tasks when they are due, and ticks.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::handle::Broker;
use super::slots::TICK;

/// One task per broker. It holds the broker weakly and is aborted with it.
#[derive(Debug, Default)]
pub(super) struct Sweeper {
    /// Something is due earlier than the sweeper knows, or the broker was closed.
    changed: Arc<Notify>,
    running: Mutex<Option<JoinHandle<()>>>,
}

impl Sweeper {
    /// Starts it, unless it runs. Must be called within a runtime.
    pub(super) fn start(&self, broker: &Arc<Broker>) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        // One that ended did so with its runtime, and the broker is now used from another.
        if running.as_ref().is_none_or(JoinHandle::is_finished) {
            *running = Some(tokio::spawn(sweep(Arc::downgrade(broker), Arc::clone(&self.changed))));
        }
    }

    /// Makes it look again.
    pub(super) fn wake(&self) {
        self.changed.notify_one();
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        let running = self.running.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = running.take() {
            task.abort();
        }
    }
}

async fn sweep(broker: Weak<Broker>, changed: Arc<Notify>) {
    let mut next_tick = Instant::now() + TICK;
    loop {
        let wake_at = {
            let Some(broker) = broker.upgrade() else { return };
            let now = Instant::now();
            if next_tick <= now {
                broker.tick();
                next_tick = now + TICK;
            }
            let (handovers, next_due) = {
                let mut board = broker.board();
                if board.is_closed() {
                    return;
                }
                (board.release_due(now), board.next_due())
            };
            broker.hand_over(handovers);
            next_due.map_or(next_tick, |due| due.min(next_tick))
        };
        tokio::select! {
            () = sleep_until(wake_at) => {}
            () = changed.notified() => {}
        }
    }
}
