//! Tries whether the machine has what nearly every task needs: threads, and room for temporary files.
//!
//! A program that finds no room in its temporary directory ends like any other that failed. So after
//! a failure the worker looks for itself.

use std::io::{self, Write as _};
use std::path::Path;
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

/// How much is written.
const BYTES: usize = 64 * 1024;

/// How long that may take: a temporary directory that does not answer is of no use to anybody.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the machine lacks, if it does.
pub(crate) async fn lack() -> Option<String> {
    let directory = std::env::temp_dir();
    let place = format!("the temporary directory {} (TMPDIR)", directory.display());
    let (answer, answered) = oneshot::channel();
    // A thread of its own: a file system that hangs must not hold up the slots.
    let trial = move || {
        // Nobody waits for it any more once it took too long.
        let _ = answer.send(try_to_write(&directory));
    };
    if let Err(error) = thread::Builder::new().name("probe".to_owned()).spawn(trial) {
        return Some(format!("no thread can be started: {error}"));
    }
    match tokio::time::timeout(PATIENCE, answered).await {
        Ok(Ok(Err(error))) => Some(format!("{place} cannot be written: {error}")),
        Ok(Ok(Ok(())) | Err(_)) => None,
        Err(_) => Some(format!("{place} has not answered for {}s", PATIENCE.as_secs())),
    }
}

fn try_to_write(directory: &Path) -> io::Result<()> {
    let mut file = tempfile::tempfile_in(directory)?;
    file.write_all(&[0; BYTES])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_healthy_machine_lacks_nothing() {
        assert_eq!(lack().await, None);
    }

    #[test]
    fn a_directory_that_is_gone_or_full_is_told() {
        let directory = tempfile::tempdir().unwrap();
        try_to_write(directory.path()).unwrap();
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "it leaves nothing behind");
        let gone = try_to_write(&directory.path().join("gone")).unwrap_err();
        assert_eq!(gone.kind(), io::ErrorKind::NotFound);
    }
}
