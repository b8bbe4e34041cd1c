//! The checkpoint of one held execution.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError, RwLock};

use futures::future::BoxFuture;
use protocol::{Counts, ExecutionRecord, IdMap, TaskId};
use tokio::sync::Mutex;

use super::append::{Batch, Leftovers};
use super::fence::Fence;
use super::hold::{Hold, LASTS};
use super::inner::Inner;
use super::keys::Keys;
use super::load::{Loaded, Portion, split};
use super::owner::Owner;
use super::place::medium;
use super::record::{Encoded, FORMAT, encode_live};
use super::take::Taken;
use crate::chunks::cache::Cache;
use crate::chunks::chunk::Chunk;
use crate::chunks::dead::DeadKey;
use crate::chunks::index::Index;
use crate::redis::{Script, cmd};
use crate::store::{Checkpoint, Entry, Error, Recalled};

/// A held execution.
pub(super) struct RedisCheckpoint {
    inner: Inner,
    record: ExecutionRecord,
    keys: Keys,
    fence: Fence,
    /// The text of the hold.
    hold: String,
    /// Whoever has it appends. A tokio lock: it is held while writing.
    pen: Mutex<Pen>,
    /// Keeps records in the order in which they were given. A tokio lock for the same reason.
    updating: Mutex<()>,
    /// The newest record, to be written again should Redis lose it. Std locks from here on: they
    /// are held for a look.
    newest: StdMutex<Arc<Encoded>>,
    index: RwLock<Index>,
    cache: StdMutex<Cache>,
    portion: StdMutex<Portion>,
    _held: Hold,
}

struct Pen {
    next_chunk: u32,
    /// Tasks whose newest outcome is a failure.
    dead: IdMap<TaskId, DeadKey>,
    leftovers: Leftovers,
}

impl RedisCheckpoint {
    pub(super) fn new(inner: Inner, taken: Taken, loaded: Loaded, held: Hold) -> Self {
        let Taken { record, encoded, keys, fence, hold } = taken;
        let leftovers = Leftovers { chunks: loaded.incomplete, notes: Vec::new() };
        let pen = Pen { next_chunk: loaded.next_chunk, dead: loaded.dead, leftovers };
        Self {
            inner,
            record,
            keys,
            fence,
            hold,
            pen: Mutex::new(pen),
            updating: Mutex::default(),
            newest: StdMutex::new(Arc::new(encoded)),
            index: RwLock::new(loaded.index),
            cache: StdMutex::default(),
            portion: StdMutex::new(Portion::new()),
            _held: held,
        }
    }
}

impl Checkpoint for RedisCheckpoint {
    fn record(&self) -> ExecutionRecord {
        self.record.clone()
    }

    fn append(&self, entries: Vec<Entry>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            if entries.is_empty() {
                return Ok(());
            }
            let mut pen = self.pen.lock().await;
            let pen = &mut *pen;
            let batch = Batch::pack(&entries, pen.next_chunk, self.fence.incarnation, &pen.dead);
            let batch = batch.map_err(self.cannot("write"))?;
            // Numbers are never used twice: what a call writes that was given up may still arrive.
            // Until this one is known to be done, it counts as left behind.
            pen.next_chunk = batch.numbers().last().map_or(pen.next_chunk, |last| last + 1);
            let calls = batch.calls(&pen.leftovers);
            batch.leave(&mut pen.leftovers);
            let names = [&self.keys.fence, &self.keys.chunks, &self.keys.dead];
            for arguments in calls {
                let fence = std::iter::once(self.fence.text.as_bytes());
                let arguments: Vec<_> = fence.chain(arguments.iter().map(AsRef::as_ref)).collect();
                self.fenced(&self.inner.scripts.append, &names, &arguments).await?;
            }
            pen.leftovers = Leftovers::default();
            for (task, _) in &batch.no_longer_dead {
                pen.dead.remove(task);
            }
            pen.dead.extend(batch.dead);
            let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
            for (entry, chunk) in entries.iter().zip(batch.places) {
                index.insert(entry.outcome.task, chunk);
            }
            Ok(())
        })
    }

    fn recall<'a>(&'a self, tasks: &'a [TaskId]) -> BoxFuture<'a, Result<Vec<Option<Recalled>>, Error>> {
        Box::pin(async move {
            let mut recalled = vec![None; tasks.len()];
            let mut wanted: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
            {
                let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
                for (at, task) in tasks.iter().enumerate() {
                    if let Some(number) = index.find(*task) {
                        wanted.entry(number).or_default().push(at);
                    }
                }
            }
            let mut missing = Vec::new();
            for (number, places) in &wanted {
                let cached = lock(&self.cache).get(*number);
                match cached {
                    Some(chunk) => self.recall_from(&chunk, tasks, places, &mut recalled)?,
                    None => missing.push(*number),
                }
            }
            let mut rest = &missing[..];
            while !rest.is_empty() {
                let (asked, later) = rest.split_at(lock(&self.portion).count().min(rest.len()));
                for (number, chunk) in asked.iter().zip(self.read(asked).await?) {
                    // Redis may have lost it since; then its tasks count as not recorded.
                    let Some(chunk) = chunk else { continue };
                    self.recall_from(&chunk, tasks, &wanted[number], &mut recalled)?;
                }
                rest = later;
            }
            Ok(recalled)
        })
    }

    fn update(&self, record: ExecutionRecord) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let encoded = Arc::new(Encoded::new(&record).map_err(self.cannot("write"))?);
            let _in_order = self.updating.lock().await;
            *lock(&self.newest) = Arc::clone(&encoded);
            let names = [&self.keys.fence, &self.keys.record, &self.keys.live];
            let format = FORMAT.to_string();
            let arguments: [&[u8]; 4] =
                [self.fence.text.as_bytes(), format.as_bytes(), &encoded.record, &encoded.result];
            self.fenced(&self.inner.scripts.update, &names, &arguments).await
        })
    }

    fn show_progress(&self, counts: Counts) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let live = encode_live(counts).map_err(self.cannot("write"))?;
            let arguments: [&[u8]; 2] = [self.fence.text.as_bytes(), &live];
            self.fenced(&self.inner.scripts.show, &[&self.keys.fence, &self.keys.live], &arguments).await
        })
    }
}

impl RedisCheckpoint {
    /// Calls a script that works for the owner of the fence only. If Redis has lost the execution,
    /// writes what is known of it again and goes on.
    async fn fenced(&self, script: &Script, names: &[&String], arguments: &[&[u8]]) -> Result<(), Error> {
        loop {
            let found = self.inner.redis.call::<String>(script, names, arguments).await;
            let found = found.map_err(self.cannot("write"))?;
            if found == "ok" {
                return Ok(());
            }
            if !self.fence.was_forgotten(&found) {
                return Err(self.taken_over().await);
            }
            self.restore().await?;
        }
    }

    async fn restore(&self) -> Result<(), Error> {
        tracing::warn!(
            execution = %self.keys.id,
            "Redis has lost what was recorded; it goes on from here, and what is missing will be done again              should the execution be resumed"
        );
        let newest = Arc::clone(&lock(&self.newest));
        let (incarnation, format) = (self.fence.incarnation.to_string(), FORMAT.to_string());
        let lasts = LASTS.as_millis().to_string();
        let arguments: [&[u8]; 7] = [
            self.fence.text.as_bytes(),
            incarnation.as_bytes(),
            format.as_bytes(),
            &newest.record,
            &newest.result,
            self.hold.as_bytes(),
            lasts.as_bytes(),
        ];
        let names = [&self.keys.fence, &self.keys.record, &self.keys.hold];
        let answer = self.inner.redis.call::<String>(&self.inner.scripts.restore, &names, &arguments).await;
        if answer.map_err(self.cannot("write"))? != "ok" {
            return Err(self.taken_over().await);
        }
        self.inner.list(&self.record).await
    }

    async fn taken_over(&self) -> Error {
        let hold = self.inner.redis.run::<Option<String>>(cmd("GET").arg(&self.keys.hold)).await;
        let owner = hold.ok().flatten().map(|hold| Owner::parse(&hold).text);
        let owner = owner.unwrap_or_else(|| "another coordinator, or was".to_owned());
        Error::Busy { id: self.keys.id.clone(), owner }
    }

    /// Reads chunks into the cache; `None` for those that are lost.
    async fn read(&self, numbers: &[u32]) -> Result<Vec<Option<Arc<Chunk>>>, Error> {
        let stored = self.inner.chunks(&self.keys, numbers).await?;
        lock(&self.portion).adapt(numbers.len(), stored.iter().flatten().map(Vec::len).sum());
        let mut chunks = Vec::with_capacity(stored.len());
        for (number, stored) in numbers.iter().zip(stored) {
            let Some(stored) = stored else {
                tracing::warn!(execution = %self.keys.id, chunk = number, "Redis has lost recorded outcomes");
                chunks.push(None);
                continue;
            };
            let bytes = split(stored).map_err(self.cannot("read"))?.bytes;
            let chunk = Arc::new(Chunk::parse(bytes).map_err(self.cannot("read"))?);
            lock(&self.cache).insert(*number, Arc::clone(&chunk));
            chunks.push(Some(chunk));
        }
        Ok(chunks)
    }

    fn recall_from(
        &self,
        chunk: &Chunk,
        tasks: &[TaskId],
        places: &[usize],
        recalled: &mut [Option<Recalled>],
    ) -> Result<(), Error> {
        for at in places {
            // The index may name a chunk for a task that was never recorded.
            let Some((position, _)) = chunk.find(tasks[*at]) else { continue };
            let outcome = chunk.outcome(position).map_err(self.cannot("read"))?;
            recalled[*at] = outcome
                .map(|outcome| Recalled { outcome: Arc::new(outcome), incarnation: chunk.incarnation });
        }
        Ok(())
    }

    fn cannot<E>(&self, action: &'static str) -> impl FnOnce(E) -> Error
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        medium(action, &self.inner.redis, &self.keys.id)
    }
}

fn lock<T>(mutex: &StdMutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
