//! What can go wrong with storage.

use std::fmt;
use std::io;

/// What can go wrong with storage. Places in it have neither user names nor passwords nor signatures. Converted
/// into `otaman::Error` it is transient or permanent as [`Error::is_transient`] says.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A path or URL that cannot be.
    #[error("{place} is no place for a layer: {reason}")]
    Place {
        /// The place.
        place: String,
        /// What is wrong with it, and the cure.
        reason: String,
    },
    /// It cannot be done there, ever.
    #[error("cannot {action} {place}: {reason}")]
    Unsupported {
        /// What was to be done.
        action: Action,
        /// With what.
        place: String,
        /// Why not, and the cure.
        reason: &'static str,
    },
    /// It failed.
    #[error("cannot {action} {place}")]
    Failed {
        /// What was to be done.
        action: Action,
        /// With what.
        place: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// What is done with storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Connect to it.
    Connect,
    /// Read from it.
    Read,
    /// Write to it.
    Write,
    /// Delete something.
    Delete,
    /// List what there is.
    List,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connect to",
            Self::Read => "read",
            Self::Write => "write",
            Self::Delete => "delete",
            Self::List => "list",
        })
    }
}

impl Error {
    /// Reading failed.
    pub(crate) fn reading(place: String, source: io::Error) -> Self {
        Self::Failed { action: Action::Read, place, source }
    }

    /// Whether trying again may help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Place { .. } | Self::Unsupported { .. } => false,
            Self::Failed { source, .. } => is_transient(source),
        }
    }
}

fn is_transient(error: &io::Error) -> bool {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, Interrupted,
        NetworkDown, NetworkUnreachable, NotConnected, QuotaExceeded, ResourceBusy, StaleNetworkFileHandle,
        StorageFull, TimedOut, WouldBlock,
    };
    matches!(
        error.kind(),
        BrokenPipe
            | ConnectionAborted
            | ConnectionRefused
            | ConnectionReset
            | HostUnreachable
            | Interrupted
            | NetworkDown
            | NetworkUnreachable
            | NotConnected
            | QuotaExceeded
            | ResourceBusy
            | StaleNetworkFileHandle
            | StorageFull
            | TimedOut
            | WouldBlock
    ) || error.raw_os_error().is_some_and(|errno| [EIO, EMFILE, ENFILE].contains(&errno))
}

/// An input or output error, a process and a system without a file descriptor left.
const EIO: i32 = 5;
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;
