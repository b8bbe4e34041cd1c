//! Why a worker's machine is not fit for work.

use std::fmt;
use std::time::Duration;

/// Within which shortages count together.
pub(crate) const WINDOW: Duration = Duration::from_secs(60);

/// Why a worker is not fit for work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// It lacks what tasks need.
    Short {
        times: usize,
        tasks: usize,
        /// What the last task met.
        last: String,
    },
    /// Tasks failed here, one after the other, that then succeeded on other machines.
    Overruled {
        tasks: usize,
        /// How the last one failed.
        last: String,
    },
}

impl Unfit {
    /// In few words.
    pub(crate) fn in_short(&self) -> &'static str {
        match self {
            Self::Short { .. } => "the machine is short of something",
            Self::Overruled { .. } => "tasks that fail here succeed elsewhere",
        }
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count: &usize| if *count == 1 { "" } else { "s" };
        match self {
            Self::Short { times, tasks, last } => write!(
                f,
                "this machine was short of something {times} time{} within {}s, for {tasks} different task{}; the last time: {last}",
                plural(times),
                WINDOW.as_secs(),
                plural(tasks),
            ),
            Self::Overruled { tasks, last } => write!(
                f,
                "{tasks} different task{} failed on this machine one after the other and then succeeded on others; \
                 the last one failed here so: {last}",
                plural(tasks),
            ),
        }
    }
}
