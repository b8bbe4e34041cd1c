//! The files of one semaphore as this process has them open.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::num::NonZeroU32;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use protocol::{SemaphoreName, Width};

use super::directory::create;
use super::error::Error;

/// The files of one semaphore.
#[derive(Debug)]
pub(super) struct Files {
    directory: PathBuf,
    /// Where tickets are.
    pub(super) line: PathBuf,
    pub(super) width: NonZeroU32,
    /// Says how wide it is; locked, shared, by each process that goes by it.
    agreed: File,
    queue: Arc<File>,
    /// Locked, shared, by each process of which some wait: as long as it is free there are no tickets
    /// to look for.
    crowd: File,
    /// As many as were needed so far.
    slots: Vec<Arc<Slot>>,
}

/// A lock on the queue, which is held for moments.
#[derive(Debug)]
pub(super) struct Locked(Arc<File>);

/// One of a semaphore's places.
#[derive(Debug)]
pub(super) struct Slot {
    file: File,
    /// By this process, which the lock cannot tell: one file is one owner to it.
    is_held: AtomicBool,
}

impl Files {
    /// Opens or makes them; `None` if somebody else is at the queue at this moment.
    pub(super) fn open(directory: &Path, name: &SemaphoreName, width: Width) -> Result<Option<Self>, Error> {
        let line = directory.join("line");
        create(directory, true)?;
        create(&line, false)?;
        let queue = Arc::new(open(&directory.join("queue"))?);
        let Some(_locked) = lock(&queue, directory)? else { return Ok(None) };
        let (file, width) = agree(directory, name, width)?;
        let crowd = open(&directory.join("crowd"))?;
        let directory = directory.to_owned();
        Ok(Some(Self { directory, line, width, agreed: file, queue, crowd, slots: Vec::new() }))
    }

    /// Locks the queue unless somebody else has.
    pub(super) fn lock(&self) -> Result<Option<Locked>, Error> {
        lock(&self.queue, &self.directory)
    }

    /// Whether somebody has removed the files: whoever comes next will have others.
    pub(super) fn are_gone(&self) -> Result<bool, Error> {
        let found = self.queue.metadata().map_err(Error::files("look at", &self.directory))?;
        Ok(found.nlink() == 0)
    }

    /// Whether no process waits. The queue must be locked, and none of this process may wait.
    pub(super) fn is_nobody_waiting(&self) -> Result<bool, Error> {
        let failed = |error| Error::files("lock", &self.directory.join("crowd"))(error);
        let is_free = taken(self.crowd.try_lock()).map_err(failed)?;
        if is_free {
            self.crowd.unlock().map_err(failed)?;
        }
        Ok(is_free)
    }

    /// Lets it be known that some of this process wait. The queue must be locked.
    pub(super) fn join_crowd(&self) -> Result<(), Error> {
        self.crowd.lock_shared().map_err(|error| Error::files("lock", &self.directory.join("crowd"))(error))
    }

    /// None of this process waits any more.
    pub(super) fn leave_crowd(&self) {
        if let Err(error) = self.crowd.unlock() {
            tracing::warn!(%error, "cannot leave the crowd before a semaphore");
        }
    }

    /// Takes a free slot.
    pub(super) fn take(&mut self) -> Result<Option<Arc<Slot>>, Error> {
        for number in 0..self.width.get() as usize {
            if number == self.slots.len() {
                let file = open(&self.slot(number))?;
                self.slots.push(Arc::new(Slot { file, is_held: AtomicBool::new(false) }));
            }
            let slot = &self.slots[number];
            if slot.take().map_err(Error::files("lock", &self.slot(number)))? {
                return Ok(Some(Arc::clone(slot)));
            }
        }
        Ok(None)
    }

    /// Where the slots are. Once none could be taken, all these files are there.
    pub(super) fn slots(&self) -> impl Iterator<Item = PathBuf> {
        (0..self.width.get() as usize).map(|number| self.slot(number))
    }

    fn slot(&self, number: usize) -> PathBuf {
        self.directory.join(format!("slot-{number}"))
    }
}

/// Who comes next may be the first, and choose another width.
impl Drop for Files {
    fn drop(&mut self) {
        if let Err(error) = self.agreed.unlock() {
            tracing::warn!(%error, "cannot unlock the width of a semaphore");
        }
    }
}

/// By name, as all locks here: a child that is being forked keeps those of closed files for a while.
impl Drop for Locked {
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            tracing::warn!(%error, "cannot unlock the queue of a semaphore");
        }
    }
}

impl Slot {
    fn take(&self) -> std::io::Result<bool> {
        if self.is_held.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let is_taken = taken(self.file.try_lock())?;
        self.is_held.store(is_taken, Ordering::Relaxed);
        Ok(is_taken)
    }

    /// Gives it back, and lets those know who watch the file.
    pub(super) fn give_back(&self) {
        let given_back = self.file.unlock();
        self.is_held.store(false, Ordering::Relaxed);
        if let Err(error) = given_back.and_then(|()| self.file.write_at(b"\n", 0)) {
            tracing::warn!(%error, "a place in a semaphore was not given back in order");
        }
    }
}

/// The width that the machine's processes have agreed on. The queue must be locked.
fn agree(directory: &Path, name: &SemaphoreName, wanted: Width) -> Result<(File, NonZeroU32), Error> {
    let path = directory.join("width");
    let mut file = open(&path)?;
    let lock = Error::files("lock", &path);
    if taken(file.try_lock()).map_err(lock)? {
        // Nobody else is there.
        let width = match wanted {
            Width::Given(width) => width,
            Width::Stock => NonZeroU32::MIN,
        };
        let text = format!("{width} process {}\n", std::process::id());
        file.set_len(0)
            .and_then(|()| file.write_all(text.as_bytes()))
            .map_err(Error::files("write", &path))?;
        file.lock_shared().map_err(Error::files("lock", &path))?;
        return Ok((file, width));
    }
    file.lock_shared().map_err(Error::files("lock", &path))?;
    let mut text = String::new();
    let read = file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_string(&mut text));
    read.map_err(Error::files("read", &path))?;
    let (width, owner) = text.trim_end().split_once(' ').unwrap_or((text.trim_end(), "another process"));
    let unreadable = || std::io::Error::other(format!("{text:?} is no width; end all workers and remove it"));
    let theirs: NonZeroU32 = width.parse().map_err(|_| Error::files("read", &path)(unreadable()))?;
    match wanted {
        Width::Given(ours) if ours != theirs => {
            let (name, owner, directory) = (name.clone(), owner.to_owned(), directory.to_owned());
            Err(Error::Widths { name, ours, theirs, owner, directory })
        }
        Width::Given(_) | Width::Stock => Ok((file, theirs)),
    }
}

fn lock(queue: &Arc<File>, directory: &Path) -> Result<Option<Locked>, Error> {
    let is_locked = taken(queue.try_lock()).map_err(Error::files("lock", &directory.join("queue")))?;
    Ok(is_locked.then(|| Locked(Arc::clone(queue))))
}

fn taken(tried: Result<(), TryLockError>) -> std::io::Result<bool> {
    match tried {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn open(path: &Path) -> Result<File, Error> {
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    opened.map_err(Error::files("open", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(width: u32) -> Width {
        Width::Given(NonZeroU32::new(width).unwrap())
    }

    /// As another process would: its files are not ours.
    fn open_as(directory: &Path, width: Width) -> Result<Files, Error> {
        Files::open(directory, &"read".parse().unwrap(), width).map(|files| files.expect("the queue is free"))
    }

    #[test]
    fn there_are_as_many_places_as_it_is_wide_for_all_together() {
        let directory = tempfile::tempdir().unwrap();
        let mut one = open_as(directory.path(), given(3)).unwrap();
        let mut other = open_as(directory.path(), given(3)).unwrap();
        let (first, _second) = (one.take().unwrap().unwrap(), one.take().unwrap().unwrap());
        let _third = other.take().unwrap().unwrap();
        assert!(one.take().unwrap().is_none() && other.take().unwrap().is_none());
        first.give_back();
        assert!(other.take().unwrap().is_some() && one.take().unwrap().is_none());
    }

    #[test]
    fn a_place_is_free_once_given_back_though_a_child_has_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let mut one = open_as(directory.path(), given(1)).unwrap();
        let slot = one.take().unwrap().unwrap();
        let of_the_child = slot.file.try_clone().unwrap();
        slot.give_back();
        assert!(open_as(directory.path(), given(1)).unwrap().take().unwrap().is_some());
        drop(of_the_child);
    }

    #[test]
    fn another_width_is_refused_while_somebody_has_the_first() {
        let directory = tempfile::tempdir().unwrap();
        let eight = open_as(directory.path(), given(8)).unwrap();
        let stock = open_as(directory.path(), Width::Stock).unwrap();
        assert_eq!(stock.width.get(), 8, "who has no wish goes by what there is");
        let error = open_as(directory.path(), given(4)).unwrap_err().to_string();
        let owner = format!("process {}", std::process::id());
        for part in ["semaphore read", "width 8", &*owner, "width 4 here", "the same width"] {
            assert!(error.contains(part), "{part}: {error}");
        }
        drop(eight);
        open_as(directory.path(), given(4)).unwrap_err();
        drop(stock);
        assert_eq!(open_as(directory.path(), given(4)).unwrap().width.get(), 4);
        assert_eq!(open_as(directory.path(), Width::Stock).unwrap().width.get(), 1, "all have gone");
    }

    #[test]
    fn the_queue_has_one_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let (one, other) = (
            open_as(directory.path(), Width::Stock).unwrap(),
            open_as(directory.path(), Width::Stock).unwrap(),
        );
        let locked = one.lock().unwrap().unwrap();
        assert!(other.lock().unwrap().is_none());
        let opened = Files::open(directory.path(), &"read".parse().unwrap(), Width::Stock).unwrap();
        assert!(opened.is_none(), "who comes new waits, too");
        assert!(other.is_nobody_waiting().unwrap());
        one.join_crowd().unwrap();
        assert!(!other.is_nobody_waiting().unwrap());
        one.leave_crowd();
        assert!(other.is_nobody_waiting().unwrap());
        drop(locked);
        assert!(other.lock().unwrap().is_some() && !other.are_gone().unwrap());
        std::fs::remove_dir_all(directory.path()).unwrap();
        assert!(other.are_gone().unwrap());
    }
}
