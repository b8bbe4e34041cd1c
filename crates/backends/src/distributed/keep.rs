//! Puts files aside for results.

use std::fs::File;
use std::path::Path;

use protocol::{ExecutionId, MAX_REFERENCED_BYTES};

use super::connect::Shared;
use crate::broker::Error;

/// Puts a file into the shared directory, or into Redis if there is none; the URL under which
/// `coordinator fetch` finds it.
pub(super) async fn keep(shared: &Shared, execution: &ExecutionId, file: &Path) -> Result<String, Error> {
    let path = file.display().to_string();
    let failed = |source| Error::Keep { path: path.clone(), source };
    if let Some(directory) = shared.blobs().directory(execution) {
        return crate::kept::keep(directory.join("kept"), file.to_owned()).await;
    }
    let size = File::open(file).and_then(|file| file.metadata()).map_err(failed)?.len();
    if size > MAX_REFERENCED_BYTES as u64 {
        let problem = format!(
            "it has {size} bytes, and without a shared directory at most {MAX_REFERENCED_BYTES} are kept; \
             name one with --shared-dir on coordinator and workers"
        );
        return Err(failed(std::io::Error::other(problem)));
    }
    let bytes = tokio::fs::read(file).await.map_err(failed)?;
    let url = shared.blobs().keep(execution, bytes).await.map_err(Error::server)?;
    // It was copied and is no longer needed; a leftover wastes space but harms nothing.
    let _ = tokio::fs::remove_file(file).await;
    Ok(url)
}
