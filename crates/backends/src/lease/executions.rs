//! What is said of whole executions: that one is over, is about to end, is paused, or is to be erased.

use protocol::ExecutionId;

use super::answer::Flags;
use super::arbiter::{Arbiter, NOTHING};
use super::error::Error;
use super::parse::Unreadable;

impl Arbiter {
    /// Declares an execution over: copies of this incarnation and older ones are dropped, for 30 days.
    ///
    /// # Errors
    /// If Redis does not answer.
    pub async fn end(&self, execution: &ExecutionId, incarnation: u32) -> Result<(), Error> {
        self.mark(execution, incarnation, "ended").await
    }

    /// Says that an execution is about to end: what has been leased of this incarnation and older ones, and
    /// waits, is not to begin. Claims do not mind.
    ///
    /// # Errors
    /// If Redis does not answer.
    pub async fn stop(&self, execution: &ExecutionId, incarnation: u32) -> Result<(), Error> {
        self.mark(execution, incarnation, "stopping").await
    }

    async fn mark(&self, execution: &ExecutionId, incarnation: u32, field: &str) -> Result<(), Error> {
        let (key, incarnation) = (self.keys.flags(execution), incarnation.to_string());
        let _done: u64 = self.redis.call(&self.scripts.end, &[key], &[&*incarnation, field]).await?;
        Ok(())
    }

    /// Erases what is kept for single tasks of an execution that is over, and all keys that begin in one of
    /// these ways, then the execution's id. Goes through all keys of the server, some thousand in a few
    /// milliseconds.
    ///
    /// # Errors
    /// If Redis does not answer.
    pub async fn erase(&self, execution: &ExecutionId, others: &[String]) -> Result<(), Error> {
        let flags = self.keys.flags(execution);
        let mut arguments = vec!["0".to_owned(), self.keys.naming(execution)];
        arguments.extend(self.keys.of_tasks(execution));
        arguments.extend(others.iter().cloned());
        loop {
            let next: String = self.redis.call(&self.scripts.erase, &[&flags], &arguments).await?;
            if next == "0" {
                return Ok(());
            }
            arguments[0] = next;
        }
    }

    /// Grants nothing of an execution until [`Self::unpause`]. What runs goes on.
    ///
    /// # Errors
    /// If Redis does not answer.
    pub async fn pause(&self, execution: &ExecutionId) -> Result<(), Error> {
        let _done: u64 = self.redis.call(&self.scripts.pause, &[self.keys.flags(execution)], &["1"]).await?;
        Ok(())
    }

    /// Lets a paused execution go on.
    ///
    /// # Errors
    /// If Redis does not answer.
    pub async fn unpause(&self, execution: &ExecutionId) -> Result<(), Error> {
        let _done: u64 = self.redis.call(&self.scripts.pause, &[self.keys.flags(execution)], &["0"]).await?;
        Ok(())
    }

    /// What is said of a whole execution.
    ///
    /// # Errors
    /// If Redis does not answer.
    pub async fn flags(&self, execution: &ExecutionId) -> Result<Flags, Error> {
        let answer = self.call(&self.scripts.flags, &[self.keys.flags(execution)], NOTHING).await?;
        let unreadable = || self.unreadable(&self.scripts.flags, Unreadable::Answer);
        let (paused, marks) = answer.split_first().ok_or_else(unreadable)?;
        let marks = std::str::from_utf8(marks).map_err(|_| unreadable())?;
        let (ended, stopping) = marks.split_once(' ').ok_or_else(unreadable)?;
        let mark = |text: &str| -> Result<Option<u32>, Error> {
            if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(|_| unreadable()) }
        };
        Ok(Flags { ended: mark(ended)?, is_paused: *paused == b'1', stopping: mark(stopping)? })
    }
}
