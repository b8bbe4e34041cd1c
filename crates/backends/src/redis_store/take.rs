//! Creating executions and taking them up again.

use std::time::{Duration, Instant};

use protocol::{ExecutionId, ExecutionRecord};

use super::fence::{Fence, incarnation};
use super::hold::{Hold, LASTS, Releases, Renewal};
use super::inner::Inner;
use super::keys::{Keys, executions};
use super::owner::Owner;
use super::place::medium;
use super::record::{Encoded, FORMAT};
use crate::redis::cmd;
use crate::store::Error;

/// How long to wait for a hold that a process here may be about to end.
const GRACE: Duration = Duration::from_millis(500);
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// An execution that was taken up.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) record: ExecutionRecord,
    pub(super) encoded: Encoded,
    pub(super) keys: Keys,
    pub(super) fence: Fence,
    /// The text of the hold.
    pub(super) hold: String,
}

impl Inner {
    pub(super) async fn create(
        &self,
        mut record: ExecutionRecord,
        releases: Releases,
    ) -> Result<(Taken, Hold), Error> {
        let keys = Keys::new(&self.prefix, &record.id);
        let hold = Owner::new().hold();
        // A name that is listed without an execution is passed over; the other way round it would
        // be forgotten.
        self.list(&record).await?;
        let names = [&keys.fence, &keys.record, &keys.hold, &keys.live, &keys.chunks, &keys.dead];
        let (format, lasts) = (FORMAT.to_string(), LASTS.as_millis().to_string());
        let mut removed = String::new();
        loop {
            let encoded = Encoded::new(&record).map_err(medium("create", &self.redis, &keys.id))?;
            let fence = Fence::new(record.incarnation);
            let args: [&[u8]; 7] = [
                fence.text.as_bytes(),
                format.as_bytes(),
                &encoded.record,
                &encoded.result,
                hold.as_bytes(),
                lasts.as_bytes(),
                removed.as_bytes(),
            ];
            let answer = self.redis.call::<String>(&self.scripts.create, &names, &args).await;
            match answer.map_err(medium("create", &self.redis, &keys.id))?.as_str() {
                "ok" => {
                    // One of its name that was being removed may have been taken off the list meanwhile.
                    self.list(&record).await?;
                    return Ok(self.keep(Taken { record, encoded, keys, fence, hold }, releases));
                }
                "exists" => return Err(Error::Exists { id: record.id }),
                found => {
                    record.incarnation = incarnation(found) + 1;
                    found.clone_into(&mut removed);
                }
            }
        }
    }

    pub(super) async fn resume(&self, id: &ExecutionId, releases: Releases) -> Result<(Taken, Hold), Error> {
        let taken = self.take(Keys::new(&self.prefix, id)).await?;
        // Held from here on, so that it stays ours while its outcomes are read.
        let (taken, hold) = self.keep(taken, releases);
        self.list(&taken.record).await?;
        Ok((taken, hold))
    }

    /// Waits for a hold to end unless its owner is alive; then takes over.
    async fn take(&self, keys: Keys) -> Result<Taken, Error> {
        let hold = Owner::new().hold();
        let mut waiting = Waiting::default();
        loop {
            let look = self.look(&keys).await?.ok_or_else(|| Error::Unknown { id: keys.id.clone() })?;
            let ended = match look.hold {
                None => String::new(),
                Some((found, lasts)) => match waiting.judge(&found, lasts, Instant::now()) {
                    Judgement::Gone => found,
                    Judgement::Wait => {
                        tokio::time::sleep(BETWEEN_LOOKS).await;
                        continue;
                    }
                    Judgement::Alive => {
                        return Err(Error::Busy { id: keys.id, owner: Owner::parse(&found).text });
                    }
                },
            };
            let mut record = look.record.decode().map_err(medium("read", &self.redis, &keys.id))?;
            record.incarnation = record.incarnation.max(incarnation(&look.fence)) + 1;
            let fence = Fence::new(record.incarnation);
            let encoded = Encoded::new(&record).map_err(medium("write", &self.redis, &keys.id))?;
            let lasts = LASTS.as_millis().to_string();
            let args: [&[u8]; 6] = [
                look.fence.as_bytes(),
                fence.text.as_bytes(),
                &encoded.record,
                hold.as_bytes(),
                lasts.as_bytes(),
                ended.as_bytes(),
            ];
            let names = [&keys.fence, &keys.record, &keys.hold];
            let answer = self.redis.call::<String>(&self.scripts.take, &names, &args).await;
            if answer.map_err(medium("write", &self.redis, &keys.id))? == "ok" {
                return Ok(Taken { record, encoded, keys, fence, hold });
            }
        }
    }

    fn keep(&self, taken: Taken, releases: Releases) -> (Taken, Hold) {
        let renewal = Renewal {
            redis: self.redis.clone(),
            scripts: self.scripts.clone(),
            keys: taken.keys.clone(),
            fence: taken.fence.clone(),
            hold: taken.hold.clone(),
        };
        (taken, Hold::keep(renewal, releases))
    }

    /// Has an execution listed.
    pub(super) async fn list(&self, record: &ExecutionRecord) -> Result<(), Error> {
        let mut command = cmd("ZADD");
        command.arg(executions(&self.prefix)).arg("NX").arg(record.created_at_us).arg(record.id.as_str());
        self.redis.run(&command).await.map_err(medium("write", &self.redis, &record.id))
    }
}

/// What is known of a hold from looking at it again and again.
#[derive(Debug, Default)]
struct Waiting {
    first: Option<First>,
}

#[derive(Debug)]
struct First {
    hold: String,
    seen: Instant,
    expires: Instant,
}

#[derive(Debug, PartialEq, Eq)]
enum Judgement {
    /// Its owner is a dead process of this machine.
    Gone,
    /// It may be the hold of a process that was just killed: it will end then.
    Wait,
    Alive,
}

impl Waiting {
    fn judge(&mut self, hold: &str, lasts: Duration, now: Instant) -> Judgement {
        let owner = Owner::parse(hold);
        if owner.is_gone() {
            return Judgement::Gone;
        }
        let expires = now + lasts;
        let first = self.first.get_or_insert_with(|| First { hold: hold.to_owned(), seen: now, expires });
        let was_renewed = first.hold != hold || expires > first.expires + GRACE;
        // A process here may have ended its hold a moment ago.
        let had_its_time = owner.is_here() && now >= first.seen + GRACE;
        if was_renewed || had_its_time { Judgement::Alive } else { Judgement::Wait }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn elsewhere() -> String {
        Owner::new().hold().replace("\"machine\":\"", "\"machine\":\"another ")
    }

    #[test]
    fn a_hold_from_elsewhere_is_alive_once_renewed() {
        let (mut waiting, hold, now) = (Waiting::default(), elsewhere(), Instant::now());
        assert_eq!(waiting.judge(&hold, 7 * SECOND, now), Judgement::Wait);
        assert_eq!(waiting.judge(&hold, 6 * SECOND, now + SECOND), Judgement::Wait);
        assert_eq!(waiting.judge(&hold, SECOND / 2, now + 7 * SECOND - SECOND / 2), Judgement::Wait);
        assert_eq!(waiting.judge(&hold, 8 * SECOND, now + 2 * SECOND), Judgement::Alive);
    }

    #[test]
    fn a_hold_that_changes_hands_is_alive() {
        let (mut waiting, now) = (Waiting::default(), Instant::now());
        assert_eq!(waiting.judge(&elsewhere(), SECOND, now), Judgement::Wait);
        assert_eq!(waiting.judge(&elsewhere(), SECOND, now), Judgement::Alive);
    }

    #[test]
    fn a_process_here_gets_a_moment() {
        let (mut waiting, hold, now) = (Waiting::default(), Owner::new().hold(), Instant::now());
        assert_eq!(waiting.judge(&hold, 8 * SECOND, now), Judgement::Wait);
        assert_eq!(waiting.judge(&hold, 8 * SECOND - GRACE, now + GRACE), Judgement::Alive);
    }
}
