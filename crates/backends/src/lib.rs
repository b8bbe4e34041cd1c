//! What a broker and a store must promise, and every implementation of those promises.
//!
//! The traits speak in the nouns of [`protocol`]; how they become messages, keys and files is each
//! implementation's own affair. This crate must never know what an operation or a flow is.
//!
//! ```
//! use std::sync::Arc;
//!
//! use backends::broker::{Settled, TaskConsumer, TaskProducer};
//! use backends::embedded::EmbeddedBroker;
//! use protocol::{Ending, OperationName, Outcome, Session, SessionId, Task, Value};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
//! # runtime.block_on(async {
//! let broker = EmbeddedBroker::new();
//! let producer = broker.producer("nightly".parse()?);
//! let session = Session {
//!     id: SessionId::from_uuid(uuid::Uuid::new_v4()),
//!     node: "here".into(),
//!     pid: 1,
//!     worker_types: Vec::new(),
//!     concurrency: 1,
//!     lease: std::time::Duration::from_secs(10),
//! };
//! let consumer = broker.consumer(session, std::env::temp_dir());
//!
//! let task = Task::new(OperationName::new("echo")?, "1.0.0".parse()?, Value::null());
//! producer.publish(vec![Arc::new(task)]).await?;
//!
//! let delivery = consumer.lease().await?.expect("the broker is open");
//! let mut outcome = Outcome::cancelled(delivery.task.id);
//! outcome.ending = Ending::Succeeded(delivery.task.arguments.clone());
//! assert_eq!(consumer.complete(delivery.lease, outcome).await?, Settled::Accepted);
//!
//! let news = producer.news().await?;
//! assert_eq!(news.outcomes.len(), 1);
//! producer.acknowledge(news.receipt).await?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod broker;
mod chunks;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod distributed;
pub mod embedded;
mod kept;
pub mod lease;
mod progress;
pub mod rabbitmq;
mod reconnect;
pub mod redis;
pub mod redis_store;
pub mod store;
mod telling;
pub mod tls;

pub use telling::in_full;
