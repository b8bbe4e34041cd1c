//! A process group that does not outlive its owner, and how it is waited for and stopped, with what has left it.

use std::fs;
use std::io;
use std::pin::{Pin, pin};
use std::process::ExitStatus;
use std::time::Duration;

use futures::FutureExt;
use futures::future::FusedFuture;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::process::Child;
use tokio::time::{sleep, timeout};

use crate::context::Context;
use crate::stock::command::marks::Mark;
use crate::stock::command::strays::Strays;

/// How long processes may take to end after SIGTERM before they get SIGKILL.
const GRACE: Duration = Duration::from_secs(5);

/// How long the output is read after the process has ended: something it has left in the background
/// may hold the pipes open for ever.
const LINGER: Duration = Duration::from_secs(1);

/// A child that leads a process group. When this is dropped before the child has ended, the whole
/// group is killed.
pub(super) struct Group {
    child: Child,
    /// `None` once there is nothing left to kill.
    leader: Option<(Pid, Mark)>,
}

/// How a group ended.
pub(super) struct Ended {
    /// Of its leader.
    pub(super) status: ExitStatus,
    /// Whether it had been told to stop.
    pub(super) is_stopped: bool,
}

impl Group {
    /// Takes over a child that was started as the leader of a new group, with this mark.
    pub(super) fn of(child: Child, mark: Mark) -> Self {
        let leader = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(leader) = leader {
            mark.leads(leader);
        }
        Self { child, leader: leader.map(|leader| (leader, mark)) }
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
        self.kill();
        self.child.wait().await
    }

    fn signal(&self, signal: Signal) {
        if let Some((leader, mark)) = &self.leader {
            // Nobody must get it twice: for many programs the second one means to end at once.
            Strays::of([mark]).signal_outside(*leader, signal);
            // An error means that nobody is left to get it, or that they changed their user and
            // are beyond our power.
            let _ = kill_process_group(*leader, signal);
        }
    }

    fn kill(&self) {
        if let Some((leader, mark)) = &self.leader {
            let _ = kill_process_group(*leader, Signal::KILL);
            Strays::of([mark]).kill();
        }
    }

    /// There is nothing left to kill.
    fn forget(&mut self) {
        self.leader = None;
    }

    fn is_empty(&self) -> bool {
        self.leader.as_ref().is_none_or(|(leader, mark)| {
            let is_gone = test_kill_process_group(*leader) == Err(Errno::SRCH) || have_ended(*leader);
            is_gone && Strays::of([mark]).is_empty()
        })
    }
}

/// Whether all processes of a group have ended and only wait for whoever has inherited them to take note of that,
/// which the first process of a container may do late or never.
fn have_ended(leader: Pid) -> bool {
    let Ok(processes) = fs::read_dir("/proc") else { return false };
    let stats = processes.filter_map(|process| {
        let directory = process.ok()?;
        directory.file_name().to_str()?.parse::<u32>().ok()?;
        fs::read_to_string(directory.path().join("stat")).ok()
    });
    let mut members = stats.filter_map(|stat| {
        // Number (name) state parent group …; a name may have anything in it.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next()?.to_owned();
        (fields.nth(1)?.parse() == Ok(leader.as_raw_nonzero().get())).then_some(state)
    });
    members.all(|state| matches!(&*state, "Z" | "X"))
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
        self.forget();
    }
}
