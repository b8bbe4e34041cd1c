//! Asking an owner whether it still has what the records say it has. After Redis lost writes, a record may name a live
//! session that has long ended the task; nobody but that session can tell.

use protocol::{ExecutionId, SessionId, TaskId};

use super::arbiter::Arbiter;
use super::error::Error;

/// Most tasks that an owner takes note of at once.
const MOST: usize = 256;
/// How long a question waits for an owner that does not look.
const KEPT: u64 = 3600;
/// Bytes of a task's number, before the name of its execution.
const TASK: usize = 16;

impl Arbiter {
    /// Asks a session about tasks that it is said to have leased. It is harmless to ask again.
    ///
    /// # Errors
    /// If Redis does not answer.
    pub async fn ask_owner(&self, owner: SessionId, tasks: &[(&ExecutionId, TaskId)]) -> Result<(), Error> {
        let key = self.keys.questions(owner);
        for tasks in tasks.chunks(MOST) {
            let mut add = ::redis::cmd("SADD");
            add.arg(&key);
            for (execution, task) in tasks {
                add.arg([&task.to_u128().to_be_bytes()[..], execution.as_str().as_bytes()].concat());
            }
            let _added: u64 = self.redis.run(&add).await?;
        }
        let _kept: u64 = self.redis.run(::redis::cmd("EXPIRE").arg(&key).arg(KEPT)).await?;
        Ok(())
    }

    /// What a session has been asked about since it last looked, or a part of it.
    ///
    /// # Errors
    /// If Redis does not answer.
    pub async fn questions(&self, session: SessionId) -> Result<Vec<(ExecutionId, TaskId)>, Error> {
        let mut pop = ::redis::cmd("SPOP");
        pop.arg(self.keys.questions(session)).arg(MOST);
        let asked: Vec<Vec<u8>> = self.redis.run(&pop).await?;
        Ok(asked.iter().filter_map(|question| read(question)).collect())
    }
}

fn read(question: &[u8]) -> Option<(ExecutionId, TaskId)> {
    let (task, execution) = question.split_at_checked(TASK)?;
    let task = TaskId::from_u128(u128::from_be_bytes(task.try_into().ok()?));
    Some((std::str::from_utf8(execution).ok()?.parse().ok()?, task))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_question_is_none() {
        for bytes in [&b""[..], b"short", &[0; TASK], &[&[0; TASK][..], b"no name \xff"].concat()] {
            assert_eq!(read(bytes), None);
        }
        let task = TaskId::of_key("a");
        let question = [&task.to_u128().to_be_bytes()[..], b"nightly"].concat();
        assert_eq!(read(&question), Some(("nightly".parse().unwrap(), task)));
    }
}
