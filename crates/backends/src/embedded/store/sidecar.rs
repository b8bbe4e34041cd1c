//! What others may read while an execution is held: a copy of its record, and its progress.

use std::fs;
use std::io;

use protocol::{Counts, ExecutionRecord, to_unix_micros};
use serde::{Deserialize, Serialize};

use super::directory::{Directory, medium, remove, replace};
use crate::store::Error;

/// How far an execution is.
#[derive(Debug, Serialize, Deserialize)]
struct Live {
    pid: u32,
    written_at_us: u64,
    counts: Counts,
}

/// Copies a record that was just made durable; progress shown before is older than it.
pub(super) fn write_record(directory: &Directory, record: &ExecutionRecord) -> Result<(), Error> {
    let path = directory.record();
    let text = serde_json::to_vec_pretty(record).or_else(|_| {
        // Not every value has a JSON form. This is a copy for looking at; the result itself is in
        // the database.
        serde_json::to_vec_pretty(&ExecutionRecord { result: None, ..record.clone() })
    });
    replace(&path, &text.map_err(medium("write", &path))?)?;
    remove(&directory.live())
}

/// Shows progress.
pub(super) fn write_live(directory: &Directory, counts: Counts) -> Result<(), Error> {
    let path = directory.live();
    let written_at_us = to_unix_micros(std::time::SystemTime::now());
    let live = Live { pid: std::process::id(), written_at_us, counts };
    replace(&path, &serde_json::to_vec(&live).map_err(medium("write", &path))?)
}

/// The copy of the record with the progress shown since.
pub(super) fn read_record(directory: &Directory) -> Result<ExecutionRecord, Error> {
    let path = directory.record();
    let text = fs::read(&path).map_err(medium("read", &path))?;
    let mut record = serde_json::from_slice(&text).map_err(medium("read", &path))?;
    add_progress(directory, &mut record)?;
    Ok(record)
}

/// Brings a record's counts up to the progress shown since it was written.
pub(super) fn add_progress(directory: &Directory, record: &mut ExecutionRecord) -> Result<(), Error> {
    let path = directory.live();
    match fs::read(&path) {
        Ok(text) => {
            let live: Live = serde_json::from_slice(&text).map_err(medium("read", &path))?;
            record.counts = live.counts;
            record.updated_at_us = record.updated_at_us.max(live.written_at_us);
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(medium("read", &path)(error)),
    }
}
