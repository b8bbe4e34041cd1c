//! How tasks are kept apart from each other.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What an operation shares with the worker and with its other tasks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// The worker's threads: for code that waits, or computes for milliseconds.
    #[default]
    None,
    /// Nothing but the process: a thread of its own, for code that computes or blocks.
    Thread,
    /// Nothing: a process of its own, for code that may crash, leak, take too much memory or not
    /// stop when told to.
    Process,
}

/// A text that names no isolation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no isolation; it is none, thread or process")]
pub struct IsolationError {
    text: String,
}

impl Isolation {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::None, Self::Thread, Self::Process];

    /// The word for it in specs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Thread => "thread",
            Self::Process => "process",
        }
    }

    /// Whether it is what tasks have that say nothing.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl FromStr for Isolation {
    type Err = IsolationError;
    fn from_str(text: &str) -> Result<Self, IsolationError> {
        let known = Self::ALL.into_iter().find(|isolation| isolation.as_str() == text);
        known.ok_or_else(|| IsolationError { text: text.to_owned() })
    }
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
