//! Reading what is small of an execution, at one moment.

use std::time::Duration;

use super::inner::Inner;
use super::keys::Keys;
use super::place::{medium, place};
use super::record::{Encoded, check_format};
use crate::store::Error;

type Answer =
    (Option<String>, Option<String>, Option<Vec<u8>>, Option<Vec<u8>>, Option<String>, i64, Option<Vec<u8>>);

/// Everything small of an execution at one moment.
pub(super) struct Look {
    pub(super) fence: String,
    pub(super) record: Encoded,
    /// The text of the hold and how long it will last.
    pub(super) hold: Option<(String, Duration)>,
    pub(super) live: Option<Vec<u8>>,
}

impl Inner {
    /// `None` if there is no such execution.
    pub(super) async fn look(&self, keys: &Keys) -> Result<Option<Look>, Error> {
        let names = [&keys.fence, &keys.record, &keys.hold, &keys.live];
        let answer = self.redis.call::<Answer>(&self.scripts.look, &names, &[""; 0]).await;
        let (fence, format, record, result, hold, lasts_ms, live) =
            answer.map_err(medium("read", &self.redis, &keys.id))?;
        let Some(record) = record else { return Ok(None) };
        check_format(&format.unwrap_or_default(), || place(&self.redis, &keys.id))?;
        let lasts = Duration::from_millis(u64::try_from(lasts_ms).unwrap_or(0));
        Ok(Some(Look {
            fence: fence.unwrap_or_default(),
            record: Encoded { record, result: result.unwrap_or_default() },
            hold: hold.map(|hold| (hold, lasts)),
            live,
        }))
    }
}
