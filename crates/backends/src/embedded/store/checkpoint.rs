//! The checkpoint of one held execution.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use futures::future::BoxFuture;
use protocol::{Counts, ExecutionRecord, TaskId};

use super::database::{Changes, Database};
use super::directory::{Directory, medium};
use super::hold::Hold;
use super::sidecar;
use crate::chunks::cache::Cache;
use crate::chunks::chunk::{self, Chunk, Packer};
use crate::chunks::dead::{DeadKey, newest_positions};
use crate::chunks::index::Index;
use crate::store::{Checkpoint, Entry, Error, Recalled};

/// A held execution. Cloned into blocking calls; the hold ends with the last clone.
#[derive(Clone)]
pub(super) struct EmbeddedCheckpoint {
    shared: Arc<Shared>,
}

/// The database is closed before the hold ends: fields are dropped in this order.
struct Shared {
    database: Database,
    record: ExecutionRecord,
    /// Whoever has it writes. A std mutex, held on blocking threads.
    pen: Mutex<Pen>,
    index: RwLock<Index>,
    cache: Mutex<Cache>,
    /// Keeps copies and progress in the order in which they were asked for.
    sidecar: Mutex<()>,
    directory: Directory,
    _hold: Hold,
}

struct Pen {
    /// The number of the next chunk.
    next_chunk: u64,
    /// Whether a task may be noted as dead. In most runs none is, and then nothing has to be looked
    /// up before it is recorded.
    may_have_dead: bool,
}

impl EmbeddedCheckpoint {
    /// Reads which outcomes there are. Blocks.
    pub(super) fn new(
        database: Database,
        record: ExecutionRecord,
        directory: Directory,
        hold: Hold,
    ) -> Result<Self, Error> {
        let mut index = Index::default();
        let mut next_chunk = 0;
        database.visit_chunks(|number, bytes| {
            next_chunk = number + 1;
            let number = chunk_number(number, database.path())?;
            chunk::walk(bytes, |_, task, _| index.insert(task, number))
                .map_err(medium("read", database.path()))?;
            Ok(())
        })?;
        let pen = Pen { next_chunk, may_have_dead: database.has_dead()? };
        sidecar::write_record(&directory, &record)?;
        let shared = Shared {
            database,
            record,
            pen: Mutex::new(pen),
            index: RwLock::new(index),
            cache: Mutex::default(),
            sidecar: Mutex::default(),
            directory,
            _hold: hold,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Runs something that waits for the medium, off the runtime's threads.
    async fn blocking<T: Send + 'static>(
        &self,
        action: &'static str,
        run: impl FnOnce(&Shared) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let shared = Arc::clone(&self.shared);
        let result = tokio::task::spawn_blocking(move || run(&shared)).await;
        result.unwrap_or_else(|panic| Err(medium(action, self.shared.database.path())(panic)))
    }
}

impl Checkpoint for EmbeddedCheckpoint {
    fn record(&self) -> ExecutionRecord {
        self.shared.record.clone()
    }

    fn append(&self, entries: Vec<Entry>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            if entries.is_empty() {
                return Ok(());
            }
            self.blocking("write", move |shared| shared.append(&entries)).await
        })
    }

    fn recall<'a>(&'a self, tasks: &'a [TaskId]) -> BoxFuture<'a, Result<Vec<Option<Recalled>>, Error>> {
        Box::pin(async move {
            // Tasks that were never recorded, which is all of them in a first run, and those in
            // chunks read before need no other thread.
            if let Some(recalled) = self.shared.recall_from_memory(tasks)? {
                return Ok(recalled);
            }
            let tasks = tasks.to_vec();
            self.blocking("read", move |shared| shared.recall(&tasks)).await
        })
    }

    fn update(&self, record: ExecutionRecord) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.blocking("write", move |shared| {
            let _in_order = lock(&shared.sidecar);
            shared.database.write_record(&record)?;
            sidecar::write_record(&shared.directory, &record)
        }))
    }

    fn show_progress(&self, counts: Counts) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.blocking("write", move |shared| {
            let _in_order = lock(&shared.sidecar);
            sidecar::write_live(&shared.directory, counts)
        }))
    }
}

impl Shared {
    fn append(&self, entries: &[Entry]) -> Result<(), Error> {
        let path = self.database.path();
        let mut pen = lock(&self.pen);
        let mut changes = Changes::default();
        let mut places: Vec<u32> = Vec::with_capacity(entries.len());
        let newest = newest_positions(entries);
        let mut rest = entries.iter().enumerate().peekable();
        while let Some((_, entry)) = rest.peek() {
            let number = chunk_number(pen.next_chunk + changes.chunks.len() as u64, path)?;
            let mut packer = Packer::new(self.record.incarnation, entry.outcome.started_at_us);
            while let Some((at, entry)) = rest.next_if(|_| !packer.is_full()) {
                let position = packer.add(&entry.outcome).map_err(medium("write", path))?;
                places.push(number);
                if newest.get(&entry.outcome.task) == Some(&at) {
                    let task = rmp_serde::to_vec_named(&*entry.task).map_err(medium("write", path))?;
                    changes.dead.push((DeadKey { chunk: number, position }, task));
                }
                if pen.may_have_dead {
                    changes.no_longer_dead.extend(self.dead_before(entry.outcome.task)?);
                }
            }
            changes.chunks.push((number, packer.finish()));
        }
        let (written, has_dead) = (changes.chunks.len() as u64, !changes.dead.is_empty());
        self.database.apply(changes)?;
        pen.next_chunk += written;
        pen.may_have_dead |= has_dead;
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        for (entry, chunk) in entries.iter().zip(places) {
            index.insert(entry.outcome.task, chunk);
        }
        Ok(())
    }

    /// Where the task is noted as dead, if it is.
    fn dead_before(&self, task: TaskId) -> Result<Option<DeadKey>, Error> {
        let found = self.index.read().unwrap_or_else(PoisonError::into_inner).find(task);
        let Some(number) = found else { return Ok(None) };
        let found = self.chunk(number)?.find(task);
        Ok(found.and_then(|(position, is_dead)| is_dead.then_some(DeadKey { chunk: number, position })))
    }

    fn recall(&self, tasks: &[TaskId]) -> Result<Vec<Option<Recalled>>, Error> {
        let chunks = self.chunks_of(tasks);
        let recall = |(task, number): (&TaskId, Option<u32>)| match number {
            Some(number) => self.recall_from(&*self.chunk(number)?, *task),
            None => Ok(None),
        };
        tasks.iter().zip(chunks).map(recall).collect()
    }

    /// `None` if a chunk has to be read from the medium.
    fn recall_from_memory(&self, tasks: &[TaskId]) -> Result<Option<Vec<Option<Recalled>>>, Error> {
        let numbers = self.chunks_of(tasks);
        let mut chunks = HashMap::new();
        {
            let mut cache = lock(&self.cache);
            for number in numbers.iter().flatten() {
                if !chunks.contains_key(number) {
                    let Some(chunk) = cache.get(*number) else { return Ok(None) };
                    chunks.insert(*number, chunk);
                }
            }
        }
        let recall =
            |(task, number): (&TaskId, Option<u32>)| match number.and_then(|number| chunks.get(&number)) {
                Some(chunk) => self.recall_from(chunk, *task),
                None => Ok(None),
            };
        tasks.iter().zip(numbers).map(recall).collect::<Result<_, _>>().map(Some)
    }

    fn chunks_of(&self, tasks: &[TaskId]) -> Vec<Option<u32>> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        tasks.iter().map(|task| index.find(*task)).collect()
    }

    fn recall_from(&self, chunk: &Chunk, task: TaskId) -> Result<Option<Recalled>, Error> {
        // The index may name a chunk for a task that was never recorded.
        let Some((position, _)) = chunk.find(task) else { return Ok(None) };
        let outcome = chunk.outcome(position).map_err(medium("read", self.database.path()))?;
        Ok(outcome.map(|outcome| Recalled { outcome: Arc::new(outcome), incarnation: chunk.incarnation }))
    }

    fn chunk(&self, number: u32) -> Result<Arc<Chunk>, Error> {
        if let Some(chunk) = lock(&self.cache).get(number) {
            return Ok(chunk);
        }
        let chunk = Arc::new(read_chunk(&self.database, number)?);
        lock(&self.cache).insert(number, Arc::clone(&chunk));
        Ok(chunk)
    }
}

/// Reads and parses a chunk that must be there.
pub(super) fn read_chunk<D: redb::ReadableDatabase>(
    database: &Database<D>,
    number: u32,
) -> Result<Chunk, Error> {
    let path = database.path();
    let bytes = database.chunk(number)?.ok_or_else(|| format!("chunk {number} is missing"));
    Chunk::parse(bytes.map_err(medium("read", path))?).map_err(medium("read", path))
}

fn chunk_number(number: u64, path: &Path) -> Result<u32, Error> {
    u32::try_from(number).map_err(medium("write", path))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
