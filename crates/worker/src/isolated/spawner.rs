//! A thread that starts processes. The kernel kills a process that has asked for it when the *thread*
//! that started it ends, and threads of a runtime come and go.

use std::io;
use std::process::{Child, Command};
use std::sync::mpsc;

use tokio::sync::oneshot;

use super::groups::Group;

/// What the thread is asked.
enum Job {
    Spawn(Box<Command>, oneshot::Sender<io::Result<Child>>),
    /// Wait for the end of a process that was killed, then remove its group.
    Bury(Child, Option<Group>),
}

/// Starts processes from one thread, which lives as long as this.
#[derive(Debug, Clone)]
pub(super) struct Spawner(mpsc::Sender<Job>);

impl Spawner {
    pub(super) fn start() -> io::Result<Self> {
        let (sender, jobs) = mpsc::channel();
        std::thread::Builder::new().name("spawner".to_owned()).spawn(move || {
            for job in jobs {
                match job {
                    // Whoever asked may not wait any more: then the process hears its socket close.
                    Job::Spawn(mut command, reply) => drop(reply.send(command.spawn())),
                    Job::Bury(mut child, group) => drop((child.wait(), group)),
                }
            }
        })?;
        Ok(Self(sender))
    }

    pub(super) async fn spawn(&self, command: Command) -> io::Result<Child> {
        let (reply, spawned) = oneshot::channel();
        let gone = || io::Error::other("the thread that starts processes has ended");
        self.0.send(Job::Spawn(Box::new(command), reply)).map_err(|_| gone())?;
        spawned.await.map_err(|_| gone())?
    }

    /// Waits for a process that was killed, so that nothing is left of it.
    pub(super) fn bury(&self, child: Child, group: Option<Group>) {
        // Without the thread the worker is ending, and its children with it.
        let _ = self.0.send(Job::Bury(child, group));
    }
}
