//! What others may read while an execution is held: a copy of its record, and its progress.

use std::fs;
use std::io;

use protocol::{Counts, ExecutionRecord, Status, to_unix_micros};
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

/// Brings a running record's counts and time up to the progress shown since it was written. The note
/// of progress is only a copy: a damaged or older one is left aside.
pub(super) fn add_progress(directory: &Directory, record: &mut ExecutionRecord) -> Result<(), Error> {
    let path = directory.live();
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(medium("read", &path)(error)),
    };
    match serde_json::from_slice::<Live>(&text) {
        Ok(live) if record.status == Status::Running && live.written_at_us > record.updated_at_us => {
            record.counts = live.counts;
            record.elapsed_us += live.written_at_us - record.updated_at_us;
            record.updated_at_us = live.written_at_us;
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(path = %path.display(), %error, "left a damaged note of progress aside"),
    }
    Ok(())
}
