//! What can be asked of a whole installation: who works, what waits where, and what is to stop.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::{ExecutionId, TaskId, WorkerType};

use super::announcement;
use super::connect::{Error, Shared, trouble};
use super::queues::STEPS;
use super::workers::Worker;
use crate::lease::{Flags, Record};
use crate::rabbitmq::Standing;
use crate::redis_store::RedisStore;

/// Bytes of an input that are put into the store at once.
const INPUT_PART: usize = 1 << 20;

/// What can be asked of a whole installation.
#[derive(Clone)]
pub struct Control {
    pub(super) shared: Arc<Shared>,
    pub(super) store: RedisStore,
}

/// Two live workers that announce one operation differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disagreement {
    /// The key of the first one's announcement.
    pub one: String,
    /// The key of the other's.
    pub other: String,
}

/// What keeps the broker from being used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// In words.
    pub text: String,
    /// Whether it cannot even be asked anything.
    pub is_away: bool,
}

/// What waits in a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// The queue.
    pub name: String,
    /// Messages that nobody has.
    pub ready: u32,
    /// Who waits for some.
    pub consumers: u32,
}

impl Control {
    /// The announcements of all live workers, by key, with the workers that made them.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn announced(&self) -> Result<Vec<(Vec<u8>, Vec<Worker>)>, Error> {
        let mut by_key: BTreeMap<String, Vec<Worker>> = BTreeMap::new();
        for worker in self.workers().await? {
            if let Some(key) = worker.presence.operations.clone() {
                by_key.entry(key).or_default().push(worker);
            }
        }
        let mut found = Vec::new();
        for (key, workers) in by_key {
            let Shared { redis, prefix, .. } = &*self.shared;
            if let Some(description) = announcement::read(redis, prefix, &key).await? {
                found.push((description, workers));
            }
        }
        Ok(found)
    }

    /// All live workers, by node and process.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn workers(&self) -> Result<Vec<Worker>, Error> {
        self.shared.workers().await
    }

    /// What waits in the queues of these worker types and of these executions' outcomes, in the
    /// delayed queues and among the messages that nobody could read. Queues that do not exist are
    /// left out.
    ///
    /// # Errors
    /// If the broker cannot be used.
    pub async fn queues(
        &self,
        worker_types: &[WorkerType],
        executions: &[ExecutionId],
    ) -> Result<Vec<Queued>, Error> {
        let names = &self.shared.copies.names;
        let mut wanted: Vec<String> = worker_types.iter().map(|kind| names.tasks(kind)).collect();
        wanted.extend(STEPS.map(|step| names.delayed(step)));
        wanted.extend(executions.iter().map(|execution| names.outcomes(execution)));
        wanted.push(names.dead());
        let mut queues = Vec::new();
        for name in wanted {
            if let Some(count) = self.shared.rabbit.count(&name).await? {
                queues.push(Queued { name, ready: count.ready, consumers: count.consumers });
            }
        }
        Ok(queues)
    }

    /// Cancels an execution for good, also while nobody works on it: none of its tasks that wait
    /// anywhere is run any more, those that run may end, and its coordinator, if there is one, stops.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn cancel(&self, execution: &ExecutionId, incarnation: u32) -> Result<(), Error> {
        Ok(self.shared.arbiter.end(execution, incarnation).await?)
    }

    /// Forgets what an execution has on the servers beside its record: none of its tasks that wait anywhere is
    /// run any more, no outcome of one that runs is accepted, and what was put aside for it goes. Markers that go
    /// by themselves stay, for a day or a month. For whoever holds it, in this incarnation.
    ///
    /// # Errors
    /// If store, broker or the shared directory cannot be reached.
    pub async fn forget(&self, execution: &ExecutionId, incarnation: u32) -> Result<(), Error> {
        let Shared { arbiter, rabbit, copies, .. } = &*self.shared;
        arbiter.end(execution, incarnation).await?;
        arbiter.unpause(execution).await?;
        rabbit.delete(&copies.names.outcomes(execution)).await?;
        arbiter.erase(execution, &copies.blobs.keys(execution)).await?;
        copies.blobs.remove(execution).await?;
        let mut unlink = ::redis::cmd("UNLINK");
        unlink.arg(self.input_key(execution));
        Ok(self.shared.redis.run(&unlink).await?)
    }

    /// Lets no more tasks of an execution be started; those that run may end.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn pause(&self, execution: &ExecutionId) -> Result<(), Error> {
        Ok(self.shared.arbiter.pause(execution).await?)
    }

    /// Lets the tasks of a paused execution be started again.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn unpause(&self, execution: &ExecutionId) -> Result<(), Error> {
        Ok(self.shared.arbiter.unpause(execution).await?)
    }

    /// Whether an execution is paused or cancelled.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn flags(&self, execution: &ExecutionId) -> Result<Flags, Error> {
        Ok(self.shared.arbiter.flags(execution).await?)
    }

    /// What is known of tasks' leases, in the order asked; `None` for one that no worker has had.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn leases(
        &self,
        execution: &ExecutionId,
        tasks: &[TaskId],
    ) -> Result<Vec<Option<Record>>, Error> {
        Ok(self.shared.arbiter.look(execution, tasks).await?)
    }

    /// Keeps what came on an execution's standard input, for later runs on whatever machine.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn keep_input(&self, execution: &ExecutionId, input: &[u8]) -> Result<(), Error> {
        let key = self.input_key(execution);
        for (number, part) in input.chunks(INPUT_PART).enumerate() {
            let mut set = ::redis::cmd("HSET");
            set.arg(&key).arg(number).arg(part);
            let () = self.shared.redis.run(&set).await?;
        }
        // Last, so that what was kept in part is taken for nothing.
        let mut set = ::redis::cmd("HSET");
        set.arg(&key).arg("parts").arg(input.len().div_ceil(INPUT_PART));
        let () = self.shared.redis.run(&set).await?;
        Ok(())
    }

    /// What an earlier run has kept of an execution's standard input; `None` if it has kept nothing.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn input(&self, execution: &ExecutionId) -> Result<Option<Vec<u8>>, Error> {
        let key = self.input_key(execution);
        let get = |field: String| {
            let mut get = ::redis::cmd("HGET");
            get.arg(&key).arg(field);
            get
        };
        let Some(parts) = self.shared.redis.run::<Option<u64>>(&get("parts".to_owned())).await? else {
            return Ok(None);
        };
        let mut input = Vec::new();
        for number in 0..parts {
            input.extend(self.shared.redis.run::<Vec<u8>>(&get(number.to_string())).await?);
        }
        Ok(Some(input))
    }

    /// The bytes of a kept file, by the URL in a task's result; `None` if they are not in the store.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn fetch(&self, url: &str) -> Result<Option<Vec<u8>>, super::blobs::Error> {
        self.shared.blobs().fetch(url).await
    }

    /// Where executions are remembered.
    pub fn store(&self) -> &RedisStore {
        &self.store
    }

    /// Now, in milliseconds since 1970, by the clock that leases go by.
    pub fn now_ms(&self) -> u64 {
        self.shared.store_now_ms()
    }

    /// What keeps the servers from being used, as far as this process has met it.
    pub fn trouble(&self) -> Option<String> {
        self.shared.trouble()
    }

    /// The same for a process that has not published anything yet: it asks the broker.
    pub async fn look_for_trouble(&self) -> Option<Trouble> {
        let standing = match self.shared.rabbit.blockage().await {
            Ok(reason) => Standing::Blocked { reason: reason? },
            Err(error) => Standing::Disconnected { error: error.to_string() },
        };
        let is_away = matches!(standing, Standing::Disconnected { .. });
        trouble(&standing).map(|text| Trouble { text, is_away })
    }

    fn input_key(&self, execution: &ExecutionId) -> String {
        format!("{{{}}}:input:{execution}", self.shared.prefix)
    }
}
