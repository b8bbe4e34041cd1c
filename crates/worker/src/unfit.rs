//! Why a worker's machine is not fit for work.

use std::fmt;
use std::time::Duration;

/// Within which shortages count together.
pub(crate) const WINDOW: Duration = Duration::from_secs(60);

/// Why a worker is not fit for work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unfit {
    pub(crate) times: usize,
    pub(crate) tasks: usize,
    /// What the last task met.
    pub(crate) last: String,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { times, tasks, last } = self;
        let plural = |count: &usize| if *count == 1 { "" } else { "s" };
        write!(
            f,
            "this machine was short of something {times} time{} within {}s, for {tasks} different task{}; the last time: {last}",
            plural(times),
            WINDOW.as_secs(),
            plural(tasks),
        )
    }
}
