//! Interrupts: the first asks the execution to stop, the second stops the process at once.

use anyhow::Context as _;
use protocol::ExecutionId;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::commands::say;
use crate::run::Command;

/// Listens for SIGINT and SIGTERM until dropped or ended.
pub(crate) struct Interrupts(JoinHandle<()>);

impl Interrupts {
    /// Starts to listen. The first signal sends [`Command::Cancel`], the second cancels `stop_now`.
    pub(crate) fn listen(
        id: ExecutionId,
        commands: mpsc::Sender<Command>,
        stop_now: CancellationToken,
    ) -> anyhow::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
        let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
        let listen = async move {
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
            say(&format!(
                "stopping: nothing new is started, running tasks finish; press Ctrl-C again to stop at once\n\
                 go on later with: coordinator execute --resume {id}"
            ));
            // The receiver is gone only when the execution has ended by itself.
            let _ = commands.send(Command::Cancel).await;
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
            stop_now.cancel();
        };
        Ok(Self(tokio::spawn(listen)))
    }

    /// Stops listening.
    pub(crate) fn end(self) {
        self.0.abort();
    }
}
