//! The semaphores of this machine, as operations get them.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use otaman::Permit;
use otaman::driver::{Semaphores, waits_for_itself};
use protocol::{SemaphoreName, SemaphoreWidths, Task, Width};
use tokio::task::AbortHandle;

use super::attend::{Gates, attend};
use super::directory::Directory;
use super::error::Error;
use super::gate::{Entered, Gate, Hold};
use super::report::Figures;

/// Pause while somebody is at a queue, which takes microseconds.
const BETWEEN_TRIES: Duration = Duration::from_millis(1);
/// How long somebody may be at a queue before a worker does not start.
const PATIENCE: Duration = Duration::from_secs(10);

/// The semaphores of this machine, shared by all processes of the user. Files are opened when they are
/// needed first.
#[derive(Debug)]
pub(crate) struct MachineSemaphores {
    widths: SemaphoreWidths,
    given: Option<PathBuf>,
    directory: OnceLock<Directory>,
    gates: Arc<Gates>,
    attending: OnceLock<Attending>,
    started: Instant,
}

/// Hears for which semaphore somebody waits.
pub(crate) type Tell<'a> = dyn Fn(Option<&SemaphoreName>) + Sync + 'a;

/// Ends with the semaphores.
#[derive(Debug)]
struct Attending(AbortHandle);

impl Drop for Attending {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl MachineSemaphores {
    /// Semaphores of these widths, in this directory or the user's own.
    pub(crate) fn new(widths: SemaphoreWidths, directory: Option<PathBuf>) -> Self {
        Self {
            widths,
            given: directory,
            directory: OnceLock::new(),
            gates: Arc::default(),
            attending: OnceLock::new(),
            started: Instant::now(),
        }
    }

    /// Agrees with the machine's other processes on the widths that were given.
    ///
    /// # Errors
    /// If they have others, or the files cannot be used.
    pub(crate) async fn agree(&self) -> Result<(), Error> {
        if self.given.is_some() {
            // Better seen now than by a task that needs it.
            self.directory()?;
        }
        for (name, _) in self.widths.given() {
            let opened = tokio::time::timeout(PATIENCE, self.gate(name)).await;
            opened.unwrap_or_else(|_| Err(self.busy(name)))?;
        }
        Ok(())
    }

    /// Those that were given a width.
    pub(crate) fn given(&self) -> Vec<SemaphoreName> {
        self.widths.given().map(|(name, _)| name.clone()).collect()
    }

    /// Why the task's semaphores cannot be had here, if one of them is not known.
    pub(crate) fn lack(&self, task: &Task) -> Option<Error> {
        task.semaphores.iter().find(|name| self.widths.get(name).is_none()).map(|name| self.unknown(name))
    }

    /// Waits for a place in each of the task's semaphores, in the order of their names, so that no two
    /// attempts wait for each other. `tell` hears for which one it waits, and when for none any more.
    pub(crate) async fn of_task(&self, task: &Task, tell: &Tell<'_>) -> Result<Vec<Permit>, otaman::Error> {
        let mut names: Vec<&SemaphoreName> = task.semaphores.iter().collect();
        names.sort_unstable();
        names.dedup();
        let mut permits = Vec::with_capacity(names.len());
        for name in names {
            permits.push(self.take(name, 0, tell).await?);
        }
        Ok(permits)
    }

    /// How those were used that are open.
    pub(crate) fn figures(&self) -> Vec<Figures> {
        self.gates.all().iter().map(|gate| gate.figures()).collect()
    }

    async fn take(&self, name: &SemaphoreName, held: u32, tell: &Tell<'_>) -> Result<Permit, otaman::Error> {
        let began = Instant::now();
        let gate = self.gate(name).await.map_err(Error::into_failure)?;
        let width = gate.width();
        if held >= width {
            return Err(waits_for_itself(name, width));
        }
        let hold = self.hold(name, &gate, began, tell).await.map_err(Error::into_failure)?;
        Ok(Permit::new(name.clone(), hold))
    }

    async fn hold(
        &self,
        name: &SemaphoreName,
        gate: &Arc<Gate>,
        began: Instant,
        tell: &Tell<'_>,
    ) -> Result<Hold, Error> {
        loop {
            match gate.enter(began)? {
                Entered::Admitted(hold) => return Ok(hold),
                Entered::Waits(waiting) => {
                    tracing::debug!(semaphore = %name, "waits for a place");
                    self.attend();
                    tell(Some(name));
                    let hold = waiting.admitted().await;
                    tell(None);
                    tracing::debug!(semaphore = %name, waited = ?began.elapsed(), "has a place");
                    return Ok(hold);
                }
                Entered::Busy => tokio::time::sleep(BETWEEN_TRIES).await,
            }
        }
    }

    async fn gate(&self, name: &SemaphoreName) -> Result<Arc<Gate>, Error> {
        if let Some(gate) = self.gates.get(name) {
            return Ok(gate);
        }
        let width = self.widths.get(name).ok_or_else(|| self.unknown(name))?;
        loop {
            if let Some(gate) = self.open(name, width)? {
                return Ok(self.gates.add(name, gate));
            }
            tokio::time::sleep(BETWEEN_TRIES).await;
        }
    }

    fn unknown(&self, name: &SemaphoreName) -> Error {
        Error::Unknown { name: name.clone(), known: self.widths.known() }
    }

    fn open(&self, name: &SemaphoreName, width: Width) -> Result<Option<Gate>, Error> {
        Gate::open(name, width, self.directory()?.of(name), self.started, &self.gates.stirred)
    }

    fn directory(&self) -> Result<&Directory, Error> {
        if let Some(directory) = self.directory.get() {
            return Ok(directory);
        }
        let opened = Directory::open(self.given.as_deref())?;
        Ok(self.directory.get_or_init(|| opened))
    }

    fn busy(&self, name: &SemaphoreName) -> Error {
        let queue = self.directory.get().map(|directory| directory.of(name).join("queue"));
        Error::Busy { name: name.clone(), queue: queue.unwrap_or_default() }
    }

    /// Has somebody attend to those who wait.
    fn attend(&self) {
        self.attending
            .get_or_init(|| Attending(tokio::spawn(attend(Arc::clone(&self.gates))).abort_handle()));
        self.gates.stirred.notify_one();
    }
}

impl Semaphores for MachineSemaphores {
    fn acquire<'a>(
        &'a self,
        name: &'a SemaphoreName,
        held: u32,
    ) -> BoxFuture<'a, Result<Permit, otaman::Error>> {
        async move { self.take(name, held, &|_| ()).await }.boxed()
    }
}
