//! What can be set about a worker.

use std::path::PathBuf;
use std::time::Duration;

use otaman::driver::Rules;
use protocol::{DurationText, RetryPolicy, SemaphoreWidth};
use serde::{Deserialize, Serialize};

/// What can be set about a worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How many tasks run at once; at least 1. As many as there are processor cores by default.
    pub concurrency: usize,
    /// How long running tasks may go on after the worker was told to stop; then they are stopped
    /// and handed back. 30 s by default.
    pub drain_timeout: DurationText,
    /// How long an operation may take to stop after it was told to, because its runtime limit or
    /// the drain time-out has passed; then it is abandoned. 6 s by default, which leaves `command`
    /// the 5 s that it gives its processes.
    pub stop_grace: DurationText,
    /// How many may hold which semaphore at once on this machine, such as `cuda=1`. The stock ones
    /// `read`, `write`, `cuda`, `cpu` and `tensorrt` are always there; those not named here are as wide
    /// as other workers of the machine have them, or 1. None by default.
    pub semaphores: Vec<SemaphoreWidth>,
    /// Where semaphores have their files: on a disk of this machine, one directory for all workers
    /// that are to share them. `/tmp/otaman-<user id>/semaphores` by default.
    pub semaphore_dir: Option<PathBuf>,
    /// How failed attempts are tried again when the task says nothing. Taken from the program, not
    /// from configuration files.
    #[serde(skip)]
    pub retry: RetryPolicy,
    /// What failures mean about which operations say nothing. Taken from the program, too.
    #[serde(skip)]
    pub rules: Rules,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            concurrency: std::thread::available_parallelism().map_or(1, usize::from),
            drain_timeout: DurationText(Duration::from_secs(30)),
            stop_grace: DurationText(Duration::from_secs(6)),
            semaphores: Vec::new(),
            semaphore_dir: None,
            retry: RetryPolicy::default(),
            rules: Rules::default(),
        }
    }
}
