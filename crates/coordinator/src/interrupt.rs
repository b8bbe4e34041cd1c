//! Interrupts: the first asks the execution to stop, the second stops the process at once.

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::run::Command;
use crate::terminal::say;

/// Listens for SIGINT, SIGTERM and SIGHUP until dropped or ended.
pub(crate) struct Interrupts(JoinHandle<()>);

impl Interrupts {
    /// Starts to listen. The first signal sends [`Command::Cancel`], the second cancels `stop_now`.
    pub(crate) fn listen(
        resume_command: String,
        commands: mpsc::Sender<Command>,
        stop_now: CancellationToken,
    ) -> anyhow::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
        let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
        let mut hang_up = signal(SignalKind::hangup()).context("listening for SIGHUP")?;
        let listen = async move {
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {}, _ = hang_up.recv() => {} }
            say(&format!(
                "stopping: nothing new is started, running tasks finish; press Ctrl-C again to stop at once\n\
                 go on later with: {resume_command}"
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
