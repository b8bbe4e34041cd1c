//! All of a distributed system: the two servers, coordinators, workers.

use std::path::{Path, PathBuf};

use crate::coordinator::Coordinator;
use crate::directory::Directory;
use crate::passwords::assert_hidden;
use crate::proxy::Proxy;
use crate::running::Running;
use crate::servers::{RabbitMq, Redis};
use crate::worker::Worker;

/// Private servers and the programs that use them. Everything that runs ends when it is dropped; then
/// also all that its programs have said is looked through for passwords.
#[derive(Debug)]
pub struct Cluster {
    rabbitmq: RabbitMq,
    redis: Redis,
    coordinator: Coordinator,
    worker: Worker,
    proxies: Option<Proxies>,
    directory: Directory,
}

/// What stands between all programs and the servers.
#[derive(Debug)]
pub struct Proxies {
    /// On the way to RabbitMQ.
    pub rabbitmq: Proxy,
    /// On the way to Redis.
    pub redis: Proxy,
}

impl Cluster {
    /// With servers of its own, as they usually are.
    ///
    /// # Panics
    /// If the servers are not installed or do not start.
    #[track_caller]
    pub fn start() -> Self {
        Self::of(RabbitMq::start(), Redis::start())
    }

    /// With these servers.
    ///
    /// # Panics
    /// If there is no room for temporary files.
    pub fn of(rabbitmq: RabbitMq, redis: Redis) -> Self {
        Self::with(rabbitmq, redis, None)
    }

    /// With these servers, all programs reaching them through proxies.
    ///
    /// # Panics
    /// If there is no room for temporary files.
    pub fn behind_proxies(rabbitmq: RabbitMq, redis: Redis) -> Self {
        let proxies =
            Proxies { rabbitmq: Proxy::start(rabbitmq.address()), redis: Proxy::start(redis.address()) };
        Self::with(rabbitmq, redis, Some(proxies))
    }

    fn with(rabbitmq: RabbitMq, redis: Redis, proxies: Option<Proxies>) -> Self {
        let directory = Directory::new("cluster");
        let logs = directory.subdirectory("logs");
        let urls = Urls::new(&rabbitmq, &redis, proxies.as_ref());
        let coordinator = urls.coordinator(&logs);
        let worker = urls.worker(&logs);
        Self { rabbitmq, redis, coordinator, worker, proxies, directory }
    }

    /// Its broker.
    pub fn rabbitmq(&self) -> &RabbitMq {
        &self.rabbitmq
    }

    /// Its store.
    pub fn redis(&self) -> &Redis {
        &self.redis
    }

    /// What stands before the servers.
    ///
    /// # Panics
    /// If it was made without proxies.
    #[track_caller]
    pub fn proxies(&self) -> &Proxies {
        self.proxies.as_ref().expect("the cluster was made with proxies")
    }

    /// Where its programs find RabbitMQ; also their `AMQP_URL`.
    pub fn amqp_url(&self) -> String {
        self.urls().rabbitmq
    }

    /// Where its programs find Redis; also their `REDIS_URL`.
    pub fn redis_url(&self) -> String {
        self.urls().redis
    }

    /// Its coordinator: one state directory, any number of processes.
    pub fn coordinator(&self) -> &Coordinator {
        &self.coordinator
    }

    /// One more, as on another machine: it has nothing but what the servers have.
    ///
    /// # Panics
    /// If there is no room for temporary files.
    pub fn another_coordinator(&self) -> Coordinator {
        self.urls().coordinator(&self.logs())
    }

    /// The program of its workers.
    pub fn worker(&self) -> &Worker {
        &self.worker
    }

    /// One more, to be given an environment of its own.
    ///
    /// # Panics
    /// If there is no room for temporary files.
    pub fn another_worker(&self) -> Worker {
        self.urls().worker(&self.logs())
    }

    /// Starts so many workers.
    ///
    /// # Panics
    /// If one does not start.
    #[track_caller]
    pub fn start_workers(&self, count: usize, arguments: &[&str]) -> Vec<Running> {
        (0..count).map(|_| self.worker.start(arguments)).collect()
    }

    /// A path for a file of the test's own, as text.
    ///
    /// # Panics
    /// If the temporary directory has no name in Unicode.
    pub fn path(&self, name: &str) -> String {
        let path = self.directory.path().join(name);
        path.to_str().expect("temporary paths are text").to_owned()
    }

    /// The folder with all that coordinators and workers said.
    pub fn logs(&self) -> PathBuf {
        self.directory.path().join("logs")
    }

    /// Holds that no password of the servers is in anything that any process has said.
    ///
    /// # Panics
    /// If one is; the message says where.
    #[track_caller]
    pub fn assert_passwords_hidden(&self) {
        let (logs, rabbitmq, redis) = (self.logs(), self.rabbitmq.logs(), self.redis.logs());
        let folders: [&Path; 3] = [&logs, &rabbitmq, &redis];
        let secrets: Vec<&str> =
            [self.rabbitmq.password()].into_iter().chain(self.redis.password()).collect();
        assert_hidden(&secrets, &folders);
    }

    fn urls(&self) -> Urls {
        Urls::new(&self.rabbitmq, &self.redis, self.proxies.as_ref())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // What a test has found is not to be hidden by this.
        if !std::thread::panicking() {
            self.assert_passwords_hidden();
        }
    }
}

/// Where the programs find the servers.
struct Urls {
    rabbitmq: String,
    redis: String,
}

impl Urls {
    fn new(rabbitmq: &RabbitMq, redis: &Redis, proxies: Option<&Proxies>) -> Self {
        let (rabbitmq, redis) = (rabbitmq.url(), redis.url());
        match proxies {
            None => Self { rabbitmq, redis },
            Some(proxies) => {
                Self { rabbitmq: proxies.rabbitmq.url(&rabbitmq), redis: proxies.redis.url(&redis) }
            }
        }
    }

    fn coordinator(&self, logs: &Path) -> Coordinator {
        Coordinator::new()
            .with_logs(logs)
            .with_env("AMQP_URL", &self.rabbitmq)
            .with_env("REDIS_URL", &self.redis)
    }

    fn worker(&self, logs: &Path) -> Worker {
        Worker::new()
            .with_logs(logs)
            .with_env("AMQP_URL", &self.rabbitmq)
            .with_env("REDIS_URL", &self.redis)
            // All workers of a cluster are on one machine.
            .with_env("OTAMAN_SEMAPHORE_DIR", logs.with_file_name("semaphores"))
    }
}
