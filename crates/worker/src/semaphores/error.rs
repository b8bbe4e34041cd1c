//! Why a semaphore cannot be had.

use std::io;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use protocol::SemaphoreName;

/// Why a semaphore cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It was not configured.
    #[error("unknown semaphore {name}; this worker has {known}; give it a width with --semaphore {name}=1")]
    Unknown {
        /// The semaphore.
        name: SemaphoreName,
        /// All that there are.
        known: String,
    },
    /// Other processes of the machine have it with another width.
    #[error(
        "semaphore {name} has width {theirs} on this machine, set by {owner}, and is to have width {ours} here; \
         give all workers of a machine the same width, or end those that have the other one first ({})",
        directory.display()
    )]
    Widths {
        /// The semaphore.
        name: SemaphoreName,
        /// The width here.
        ours: NonZeroU32,
        /// The width there.
        theirs: NonZeroU32,
        /// Who has set it.
        owner: String,
        /// The semaphore's directory.
        directory: PathBuf,
    },
    /// Somebody else may write where the locks are.
    #[error(
        "{} does not belong to this user alone, so locks there hold nobody; remove it, or name another directory \
         with --semaphore-dir",
        .0.display()
    )]
    NotOurs(PathBuf),
    /// Locks there would be shared by machines, or not work at all.
    #[error(
        "{} is on a network file system; name a directory on a disk of this machine with --semaphore-dir",
        .0.display()
    )]
    Remote(PathBuf),
    /// A process that is stopped, most likely, is drawing a ticket.
    #[error(
        "another process keeps the queue of semaphore {name} locked; look for a stopped one with `fuser {}`",
        queue.display()
    )]
    Busy {
        /// The semaphore.
        name: SemaphoreName,
        /// What is locked.
        queue: PathBuf,
    },
    /// The system refuses something.
    #[error("cannot {action} {}", path.display())]
    Files {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// Says what was done with what.
    pub(super) fn files(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Files { action, path: path.to_owned(), source }
    }

    /// As the failure of an attempt; whether another may help.
    pub(super) fn into_failure(self) -> otaman::Error {
        let may_pass = match &self {
            Self::Unknown { .. } | Self::NotOurs(_) | Self::Remote(_) => false,
            Self::Widths { .. } | Self::Busy { .. } | Self::Files { .. } => true,
        };
        let cause = if may_pass { otaman::Cause::Transient } else { otaman::Cause::Permanent };
        otaman::Error::from(self).with_cause(cause)
    }
}
