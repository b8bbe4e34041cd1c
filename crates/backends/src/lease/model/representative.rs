//! Of states that no step can tell apart, one: with two faults there are too many to look at otherwise.
//! A test holds that what is left out is only that.
//!
//! - Copies that are put aside are taken for queued ones: they may come back at any moment, and nothing
//!   else befalls them. So what can happen to one can happen to the other.
//! - What a worker knows only while it runs the task counts for nothing once it does not, and the session
//!   of one that has no other way than to begin a new one is nobody's.
//! - Sessions are told apart, and not ordered: they are numbered anew. Redis forgets those that no worker
//!   is or will be, but for one that still counts as alive and has the task.
//! - The coordinator accepts the first outcome, whichever it is, and is done with outcomes once one is
//!   durable. (This holds of the protocol, not of each mutant. Mutants are looked at whole.)

use std::collections::BTreeMap;

use protocol::SessionId;

use super::state::{NOW_MS, Redis, Snapshot, Step, Told, Worker, id};
use crate::lease::record::{Record, State};

/// How often workers may be lost before the task is dead, here: more make no difference.
const MOST_LOST: u32 = 2;
const NOBODY: u8 = 0;
const ANY: Told = Told { attempt: 0, session: 0 };

/// The state that stands for this one and for all that behave alike.
pub(super) fn representative(mut state: Snapshot) -> Snapshot {
    state.queued += std::mem::take(&mut state.parked);
    state.workers.iter_mut().for_each(forget_what_is_over);
    for redis in std::iter::once(&mut state.redis).chain(&mut state.past) {
        keep_what_counts(redis, &state.workers);
    }
    if state.durable.is_some() {
        state.outcomes.clear();
        state.unacked.clear();
    }
    for told in [&mut state.known, &mut state.durable].into_iter().flatten() {
        *told = ANY;
    }
    state.outcomes.iter_mut().chain(&mut state.unacked).for_each(|told| *told = ANY);
    number_anew(&mut state);
    state
}

fn forget_what_is_over(worker: &mut Worker) {
    match worker.step {
        Step::Running => {}
        Step::Ended | Step::Releasing => worker.has_handed_over = false,
        Step::Idle
        | Step::Claiming
        | Step::Parking
        | Step::Telling(_)
        | Step::SendingBack
        | Step::Acking
        | Step::AckingFirst(_) => {
            worker.attempt = 0;
            worker.has_handed_over = false;
        }
    }
    if let Step::Telling(told) | Step::AckingFirst(told) = &mut worker.step {
        *told = ANY;
    }
    if worker.step == Step::Idle && !worker.is_renewing {
        worker.session = NOBODY;
    }
}

fn keep_what_counts(redis: &mut Redis, workers: &[Worker; 2]) {
    let is_a_worker = |session: &SessionId| workers.iter().any(|worker| id(worker.session) == *session);
    let mut owner = None;
    if let Some(record) = &mut redis.record {
        record.lost = record.lost.min(MOST_LOST);
        match &mut record.state {
            State::Leased { .. } => owner = Some(record.session),
            State::Done { outcome } => *outcome = ANY.encode(),
            State::Free { .. } | State::Withdrawn { .. } => {}
        }
        let is_asked_whose = matches!(record.state, State::Leased { .. })
            || matches!(record.state, State::Done { .. }) && is_a_worker(&record.session);
        if !is_asked_whose {
            record.session = id(NOBODY);
        }
    }
    // That it was told dead and that it is unknown are the same of an owner that is no worker.
    redis.world.sessions.retain(|session, _| owner == Some(*session) || is_a_worker(session));
    redis.world.tombstones.retain(|session, _| is_a_worker(session));
    // Time stands still, so it is never long ago that anybody was seen.
    redis.world.beat_ms = Some(NOW_MS);
    redis.world.server = Some(Vec::new());
}

fn number_anew(state: &mut Snapshot) {
    let mut names = Names::default();
    for worker in &mut state.workers {
        worker.session = names.of(id(worker.session));
    }
    for redis in std::iter::once(&mut state.redis).chain(&mut state.past) {
        if let Some(Record { session, .. }) = &mut redis.record {
            *session = id(names.of(*session));
        }
        for named in [&mut redis.world.sessions, &mut redis.world.tombstones] {
            // Those that are kept are workers' and the record's, which have their names by now.
            *named =
                std::mem::take(named).into_iter().map(|(name, time)| (id(names.of(name)), time)).collect();
        }
    }
    state.sessions = names.latest;
}

/// New numbers of sessions, in the order in which they are met.
#[derive(Default)]
struct Names {
    known: BTreeMap<SessionId, u8>,
    latest: u8,
}

impl Names {
    fn of(&mut self, session: SessionId) -> u8 {
        if session == id(NOBODY) {
            return NOBODY;
        }
        *self.known.entry(session).or_insert_with(|| {
            self.latest += 1;
            self.latest
        })
    }
}
