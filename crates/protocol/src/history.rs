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
    /// That workers have left it to others since an attempt last began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declined: Option<Declined>,
}

/// Workers had a task and left it to others before they began an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declined {
    /// How often.
    pub times: u32,
    /// The machine of the last one.
    pub node: String,
    /// Why that one did.
    pub why: String,
}

impl History {
    /// Counts a failed attempt and keeps its evidence; of many, that of the last few.
    pub fn charge(&mut self, failed: Attempt) {
        self.declined = None;
        self.spent.charge(failed.failure.cause);
        if self.failed_attempts.len() >= Outcome::MAX_EVIDENCE {
            let surplus = self.failed_attempts.len() + 1 - Outcome::MAX_EVIDENCE;
            self.failed_attempts.drain(..surplus);
        }
        self.failed_attempts.push(failed);
    }

    /// Notes that a worker has left the task to others. That costs the task nothing.
    pub fn decline(&mut self, node: &str, why: String) {
        let times = self.times_declined().saturating_add(1);
        self.declined = Some(Declined { times, node: node.to_owned(), why });
    }

    /// How often workers have left the task to others since an attempt last began.
    pub fn times_declined(&self) -> u32 {
        self.declined.as_ref().map_or(0, |declined| declined.times)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::failure::{Cause, Failure};
    use crate::ids::SessionId;

    #[test]
    fn what_was_declined_costs_nothing_and_is_counted_until_an_attempt_begins() {
        let mut history = History::default();
        history.decline("one", "no time".to_owned());
        history.decline("two", "no time either".to_owned());
        let declined = Declined { times: 2, node: "two".to_owned(), why: "no time either".to_owned() };
        assert_eq!(history.declined, Some(declined));
        assert_eq!((history.spent.total(), history.failed_attempts.len()), (0, 0));
        history.charge(Attempt {
            number: 3,
            session: SessionId::from_uuid(uuid::Uuid::nil()),
            node: "three".to_owned(),
            started_at_us: 0,
            duration: Duration::ZERO,
            failure: Failure::new(Cause::Transient, "busy"),
        });
        assert_eq!((history.times_declined(), history.spent.total()), (0, 1));
    }
}
