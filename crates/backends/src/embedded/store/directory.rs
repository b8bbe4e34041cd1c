//! Where an execution's files are, and how they are replaced.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use protocol::ExecutionId;

use super::hold::Hold;
use crate::store::Error;

/// The files of one execution.
#[derive(Debug, Clone)]
pub(super) struct Directory {
    pub(super) id: ExecutionId,
    path: PathBuf,
}

impl Directory {
    pub(super) fn new(executions: &Path, id: &ExecutionId) -> Self {
        Self { id: id.clone(), path: executions.join(id.as_str()) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The record and all outcomes. It gets this name once it is complete, so it exists exactly if
    /// the execution does.
    pub(super) fn database(&self) -> PathBuf {
        self.path.join("store.redb")
    }

    /// The same while it is being made.
    pub(super) fn new_database(&self) -> PathBuf {
        self.path.join("store.redb.new")
    }

    /// Locked by whoever holds the execution; says who that is.
    pub(super) fn owner(&self) -> PathBuf {
        self.path.join("owner")
    }

    /// A copy of the record, for those who must not open the database while it is held.
    pub(super) fn record(&self) -> PathBuf {
        self.path.join("record.json")
    }

    /// How far the execution is. Newer than the record whenever it is there.
    pub(super) fn live(&self) -> PathBuf {
        self.path.join("live.json")
    }

    /// Files that were put aside for results.
    pub(super) fn kept(&self) -> PathBuf {
        self.path.join("kept")
    }

    pub(super) fn exists(&self) -> bool {
        self.database().exists()
    }

    /// Removes all but the file that its holder has locked.
    pub(super) fn clear(&self) -> Result<(), Error> {
        let unreadable = || medium("read", self.path());
        for entry in fs::read_dir(self.path()).map_err(unreadable())? {
            let entry = entry.map_err(unreadable())?;
            let path = entry.path();
            if path == self.owner() {
                continue;
            }
            let is_directory = entry.file_type().map_err(medium("read", &path))?.is_dir();
            if is_directory { remove_all(&path)? } else { remove(&path)? }
        }
        Ok(())
    }
}

/// How the names of directories begin that are being removed.
pub(super) const REMOVED: &str = ".removed-";

impl Directory {
    /// Removes all of it, for its holder. It is gone at once; what a crash leaves of it goes with the next one.
    pub(super) fn remove(&self, hold: Hold) -> Result<(), Error> {
        let executions = self.path.parent().unwrap_or(&self.path);
        let removed = executions.join(format!("{REMOVED}{}", uuid::Uuid::new_v4().simple()));
        fs::rename(&self.path, &removed).map_err(medium("remove", &self.path))?;
        sync(executions)?;
        // Whoever waits for it sees that it is not that of an execution any more.
        drop(hold);
        remove_all(&removed)?;
        for entry in fs::read_dir(executions).into_iter().flatten().flatten() {
            if entry.file_name().as_encoded_bytes().starts_with(REMOVED.as_bytes()) {
                // Another process may be at it.
                let _ = remove_all(&entry.path());
            }
        }
        Ok(())
    }
}

/// Replaces a file such that readers see the old or the new content. Not durable by itself.
pub(super) fn replace(path: &Path, content: &[u8]) -> Result<(), Error> {
    let partial = path.with_extension("part");
    let write = || {
        File::create(&partial)?.write_all(content)?;
        fs::rename(&partial, path)
    };
    write().map_err(medium("write", path))
}

/// Removes a file that may be there.
pub(super) fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(medium("remove", path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Removes a directory that may be there, with all that is in it.
pub(super) fn remove_all(path: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(medium("remove", path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Makes names in a directory durable.
pub(super) fn sync(directory: &Path) -> Result<(), Error> {
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(medium("write", directory))
}

/// Says what could not be done to which file. Costs nothing unless it is called.
pub(super) fn medium<E>(action: &'static str, path: &Path) -> impl FnOnce(E) -> Error
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    move |source| Error::Medium { action, place: path.display().to_string(), source: source.into() }
}
