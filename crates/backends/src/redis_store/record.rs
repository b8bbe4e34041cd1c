//! Records and progress as bytes.

use protocol::{Counts, ExecutionRecord, Status, Value, to_unix_micros};
use serde::{Deserialize, Serialize};

use crate::store::Error;

/// The newest layout of an execution's keys that we read, and the one that we write.
pub(super) const FORMAT: u32 = 1;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// A record as it is kept. The result goes beside it as it is: not every value survives a
/// self-describing format. An empty one is none.
#[derive(Debug, Clone)]
pub(super) struct Encoded {
    pub(super) record: Vec<u8>,
    pub(super) result: Vec<u8>,
}

impl Encoded {
    pub(super) fn new(record: &ExecutionRecord) -> Result<Self, rmp_serde::encode::Error> {
        let bare = rmp_serde::to_vec_named(&ExecutionRecord { result: None, ..record.clone() })?;
        let result = record.result.as_ref().map(|result| result.as_bytes().to_vec());
        Ok(Self { record: bare, result: result.unwrap_or_default() })
    }

    pub(super) fn decode(&self) -> Result<ExecutionRecord, Source> {
        let mut record: ExecutionRecord = rmp_serde::from_slice(&self.record)?;
        record.result = match &*self.result {
            [] => None,
            bytes => Some(Value::from_bytes(bytes)?),
        };
        Ok(record)
    }
}

/// Refuses what a later release has written.
pub(super) fn check_format(found: &str, place: impl FnOnce() -> String) -> Result<(), Error> {
    match found.parse() {
        Ok(found) if found > FORMAT => Err(Error::Format { place: place(), found, supported: FORMAT }),
        _ => Ok(()),
    }
}

/// How far an execution is.
#[derive(Debug, Serialize, Deserialize)]
struct Live {
    written_at_us: u64,
    counts: Counts,
}

/// Progress to show.
pub(super) fn encode_live(counts: Counts) -> Result<Vec<u8>, rmp_serde::encode::Error> {
    rmp_serde::to_vec_named(&Live { written_at_us: to_unix_micros(std::time::SystemTime::now()), counts })
}

/// Brings a running record's counts and time up to the progress shown since it was written. That is
/// only for looking at: damaged or older progress is left aside.
pub(super) fn add_live(record: &mut ExecutionRecord, live: &[u8]) {
    match rmp_serde::from_slice::<Live>(live) {
        Ok(live) if record.status == Status::Running && live.written_at_us > record.updated_at_us => {
            record.counts = live.counts;
            record.elapsed_us += live.written_at_us - record.updated_at_us;
            record.updated_at_us = live.written_at_us;
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(execution = %record.id, %error, "left damaged progress aside"),
    }
}
