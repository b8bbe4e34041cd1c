//! Tickets: numbered files, each locked as long as its owner waits.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::error::Error;

/// A waiter's place in the queue; given up when dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) number: u64,
    path: PathBuf,
    file: File,
}

impl Ticket {
    /// Makes one. The queue must be locked: nobody may see it before it is locked itself.
    pub(super) fn draw(line: &Path, number: u64) -> Result<Self, Error> {
        let path = line.join(number.to_string());
        let made = OpenOptions::new().write(true).create_new(true).open(&path);
        let file = made.map_err(Error::files("make", &path))?;
        let ticket = Self { number, path, file };
        ticket.file.lock().map_err(Error::files("lock", &ticket.path))?;
        Ok(ticket)
    }
}

/// Removed while locked, so that nobody else has taken it for dead and used its number again. Unlocked
/// by name, since a child that is being forked keeps a closed file's lock for a while; and closed last,
/// which is what those behind hear of.
impl Drop for Ticket {
    fn drop(&mut self) {
        // If it has been removed, another may have its name.
        let is_ours = self.file.metadata().is_ok_and(|found| found.nlink() > 0);
        let removed = if is_ours { fs::remove_file(&self.path) } else { Ok(()) };
        for given_up in [removed, self.file.unlock()] {
            if let Err(error) = given_up {
                tracing::debug!(path = %self.path.display(), %error, "a ticket was not given up in order");
            }
        }
    }
}

/// Somebody else's ticket.
#[derive(Debug)]
pub(super) struct Other {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    file: File,
}

impl Other {
    /// Whether its owner still waits.
    pub(super) fn is_live(&self) -> Result<bool, Error> {
        // Shared, so that those who look do not take each other for the owner.
        match self.file.try_lock_shared() {
            Ok(()) => self.file.unlock().map(|()| false).map_err(Error::files("unlock", &self.path)),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(Error::files("lock", &self.path)(error)),
        }
    }
}

/// The last ticket that is alive, having removed all dead ones behind it. The queue must be locked.
pub(super) fn last(line: &Path) -> Result<Option<Other>, Error> {
    for number in numbers(line, u64::MAX)? {
        let Some(other) = open(line, number)? else { continue };
        if other.is_live()? {
            return Ok(Some(other));
        }
        gone(fs::remove_file(&other.path)).map_err(Error::files("remove", &other.path))?;
    }
    Ok(None)
}

/// The last one alive before a number. Needs no lock: before a ticket there is never a new one.
pub(super) fn last_before(line: &Path, number: u64) -> Result<Option<Other>, Error> {
    for number in numbers(line, number)? {
        match open(line, number)? {
            Some(other) if other.is_live()? => return Ok(Some(other)),
            Some(_) | None => {}
        }
    }
    Ok(None)
}

/// The numbers below a limit, highest first.
fn numbers(line: &Path, below: u64) -> Result<Vec<u64>, Error> {
    let read = |error| Error::files("read", line)(error);
    let mut numbers = Vec::new();
    for entry in fs::read_dir(line).map_err(read)? {
        let name = entry.map_err(read)?.file_name();
        numbers
            .extend(name.to_str().and_then(|name| name.parse().ok()).filter(|number: &u64| *number < below));
    }
    numbers.sort_unstable_by(|one, other| other.cmp(one));
    Ok(numbers)
}

fn open(line: &Path, number: u64) -> Result<Option<Other>, Error> {
    let path = line.join(number.to_string());
    let opened = gone(File::open(&path).map(Some)).map_err(Error::files("open", &path))?;
    Ok(opened.map(|file| Other { number, path, file }))
}

/// What is no longer there is as good as removed.
fn gone<T: Default>(result: io::Result<T>) -> io::Result<T> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(T::default()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_live_ticket_is_found_and_dead_ones_behind_it_removed() {
        let line = tempfile::tempdir().unwrap();
        let path = line.path();
        assert!(last(path).unwrap().is_none());
        let _first = Ticket::draw(path, 9).unwrap();
        // As one that was killed leaves it.
        File::create(path.join("10")).unwrap();
        File::create(path.join("8")).unwrap();
        assert_eq!(last_before(path, 12).unwrap().unwrap().number, 9);
        assert_eq!(last(path).unwrap().unwrap().number, 9);
        assert_eq!(numbers(path, u64::MAX).unwrap(), [9, 8]);
        assert!(last_before(path, 9).unwrap().is_none());
    }

    #[test]
    fn a_ticket_lives_until_it_is_given_up_though_a_child_has_its_file() {
        let line = tempfile::tempdir().unwrap();
        let ticket = Ticket::draw(line.path(), 1).unwrap();
        let other = last(line.path()).unwrap().unwrap();
        assert!(other.is_live().unwrap() && other.is_live().unwrap());
        // What a fork leaves in the child until it runs its program: the same open file.
        let of_the_child = ticket.file.try_clone().unwrap();
        drop(ticket);
        assert!(!other.is_live().unwrap());
        assert!(last(line.path()).unwrap().is_none());
        drop(of_the_child);
    }
}
