//! The processes of a worker's slots: as many as isolated tasks run at once, reused.

use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use otaman::driver::Reporter;
use otaman::{Error, Result};
use protocol::{BytesText, Cause, Failure, Value};
use tokio_util::sync::CancellationToken;

use super::child;
use super::groups::Groups;
use super::message::{Assignment, Machine};
use super::process::Isolate;
use super::spawner::Spawner;
use super::tree;

/// The processes of a worker's slots.
#[derive(Debug, Default)]
pub(crate) struct Isolates {
    /// Those without a task. A std mutex: held to take or put one.
    idle: Mutex<Vec<Isolate>>,
    spawner: OnceLock<Spawner>,
    /// `None` where memory is watched instead.
    groups: OnceLock<Option<Groups>>,
    machine: Machine,
}

impl Isolates {
    /// None yet; they know of their machine what is said here.
    pub(crate) fn new(machine: Machine) -> Self {
        Self { machine, ..Self::default() }
    }

    /// Runs an attempt in a process of its own. It is to stop when `cancellation` says so, and is
    /// stopped by signals within `grace` if it does not. Dropped, it is killed.
    pub(crate) async fn run(
        self: Arc<Self>,
        assignment: Assignment,
        reporter: Arc<dyn Reporter>,
        cancellation: CancellationToken,
        grace: Duration,
    ) -> Result<Value> {
        if let Some(limit) = assignment.task.memory_limit
            && self.groups().is_none()
            && !tree::is_told()
        {
            let message = format!(
                "this worker's system does not tell how much memory a process takes, so that a limit of {} cannot be kept; leave @memory_limit out, or use workers on Linux",
                BytesText(limit)
            );
            return Err(Error::permanent(message));
        }
        let mut isolate = match self.take(assignment.task.memory_limit) {
            Some(isolate) => isolate,
            None => self.start().await?,
        };
        let ended = isolate.run(&assignment, &self.machine, &*reporter, &cancellation, grace).await;
        if isolate.is_fit() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(isolate);
        }
        ended
    }

    fn take(&self, limit: Option<u64>) -> Option<Isolate> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let mut isolate = idle.pop()?;
            // It may have died since. One without room is replaced.
            if isolate.is_fit() && isolate.has_room(limit) {
                return Some(isolate);
            }
        }
    }

    async fn start(&self) -> Result<Isolate> {
        let Some((program, arguments)) = child::command() else {
            let message = "this program has no process of its own to offer: its `main` must begin with `worker::main` or `worker::embedded`";
            return Err(Error::permanent(message));
        };
        let started =
            async { Isolate::start(program, &arguments, self.spawner()?, self.groups()).await }.await;
        started.map_err(|error| {
            let failure = Failure::new(Cause::Transient, "cannot start a process for an isolated task");
            Error::from_failure(failure.caused_by(error.to_string()))
        })
    }

    fn groups(&self) -> Option<&Groups> {
        self.groups.get_or_init(Groups::find).as_ref()
    }

    fn spawner(&self) -> io::Result<Spawner> {
        if let Some(spawner) = self.spawner.get() {
            return Ok(spawner.clone());
        }
        let spawner = Spawner::start()?;
        Ok(self.spawner.get_or_init(|| spawner).clone())
    }
}
