//! A lane: one channel that publishes window after window until the broker has confirmed them.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use lapin::Channel;
use lapin::options::ConfirmSelectOptions;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::error::Error;
use super::link::{ANSWER, Link, Live, closing};
use super::outbox::{Job, Outbox, Silence};
use super::queue::Queue;
use super::standing::{Health, Part, Standing};
use super::topology::Topology;
use super::window::{self, Broken, Report};
use crate::reconnect::Reconnect;

/// One of the tasks that empty the outbox.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) link: Link,
    pub(super) topology: Topology,
    pub(super) outbox: Arc<Outbox>,
    pub(super) health: Health,
    /// How long a confirm may take.
    pub(super) patience: Duration,
    pub(super) closing: watch::Receiver<bool>,
}

/// What a window's answer means for the channel.
enum Next {
    /// All confirmed.
    Good,
    /// Some have to be published again, on the same channel.
    Again,
    /// The channel is of no use, after a long wait.
    Silent,
    /// The channel is gone.
    Over,
}

impl Lane {
    /// Publishes until it is closed; a window that is under way then is finished.
    pub(super) async fn run(mut self) {
        let mut reconnect = Reconnect::new();
        let mut is_closing = self.closing.clone();
        loop {
            let live = tokio::select! {
                () = closing(&mut is_closing) => return,
                live = self.link.live() => live,
            };
            let Some(live) = live else { return };
            match timeout(ANSWER, channel(&live)).await {
                Ok(Ok(channel)) => {
                    if self.serve(&channel, &live, &mut reconnect).await.is_none() {
                        // What it published is confirmed: how it ends does not matter.
                        let _ = timeout(ANSWER, channel.close(200, "OK".into())).await;
                        return;
                    }
                }
                Ok(Err(error)) => tracing::debug!(%error, "no channel to publish on"),
                Err(_) => self.link.doubt(&live).await,
            }
            tokio::select! {
                () = closing(&mut is_closing) => return,
                () = sleep(reconnect.next_delay()) => {}
            }
        }
    }

    /// Publishes on a channel for as long as that lasts; `None` once it is closed.
    async fn serve(&mut self, channel: &Channel, live: &Live, reconnect: &mut Reconnect) -> Option<()> {
        let mut is_closing = self.closing.clone();
        let mut link = self.link.clone();
        loop {
            let window = tokio::select! {
                biased;
                () = closing(&mut is_closing) => return None,
                () = link.gone(live) => return Some(()),
                window = self.outbox.take() => window,
            };
            let next = self.publish(channel, live, window.jobs).await;
            if let Some(queue) = window.tries {
                let is_well = matches!(next, Next::Good | Next::Again);
                if self.outbox.tried(&queue, is_well) == Silence::Over {
                    self.health.tell(Part::Silence, Standing::Ready);
                }
            }
            match next {
                Next::Good => reconnect.reset(),
                Next::Again => sleep(reconnect.next_delay()).await,
                Next::Silent => {
                    self.link.doubt(live).await;
                    // It took long enough.
                    reconnect.reset();
                    return Some(());
                }
                Next::Over => return Some(()),
            }
        }
    }

    async fn publish(&self, channel: &Channel, live: &Live, jobs: Vec<Job>) -> Next {
        let Report { is_confirmed, returned, broken } =
            window::publish(channel, &jobs, live, self.patience).await;
        if broken.is_some() && !returned.is_empty() {
            // More may have been returned than was seen, in spite of their confirms.
            self.outbox.put_back(jobs);
            return Next::Over;
        }
        let mut rest = Vec::new();
        let mut without_queue = Vec::new();
        for (job, is_confirmed) in jobs.into_iter().zip(is_confirmed) {
            if returned.contains(&job.message.id) {
                without_queue.push(job);
            } else if is_confirmed {
                job.confirm();
            } else {
                rest.push(job);
            }
        }
        let Some(broken) = broken else {
            if without_queue.is_empty() && rest.is_empty() {
                return Next::Good;
            }
            tracing::debug!(returned = without_queue.len(), refused = rest.len(), "publishing again");
            self.declare_queues_of(without_queue, &mut rest).await;
            self.outbox.put_back(rest);
            return Next::Again;
        };
        match broken {
            Broken::Objected(error) => self.narrow(rest, error),
            Broken::Lost(error) => {
                tracing::debug!(%error, messages = rest.len(), "lost while publishing");
                self.outbox.put_back(rest);
            }
            Broken::Silent => {
                let messages = rest.len();
                let queue = rest.first().map(|job| job.message.queue.name.to_string()).unwrap_or_default();
                self.outbox.set_aside(rest);
                tracing::warn!(messages, queue, waited = ?self.patience, "no confirm from RabbitMQ");
                let error = format!("no confirm for {messages} messages, the first for queue {queue}");
                self.health.tell(Part::Silence, Standing::Disconnected { error });
                return Next::Silent;
            }
        }
        Next::Over
    }

    /// Declares the queues that are missing; what can be published again goes to `again`.
    async fn declare_queues_of(&self, jobs: Vec<Job>, again: &mut Vec<Job>) {
        let mut declared = HashSet::new();
        for job in jobs {
            if declared.insert(Arc::clone(&job.message.queue.name))
                && let Some(error) = self.declare(&job.message.queue).await
            {
                // Others for this queue come back again, and are then refused in their turn.
                job.refuse(error);
            } else {
                again.push(job);
            }
        }
    }

    /// Declares a queue; an error is one that trying again does not mend.
    async fn declare(&self, queue: &Queue) -> Option<Error> {
        let error = self.topology.declare(queue).await.err()?;
        tracing::warn!(queue = &*queue.name, %error, "cannot declare a queue to publish to");
        (!error.is_transient()).then_some(error)
    }

    /// The broker ended the channel for one of these: each is tried alone, and one that was alone is
    /// the one.
    fn narrow(&self, mut jobs: Vec<Job>, error: lapin::Error) {
        if jobs.len() > 1 {
            for job in &mut jobs {
                job.is_alone = true;
            }
            return self.outbox.put_back(jobs);
        }
        for job in jobs {
            let queue = job.message.queue.name.to_string();
            job.refuse(Error::Refused { attempt: "publish to", queue, source: error.clone().into() });
        }
    }
}

async fn channel(live: &Live) -> Result<Channel, lapin::Error> {
    let channel = live.channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok(channel)
}
