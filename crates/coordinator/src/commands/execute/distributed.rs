//! An execution whose tasks run on workers, over servers.

use std::convert::Infallible;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use backends::distributed::{Control, Distributed, Worker};
use protocol::{ExecutionId, Outcome};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::course::{self, Broker, Commands, Settings};
use super::watched::Watched;
use super::work::Work;
use crate::commands::{Stop, say};
use crate::display::counted;
use crate::run::{Command, Revive};

/// How often is looked for what users wish of the execution.
const LOOK: Duration = Duration::from_secs(1);
/// How many looks pass between two at who works.
const LOOKS_PER_ROLL_CALL: u32 = 3;

/// Runs it to its end, with progress, and prints its result.
pub(super) async fn execute(servers: &Distributed, work: Work, settings: Settings) -> Result<ExitCode, Stop> {
    let (id, incarnation) = (work.record.id.clone(), work.record.incarnation);
    let output = &settings.output;
    course::announce_reuse(&work, output).await?;
    let control = servers.control();
    if !output.quiet {
        let verb = if work.is_resumed { "goes on" } else { "runs" };
        say(&format!("execution {id} {verb} {}", crew(&control.workers().await?)));
    }
    let producer = servers.producer(id.clone(), incarnation).await.context("preparing the broker")?;
    let revive: Revive = {
        let producer = Arc::clone(&producer);
        Box::new(move |ended: Vec<Arc<Outcome>>| {
            let producer = Arc::clone(&producer);
            Box::pin(async move { producer.revive(&ended).await })
        })
    };
    let producer = Arc::new(Watched::new(producer));
    let commands = Commands::new();
    let follower = Follower {
        control: control.clone(),
        id: id.clone(),
        incarnation,
        producer: Arc::clone(&producer),
        commands: commands.sender.clone(),
        quiet: output.quiet,
    };
    let broker = Broker { producer, revive: Some(revive) };
    let ended = course::run(&work, &settings, broker, commands, async { match follower.follow().await {} });
    ended.await?.conclude(&work, output)
}

/// Who is there to run tasks, for people.
fn crew(workers: &[Worker]) -> String {
    let can_take = |worker: &&Worker| !worker.presence.is_draining && !worker.is_stranger;
    let active: Vec<_> = workers.iter().filter(can_take).collect();
    if active.is_empty() {
        return "as soon as there are workers; start some with: worker --queue cpu".to_owned();
    }
    let slots: u64 = active.iter().map(|worker| u64::from(worker.presence.session.concurrency)).sum();
    format!("on {} with {}", counted(active.len() as u64, "worker"), counted(slots, "slot"))
}

/// Follows what users wish of a running execution, and whether there is somebody for its tasks.
struct Follower {
    control: Control,
    id: ExecutionId,
    incarnation: u32,
    producer: Arc<Watched>,
    commands: mpsc::Sender<Command>,
    quiet: bool,
}

impl Follower {
    async fn follow(self) -> Infallible {
        let (mut is_paused, mut is_cancelled) = (false, false);
        let mut tick = tokio::time::interval(LOOK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for look in 0_u32.. {
            tick.tick().await;
            match self.control.flags(&self.id).await {
                Ok(flags) => {
                    if flags.is_paused != is_paused {
                        is_paused = flags.is_paused;
                        self.tell(if is_paused { Command::Pause } else { Command::Unpause }).await;
                    }
                    if !is_cancelled && flags.ended.is_some_and(|ended| ended >= self.incarnation) {
                        is_cancelled = true;
                        self.tell(Command::Cancel).await;
                    }
                }
                Err(error) => tracing::debug!(%error, "cannot see what users wish of the execution"),
            }
            if look % LOOKS_PER_ROLL_CALL == 1 {
                self.call_the_roll().await;
            }
        }
        std::future::pending().await
    }

    async fn tell(&self, command: Command) {
        // The driver is gone only when the execution has ended, which sets the same flag as a cancellation.
        if self.commands.send(command).await.is_err() || self.quiet {
            return;
        }
        let id = &self.id;
        match command {
            Command::Pause => say(&format!(
                "execution {id} is paused: no more tasks are started; `coordinator resume {id}` lets it go on"
            )),
            Command::Unpause => say(&format!("execution {id} goes on")),
            Command::Cancel => {
                say(&format!("execution {id} is cancelled: nothing new is started, running tasks finish"));
            }
        }
    }

    async fn call_the_roll(&self) {
        match self.control.workers().await {
            Ok(workers) => {
                for text in self.producer.call_the_roll(&workers) {
                    if !self.quiet {
                        say(&text);
                    }
                }
            }
            Err(error) => tracing::debug!(%error, "cannot see which workers are alive"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::announced::testing::worker;

    #[test]
    fn those_who_leave_do_not_count() {
        let mut workers = vec![worker("one", 1, &["cpu"]), worker("one", 2, &["gpu"])];
        assert_eq!(crew(&workers), "on 2 workers with 4 slots");
        workers.iter_mut().for_each(|worker| worker.presence.is_draining = true);
        assert!(crew(&workers).contains("worker --queue cpu"));
    }
}
