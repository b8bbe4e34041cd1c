//! The handle: what a process needs of RabbitMQ, and how it begins and ends.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout_at};

use super::address::Address;
use super::consumer::Owner;
use super::dial::{Dial, Line};
use super::error::Error;
use super::link::{Link, Supervisor};
use super::message::Message;
use super::outbox::Outbox;
use super::probe::probe;
use super::publisher::Lane;
use super::queue::{Count, Queue, QueueKind, check_name};
use super::standing::{Health, Part, Standing};
use super::subscription::{Acks, Generation, Subscription};
use super::topology::Topology;
use crate::in_full;
use crate::reconnect::Reconnect;
use crate::tls::TlsFiles;

/// Windows of messages under way at once, each on a channel of its own.
const LANES: usize = 3;
/// Longest that what is under way may take once it is closed.
const DRAIN: Duration = Duration::from_secs(5);

/// How to come to RabbitMQ, and what to expect of it.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it is and as whom to come.
    pub address: Address,
    /// How queues keep their messages; everyone must declare it alike. Default: quorum.
    pub queue_kind: QueueKind,
    /// What the broker calls our connections, for people who look at it.
    pub connection_name: String,
    /// Certificates for `amqps`.
    pub tls: TlsFiles,
    /// Whether to connect at once; otherwise it is done when the broker is needed. Default: true.
    pub waits: bool,
    /// How long the first connection is tried. Default: 30 s.
    pub connect_timeout: Duration,
    /// How long the broker may be silent about a published message before the connection is given
    /// up. Default: 15 s.
    pub confirm_timeout: Duration,
}

/// RabbitMQ. Cloning is cheap; all clones are one. Without [`close`](Self::close) all that is under
/// way ends when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Rabbit {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    probing: Dial,
    publishing: Link,
    consuming: Link,
    topology: Topology,
    outbox: Arc<Outbox>,
    health: Health,
    /// Tasks that publish and consume, and those that keep the connections. Std mutexes: never held
    /// across an await.
    users: Mutex<Vec<JoinHandle<()>>>,
    supervisors: Mutex<Vec<JoinHandle<()>>>,
    closing_users: watch::Sender<bool>,
    closing_links: watch::Sender<bool>,
    subscriptions: AtomicU64,
}

impl Config {
    /// With the defaults.
    pub fn new(address: Address, connection_name: impl Into<String>) -> Self {
        Self {
            address,
            queue_kind: QueueKind::Quorum,
            connection_name: connection_name.into(),
            tls: TlsFiles::default(),
            waits: true,
            connect_timeout: Duration::from_secs(30),
            confirm_timeout: Duration::from_secs(15),
        }
    }
}

impl Rabbit {
    /// Connects, at once or when it is needed. From then on connections are rebuilt for ever.
    ///
    /// # Errors
    /// If nobody answers in time; at once if the broker refuses.
    pub async fn connect(config: Config) -> Result<Self, Error> {
        let dial = |purpose: &str| Dial {
            address: config.address.clone(),
            tls: config.tls.clone(),
            name: format!("{} {purpose}", config.connection_name),
        };
        // A memory alarm holds up whatever is written to a connection that publishes: consuming has
        // its own, and so have requests about queues.
        let (publishing, consuming) = (dial("publishing"), dial("consuming"));
        let limit = config.connect_timeout;
        // One after the other, so that what is wrong is said once.
        let (first_publishing, first_consuming) = if config.waits {
            let first = first_line(&publishing, limit).await?;
            (Some(first), Some(first_line(&consuming, limit).await?))
        } else {
            (None, None)
        };

        let health = Health::new();
        let (closing_links, is_closing) = watch::channel(false);
        let supervisor =
            |dial, part| Supervisor { dial, part, health: health.clone(), closing: is_closing.clone() };
        let (publishing, one) = supervisor(publishing, Part::Publishing).watch(first_publishing);
        let (consuming, other) = supervisor(consuming, Part::Consuming).watch(first_consuming);
        let topology = Topology { link: consuming.clone(), kind: config.queue_kind };
        let outbox = Arc::new(Outbox::default());
        let (closing_users, is_closing) = watch::channel(false);
        let lane = |_| Lane {
            health: health.clone(),
            link: publishing.clone(),
            topology: topology.clone(),
            outbox: Arc::clone(&outbox),
            patience: config.confirm_timeout,
            closing: is_closing.clone(),
        };
        let users = (0..LANES).map(lane).map(|lane| tokio::spawn(lane.run())).collect();
        let inner = Inner {
            probing: dial("probing"),
            publishing,
            consuming,
            topology,
            outbox,
            health,
            users: Mutex::new(users),
            supervisors: Mutex::new(vec![one, other]),
            closing_users,
            closing_links,
            subscriptions: AtomicU64::new(0),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// How the connections are doing.
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.inner.health.told()
    }

    /// Why the broker takes no messages, such as an alarm of its memory or disk; `None` if it does.
    /// [`standing`](Self::standing) tells it only once something was published.
    ///
    /// # Errors
    /// If the broker cannot be reached, or refuses.
    pub async fn blockage(&self) -> Result<Option<String>, Error> {
        probe(&self.inner.probing).await
    }

    /// Lets the broker say by [`standing`](Self::standing) whether it takes messages: unless something
    /// is published, it does not.
    pub async fn provoke(&self) {
        self.inner.publishing.provoke().await;
    }

    /// Makes sure that a queue is there.
    ///
    /// # Errors
    /// If it is there with other settings, or the broker refuses or does not answer.
    pub async fn declare(&self, queue: &Queue) -> Result<(), Error> {
        self.inner.topology.declare(queue).await
    }

    /// What a queue holds; `None` if there is none.
    ///
    /// # Errors
    /// If the broker refuses or does not answer.
    pub async fn count(&self, name: &str) -> Result<Option<Count>, Error> {
        self.inner.topology.count(name).await
    }

    /// Deletes a queue and all that is in it; one that is missing already is fine.
    ///
    /// # Errors
    /// If the broker refuses or does not answer.
    pub async fn delete(&self, name: &str) -> Result<(), Error> {
        self.inner.topology.delete(name).await
    }

    /// Publishes messages and returns when the broker has confirmed each. What may have been lost is
    /// published again without limit, so that a message may arrive twice, and in another order. A
    /// queue that is missing is declared. When the future is dropped, what is not under way yet is
    /// not published.
    ///
    /// # Errors
    /// If the broker refuses a message, or this was closed; the others may have been published.
    pub async fn publish(&self, messages: Vec<Message>) -> Result<(), Error> {
        for message in &messages {
            check_name(&message.queue.name)?;
            check_name(&message.id)?;
        }
        self.inner.publishing.need();
        self.inner.outbox.add(messages).await.unwrap_or(Err(Error::Closed))
    }

    /// Consumes from a queue, with at most `prefetch` deliveries out (0: none for now). A queue that
    /// is missing is declared. The name is for people who look at the broker.
    pub fn subscribe(&self, queue: Arc<Queue>, name: String, prefetch: u16) -> (Subscription, Acks) {
        self.inner.consuming.need();
        let (commands, commanded) = mpsc::unbounded_channel();
        let (delivering, deliveries) = mpsc::unbounded_channel();
        let current = Generation::default();
        let owner = Owner {
            link: self.inner.consuming.clone(),
            topology: self.inner.topology.clone(),
            health: self.inner.health.clone(),
            part: Part::Subscription(self.inner.subscriptions.fetch_add(1, Ordering::Relaxed)),
            queue,
            name,
            prefetch,
            commands: commanded,
            deliveries: delivering,
            current: current.clone(),
            closing: self.inner.closing_users.subscribe(),
            generation: 0,
            consumers: 0,
        };
        {
            let mut users = self.inner.users.lock().unwrap_or_else(PoisonError::into_inner);
            users.retain(|user| !user.is_finished());
            users.push(tokio::spawn(owner.run()));
        }
        let acks = Acks { commands, current };
        (Subscription { deliveries, acks: acks.clone(), _rabbit: self.clone() }, acks)
    }

    /// Ends everything: windows under way are finished and acknowledgements told, within seconds;
    /// then calls that wait to publish fail, subscriptions end, and the broker has back what is out.
    pub async fn close(&self) {
        let Inner { users, supervisors, closing_users, closing_links, outbox, .. } = &*self.inner;
        closing_users.send_replace(true);
        finish(users).await;
        outbox.close();
        closing_links.send_replace(true);
        finish(supervisors).await;
    }
}

/// Waits for tasks that were told to end, and ends those that do not.
async fn finish(tasks: &Mutex<Vec<JoinHandle<()>>>) {
    let tasks = std::mem::take(&mut *tasks.lock().unwrap_or_else(PoisonError::into_inner));
    let deadline = Instant::now() + DRAIN;
    for mut task in tasks {
        if timeout_at(deadline, &mut task).await.is_err() {
            task.abort();
        }
    }
}

/// Tries until the broker is there: it may be starting as we do.
async fn first_line(dial: &Dial, limit: Duration) -> Result<Line, Error> {
    let begun = Instant::now();
    let mut reconnect = Reconnect::new();
    let mut said = String::new();
    loop {
        let error = match timeout_at(begun + limit, dial.connect()).await {
            Ok(Ok(line)) => return Ok(line),
            Ok(Err(error)) => error,
            Err(_) => Error::Unreachable { address: dial.address.clone(), waited: limit, source: None },
        };
        let delay = reconnect.next_delay();
        if !error.is_transient() || begun.elapsed() + delay >= limit {
            return Err(match error {
                Error::Unreachable { address, source, .. } => {
                    Error::Unreachable { address, waited: whole_seconds(begun.elapsed()), source }
                }
                other => other,
            });
        }
        let text = in_full(&error);
        if text != said {
            tracing::warn!(error = text, "waiting for RabbitMQ");
            said = text;
        }
        sleep(delay).await;
    }
}

/// More exactly nobody wants to know how long was waited.
fn whole_seconds(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs_f64().round() as u64)
}
