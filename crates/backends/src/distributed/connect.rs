//! The two servers as one backend.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::{ExecutionId, Session};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::OnceCell;
use tokio::task::JoinSet;

use super::blobs::Blobs;
use super::config::Config;
use super::consumer::RemoteConsumer;
use super::copy::Copies;
use super::delayed;
use super::keep;
use super::producer::RemoteProducer;
use super::queues::{Names, STEPS};
use super::vitals::Means;
use crate::broker::Error as BrokerError;
use crate::lease::Arbiter;
use crate::rabbitmq::{self, Delivery, Queue, Rabbit, Standing};
use crate::redis::{self, Durability, Redis};
use crate::redis_store::RedisStore;

/// How long the acknowledgement of outcomes waits for the store's disk: Redis writes its log once a
/// second, and may be late by another.
const DISK: Duration = Duration::from_secs(2);

/// Why the servers cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// RabbitMQ cannot.
    #[error("cannot use the broker")]
    Broker(#[from] rabbitmq::Error),
    /// Redis cannot.
    #[error("cannot use the store")]
    Store(#[from] redis::Error),
    /// Leases cannot be kept.
    #[error("cannot keep leases in the store")]
    Lease(#[from] crate::lease::Error),
    /// Large values cannot be reached.
    #[error(transparent)]
    Blobs(#[from] super::blobs::Error),
    /// Each would put aside what is signed for the other.
    #[error(
        "{who} takes tasks from the same queues and has another signing key, or only one of the two has one; give \
         the same OTAMAN_SIGNING_KEY to all programs, stop the other worker, or use another --prefix"
    )]
    OtherKey {
        /// The other worker.
        who: String,
    },
    /// The process can have no more threads.
    #[error("cannot start a thread for the broker's connections")]
    Thread(#[source] std::io::Error),
}

/// What the parts of the backend share.
pub(super) struct Shared {
    pub(super) rabbit: Rabbit,
    pub(super) redis: Redis,
    pub(super) arbiter: Arbiter,
    pub(super) copies: Copies,
    pub(super) delayed: [Arc<Queue>; STEPS.len()],
    pub(super) hand_over_after: Duration,
    pub(super) resend_after: Duration,
    /// How long after they were recorded outcomes are acknowledged.
    pub(super) ack_delay: Duration,
    pub(super) prefix: String,
    /// Queues that this process has declared. A std mutex: held to look one up.
    declared: Mutex<HashMap<Arc<str>, Arc<OnceCell<()>>>>,
    offset_ms: std::sync::atomic::AtomicI64,
}

/// RabbitMQ and Redis as one backend. Everything it does runs on threads of its own, so that tasks
/// cannot hold it up.
pub struct Distributed {
    shared: Arc<Shared>,
    store: RedisStore,
    draining: Mutex<JoinSet<()>>,
    threads: Threads,
}

/// Threads that end with this, also in async code, where a runtime must not just be dropped.
struct Threads(Option<Runtime>);

impl Threads {
    fn handle(&self) -> Handle {
        self.0.as_ref().expect("it is taken out only when dropped").handle().clone()
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(threads) = self.0.take() {
            // What still runs need not be waited for.
            threads.shutdown_background();
        }
    }
}

impl Distributed {
    /// Connects to both servers.
    ///
    /// # Errors
    /// If either cannot be reached or used, with the place and the cure.
    pub async fn connect(config: Config) -> Result<Self, Error> {
        crate::tls::install();
        let threads = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("backend")
            .enable_all()
            .build()
            .map_err(Error::Thread)?;
        let threads = Threads(Some(threads));
        let connected = threads.handle().spawn(connect(config)).await;
        let (shared, store) =
            connected.unwrap_or_else(|ended| std::panic::resume_unwind(ended.into_panic()))?;
        Ok(Self { shared: Arc::new(shared), store, draining: Mutex::default(), threads })
    }

    /// Where executions are remembered.
    pub fn store(&self) -> &RedisStore {
        &self.store
    }

    /// What can be asked of the whole installation.
    pub fn control(&self) -> super::control::Control {
        super::control::Control { shared: Arc::clone(&self.shared), store: self.store.clone() }
    }

    /// A worker's side, for a new session; `operations` describes those that it has, for
    /// [`super::control::Control::announced`].
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn consumer(
        &self,
        session: Session,
        operations: Option<Vec<u8>>,
    ) -> Result<Arc<RemoteConsumer>, Error> {
        self.consumer_with(session, operations, Means::default()).await
    }

    /// The same for a worker that tells others what it has.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn consumer_with(
        &self,
        session: Session,
        operations: Option<Vec<u8>>,
        means: Means,
    ) -> Result<Arc<RemoteConsumer>, Error> {
        self.drain_delayed();
        let shared = Arc::clone(&self.shared);
        let started = RemoteConsumer::start(shared, session, operations, means);
        let started = self.handle().spawn(started).await;
        Ok(Arc::new(started.unwrap_or_else(|ended| std::panic::resume_unwind(ended.into_panic()))?))
    }

    /// The coordinator's side, for an execution and the number of the run.
    ///
    /// # Errors
    /// If the broker cannot be used.
    pub async fn producer(
        &self,
        execution: ExecutionId,
        incarnation: u32,
    ) -> Result<Arc<RemoteProducer>, BrokerError> {
        self.drain_delayed();
        let shared = Arc::clone(&self.shared);
        let started = self.handle().spawn(RemoteProducer::start(shared, execution, incarnation)).await;
        Ok(Arc::new(started.unwrap_or_else(|ended| std::panic::resume_unwind(ended.into_panic()))?))
    }

    /// What keeps the servers from being used, if anything.
    pub fn trouble(&self) -> Option<String> {
        self.shared.trouble()
    }

    /// Ends all connections.
    pub async fn close(&self) {
        let rabbit = self.shared.rabbit.clone();
        let _ = self.handle().spawn(async move { rabbit.close().await }).await;
    }

    fn handle(&self) -> Handle {
        self.threads.handle()
    }

    /// Takes part in draining the delayed queues.
    fn drain_delayed(&self) {
        let mut draining = self.draining.lock().unwrap_or_else(PoisonError::into_inner);
        if draining.is_empty() {
            let _entered = self.handle().enter();
            draining.spawn(delayed::drain(Arc::clone(&self.shared)));
            draining.spawn(Arc::clone(&self.shared).keep_time());
        }
    }
}

async fn connect(config: Config) -> Result<(Shared, RedisStore), Error> {
    let store = redis::Config { tls: config.tls.clone(), ..redis::Config::new(config.store.clone()) };
    let broker = rabbitmq::Config {
        tls: config.tls.clone(),
        queue_kind: config.queue_kind,
        waits: config.waits_for_broker,
        ..rabbitmq::Config::new(config.broker.clone(), config.name.clone())
    };
    let (redis, rabbit) =
        tokio::try_join!(async { Redis::connect(store).await.map_err(Error::from) }, async {
            Rabbit::connect(broker).await.map_err(Error::from)
        },)?;
    let ack_delay = match redis.durability() {
        Durability::EverySecond => DISK,
        Durability::Always | Durability::None => Duration::ZERO,
    };
    let names = Names::new(&config.prefix);
    let delayed = names.delayed_queues();
    let blobs = Blobs::new(redis.clone(), &config.prefix, config.shared_directory);
    let shared = Shared {
        arbiter: Arbiter::new(redis.clone(), &config.prefix),
        copies: Copies { names, key: config.signing_key, blobs },
        delayed,
        hand_over_after: config.hand_over_after,
        resend_after: config.resend_after,
        ack_delay,
        prefix: config.prefix.clone(),
        declared: Mutex::default(),
        offset_ms: std::sync::atomic::AtomicI64::new(0),
        rabbit,
        redis: redis.clone(),
    };
    shared.set_clock().await?;
    Ok((shared, RedisStore::new(redis, &config.prefix)))
}

/// What is wrong, for people.
pub(super) fn trouble(standing: &Standing) -> Option<String> {
    match standing {
        Standing::Ready => None,
        Standing::Blocked { reason } => Some(format!("blocked by the broker: {reason}")),
        Standing::Disconnected { error } => Some(format!("no connection to the broker: {error}")),
    }
}

impl Shared {
    pub(super) fn blobs(&self) -> &Blobs {
        &self.copies.blobs
    }

    /// Declares a queue, once: whoever asks meanwhile waits. Who consumes from a quorum queue while
    /// it is being declared loses the whole connection (`noproc` on 3.10).
    pub(super) async fn declare(&self, queue: &Queue) -> Result<(), rabbitmq::Error> {
        let cell = {
            let mut declared = self.declared.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(declared.entry(Arc::clone(&queue.name)).or_default())
        };
        cell.get_or_try_init(|| self.rabbit.declare(queue)).await.copied()
    }

    /// What keeps the servers from being used, if anything.
    pub(super) fn trouble(&self) -> Option<String> {
        trouble(&self.rabbit.standing().borrow())
    }

    pub(super) async fn keep(&self, execution: &ExecutionId, file: &Path) -> Result<String, BrokerError> {
        keep::keep(self, execution, file).await
    }

    /// Puts a message aside that cannot be read; whether that has been done.
    pub(super) async fn bury(&self, delivery: &Delivery, queue: &str, reason: &str) -> bool {
        self.rabbit.publish(vec![self.copies.dead(queue, reason, &delivery.body)]).await.is_ok()
    }

    /// The store's clock, in milliseconds since 1970: machines need not agree on the time.
    pub(super) fn store_now_ms(&self) -> u64 {
        local_ms().saturating_add_signed(self.offset_ms.load(std::sync::atomic::Ordering::Relaxed))
    }

    async fn set_clock(&self) -> Result<(), redis::Error> {
        let (seconds, micros): (u64, u64) = self.redis.run(&::redis::cmd("TIME")).await?;
        let offset = (seconds * 1000 + micros / 1000) as i64 - local_ms() as i64;
        self.offset_ms.store(offset, std::sync::atomic::Ordering::Relaxed);
        Ok(())
    }

    async fn keep_time(self: Arc<Self>) {
        loop {
            tokio::time::sleep(Duration::from_secs(60)).await;
            if let Err(error) = self.set_clock().await {
                tracing::debug!(%error, "cannot read the store's clock");
            }
        }
    }
}

fn local_ms() -> u64 {
    protocol::to_unix_micros(std::time::SystemTime::now()) / 1000
}
