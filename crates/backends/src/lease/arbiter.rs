//! The arbiter: asks Redis who may run what.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use protocol::{ExecutionId, SessionId, TaskId};

use super::answer::{
    Answer, Assertion, Claim, Completed, Completion, Held, Release, Released, Withdrawal, is_suspect,
};
use super::error::Error;
use super::keys::Keys;
use super::parse::{Reader, Unreadable};
use super::record::{Record, session_bytes};
use super::scripts::Scripts;
use crate::redis::{Redis, Script};

/// Most tasks in one call, so that none keeps Redis from others for long.
const MAX_TASKS: usize = 256;
/// Most bytes of outcomes or histories in one call; one alone may be longer.
const MAX_BYTES: usize = 1 << 20;

/// How long it is remembered how far a task was that nobody runs.
pub const PROGRESS_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// Asks Redis who may run what. A cheap handle.
///
/// Questions of any number are cut into calls that Redis answers in a millisecond or so; one after
/// the other. An error may mean that some of them were carried out; asking all of them again is
/// always harmless.
#[derive(Clone)]
pub struct Arbiter {
    pub(super) redis: Redis,
    pub(super) keys: Arc<Keys>,
    pub(super) scripts: Arc<Scripts>,
}

impl Arbiter {
    /// The prefix that is used unless somebody asks for another.
    pub const DEFAULT_PREFIX: &str = "otaman";

    /// An arbiter whose keys begin with `{prefix}:`. Who uses another prefix sees nothing of it.
    pub fn new(redis: Redis, prefix: &str) -> Self {
        Self { redis, keys: Arc::new(Keys::new(prefix)), scripts: Arc::new(Scripts::new()) }
    }

    /// The same, asking through another connection: renewals should not wait behind anything.
    pub fn with_own_connection(&self) -> Self {
        let redis = self.redis.with_own_connection();
        Self { redis, keys: Arc::clone(&self.keys), scripts: Arc::clone(&self.scripts) }
    }

    /// The same with another patience for what Redis does not answer.
    pub fn with_patience(&self, patience: Duration) -> Self {
        Self { redis: self.redis.with_patience(patience), ..self.clone() }
    }

    /// Claims copies of tasks for a session, at most `suspects` of which may be tasks that one more
    /// loss would end (see [`is_suspect`]): run each of those alone, and it takes no other with it.
    ///
    /// # Errors
    /// If Redis does not answer.
    pub async fn claim(
        &self,
        session: SessionId,
        claims: &[Claim<'_>],
        suspects: u32,
    ) -> Result<Vec<Answer>, Error> {
        let script = &self.scripts.claim;
        let id = session_bytes(session);
        let (mut answers, mut suspects) = (Vec::with_capacity(claims.len()), suspects);
        while answers.len() < claims.len() {
            let rest = &claims[answers.len()..];
            let batch = &rest[..rest.len().min(MAX_TASKS)];
            let (executions, facts) = facts_of(batch);
            let mut keys = self.keys_of_owners(executions.len() + batch.len());
            keys.extend(executions.iter().map(|execution| self.keys.flags(execution)));
            keys.extend(batch.iter().map(|claim| self.keys.record(claim.execution, claim.task)));
            let numbers = [executions.len().to_string(), suspects.to_string()];
            let args = [id.as_slice(), numbers[0].as_bytes(), numbers[1].as_bytes(), &facts];
            let answer = self.call(script, &keys, &args).await?;
            match answer.as_ref() {
                b"!" => return Ok(vec![Answer::SessionDead; claims.len()]),
                b"?" => return Err(Error::UnknownSession { session }),
                _ => {}
            }
            // An answer may end early, if it would have become too long.
            let before = answers.len();
            self.some_answers(script, answer, Reader::claim, batch.len(), &mut answers)?;
            let taken =
                answers[before..].iter().zip(batch).filter(|(answer, claim)| takes_allowance(answer, claim));
            let taken = taken.count();
            suspects = suspects.saturating_sub(u32::try_from(taken).unwrap_or(u32::MAX));
        }
        Ok(answers)
    }

    /// Ends tasks with their outcomes, which are kept for `keep`, at least a second, to be answered
    /// to whoever claims another copy.
    ///
    /// # Errors
    /// If Redis does not answer.
    pub async fn complete(
        &self,
        session: SessionId,
        completions: &[Completion<'_>],
        keep: Duration,
    ) -> Result<Vec<Completed>, Error> {
        let session = session_bytes(session);
        let seconds = keep.as_secs().max(1).to_string();
        let mut answers = Vec::with_capacity(completions.len());
        for batch in batches(completions, |completion| completion.outcome.len()) {
            let mut keys = Vec::with_capacity(1 + batch.len());
            keys.push(self.keys.tombstones.clone());
            keys.extend(
                batch.iter().map(|completion| self.keys.record(completion.execution, completion.task)),
            );
            let attempts: Vec<u8> =
                batch.iter().flat_map(|completion| completion.attempt.to_be_bytes()).collect();
            let mut args = vec![session.as_slice(), seconds.as_bytes(), &attempts];
            args.extend(batch.iter().map(|completion| completion.outcome));
            let answer = self.call(&self.scripts.complete, &keys, &args).await?;
            self.answers(&self.scripts.complete, answer, Reader::completed, batch.len(), &mut answers)?;
        }
        Ok(answers)
    }

    /// Gives a lease back: for a retry, or because the worker leaves. Whoever claims the task next
    /// is told the history given here.
    ///
    /// # Errors
    /// If Redis does not answer.
    pub async fn release(&self, session: SessionId, release: &Release<'_>) -> Result<Released, Error> {
        let script = &self.scripts.release;
        let keys = [self.keys.tombstones.clone(), self.keys.record(release.execution, release.task)];
        let (session, attempt, lost) =
            (session_bytes(session), release.attempt.to_be_bytes(), release.lost.to_be_bytes());
        let args = [session.as_slice(), &attempt, &lost, release.history];
        let answer = self.call(script, &keys, &args).await?;
        Reader(answer).released().map_err(|why| self.unreadable(script, why))
    }

    /// Whether the session still has a lease; and if it has, remembers how far the task is, for
    /// `PROGRESS_KEPT` unless it is forgotten.
    ///
    /// # Errors
    /// If Redis does not answer.
    pub async fn progress(
        &self,
        session: SessionId,
        held: &Held<'_>,
        progress: Option<&[u8]>,
    ) -> Result<Assertion, Error> {
        let script = &self.scripts.progress;
        let mut keys = vec![self.keys.tombstones.clone(), self.keys.record(held.execution, held.task)];
        keys.extend(progress.map(|_| self.keys.progress(held.execution, held.task)));
        let seconds = PROGRESS_KEPT.as_secs().to_string();
        let (session, attempt) = (session_bytes(session), held.attempt.to_be_bytes());
        let args = [session.as_slice(), &attempt, seconds.as_bytes(), progress.unwrap_or_default()];
        let answer = self.call(script, &keys, &args).await?;
        Reader(answer).assertion().map_err(|why| self.unreadable(script, why))
    }

    /// How far a task was when that was last remembered.
    ///
    /// # Errors
    /// If Redis does not answer.
    pub async fn saved_progress(
        &self,
        execution: &ExecutionId,
        task: TaskId,
    ) -> Result<Option<Bytes>, Error> {
        let mut get = ::redis::cmd("GET");
        get.arg(self.keys.progress(execution, task));
        let saved: Option<Vec<u8>> = self.redis.run(&get).await?;
        Ok(saved.map(Bytes::from))
    }

    /// Forgets how far a task was.
    ///
    /// # Errors
    /// If Redis does not answer.
    pub async fn forget_progress(&self, execution: &ExecutionId, task: TaskId) -> Result<(), Error> {
        let mut delete = ::redis::cmd("DEL");
        delete.arg(self.keys.progress(execution, task));
        let _deleted: u64 = self.redis.run(&delete).await?;
        Ok(())
    }

    /// Takes back, after Redis lost writes, what the session holds; never from a live session.
    ///
    /// # Errors
    /// If Redis does not answer.
    pub async fn assert_held(&self, session: SessionId, held: &[Held<'_>]) -> Result<Vec<Assertion>, Error> {
        let script = &self.scripts.assert;
        let id = session_bytes(session);
        let mut answers = Vec::with_capacity(held.len());
        for batch in held.chunks(MAX_TASKS) {
            let mut keys = self.keys_of_owners(batch.len());
            keys.extend(batch.iter().map(|held| self.keys.record(held.execution, held.task)));
            let attempts: Vec<u8> = batch.iter().flat_map(|held| held.attempt.to_be_bytes()).collect();
            let answer = self.call(script, &keys, &[id.as_slice(), &attempts]).await?;
            match answer.as_ref() {
                b"!" => return Ok(vec![Assertion::Lost; held.len()]),
                b"?" => return Err(Error::UnknownSession { session }),
                _ => self.answers(script, answer, Reader::assertion, batch.len(), &mut answers)?,
            }
        }
        Ok(answers)
    }

    /// Takes tasks back that no live session has. Copies of this incarnation and of older ones are
    /// answered [`Answer::Dropped`](super::Answer::Dropped) for a day; end the execution if that is too short.
    ///
    /// # Errors
    /// If Redis does not answer.
    pub async fn withdraw(
        &self,
        execution: &ExecutionId,
        incarnation: u32,
        tasks: &[TaskId],
    ) -> Result<Vec<Withdrawal>, Error> {
        let incarnation = incarnation.to_string();
        let mut answers = Vec::with_capacity(tasks.len());
        for batch in tasks.chunks(MAX_TASKS) {
            let mut keys = self.keys_of_owners(batch.len());
            keys.extend(self.records(execution, batch));
            let answer = self.call(&self.scripts.withdraw, &keys, &[&incarnation]).await?;
            self.answers(&self.scripts.withdraw, answer, Reader::withdrawal, batch.len(), &mut answers)?;
        }
        Ok(answers)
    }

    /// Undoes withdrawals: the tasks are free again, with their past. Others do not change.
    ///
    /// # Errors
    /// If Redis does not answer.
    pub async fn restore(&self, execution: &ExecutionId, tasks: &[TaskId]) -> Result<(), Error> {
        for batch in tasks.chunks(MAX_TASKS) {
            let keys = self.records(execution, batch);
            let _restored: u64 = self.redis.call(&self.scripts.restore, &keys, NOTHING).await?;
        }
        Ok(())
    }

    /// Makes tasks new that are to run once more although they ended: free, with a fresh budget and
    /// without outcome and history. Those that are leased stay so.
    ///
    /// # Errors
    /// If Redis does not answer.
    pub async fn forget(&self, execution: &ExecutionId, tasks: &[TaskId]) -> Result<(), Error> {
        for batch in tasks.chunks(MAX_TASKS) {
            let keys = self.records(execution, batch);
            let _leased: u64 = self.redis.call(&self.scripts.forget, &keys, NOTHING).await?;
        }
        Ok(())
    }

    /// The records of tasks, for those who want to know.
    ///
    /// # Errors
    /// If Redis does not answer, or a record cannot be read.
    pub async fn look(
        &self,
        execution: &ExecutionId,
        tasks: &[TaskId],
    ) -> Result<Vec<Option<Record>>, Error> {
        let mut records = Vec::with_capacity(tasks.len());
        while records.len() < tasks.len() {
            let rest = &tasks[records.len()..];
            let batch = &rest[..rest.len().min(MAX_TASKS)];
            let keys = self.records(execution, batch);
            let answer = self.call(&self.scripts.look, &keys, NOTHING).await?;
            self.some_answers(&self.scripts.look, answer, Reader::looked, batch.len(), &mut records)?;
        }
        Ok(records)
    }

    fn records(&self, execution: &ExecutionId, tasks: &[TaskId]) -> Vec<Vec<u8>> {
        tasks.iter().map(|task| self.keys.record(execution, *task)).collect()
    }

    /// The keys that scripts need that ask whether an owner lives, with room for more.
    fn keys_of_owners(&self, more: usize) -> Vec<Vec<u8>> {
        let mut keys = Vec::with_capacity(3 + more);
        keys.extend([self.keys.sessions.clone(), self.keys.tombstones.clone(), self.keys.calm.clone()]);
        keys
    }

    pub(super) async fn call(
        &self,
        script: &Script,
        keys: &[impl AsRef<[u8]>],
        args: &[impl AsRef<[u8]>],
    ) -> Result<Bytes, Error> {
        let answer: Vec<u8> = self.redis.call(script, keys, args).await?;
        Ok(answer.into())
    }

    /// Reads all of `count` answers.
    fn answers<T>(
        &self,
        script: &Script,
        answer: Bytes,
        read: impl Fn(&mut Reader) -> Result<T, Unreadable>,
        count: usize,
        answers: &mut Vec<T>,
    ) -> Result<(), Error> {
        let wanted = answers.len() + count;
        self.some_answers(script, answer, read, count, answers)?;
        if answers.len() == wanted { Ok(()) } else { Err(self.unreadable(script, Unreadable::Answer)) }
    }

    /// Reads the first few of `count` answers, at least one.
    fn some_answers<T>(
        &self,
        script: &Script,
        answer: Bytes,
        read: impl Fn(&mut Reader) -> Result<T, Unreadable>,
        count: usize,
        answers: &mut Vec<T>,
    ) -> Result<(), Error> {
        let (before, mut reader) = (answers.len(), Reader(answer));
        while !reader.is_empty() {
            answers.push(read(&mut reader).map_err(|why| self.unreadable(script, why))?);
        }
        let is_plausible = (1..=count).contains(&(answers.len() - before));
        if is_plausible { Ok(()) } else { Err(self.unreadable(script, Unreadable::Answer)) }
    }

    pub(super) fn unreadable(&self, script: &Script, why: Unreadable) -> Error {
        let (script, prefix) = (script.name(), self.keys.prefix());
        match why {
            Unreadable::Answer => Error::Answer { script, prefix },
            Unreadable::Record(source) => Error::Record { script, prefix, source },
        }
    }
}

/// No arguments.
pub(super) const NOTHING: &[&[u8]] = &[];

/// The executions of claims, and what the script is told of each claim.
fn facts_of<'a>(claims: &[Claim<'a>]) -> (Vec<&'a ExecutionId>, Vec<u8>) {
    let mut executions: Vec<&ExecutionId> = Vec::new();
    let mut facts = Vec::with_capacity(claims.len() * 11);
    for claim in claims {
        // Copies of one execution mostly follow each other, so the latest is looked at first.
        let known = executions.iter().rposition(|execution| *execution == claim.execution);
        let index = known.unwrap_or_else(|| {
            executions.push(claim.execution);
            executions.len() - 1
        });
        let number = u16::try_from(index + 1).expect("a batch has at most MAX_TASKS executions");
        facts.extend_from_slice(&number.to_be_bytes());
        facts.extend_from_slice(&claim.incarnation.to_be_bytes());
        facts.extend_from_slice(&claim.max_losses.to_be_bytes());
        facts.push(u8::from(claim.is_ahead));
    }
    (executions, facts)
}

/// Whether this took one of the suspects allowed.
fn takes_allowance(answer: &Answer, claim: &Claim<'_>) -> bool {
    match answer {
        Answer::Granted(grant) | Answer::Mine(grant) => is_suspect(grant.lost, claim.max_losses),
        Answer::Busy { .. }
        | Answer::Done { .. }
        | Answer::Dropped
        | Answer::Poison(_)
        | Answer::Later
        | Answer::Paused
        | Answer::SessionDead => false,
    }
}

/// Cuts items into batches of at most [`MAX_TASKS`], and [`MAX_BYTES`] unless one alone is longer.
fn batches<T>(items: &[T], size: impl Fn(&T) -> usize) -> impl Iterator<Item = &[T]> {
    let mut rest = items;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut bytes = 0;
        let fitting = rest
            .iter()
            .take(MAX_TASKS)
            .take_while(|item| {
                bytes += size(item);
                bytes <= MAX_BYTES
            })
            .count();
        let (batch, later) = rest.split_at(fitting.max(1));
        rest = later;
        Some(batch)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_bounded_in_number_and_bytes() {
        let lengths = |items: &[usize]| batches(items, |size| *size).map(<[_]>::len).collect::<Vec<_>>();
        assert_eq!(lengths(&[]), Vec::<usize>::new());
        assert_eq!(lengths(&[1; 600]), [256, 256, 88]);
        assert_eq!(lengths(&[MAX_BYTES, 1, 1]), [1, 2]);
        assert_eq!(lengths(&[2 * MAX_BYTES, 3 * MAX_BYTES, 1]), [1, 1, 1]);
    }
}
