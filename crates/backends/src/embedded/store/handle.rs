//! The store's handle.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::BoxFuture;
use protocol::{ExecutionId, ExecutionRecord};

use super::checkpoint::EmbeddedCheckpoint;
use super::database::Database;
use super::directory::{Directory, medium, sync};
use super::hold::Hold;
use super::view;
use crate::store::{Checkpoint, Error, Removal, Store, View};

/// A store in a directory: a folder per execution with one database file, small copies for those
/// who look, and the files that were kept for results.
#[derive(Debug, Clone)]
pub struct EmbeddedStore {
    executions: PathBuf,
}

impl EmbeddedStore {
    /// Opens the store in `state_dir`, which is made if it does not exist.
    ///
    /// # Errors
    /// If the directory cannot be made.
    pub fn open(state_dir: PathBuf) -> Result<Self, Error> {
        let executions = state_dir.join("executions");
        fs::create_dir_all(&executions).map_err(medium("create", &executions))?;
        Ok(Self { executions })
    }

    /// Where files for an execution's results are kept.
    pub fn kept_dir(&self, id: &ExecutionId) -> PathBuf {
        self.directory(id).kept()
    }

    fn directory(&self, id: &ExecutionId) -> Directory {
        Directory::new(&self.executions, id)
    }

    async fn blocking<T: Send + 'static>(
        &self,
        action: &'static str,
        place: &Path,
        run: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        // A file that something else has overwritten may make the database panic.
        tokio::task::spawn_blocking(run).await.unwrap_or_else(|panic| Err(medium(action, place)(panic)))
    }
}

impl Store for EmbeddedStore {
    fn create(&self, record: ExecutionRecord) -> BoxFuture<'_, Result<Arc<dyn Checkpoint>, Error>> {
        let directory = self.directory(&record.id);
        Box::pin(async move {
            let (place, executions) = (directory.database(), self.executions.clone());
            self.blocking("create", &place, move || create(&executions, directory, record)).await
        })
    }

    fn resume<'a>(&'a self, id: &'a ExecutionId) -> BoxFuture<'a, Result<Arc<dyn Checkpoint>, Error>> {
        let directory = self.directory(id);
        Box::pin(async move {
            let place = directory.database();
            self.blocking("open", &place, move || resume(directory)).await
        })
    }

    fn view<'a>(&'a self, id: &'a ExecutionId) -> BoxFuture<'a, Result<View, Error>> {
        let directory = self.directory(id);
        Box::pin(async move {
            let place = directory.database();
            self.blocking("read", &place, move || view::view(&directory)).await
        })
    }

    fn take_to_remove<'a>(&'a self, id: &'a ExecutionId) -> BoxFuture<'a, Result<Box<dyn Removal>, Error>> {
        let directory = self.directory(id);
        Box::pin(async move {
            let place = directory.database();
            self.blocking("open", &place, move || {
                let hold = hold_existing(&directory)?;
                Ok(Box::new(EmbeddedRemoval { directory, hold }) as Box<dyn Removal>)
            })
            .await
        })
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<View>, Error>> {
        let executions = self.executions.clone();
        Box::pin(
            async move { self.blocking("read", &self.executions, move || view::list(&executions)).await },
        )
    }
}

/// An execution that is held to be removed. Its incarnation is of no use to anybody once it is gone, and may
/// stand in a file that is damaged.
struct EmbeddedRemoval {
    directory: Directory,
    hold: Hold,
}

impl Removal for EmbeddedRemoval {
    fn incarnation(&self) -> u32 {
        0
    }

    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<(), Error>> {
        Box::pin(async move {
            let path = self.directory.path().to_owned();
            let removed = tokio::task::spawn_blocking(move || self.directory.remove(self.hold));
            removed.await.unwrap_or_else(|panic| Err(medium("remove", &path)(panic)))
        })
    }
}

fn create(
    executions: &Path,
    directory: Directory,
    record: ExecutionRecord,
) -> Result<Arc<dyn Checkpoint>, Error> {
    let exists = || Error::Exists { id: directory.id.clone() };
    let hold = loop {
        fs::create_dir_all(directory.path()).map_err(medium("create", directory.path()))?;
        if directory.exists() {
            return Err(exists());
        }
        match Hold::to_write(&directory) {
            Ok(hold) => break hold,
            // Somebody creates it at this moment.
            Err(Error::Busy { .. }) => return Err(exists()),
            // One of its name has just been removed, with the directory.
            Err(Error::Medium { .. }) if !directory.path().exists() => {}
            Err(error) => return Err(error),
        }
    };
    if directory.exists() {
        return Err(exists());
    }
    // What a crash left half made is worth nothing.
    directory.clear()?;
    let unfinished = directory.new_database();
    let database = Database::create(&unfinished, &record)?;
    let path = directory.database();
    fs::rename(&unfinished, &path).map_err(medium("create", &path))?;
    sync(directory.path())?;
    sync(executions)?;
    let database = database.renamed(&path);
    Ok(Arc::new(EmbeddedCheckpoint::new(database, record, directory, hold)?))
}

/// Holds an execution that may be removed meanwhile.
fn hold_existing(directory: &Directory) -> Result<Hold, Error> {
    let unknown = || Error::Unknown { id: directory.id.clone() };
    if !directory.exists() {
        return Err(unknown());
    }
    let hold = Hold::to_write(directory);
    if directory.exists() { hold } else { Err(unknown()) }
}

fn resume(directory: Directory) -> Result<Arc<dyn Checkpoint>, Error> {
    let hold = hold_existing(&directory)?;
    let database = Database::open(&directory.database(), &directory.id)?;
    let mut record = database.record()?;
    record.incarnation += 1;
    database.write_record(&record)?;
    Ok(Arc::new(EmbeddedCheckpoint::new(database, record, directory, hold)?))
}
