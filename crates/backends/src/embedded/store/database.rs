//! The file of one execution: its record, chunks of outcomes, and the tasks that are dead.

use std::path::{Path, PathBuf};

use protocol::{ExecutionId, ExecutionRecord, Task, Value};
use redb::{
    DatabaseError, Durability, ReadableDatabase, ReadableTable as _, ReadableTableMetadata as _,
    TableDefinition,
};

use super::directory::medium;
use crate::chunks::dead::DeadKey;
use crate::store::Error;

/// The newest format of the file that we read, and the one that we write.
const FORMAT: u32 = 1;
/// Memory that the file's pages may take. What is read again is cached in decoded form by us.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
/// Outcomes, many to a row, in the order in which they were recorded.
const CHUNKS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("chunks");
/// Tasks whose newest outcome is a failure, by [`DeadKey`]; the outcome is in its chunk.
const DEAD: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("dead");

/// What one commit changes.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) chunks: Vec<(u32, Vec<u8>)>,
    pub(super) dead: Vec<(DeadKey, Vec<u8>)>,
    pub(super) no_longer_dead: Vec<DeadKey>,
}

/// How a file can be opened without the right to write it.
pub(super) enum Opened {
    Clean(Database<redb::ReadOnlyDatabase>),
    /// Its last writer was killed.
    NeedsRepair,
}

/// An open file; `D` says whether for reading only.
pub(super) struct Database<D = redb::Database> {
    inner: D,
    path: PathBuf,
}

impl Database {
    /// Makes a new file that holds a record.
    pub(super) fn create(path: &Path, record: &ExecutionRecord) -> Result<Self, Error> {
        let inner = builder().create(path).map_err(medium("create", path))?;
        let database = Self { inner, path: path.to_owned() };
        database.write(|transaction| {
            transaction.open_table(META)?.insert("format", FORMAT.to_be_bytes().as_slice())?;
            transaction.open_table(CHUNKS)?;
            transaction.open_table(DEAD)?;
            Ok(())
        })?;
        database.write_record(record)?;
        Ok(database)
    }

    /// Opens a file for writing, after a crash with repair.
    pub(super) fn open(path: &Path, id: &ExecutionId) -> Result<Self, Error> {
        let inner = match builder().open(path) {
            Ok(inner) => inner,
            Err(DatabaseError::DatabaseAlreadyOpen) => {
                return Err(Error::Busy { id: id.clone(), owner: "another process".to_owned() });
            }
            Err(error) => return Err(medium("open", path)(error)),
        };
        let database = Self { inner, path: path.to_owned() };
        database.check_format()?;
        Ok(database)
    }

    /// Follows a file to its new name.
    pub(super) fn renamed(mut self, path: &Path) -> Self {
        self.path = path.to_owned();
        self
    }

    /// Replaces the record; durable on return.
    pub(super) fn write_record(&self, record: &ExecutionRecord) -> Result<(), Error> {
        // The result goes beside it as it is: not every value survives a self-describing format.
        let bare = ExecutionRecord { result: None, ..record.clone() };
        let bare = rmp_serde::to_vec_named(&bare).map_err(medium("write", &self.path))?;
        self.write(|transaction| {
            let mut meta = transaction.open_table(META)?;
            meta.insert("record", bare.as_slice())?;
            match &record.result {
                Some(result) => meta.insert("result", result.as_bytes())?,
                None => meta.remove("result")?,
            };
            Ok(())
        })
    }

    /// Makes changes, all or none; durable on return.
    pub(super) fn apply(&self, changes: Changes) -> Result<(), Error> {
        self.write(|transaction| {
            let mut chunks = transaction.open_table(CHUNKS)?;
            for (number, bytes) in changes.chunks {
                chunks.insert(u64::from(number), bytes.as_slice())?;
            }
            if changes.dead.is_empty() && changes.no_longer_dead.is_empty() {
                return Ok(());
            }
            let mut dead = transaction.open_table(DEAD)?;
            for key in changes.no_longer_dead {
                dead.remove(key.number())?;
            }
            for (key, task) in changes.dead {
                dead.insert(key.number(), task.as_slice())?;
            }
            Ok(())
        })
    }

    fn write(
        &self,
        change: impl FnOnce(&redb::WriteTransaction) -> Result<(), redb::Error>,
    ) -> Result<(), Error> {
        let write = || {
            let mut transaction = self.inner.begin_write()?;
            transaction.set_durability(Durability::Immediate)?;
            change(&transaction)?;
            transaction.commit()?;
            Ok(())
        };
        write().map_err(medium::<redb::Error>("write", &self.path))
    }
}

impl Database<redb::ReadOnlyDatabase> {
    /// Opens a file for a look; nobody may be writing it.
    pub(super) fn open_to_read(path: &Path) -> Result<Opened, Error> {
        match builder().open_read_only(path) {
            Ok(inner) => {
                let database = Self { inner, path: path.to_owned() };
                database.check_format()?;
                Ok(Opened::Clean(database))
            }
            Err(DatabaseError::RepairAborted) => Ok(Opened::NeedsRepair),
            Err(error) => Err(medium("open", path)(error)),
        }
    }
}

impl<D: ReadableDatabase> Database<D> {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The record.
    pub(super) fn record(&self) -> Result<ExecutionRecord, Error> {
        let bare = self.meta("record")?.ok_or("it holds no record").map_err(medium("read", &self.path))?;
        let mut record: ExecutionRecord = rmp_serde::from_slice(&bare).map_err(medium("read", &self.path))?;
        record.result = match self.meta("result")? {
            Some(bytes) => Some(Value::from_bytes(&bytes).map_err(medium("read", &self.path))?),
            None => None,
        };
        Ok(record)
    }

    /// Reads one chunk.
    pub(super) fn chunk(&self, number: u32) -> Result<Option<Vec<u8>>, Error> {
        self.read(|transaction| {
            let chunks = transaction.open_table(CHUNKS)?;
            Ok(chunks.get(u64::from(number))?.map(|bytes| bytes.value().to_vec()))
        })
    }

    /// Visits all chunks, oldest first, one in memory at a time.
    pub(super) fn visit_chunks(
        &self,
        mut visit: impl FnMut(u64, &[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let result = self.read(|transaction| {
            for row in transaction.open_table(CHUNKS)?.iter()? {
                let (number, bytes) = row?;
                if let Err(error) = visit(number.value(), bytes.value()) {
                    return Ok(Err(error));
                }
            }
            Ok(Ok(()))
        });
        result.flatten()
    }

    /// Whether any task is dead.
    pub(super) fn has_dead(&self) -> Result<bool, Error> {
        self.read(|transaction| Ok(!transaction.open_table(DEAD)?.is_empty()?))
    }

    /// Dead tasks, latest first, at most so many.
    pub(super) fn dead(&self, most: usize) -> Result<Vec<(DeadKey, Task)>, Error> {
        let rows: Vec<_> = self.read(|transaction| {
            let dead = transaction.open_table(DEAD)?;
            let rows = dead.iter()?.rev().take(most);
            rows.map(|row| row.map(|(key, task)| (key.value(), task.value().to_vec())).map_err(Into::into))
                .collect()
        })?;
        let decode =
            |(key, task): (u64, Vec<u8>)| Ok((DeadKey::from_number(key), rmp_serde::from_slice(&task)?));
        rows.into_iter()
            .map(decode)
            .collect::<Result<_, rmp_serde::decode::Error>>()
            .map_err(medium("read", &self.path))
    }

    fn check_format(&self) -> Result<(), Error> {
        let bytes = self.meta("format")?.and_then(|bytes| bytes.try_into().ok());
        let found = bytes.map(u32::from_be_bytes).ok_or("it is not a store of ours");
        match found.map_err(medium("open", &self.path))? {
            found if found > FORMAT => {
                Err(Error::Format { place: self.path.display().to_string(), found, supported: FORMAT })
            }
            _ => Ok(()),
        }
    }

    fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.read(|transaction| {
            let meta = match transaction.open_table(META) {
                Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
                other => other?,
            };
            Ok(meta.get(key)?.map(|bytes| bytes.value().to_vec()))
        })
    }

    fn read<T>(
        &self,
        read: impl FnOnce(&redb::ReadTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, Error> {
        let run = || read(&self.inner.begin_read()?);
        run().map_err(medium::<redb::Error>("read", &self.path))
    }
}

fn builder() -> redb::Builder {
    let mut builder = redb::Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    builder
}
