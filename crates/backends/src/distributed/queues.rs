//! Names of queues, and the steps in which copies wait.

use std::sync::Arc;
use std::time::Duration;

use protocol::{ExecutionId, WorkerType};

use crate::rabbitmq::Queue;

/// How long copies wait, by queue: whoever waits longer goes through several. Each step has one
/// queue, in which all wait equally long, so that its head is always the next to leave.
pub(super) const STEPS: [Duration; 6] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_secs(60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(15 * 60),
];

/// After so long without a coordinator an execution's outcomes are given up; its tasks then run again if
/// it is taken up.
const ABANDONED: Duration = Duration::from_secs(30 * 24 * 3600);

/// The names of this installation's queues: all begin with the same word.
#[derive(Debug, Clone)]
pub struct Names {
    prefix: Arc<str>,
}

impl Names {
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.into() }
    }

    /// Where tasks for a worker type wait.
    pub fn tasks(&self, worker_type: &WorkerType) -> String {
        format!("{}.tasks.{worker_type}", self.prefix)
    }

    /// Where an execution's outcomes wait for its coordinator.
    pub fn outcomes(&self, execution: &ExecutionId) -> String {
        format!("{}.outcomes.{execution}", self.prefix)
    }

    /// Where copies wait for a step of their delay.
    pub fn delayed(&self, step: Duration) -> String {
        let seconds = step.as_secs();
        let text =
            if seconds.is_multiple_of(60) { format!("{}m", seconds / 60) } else { format!("{seconds}s") };
        format!("{}.delayed.{text}", self.prefix)
    }

    /// Where messages are put that nobody can decode.
    pub fn dead(&self) -> String {
        format!("{}.dead", self.prefix)
    }

    /// Whether this can be the name of a queue of tasks.
    pub(super) fn is_of_tasks(&self, name: &str) -> bool {
        let rest = name.strip_prefix(&*self.prefix).and_then(|rest| rest.strip_prefix(".tasks."));
        rest.is_some_and(|worker_type| worker_type.parse::<WorkerType>().is_ok())
    }

    pub(super) fn task_queue(&self, worker_type: &WorkerType) -> Arc<Queue> {
        Arc::new(Queue::shared(self.tasks(worker_type)))
    }

    pub(super) fn outcome_queue(&self, execution: &ExecutionId) -> Arc<Queue> {
        // One that a late outcome has brought back would else stay for ever.
        let name = self.outcomes(execution).into();
        Arc::new(Queue { name, is_single_active: true, expires: Some(ABANDONED) })
    }

    pub(super) fn delayed_queues(&self) -> [Arc<Queue>; STEPS.len()] {
        STEPS.map(|step| Arc::new(Queue::single_active(self.delayed(step))))
    }

    pub(super) fn dead_queue(&self) -> Arc<Queue> {
        Arc::new(Queue::shared(self.dead()))
    }
}

/// The longest step that does not exceed what is left to wait, or the shortest.
pub(super) fn step_for(left: Duration) -> usize {
    STEPS.iter().rposition(|step| *step <= left).unwrap_or(0)
}

/// How long a copy of a task that another session runs waits before it asks again, by how often it
/// has waited: soon at first, since that session may just have died; then at growing steps, so that
/// long tasks cost little.
pub(super) fn park_time(parks: u32) -> Duration {
    let step = match parks {
        0 => 0,
        1..=8 => 1,
        9..=12 => 2,
        13..=20 => 3,
        21..=26 => 4,
        _ => 5,
    };
    STEPS[step]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_how_long_copies_wait() {
        let names = Names::new("otaman");
        let all = STEPS.map(|step| names.delayed(step));
        assert_eq!(all[0], "otaman.delayed.1s");
        assert_eq!(all[3], "otaman.delayed.1m");
        assert_eq!(all[5], "otaman.delayed.15m");
    }

    #[test]
    fn a_long_wait_is_made_of_steps_that_never_exceed_it() {
        for seconds in 0..4_000 {
            let mut left = Duration::from_secs(seconds);
            let mut hops = 0;
            while left >= STEPS[0] {
                left -= STEPS[step_for(left)];
                hops += 1;
            }
            assert!(hops <= 20, "{seconds} s takes {hops} hops");
        }
    }
}
