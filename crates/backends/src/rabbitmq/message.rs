//! What is published and what is delivered.

use std::sync::Arc;

use bytes::Bytes;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, ByteArray, FieldTable};

use super::queue::Queue;

const PERSISTENT: u8 = 2;

/// A message for a queue; persistent.
#[derive(Debug, Clone)]
pub struct Message {
    /// Where it goes. The queue is declared if it turns out to be missing.
    pub queue: Arc<Queue>,
    /// Tells it from all other messages that are under way, at most 255 bytes. Returned messages
    /// are known by it.
    pub id: String,
    /// What it says.
    pub body: Bytes,
    /// What goes with it, by name.
    pub headers: Vec<(&'static str, Header)>,
}

/// The value of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Header {
    /// A number.
    Number(u64),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// A message from a queue, not acknowledged yet.
#[derive(Debug)]
pub struct Delivery {
    /// What it says.
    pub body: Bytes,
    /// Whether it was delivered before; false does not mean that it was not.
    pub is_redelivered: bool,
    /// For [`Acks`](super::Acks).
    pub ticket: Ticket,
    properties: BasicProperties,
}

/// Which delivery is meant; good for as long as its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket {
    pub(super) generation: u64,
    pub(super) tag: u64,
}

impl Message {
    pub(super) fn properties(&self) -> BasicProperties {
        let properties = BasicProperties::default()
            .with_delivery_mode(PERSISTENT)
            .with_message_id(self.id.as_str().into());
        if self.headers.is_empty() {
            return properties;
        }
        let mut headers = FieldTable::default();
        for (name, value) in &self.headers {
            headers.insert((*name).into(), value.to_value());
        }
        properties.with_headers(headers)
    }
}

impl Header {
    fn to_value(&self) -> AMQPValue {
        match self {
            // The protocol as spoken has no unsigned number of this size; the bits are the same.
            Self::Number(number) => AMQPValue::LongLongInt(number.cast_signed()),
            Self::Bytes(bytes) => AMQPValue::ByteArray(ByteArray::from(bytes.as_slice())),
        }
    }
}

impl Delivery {
    pub(super) fn new(delivery: lapin::message::Delivery, generation: u64) -> Self {
        Self {
            body: delivery.data.into(),
            is_redelivered: delivery.redelivered,
            ticket: Ticket { generation, tag: delivery.delivery_tag },
            properties: delivery.properties,
        }
    }

    /// The id it was published with.
    pub fn id(&self) -> Option<&str> {
        self.properties.message_id().as_ref().map(|id| id.as_str())
    }

    /// A header that is a number.
    pub fn number(&self, name: &str) -> Option<u64> {
        match self.header(name)? {
            AMQPValue::LongLongInt(number) => Some(number.cast_unsigned()),
            _ => None,
        }
    }

    /// A header that is bytes.
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        match self.header(name)? {
            AMQPValue::ByteArray(bytes) => Some(bytes.as_slice()),
            AMQPValue::LongString(text) => Some(text.as_bytes()),
            _ => None,
        }
    }

    fn header(&self, name: &str) -> Option<&AMQPValue> {
        self.properties.headers().as_ref()?.inner().get(name)
    }
}
