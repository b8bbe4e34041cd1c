//! The journal: makes accepted outcomes durable, many at once, while the engine goes on.

use std::sync::Arc;

use backends::store::{self, Checkpoint, Entry};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Batches that may wait for the medium; more hold up the driver.
const BACKLOG: usize = 256;
/// Most entries that are made durable at once.
const MOST_AT_ONCE: usize = 8_192;

/// A task that owns the order of records. Groups whatever has arrived while the last group was
/// being written ("group commit"), so that a slow disk makes groups larger, not the run slower.
pub(crate) struct Journal {
    entries: mpsc::Sender<Vec<Entry>>,
    recorded: mpsc::UnboundedReceiver<Result<usize, store::Error>>,
    writer: JoinHandle<()>,
}

impl Journal {
    /// Starts the writer.
    pub(crate) fn start(checkpoint: Arc<dyn Checkpoint>) -> Self {
        let (entries, incoming) = mpsc::channel(BACKLOG);
        let (done, recorded) = mpsc::unbounded_channel();
        Self { entries, recorded, writer: tokio::spawn(write(checkpoint, incoming, done)) }
    }

    /// Asks for entries to be recorded, after those asked for before.
    pub(crate) async fn record(&self, entries: Vec<Entry>) {
        // The writer ends early only after it has reported an error, which is heard next.
        let _ = self.entries.send(entries).await;
    }

    /// Waits until more entries are durable; says how many.
    ///
    /// # Errors
    /// If they cannot be recorded; nothing is recorded after that.
    pub(crate) async fn recorded(&mut self) -> Result<usize, store::Error> {
        match self.recorded.recv().await {
            Some(result) => result,
            // Never while there is something to wait for: the sender lives as long as `self`.
            None => std::future::pending().await,
        }
    }

    /// Ends the writer after what it was asked to record.
    pub(crate) async fn close(self) {
        drop(self.entries);
        let _ = self.writer.await;
    }
}

async fn write(
    checkpoint: Arc<dyn Checkpoint>,
    mut incoming: mpsc::Receiver<Vec<Entry>>,
    done: mpsc::UnboundedSender<Result<usize, store::Error>>,
) {
    while let Some(mut group) = incoming.recv().await {
        while group.len() < MOST_AT_ONCE
            && let Ok(more) = incoming.try_recv()
        {
            group.extend(more);
        }
        let count = group.len();
        let result = checkpoint.append(group).await.map(|()| count);
        let has_failed = result.is_err();
        if done.send(result).is_err() || has_failed {
            return;
        }
    }
}
