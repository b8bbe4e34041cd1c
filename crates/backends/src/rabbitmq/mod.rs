//! RabbitMQ under supervision: bytes in durable queues, whatever happens to the connection.
//!
//! A publish returns when the broker has confirmed every message; a subscription goes on over
//! reconnects; an acknowledgement never blocks. The client crate's own recovery is not used: it
//! answers `Ok` for acknowledgements that went nowhere, and a frozen broker is silence to it. This is
//! the only place that knows that crate.

mod address;
mod aside;
mod consumer;
mod dial;
mod error;
mod handle;
mod ledger;
mod link;
#[cfg(all(test, feature = "live"))]
mod live;
mod message;
mod outbox;
mod probe;
mod publisher;
mod queue;
mod standing;
mod subscription;
mod topology;
mod window;

pub use address::{Address, AddressError};
pub use error::{Error, Told};
pub use handle::{Config, Rabbit};
pub use message::{Delivery, Header, Message, Ticket};
pub use queue::{Count, Queue, QueueKind};
pub use standing::Standing;
pub use subscription::{Acks, Subscription};

/// For the log filters of programs: the client crate logs whole messages that were returned, and at
/// its lowest levels credentials; what matters of it is logged here.
pub const LOG_FILTER: &str = "lapin=off,amq_protocol_tcp=off";
