//! What can go wrong with Redis.

use std::time::Duration;

use ::redis::RedisError;

use crate::tls;

/// Why Redis did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It was never reached.
    #[error(
        "cannot reach Redis at {place} within {limit:?}; check the address, that the server runs, that no \
         firewall is between, and that both sides use TLS or neither"
    )]
    Unreachable {
        /// Its address without secrets.
        place: String,
        /// For how long it was tried.
        limit: Duration,
        /// What the last try met.
        #[source]
        source: RedisError,
    },
    /// It does not let us in.
    #[error("Redis at {place} refuses access; check user and password in its address, and its ACL")]
    Access {
        /// Its address without secrets.
        place: String,
        /// What it said.
        #[source]
        source: RedisError,
    },
    /// TLS with it fails.
    #[error(
        "cannot speak TLS with Redis at {place}; check that this is its port for TLS, and that its \
         certificate names this host and is signed by an authority that is trusted here"
    )]
    Untrusted {
        /// Its address without secrets.
        place: String,
        /// What is wrong.
        #[source]
        source: RedisError,
    },
    /// A file for TLS cannot be read.
    #[error("cannot set up TLS for Redis at {place}")]
    Tls {
        /// Its address without secrets.
        place: String,
        /// Which file.
        #[source]
        source: tls::Error,
    },
    /// The address, or what the files for TLS hold, is of no use.
    #[error("cannot use the address or the TLS files of Redis at {place}")]
    Settings {
        /// Its address without secrets.
        place: String,
        /// What is wrong.
        #[source]
        source: RedisError,
    },
    /// It is a copy of another server.
    #[error("Redis at {place} is a replica, which cannot be written; give the address of its master")]
    Replica {
        /// Its address without secrets.
        place: String,
    },
    /// It is a part of a cluster.
    #[error("Redis at {place} is a part of a cluster; write redis+cluster:// in its address")]
    Cluster {
        /// Its address without secrets.
        place: String,
    },
    /// It may throw away what we record.
    #[error(
        "Redis at {place} evicts keys when its memory is full (maxmemory-policy {policy}), and with them \
         the record of tasks; set `maxmemory-policy noeviction`"
    )]
    Evicts {
        /// Its address without secrets.
        place: String,
        /// Its policy.
        policy: String,
    },
    /// It was reached before, and does not answer any more.
    #[error("Redis at {place} did not do `{what}` within {patience:?}")]
    Unavailable {
        /// Its address without secrets.
        place: String,
        /// The script or command.
        what: String,
        /// For how long it was tried.
        patience: Duration,
        /// What the last try met.
        #[source]
        source: RedisError,
    },
    /// It refused a command for good.
    #[error("Redis at {place} refused `{what}`")]
    Refused {
        /// Its address without secrets.
        place: String,
        /// The script or command.
        what: String,
        /// What it said.
        #[source]
        source: RedisError,
    },
    /// The answer is not of the form that the caller expects.
    #[error("Redis at {place} answered `{what}` in another form than expected")]
    Answer {
        /// Its address without secrets.
        place: String,
        /// The script or command.
        what: String,
        /// What is wrong with it.
        #[source]
        source: ::redis::ParsingError,
    },
}

impl Error {
    /// Whether trying again later may help without anybody changing anything here.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Unavailable { .. } | Self::Replica { .. } => true,
            Self::Access { .. }
            | Self::Untrusted { .. }
            | Self::Tls { .. }
            | Self::Settings { .. }
            | Self::Cluster { .. }
            | Self::Evicts { .. }
            | Self::Refused { .. }
            | Self::Answer { .. } => false,
        }
    }
}
