//! A server's process: started until ready, killed, frozen, started again with the same command.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::running::{Running, tail};
use crate::wait::until_within;

/// A busy machine may take long to start an Erlang system.
const START: Duration = Duration::from_secs(180);

/// A server that can be killed and started again. All take `&self`, so that one thread may disturb
/// what others use.
#[derive(Debug)]
pub(super) struct Node {
    name: &'static str,
    command: Command,
    logs: PathBuf,
    running: Mutex<Option<Running>>,
}

impl Node {
    /// Not started yet.
    pub(super) fn new(name: &'static str, command: Command, logs: &Path) -> Self {
        Self { name, command, logs: logs.to_owned(), running: Mutex::new(None) }
    }

    /// Starts it and waits until it is ready; nothing if it runs.
    #[track_caller]
    pub(super) fn start(&self, mut is_ready: impl FnMut() -> bool) {
        let mut running = self.running();
        if running.as_mut().is_some_and(|running| !running.has_ended()) {
            return;
        }
        let started = running.insert(Running::start(self.name, &self.command, &self.logs));
        until_within(START, self.name, || {
            if started.has_ended() {
                let log = tail(&self.logs.join("log"));
                panic!("{} ended while it started\n{}{log}", self.name, started.last_words());
            }
            is_ready().then_some(())
        });
    }

    /// Kills it, if it runs.
    pub(super) fn kill(&self) {
        *self.running() = None;
    }

    /// Has it end in an orderly way, if it runs.
    pub(super) fn stop(&self) {
        if let Some(running) = self.running().take() {
            running.terminate();
            running.wait();
        }
    }

    pub(super) fn freeze(&self) {
        self.running().as_ref().expect("only what runs can be frozen").freeze();
    }

    pub(super) fn thaw(&self) {
        self.running().as_ref().expect("only what runs can be thawed").thaw();
    }

    pub(super) fn is_running(&self) -> bool {
        self.running().as_mut().is_some_and(|running| !running.has_ended())
    }

    pub(super) fn pid(&self) -> i32 {
        self.running().as_ref().expect("it runs").pid().as_raw_pid()
    }

    /// A failed start poisons it, which hurts nobody.
    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Node {
    #[expect(clippy::print_stderr, reason = "a failed test shows what its servers said")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprint!("{}", tail(&self.logs.join("log")));
        }
    }
}
