//! What a queue is, and how it is declared.

use std::sync::Arc;
use std::time::Duration;

use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};

use super::error::Error;

/// Kept explicit: unset means 20 on some brokers, which drops tasks of crashing workers, and -1
/// means "none at all" on others.
const DELIVERY_LIMIT: i32 = 1_000_000;

const LONGEST_NAME: usize = 255;

/// A durable queue of the default exchange.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Queue {
    /// Its name, at most 255 bytes.
    pub name: Arc<str>,
    /// Whether only one consumer at a time gets its messages; the others stand by.
    pub is_single_active: bool,
    /// After how long without a consumer the broker deletes it with all that is in it, if ever.
    pub expires: Option<Duration>,
}

impl Queue {
    /// A queue that serves all its consumers.
    pub fn shared(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), is_single_active: false, expires: None }
    }

    /// A queue of which one consumer at a time gets the messages.
    pub fn single_active(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), is_single_active: true, expires: None }
    }
}

/// How queues keep their messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum QueueKind {
    /// Replicated by consensus; the right one for anything that must not be lost.
    #[default]
    Quorum,
    /// On one node; for a single node with very long queues.
    Classic,
}

/// What a queue holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// Messages that no consumer has.
    pub ready: u32,
    /// Consumers; the broker need not count those that stand by.
    pub consumers: u32,
}

pub(super) const DURABLE: QueueDeclareOptions = QueueDeclareOptions {
    passive: false,
    durable: true,
    exclusive: false,
    auto_delete: false,
    nowait: false,
};

/// What a queue is declared with. Everyone must declare it alike.
pub(super) fn arguments(queue: &Queue, kind: QueueKind) -> FieldTable {
    let mut arguments = FieldTable::default();
    let mut set = |name: &str, value| {
        arguments.insert(name.into(), value);
    };
    match kind {
        QueueKind::Quorum => {
            set("x-queue-type", AMQPValue::LongString(LongString::from("quorum")));
            set("x-delivery-limit", AMQPValue::LongInt(DELIVERY_LIMIT));
        }
        QueueKind::Classic => {
            set("x-queue-type", AMQPValue::LongString(LongString::from("classic")));
        }
    }
    if queue.is_single_active {
        set("x-single-active-consumer", AMQPValue::Boolean(true));
    }
    if let Some(time) = queue.expires {
        // Brokers take no more than 32 bits.
        set("x-expires", AMQPValue::LongLongInt(time.as_millis().min(u128::from(u32::MAX)) as i64));
    }
    arguments
}

/// A name as the protocol has it.
pub(super) fn short(name: &str) -> Result<ShortString, Error> {
    ShortString::try_new(name).map_err(|_| Error::Name { name: name.to_owned() })
}

/// Refuses what the protocol cannot carry as a name.
pub(super) fn check_name(name: &str) -> Result<(), Error> {
    if name.len() > LONGEST_NAME { Err(Error::Name { name: name.to_owned() }) } else { Ok(()) }
}
