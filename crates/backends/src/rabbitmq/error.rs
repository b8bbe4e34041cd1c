//! What can go wrong with RabbitMQ, where, and what helps.

use std::error;
use std::fmt;
use std::time::Duration;

use super::address::Address;

/// Why RabbitMQ did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It was closed by us.
    #[error("the connection to RabbitMQ is closed")]
    Closed,
    /// Nobody answers there.
    #[error(
        "cannot reach RabbitMQ at {address} within {waited:?}: check its host and port, and that the \
         server runs"
    )]
    Unreachable {
        /// Where.
        address: Address,
        /// How long it was tried.
        waited: Duration,
        /// What came of the last try.
        #[source]
        source: Option<Told>,
    },
    /// The user name or the password is wrong.
    #[error("RabbitMQ at {address} refuses the user: check the user name and the password in its URL")]
    AccessRefused {
        /// Where.
        address: Address,
        /// What the broker says.
        #[source]
        source: Told,
    },
    /// The virtual host does not exist, or the user may not use it.
    #[error(
        "RabbitMQ at {address} does not open its virtual host: create it (rabbitmqctl add_vhost), allow \
         the user to use it (rabbitmqctl set_permissions), or name another one at the end of the URL"
    )]
    VirtualHost {
        /// Where.
        address: Address,
        /// What the broker says.
        #[source]
        source: Told,
    },
    /// No TLS with this server.
    #[error(
        "cannot agree on TLS with RabbitMQ at {address}: check that this is its TLS port, the CA that \
         signed its certificate, the host name in it, and the client certificate if it wants one"
    )]
    Tls {
        /// Where.
        address: Address,
        /// What came of it.
        #[source]
        source: Told,
    },
    /// A certificate or key cannot be read.
    #[error(transparent)]
    TlsFile(#[from] crate::tls::Error),
    /// A queue exists with other settings than ours.
    #[error(
        "queue {queue} exists with {argument} = {found}, but {wanted} is wanted: use the settings it was \
         made with, or delete it once it is empty (rabbitmqctl delete_queue)"
    )]
    Drift {
        /// The queue.
        queue: String,
        /// The argument that differs.
        argument: String,
        /// What we would declare.
        wanted: String,
        /// What is there.
        found: String,
    },
    /// The broker refuses something about a queue.
    #[error("RabbitMQ refuses to {attempt} queue {queue}: check the user's permissions and the limits")]
    Refused {
        /// What was attempted.
        attempt: &'static str,
        /// The queue.
        queue: String,
        /// What the broker says.
        #[source]
        source: Told,
    },
    /// The broker was not there, or did not answer in time.
    #[error("RabbitMQ did not {attempt} queue {queue} within {waited:?}: check that the server is well")]
    Unanswered {
        /// What was attempted.
        attempt: &'static str,
        /// The queue.
        queue: String,
        /// How long it was tried.
        waited: Duration,
    },
    /// A name that the protocol cannot carry.
    #[error("{name:?} is too long a name: at most 255 bytes")]
    Name {
        /// The name.
        name: String,
    },
}

/// What the client crate says. It repeats in words what its sources say, so it is given without them.
pub struct Told(Box<lapin::Error>);

impl From<lapin::Error> for Told {
    fn from(error: lapin::Error) -> Self {
        Self(Box::new(error))
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl error::Error for Told {}

impl Error {
    /// Whether trying again may help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Unanswered { .. } => true,
            Self::Closed
            | Self::AccessRefused { .. }
            | Self::VirtualHost { .. }
            | Self::Tls { .. }
            | Self::TlsFile(_)
            | Self::Drift { .. }
            | Self::Refused { .. }
            | Self::Name { .. } => false,
        }
    }
}
