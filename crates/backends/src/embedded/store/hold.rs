//! Holding an execution: a lock on a file, which the kernel takes away from a killed process.
//!
//! The database has a lock of its own. This one comes first, so that a look from outside never
//! opens a file that somebody is about to write, and so that it can be said who holds it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::thread;
use std::time::{Duration, Instant};

use super::directory::{Directory, medium};
use crate::store::Error;

/// How long to wait for those who only look, which takes them milliseconds.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long to wait for one who repairs the file after a crash, which reads all of it.
const PATIENCE_WITH_REPAIR: Duration = Duration::from_secs(60);
const BETWEEN_TRIES: Duration = Duration::from_millis(5);
const REPAIRS: &str = ", which repairs it after a crash";

/// The right to write an execution, or to read its file; ends when dropped.
#[derive(Debug)]
pub(super) struct Hold {
    locked: File,
}

/// Gives the lock up by name: closing the file would leave it with a child process that another
/// thread has forked, until that child runs its program.
impl Drop for Hold {
    fn drop(&mut self) {
        if let Err(error) = self.locked.unlock() {
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot unlock an execution");
        }
    }
}

impl Hold {
    /// The right to write; waits a moment for those who look. Blocks.
    pub(super) fn to_write(directory: &Directory) -> Result<Self, Error> {
        let begun = Instant::now();
        loop {
            if let Some(hold) = Self::try_exclusive(directory, "")? {
                return Ok(hold);
            }
            let owner = owner(directory);
            let patience = if owner.ends_with(REPAIRS) { PATIENCE_WITH_REPAIR } else { PATIENCE };
            if begun.elapsed() >= patience {
                return Err(Error::Busy { id: directory.id.clone(), owner });
            }
            thread::sleep(BETWEEN_TRIES);
        }
    }

    /// The right to repair; `None` if somebody else is at it.
    pub(super) fn to_repair(directory: &Directory) -> Result<Option<Self>, Error> {
        Self::try_exclusive(directory, REPAIRS)
    }

    /// The right to read, so that nobody begins to write meanwhile; `None` while somebody writes.
    pub(super) fn to_read(directory: &Directory) -> Result<Option<Self>, Error> {
        let path = directory.owner();
        let file = File::open(&path).map_err(medium("open", &path))?;
        match file.try_lock_shared() {
            Ok(()) => Ok(Some(Self { locked: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(medium("lock", &path)(error)),
        }
    }

    fn try_exclusive(directory: &Directory, purpose: &str) -> Result<Option<Self>, Error> {
        let path = directory.owner();
        let opened = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        let mut file = opened.map_err(medium("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(medium("lock", &path)(error)),
        }
        // One whose execution was removed while we waited is nobody's.
        let is_there = fs::metadata(&path).and_then(|there| Ok(there.ino() == file.metadata()?.ino()));
        if !is_there.map_err(medium("open", &path))? {
            return Ok(None);
        }
        // Written in place, since the lock is on this very file. What a former owner left is stale.
        let text = format!("process {} on {}{purpose}", std::process::id(), machine());
        let written = file.set_len(0).and_then(|()| file.write_all(text.as_bytes()));
        written.map_err(medium("write", &path))?;
        Ok(Some(Self { locked: file }))
    }
}

/// Who holds an execution, for people.
pub(super) fn owner(directory: &Directory) -> String {
    let text = fs::read_to_string(directory.owner()).unwrap_or_default();
    // Empty for the moment between locking and writing.
    if text.is_empty() { "another process".to_owned() } else { text }
}

fn machine() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forked_child_does_not_keep_a_hold() {
        let executions = tempfile::tempdir().unwrap();
        let directory = Directory::new(executions.path(), &"held".parse().unwrap());
        fs::create_dir(directory.owner().parent().unwrap()).unwrap();
        let hold = Hold::to_write(&directory).unwrap();
        // What a fork leaves in the child until it runs its program: the same open file.
        let of_the_child = hold.locked.try_clone().unwrap();
        assert!(Hold::to_read(&directory).unwrap().is_none());
        drop(hold);
        assert!(Hold::to_read(&directory).unwrap().is_some());
        drop(of_the_child);
    }
}
