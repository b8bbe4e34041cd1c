//! What is known of an execution and of the installation, gathered before anything is concluded.

use std::collections::BTreeSet;
use std::sync::Arc;

use backends::distributed::Worker;
use backends::lease::{Flags, Record};
use backends::store::{Entry, View};
use protocol::{SessionId, Task, TaskId, WorkerType};

use crate::commands::queues;
use crate::commands::standing;

/// What is known of an execution and of the installation.
pub(super) struct Facts {
    pub(super) view: View,
    pub(super) flags: Flags,
    pub(super) workers: Vec<Worker>,
    pub(super) queues: Vec<queues::Shown>,
    /// Worker types that what is explained needs; none if nothing of it can run now.
    pub(super) types: BTreeSet<WorkerType>,
    /// What keeps the broker from being used, if anything.
    pub(super) trouble: Option<String>,
    /// Commands that help, as this user would call them.
    pub(super) commands: Commands,
}

/// Commands that help.
pub(super) struct Commands {
    pub(super) take_up: String,
    pub(super) unpause: String,
    pub(super) replay: String,
    pub(super) show: String,
    pub(super) list_dead: String,
}

/// What is known of one task.
pub(super) struct TaskFacts {
    pub(super) id: TaskId,
    /// `None` if no worker has had it, and two minutes after it has ended.
    pub(super) lease: Option<Record>,
    /// If it is dead.
    pub(super) dead: Option<Entry>,
    /// If a walk through the spec has met it.
    pub(super) task: Option<Arc<Task>>,
    /// Now, in milliseconds since 1970, by the clock that leases go by.
    pub(super) now_ms: u64,
}

impl Facts {
    /// The word for where the execution is.
    pub(super) fn status(&self) -> &'static str {
        standing::status(&self.view, self.flags)
    }

    /// Live workers that take tasks of this type.
    pub(super) fn takers<'a>(&'a self, kind: &'a WorkerType) -> impl Iterator<Item = &'a Worker> {
        self.workers.iter().filter(move |worker| worker.takes(kind))
    }

    /// Tasks that wait in the queue of this type, if there is one.
    pub(super) fn ready(&self, kind: &WorkerType) -> Option<u32> {
        let end = format!(".tasks.{kind}");
        self.queues.iter().find(|queue| queue.queue.ends_with(&end)).map(|queue| queue.ready)
    }

    /// The live worker with this session.
    pub(super) fn worker(&self, session: SessionId) -> Option<&Worker> {
        self.workers.iter().find(|worker| worker.presence.session.id == session)
    }

    /// What holds up all of the execution's tasks.
    pub(super) fn obstacles(&self) -> Vec<String> {
        let mut obstacles = Vec::new();
        let take_up = &self.commands.take_up;
        match self.status() {
            "paused" => {
                obstacles
                    .push(format!("the execution is paused; it goes on with: {}", self.commands.unpause));
            }
            "cancelling" => {
                obstacles.push("the execution is being cancelled: running tasks finish".to_owned())
            }
            "interrupted" => {
                obstacles.push(format!("no coordinator runs the execution; take it up with: {take_up}"));
                if self.flags.is_paused {
                    obstacles
                        .push(format!("it is paused besides; it goes on with: {}", self.commands.unpause));
                }
            }
            "cancelled" => {
                obstacles.push(format!("the execution is cancelled; take it up again with: {take_up}"))
            }
            "failed" => obstacles.push(format!("the execution has failed; take it up again with: {take_up}")),
            "succeeded" => {
                obstacles.push("the execution has succeeded; nothing of it is left to run".to_owned())
            }
            _ => {}
        }
        obstacles.extend(self.trouble.iter().cloned());
        let is_active = self.view.owner.is_some();
        let strangers = self.workers.iter().filter(|worker| is_active && worker.is_stranger);
        obstacles.extend(strangers.map(|worker| {
            format!(
                "{} has another signing key than this command, or only one of them has one: it puts \
                 tasks aside if the coordinator's key is another, too",
                worker.name()
            )
        }));
        obstacles
    }

    /// What holds up tasks of this type, apart from what holds up all of the execution.
    pub(super) fn obstacle_of(&self, kind: &WorkerType) -> Option<String> {
        let takers: Vec<_> = self.takers(kind).collect();
        if takers.is_empty() {
            return Some(format!(
                "no worker takes tasks of type {kind}; start one with: worker --queue {kind}"
            ));
        }
        let ready = self.ready(kind).filter(|ready| *ready > 0)?;
        let slots: u64 = takers.iter().map(|worker| u64::from(worker.presence.session.concurrency)).sum();
        let workers = crate::display::counted(takers.len() as u64, "worker");
        let (tasks, slots) =
            (crate::display::counted(ready.into(), "task"), crate::display::counted(slots, "slot"));
        Some(format!("{tasks} wait in the queue for {kind}, which {workers} with {slots} take from"))
    }
}

#[cfg(test)]
pub(super) mod testing {
    use protocol::Status;

    use super::*;
    use crate::commands::announced::testing::worker;
    use crate::commands::standing::testing::view;

    /// A running execution that needs `cpu` and `gpu`, with a worker for `cpu`.
    pub(in crate::commands::explain) fn facts() -> Facts {
        Facts {
            view: view(Status::Running, Some("process 1 on here")),
            flags: Flags::default(),
            workers: vec![worker("node-7", 1, &["cpu"])],
            queues: Vec::new(),
            types: ["cpu", "gpu"].map(|name| name.parse().unwrap()).into(),
            trouble: None,
            commands: Commands {
                take_up: "TAKE UP".to_owned(),
                unpause: "UNPAUSE".to_owned(),
                replay: "REPLAY".to_owned(),
                show: "SHOW".to_owned(),
                list_dead: "LIST DEAD".to_owned(),
            },
        }
    }
}
