//! A reporter that remembers.

use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use futures::future::BoxFuture;
use protocol::Value;

use crate::context::Reporter;
use crate::error::Error;

/// What one task reports.
pub(crate) struct Reports {
    /// Where its kept files go, if anywhere.
    directory: Option<PathBuf>,
    /// A std mutex: it is held for a push, never across an await.
    told: Mutex<Told>,
    /// How far the task is, for its next attempt. A std mutex, likewise.
    saved: Mutex<Option<Value>>,
}

/// What a task has reported so far.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) log: Vec<String>,
    pub(crate) progress: Option<(u64, u64)>,
}

impl Reports {
    pub(crate) fn new(directory: Option<PathBuf>) -> Self {
        Self { directory, told: Mutex::default(), saved: Mutex::default() }
    }

    /// What was reported, leaving nothing.
    pub(crate) fn take(&self) -> Told {
        std::mem::take(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn put_aside(&self, file: &Path) -> Result<String, Error> {
        let place = || format!("keeping {}", file.display());
        let directory = self.directory.as_deref().ok_or_else(|| {
            Error::permanent("this runner keeps no files; name a directory with Runner::keeping_files_in")
                .context(place())
        })?;
        let name =
            file.file_name().ok_or_else(|| Error::permanent("it has no file name").context(place()))?;
        let target = directory.join(name);
        let moved = async {
            tokio::fs::create_dir_all(directory).await?;
            if tokio::fs::rename(file, &target).await.is_err() {
                // Most likely another file system, which renaming does not cross.
                tokio::fs::copy(file, &target).await?;
                tokio::fs::remove_file(file).await?;
            }
            std::path::absolute(&target)
        };
        moved.await.map(|path| url(&path)).map_err(|error| Error::from(error).context(place()))
    }
}

impl Reporter for Reports {
    fn progress(&self, done: u64, total: u64) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).progress = Some((done, total));
    }

    fn log(&self, line: &str) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).log.push(line.to_owned());
    }

    fn keep<'a>(&'a self, file: &'a Path) -> BoxFuture<'a, Result<String, Error>> {
        Box::pin(self.put_aside(file))
    }

    /// Nobody else runs the task.
    fn holds_lease(&self) -> BoxFuture<'_, Result<bool, Error>> {
        Box::pin(async { Ok(true) })
    }

    fn save_progress(&self, progress: Value) -> BoxFuture<'_, Result<(), Error>> {
        *self.saved.lock().unwrap_or_else(PoisonError::into_inner) = Some(progress);
        Box::pin(async { Ok(()) })
    }

    fn saved_progress(&self) -> BoxFuture<'_, Result<Option<Value>, Error>> {
        let saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Box::pin(async { Ok(saved) })
    }
}

/// The file URL of an absolute path.
fn url(path: &Path) -> String {
    let mut url = "file://".to_owned();
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(url, "%{byte:02X}");
        }
    }
    url
}
