//! What is known of a task's earlier attempts while it is on its way to the next one.

use serde::{Deserialize, Serialize};

use crate::outcome::{Attempt, Outcome};
use crate::retry::Spent;

/// How a task's attempts have ended so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// How many, by cause.
    pub spent: Spent,
    /// Evidence, oldest first; of many only the last few.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed_attempts: Vec<Attempt>,
}

impl History {
    /// Counts a failed attempt and keeps its evidence; of many, that of the last few.
    pub fn charge(&mut self, failed: Attempt) {
        self.spent.charge(failed.failure.cause);
        if self.failed_attempts.len() >= Outcome::MAX_EVIDENCE {
            let surplus = self.failed_attempts.len() + 1 - Outcome::MAX_EVIDENCE;
            self.failed_attempts.drain(..surplus);
        }
        self.failed_attempts.push(failed);
    }
}
