//! What can be set about the distributed backend.

use std::path::PathBuf;
use std::time::Duration;

use super::signing::SigningKey;
use crate::rabbitmq::{self, QueueKind};
use crate::redis;
use crate::tls::TlsFiles;

/// What can be set about the distributed backend. Every process of an installation must agree on
/// `prefix`, `queue_kind`, `signing_key` and `shared_directory`.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where RabbitMQ is.
    pub broker: rabbitmq::Address,
    /// Where Redis is.
    pub store: redis::Address,
    /// Certificates for both.
    pub tls: TlsFiles,
    /// Whether queues are replicated (quorum, the default) or on one node (classic).
    pub queue_kind: QueueKind,
    /// What the names of all queues and keys begin with; `otaman` by default.
    pub prefix: String,
    /// With a key, only signed messages are taken.
    pub signing_key: Option<SigningKey>,
    /// A directory that all machines share, for values over 256 KiB and kept files; without one they
    /// lie in Redis.
    pub shared_directory: Option<PathBuf>,
    /// After so long, the delivery of a running task is exchanged for a delayed copy. 45 s by default,
    /// below every time-out for acknowledgements that brokers have.
    pub hand_over_after: Duration,
    /// A task of which nothing has been heard for so long is looked for, and published again if no
    /// copy of it is found. 1 min by default.
    pub resend_after: Duration,
    /// Whether to connect to the broker at once. Who only looks at the store need not wait for it.
    /// Default: true.
    pub waits_for_broker: bool,
    /// How the process calls itself towards the servers, such as "worker on node-7".
    pub name: String,
}

impl Config {
    /// The defaults for these two servers.
    pub fn new(broker: rabbitmq::Address, store: redis::Address) -> Self {
        Self {
            broker,
            store,
            tls: TlsFiles::default(),
            queue_kind: QueueKind::Quorum,
            prefix: "otaman".to_owned(),
            signing_key: None,
            shared_directory: None,
            hand_over_after: Duration::from_secs(45),
            resend_after: Duration::from_secs(60),
            waits_for_broker: true,
            name: "otaman".to_owned(),
        }
    }
}
