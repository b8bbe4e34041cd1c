//! A process group that does not outlive its owner, and how it is waited for and stopped.

use std::collections::BTreeSet;
use std::io;
use std::pin::{Pin, pin};
use std::process::ExitStatus;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::FusedFuture;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::process::Child;
use tokio::time::{sleep, timeout};

use crate::context::Context;

/// How long processes may take to end after SIGTERM before they get SIGKILL.
const GRACE: Duration = Duration::from_secs(5);

/// How long the output is read after the process has ended: something it has left in the background
/// may hold the pipes open for ever.
const LINGER: Duration = Duration::from_secs(1);

/// The leaders of all groups of this process. A std mutex: held to put one there or take it out.
static LEADERS: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// Kills whatever commands have started that run now: for a process that ends without ending its
/// operations.
pub fn kill_all() {
    let leaders = std::mem::take(&mut *LEADERS.lock().unwrap_or_else(PoisonError::into_inner));
    for leader in leaders.into_iter().filter_map(Pid::from_raw) {
        // An error means that nobody is left.
        let _ = kill_process_group(leader, Signal::KILL);
    }
}

/// A child that leads a process group. When this is dropped before the child has ended, the whole
/// group is killed.
pub(super) struct Group {
    child: Child,
    /// `None` once there is nothing left to kill.
    leader: Option<Pid>,
}

/// How a group ended.
pub(super) struct Ended {
    /// Of its leader.
    pub(super) status: ExitStatus,
    /// Whether it had been told to stop.
    pub(super) is_stopped: bool,
}

impl Group {
    /// Takes over a child that was started as the leader of a new group.
    pub(super) fn of(child: Child) -> Self {
        let leader = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(leader) = leader {
            let mut leaders = LEADERS.lock().unwrap_or_else(PoisonError::into_inner);
            leaders.insert(leader.as_raw_nonzero().get());
        }
        Self { child, leader }
    }

    /// The child.
    pub(super) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Waits until the leader has ended while its output is read; stops the whole group if the
    /// attempt is cancelled.
    pub(super) async fn ended(
        mut self,
        reading: impl Future<Output = io::Result<()>>,
        context: &Context,
    ) -> io::Result<Ended> {
        let mut reading = pin!(reading.fuse());
        let (status, is_stopped) = tokio::select! {
            biased;
            status = self.exit(reading.as_mut()) => (status?, false),
            () = context.cancelled() => (self.stop(reading.as_mut()).await?, true),
        };
        if !reading.is_terminated() {
            match timeout(LINGER, reading).await {
                Ok(result) => result?,
                Err(_) => context
                    .log("something left in the background still holds the output open; not waiting for it"),
            }
        }
        self.forget();
        Ok(Ended { status, is_stopped })
    }

    async fn exit(
        &mut self,
        mut reading: Pin<&mut impl FusedFuture<Output = io::Result<()>>>,
    ) -> io::Result<ExitStatus> {
        loop {
            tokio::select! {
                biased;
                result = reading.as_mut(), if !reading.is_terminated() => result?,
                status = self.child.wait() => return status,
            }
        }
    }

    /// SIGTERM to all; SIGKILL to those who do not heed it.
    async fn stop(
        &mut self,
        reading: Pin<&mut impl FusedFuture<Output = io::Result<()>>>,
    ) -> io::Result<ExitStatus> {
        self.signal(Signal::TERM);
        let graceful = async {
            let status = self.exit(reading).await;
            while !self.is_empty() {
                sleep(Duration::from_millis(20)).await;
            }
            status
        };
        if let Ok(status) = timeout(GRACE, graceful).await {
            return status;
        }
        self.signal(Signal::KILL);
        self.child.wait().await
    }

    fn signal(&self, signal: Signal) {
        if let Some(leader) = self.leader {
            // An error means that nobody is left to get it, or that they changed their user and
            // are beyond our power.
            let _ = kill_process_group(leader, signal);
        }
    }

    /// There is nothing left to kill.
    fn forget(&mut self) {
        if let Some(leader) = self.leader.take() {
            let mut leaders = LEADERS.lock().unwrap_or_else(PoisonError::into_inner);
            leaders.remove(&leader.as_raw_nonzero().get());
        }
    }

    fn is_empty(&self) -> bool {
        self.leader.is_none_or(|leader| test_kill_process_group(leader) == Err(Errno::SRCH))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        self.forget();
    }
}
