//! What a spec reads from standard input: kept, since it can be read only once, for later runs.

use std::path::PathBuf;

use protocol::{ExecutionId, MAX_REFERENCED_BYTES};

use crate::commands::Stop;
use crate::commands::backend::{Backend, Place};
use crate::commands::input::Spool;

/// Where an earlier run's input can be read, if it had any; `spool` may be used for it.
pub(super) fn kept(backend: &Backend, id: &ExecutionId, spool: &Spool) -> Result<Option<PathBuf>, Stop> {
    match &backend.place {
        Place::Embedded(store) => {
            Ok(Some(store.kept_dir(id).join("standard-input")).filter(|path| path.exists()))
        }
        Place::Servers(servers) => {
            let Some(input) = backend.block_on(servers.control().input(id))? else { return Ok(None) };
            spool.restore(&input)?;
            Ok(Some(spool.path().to_owned()))
        }
    }
}

/// Refuses what could not be kept.
pub(super) fn check(backend: &Backend, spool: &Spool) -> Result<(), Stop> {
    let size = spool.size()?;
    if backend.is_distributed() && size > MAX_REFERENCED_BYTES as u64 {
        return Err(Stop::Usage(format!(
            "error: standard input has {size} bytes, and over servers at most {MAX_REFERENCED_BYTES} are kept for \
             later runs; write it to a file, and name that instead of \"-\""
        )));
    }
    Ok(())
}

/// Keeps this run's input for later ones.
pub(super) fn keep(backend: &Backend, id: &ExecutionId, spool: &Spool) -> Result<(), Stop> {
    match &backend.place {
        Place::Embedded(store) => spool.keep(&store.kept_dir(id).join("standard-input")),
        Place::Servers(servers) => Ok(backend.block_on(servers.control().keep_input(id, &spool.read()?))?),
    }
}
