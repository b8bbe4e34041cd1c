//! Looking at executions without holding them.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use protocol::ExecutionId;
use redb::ReadableDatabase;

use super::checkpoint::read_chunk;
use super::database::{Database, Opened};
use super::directory::{Directory, REMOVED, medium};
use super::hold::{self, Hold};
use super::sidecar;
use crate::chunks::chunk::Chunk;
use crate::store::{Entry, Error, View};

/// Most dead tasks that a view names.
const MOST_DEAD: usize = 1_000;

/// One execution. Blocks.
pub(super) fn view(directory: &Directory) -> Result<View, Error> {
    if !directory.exists() {
        return Err(Error::Unknown { id: directory.id.clone() });
    }
    let path = directory.database();
    if let Some(_hold) = Hold::to_read(directory)?
        && let Opened::Clean(database) = Database::open_to_read(&path)?
    {
        return view_of(directory, &database);
    }
    // Either somebody holds it, or its last holder was killed and nobody has repaired it since.
    match Hold::to_repair(directory)? {
        Some(_hold) => view_of(directory, &Database::open(&path, &directory.id)?),
        None => {
            let record = sidecar::read_record(directory)?;
            Ok(View { record, owner: Some(hold::owner(directory)), dead: Vec::new() })
        }
    }
}

/// All executions, newest first. Blocks.
pub(super) fn list(executions: &Path) -> Result<Vec<View>, Error> {
    let mut views = Vec::new();
    for entry in fs::read_dir(executions).map_err(medium("read", executions))? {
        let name = entry.map_err(medium("read", executions))?.file_name();
        if name.as_encoded_bytes().starts_with(REMOVED.as_bytes()) {
            continue;
        }
        let Some(id) = name.to_str().and_then(|name| name.parse::<ExecutionId>().ok()) else {
            tracing::warn!(?name, place = %executions.display(), "not an execution's directory");
            continue;
        };
        let directory = Directory::new(executions, &id);
        if !directory.exists() {
            // One that was never completely created.
            continue;
        }
        match brief_view(&directory) {
            Ok(view) => views.push(view),
            Err(error) => {
                tracing::warn!(execution = %id, error = &error as &dyn std::error::Error, "cannot read an execution");
            }
        }
    }
    views.sort_by_key(|view| std::cmp::Reverse(view.record.created_at_us));
    Ok(views)
}

/// Without dead tasks, and without opening the database if that can be avoided.
fn brief_view(directory: &Directory) -> Result<View, Error> {
    let is_held = Hold::to_read(directory)?.is_none();
    match sidecar::read_record(directory) {
        Ok(record) => Ok(View { record, owner: is_held.then(|| hold::owner(directory)), dead: Vec::new() }),
        // The copy may be lost, or miss for a moment after the execution was created.
        Err(_) => Ok(View { dead: Vec::new(), ..view(directory)? }),
    }
}

fn view_of<D: ReadableDatabase>(directory: &Directory, database: &Database<D>) -> Result<View, Error> {
    let mut record = database.record()?;
    sidecar::add_progress(directory, &mut record)?;
    let mut dead = Vec::new();
    let mut last: Option<(u32, Chunk)> = None;
    for (key, task) in database.dead(MOST_DEAD)? {
        let chunk = match last.take() {
            Some((number, chunk)) if number == key.chunk => chunk,
            _ => read_chunk(database, key.chunk)?,
        };
        let outcome = chunk.outcome(key.position).map_err(medium("read", database.path()))?;
        if let Some(outcome) = outcome {
            dead.push(Entry { task: Arc::new(task), outcome: Arc::new(outcome) });
        }
        last = Some((key.chunk, chunk));
    }
    Ok(View { record, owner: None, dead })
}
