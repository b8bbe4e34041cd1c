//! How far tasks are: files of one execution, for the broker in memory.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use protocol::{ExecutionId, TaskId};

/// Remembers how far a task is; whole or not at all, and across a crash.
pub(crate) fn save(
    directory: &Path,
    execution: &ExecutionId,
    task: TaskId,
    progress: &[u8],
) -> io::Result<()> {
    let path = path(directory, execution, task);
    let partial = path.with_extension("part");
    fs::create_dir_all(path.parent().unwrap_or(directory))?;
    let mut file = fs::File::create(&partial)?;
    file.write_all(progress)?;
    file.sync_data()?;
    fs::rename(&partial, &path)
}

/// What was remembered last.
pub(crate) fn load(directory: &Path, execution: &ExecutionId, task: TaskId) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path(directory, execution, task)) {
        Ok(progress) => Ok(Some(progress)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Forgets it: the task has ended.
pub(crate) fn forget(directory: &Path, execution: &ExecutionId, task: TaskId) {
    // A leftover wastes space but harms nothing.
    let _ = fs::remove_file(path(directory, execution, task));
}

fn path(directory: &Path, execution: &ExecutionId, task: TaskId) -> PathBuf {
    directory.join("progress").join(execution.as_str()).join(task.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_that_was_saved_is_loaded_until_it_is_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let (execution, task) = ("one".parse().unwrap(), TaskId::from_u128(7));
        let load = || load(directory.path(), &execution, task).unwrap();
        assert_eq!(load(), None);
        for progress in [b"first".as_slice(), b"second"] {
            save(directory.path(), &execution, task, progress).unwrap();
            assert_eq!(load().as_deref(), Some(progress));
        }
        forget(directory.path(), &execution, task);
        assert_eq!(load(), None);
    }
}
