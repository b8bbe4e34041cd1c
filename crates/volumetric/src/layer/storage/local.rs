//! Files of this machine. A file is replaced as a whole: written beside its place and moved there.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Ends the names of files that are not finished. They begin with a dot besides.
const UNFINISHED: &str = ".unfinished";

pub(super) fn get(path: &Path) -> io::Result<Option<Vec<u8>>> {
    found(fs::read(path))
}

/// A part, cut off where the file ends.
pub(super) fn get_range(path: &Path, range: Range<u64>) -> io::Result<Option<Vec<u8>>> {
    let Some(file) = found(File::open(path))? else { return Ok(None) };
    let stop = range.end.min(file.metadata()?.len());
    read(file, range.start, stop.saturating_sub(range.start)).map(Some)
}

/// The last bytes.
pub(super) fn get_end(path: &Path, length: u64) -> io::Result<Option<Vec<u8>>> {
    let Some(file) = found(File::open(path))? else { return Ok(None) };
    let size = file.metadata()?.len();
    read(file, size.saturating_sub(length), length.min(size)).map(Some)
}

fn read(mut file: File, start: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.seek(SeekFrom::Start(start))?;
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

pub(super) fn size(path: &Path) -> io::Result<Option<u64>> {
    Ok(found(fs::metadata(path))?.filter(fs::Metadata::is_file).map(|metadata| metadata.len()))
}

/// Whoever reads meanwhile sees the old file or the new one.
pub(super) fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut unfinished = Unfinished::write(path, bytes)?;
    fs::rename(&unfinished.0, path)?;
    // It has another name now.
    unfinished.0.clear();
    Ok(())
}

/// Whether it was put: not if there is one already.
pub(super) fn put_if_absent(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    let unfinished = Unfinished::write(path, bytes)?;
    // A link, unlike a move, never takes the place of another file.
    match fs::hard_link(&unfinished.0, path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Waits until files that were put, or deleted, are so on disk.
pub(super) fn sync(paths: impl Iterator<Item = PathBuf>) -> io::Result<()> {
    let mut directories = BTreeSet::new();
    for path in paths {
        // Its content, before the name that shows it.
        if let Some(file) = found(File::open(&path))? {
            file.sync_data()?;
        }
        directories.extend(path.parent().map(Path::to_owned));
    }
    for directory in directories {
        if let Some(directory) = found(File::open(directory))? {
            directory.sync_all()?;
        }
    }
    Ok(())
}

pub(super) fn delete(path: &Path) -> io::Result<()> {
    found(fs::remove_file(path)).map(drop)
}

/// A file, or a directory with all in it.
pub(super) fn delete_all(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == ErrorKind::NotADirectory => delete(path),
        other => found(other).map(drop),
    }
}

/// All files below, by their paths from there, sorted.
pub(super) fn list(directory: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    let mut open = vec![(directory.to_owned(), String::new())];
    while let Some((directory, prefix)) = open.pop() {
        let Some(entries) = found(fs::read_dir(&directory))? else { continue };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if name.starts_with('.') && name.ends_with(UNFINISHED) {
                continue;
            }
            let name = format!("{prefix}{name}");
            // Links are followed, as reading follows them.
            match fs::metadata(entry.path()) {
                Ok(metadata) if metadata.is_dir() => open.push((entry.path(), format!("{name}/"))),
                Ok(_) => names.push(name),
                // Gone meanwhile.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A file beside the one that it is to become; deleted unless it does.
struct Unfinished(PathBuf);

impl Unfinished {
    fn write(path: &Path, bytes: &[u8]) -> io::Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::Error::new(ErrorKind::InvalidInput, "it has no file name"));
        };
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        // Processes of several machines may share the directory; the address space's layout tells them apart.
        let salt = std::ptr::from_ref(&COUNT).addr() ^ std::process::id() as usize;
        let name = format!(".{}.{salt:x}-{count}{UNFINISHED}", name.to_string_lossy());
        let beside = directory.join(name);
        let create = || OpenOptions::new().write(true).create_new(true).open(&beside);
        let mut file = match create() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                fs::create_dir_all(directory)?;
                create()?
            }
            other => other?,
        };
        let unfinished = Self(beside);
        file.write_all(bytes)?;
        Ok(unfinished)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.0.as_os_str().is_empty() {
            return;
        }
        // What is left over costs room and nothing else: nobody reads or lists it.
        fs::remove_file(&self.0).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_finished_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b");
        // A directory that is not empty cannot be replaced by a file.
        fs::create_dir_all(path.join("c")).unwrap();
        put(&path, b"new").unwrap_err();
        let left: Vec<_> = fs::read_dir(directory.path().join("a")).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }

    #[test]
    fn unfinished_files_are_not_listed() {
        let directory = tempfile::tempdir().unwrap();
        let unfinished = Unfinished::write(&directory.path().join("a/b"), b"half").unwrap();
        assert_eq!(list(directory.path()).unwrap(), Vec::<String>::new());
        assert_eq!(fs::read(&unfinished.0).unwrap(), b"half");
        put(&directory.path().join("a/b"), b"whole").unwrap();
        assert_eq!(list(directory.path()).unwrap(), ["a/b"]);
    }
}
