//! What the scripts about tasks do to one record, in Rust: the specification that they are tested
//! against, and what the model of the whole protocol calls.

use std::time::Duration;

use bytes::Bytes;
use protocol::SessionId;

use super::answer::{Answer, Assertion, Completed, Flags, Grant, Released, Withdrawal, is_suspect};
use super::record::{Loss, MAX_LOSSES, Record, State};
use super::world::{Standing, World};

/// What becomes of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// It stays as it is.
    Keep,
    /// It becomes this one, for good or (`is_brief`) for some time.
    Put { record: Record, is_brief: bool },
    /// It goes.
    Delete,
}

impl Change {
    fn put(record: Record) -> Self {
        Self::Put { record, is_brief: false }
    }

    fn put_briefly(record: Record) -> Self {
        Self::Put { record, is_brief: true }
    }
}

/// Who claims, and what its copy says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claimant {
    pub(super) session: SessionId,
    pub(super) incarnation: u32,
    pub(super) max_losses: u32,
    pub(super) is_ahead: bool,
}

/// Claims a task for a live session. `suspects` is what is left of the allowance.
pub(super) fn claim(
    record: Option<&Record>,
    claimant: Claimant,
    flags: Flags,
    world: &World,
    now_ms: u64,
    suspects: &mut u32,
) -> (Answer, Change) {
    if flags.ended.is_some_and(|ended| ended >= claimant.incarnation) {
        return (Answer::Dropped, Change::Keep);
    }
    let free = match record.map(|record| (record, &record.state)) {
        None => None,
        Some((record, State::Free { .. })) => Some(record.clone()),
        Some((_, State::Done { outcome })) => {
            return (Answer::Done { outcome: outcome.to_vec() }, Change::Keep);
        }
        Some((_, State::Withdrawn { incarnation, .. })) if claimant.incarnation <= *incarnation => {
            return (Answer::Dropped, Change::Keep);
        }
        Some((record, State::Withdrawn { .. })) => Some(anew(record)),
        Some((record, State::Leased { history, .. })) if record.session == claimant.session => {
            let grant = grant(record, history);
            let answer = if is_poison(record, claimant) {
                Answer::Poison(grant)
            } else {
                if is_suspect(record.lost, claimant.max_losses) {
                    *suspects = suspects.saturating_sub(1);
                }
                Answer::Mine(grant)
            };
            return (answer, Change::Keep);
        }
        Some((record, State::Leased { .. })) => {
            let owner = record.session;
            if !world.is_vanished(owner, now_ms) {
                let until = world.sessions.get(&owner).copied().unwrap_or(world.calm_ms);
                let expires_in = Duration::from_millis(until.saturating_sub(now_ms));
                return (Answer::Busy { owner, expires_in }, Change::Keep);
            }
            Some(healed(record, world, now_ms))
        }
    };
    if flags.is_paused {
        return (Answer::Paused, Change::Keep);
    }
    let mut new = free.unwrap_or_else(|| nothing(claimant.session));
    let State::Free { history, needs_slot } = new.state else { unreachable!("only free records come here") };
    let is_poison = new.lost > 0 && new.lost >= claimant.max_losses;
    if !is_poison && claimant.is_ahead && (needs_slot || new.lost > 0) {
        return (Answer::Later, Change::Keep);
    }
    if !is_poison && is_suspect(new.lost, claimant.max_losses) {
        if *suspects == 0 {
            return (Answer::Later, Change::Keep);
        }
        *suspects -= 1;
    }
    new.attempt += u32::from(!is_poison);
    new.session = claimant.session;
    new.since_ms = now_ms;
    new.state = State::Leased { history: history.clone(), is_ahead: claimant.is_ahead };
    let grant = grant(&new, &history);
    (if is_poison { Answer::Poison(grant) } else { Answer::Granted(grant) }, Change::put(new))
}

/// Ends a task with its outcome.
pub(super) fn complete(
    record: Option<&Record>,
    session: SessionId,
    attempt: u32,
    outcome: &Bytes,
    world: &World,
) -> (Completed, Change) {
    match (record, world.standing(session)) {
        (Some(record), Standing::Alive | Standing::Unknown) if is_of(record, session, attempt) => {
            match record.state {
                State::Leased { .. } => {
                    let state = State::Done { outcome: outcome.clone() };
                    (
                        Completed::Accepted,
                        Change::put_briefly(Record { state, losses: Vec::new(), ..record.clone() }),
                    )
                }
                State::Done { .. } => (Completed::Already, Change::Keep),
                State::Free { .. } | State::Withdrawn { .. } => (Completed::Stale, Change::Keep),
            }
        }
        _ => (Completed::Stale, Change::Keep),
    }
}

/// Gives a lease back.
pub(super) fn release(
    record: Option<&Record>,
    session: SessionId,
    attempt: u32,
    lost: u32,
    history: &Bytes,
    world: &World,
) -> (Released, Change) {
    match (record, world.standing(session)) {
        (Some(record), Standing::Alive | Standing::Unknown) if is_of(record, session, attempt) => {
            match record.state {
                State::Leased { .. } => {
                    let state = State::Free { history: history.clone(), needs_slot: false };
                    (
                        Released::Accepted,
                        Change::put(Record { state, lost, losses: Vec::new(), ..record.clone() }),
                    )
                }
                State::Free { .. } => (Released::Already, Change::Keep),
                State::Done { .. } | State::Withdrawn { .. } => (Released::Stale, Change::Keep),
            }
        }
        _ => (Released::Stale, Change::Keep),
    }
}

/// Takes back what a live session holds.
pub(super) fn assert_held(
    record: Option<&Record>,
    session: SessionId,
    attempt: u32,
    world: &World,
    now_ms: u64,
) -> (Assertion, Change) {
    let old = record.cloned().unwrap_or_else(|| nothing(session));
    let history = match &old.state {
        State::Leased { .. } | State::Done { .. } if is_of(&old, session, attempt) => {
            return (Assertion::Held, Change::Keep);
        }
        State::Free { history, .. } => history.clone(),
        State::Leased { history, .. } if !world.sessions.contains_key(&old.session) => history.clone(),
        State::Leased { .. } | State::Done { .. } | State::Withdrawn { .. } => {
            return (Assertion::Lost, Change::Keep);
        }
    };
    if old.attempt > attempt {
        return (Assertion::Lost, Change::Keep);
    }
    let state = State::Leased { history, is_ahead: false };
    (Assertion::Held, Change::put(Record { state, session, attempt, since_ms: now_ms, ..old }))
}

/// Takes a task back before a worker has it.
pub(super) fn withdraw(
    record: Option<&Record>,
    incarnation: u32,
    world: &World,
    now_ms: u64,
) -> (Withdrawal, Change) {
    let mut new = match record {
        None => Record { since_ms: 0, ..nothing(SessionId::from_uuid(uuid::Uuid::nil())) },
        Some(record) => match record.state {
            State::Done { .. } => return (Withdrawal::Done, Change::Keep),
            State::Leased { .. } if !world.is_vanished(record.session, now_ms) => {
                return (Withdrawal::Leased, Change::Keep);
            }
            State::Leased { .. } => healed(record, world, now_ms),
            State::Free { .. } | State::Withdrawn { .. } => record.clone(),
        },
    };
    new.state = match new.state {
        State::Withdrawn { incarnation: earlier, history } => {
            State::Withdrawn { incarnation: earlier.max(incarnation), history }
        }
        State::Free { history, .. } | State::Leased { history, .. } => {
            State::Withdrawn { incarnation, history }
        }
        State::Done { .. } => unreachable!("answered above"),
    };
    (Withdrawal::Withdrawn, Change::put_briefly(new))
}

/// Undoes a withdrawal.
pub(super) fn restore(record: Option<&Record>) -> Change {
    let Some(record) = record else { return Change::Keep };
    let State::Withdrawn { history, .. } = &record.state else { return Change::Keep };
    if record.attempt == 0 && record.lost == 0 && record.losses.is_empty() && history.is_empty() {
        return Change::Delete;
    }
    let state = State::Free { history: history.clone(), needs_slot: false };
    Change::put(Record { state, ..record.clone() })
}

/// Makes a task new unless it is leased.
pub(super) fn forget(record: Option<&Record>) -> Change {
    match record.map(|record| (record, &record.state)) {
        None | Some((_, State::Leased { .. })) => Change::Keep,
        Some((record, State::Free { .. } | State::Done { .. } | State::Withdrawn { .. })) => {
            Change::put_briefly(anew(record))
        }
    }
}

fn is_of(record: &Record, session: SessionId, attempt: u32) -> bool {
    record.session == session && record.attempt == attempt
}

fn is_poison(record: &Record, claimant: Claimant) -> bool {
    record.lost > 0 && record.lost >= claimant.max_losses
}

fn grant(record: &Record, history: &Bytes) -> Grant {
    let (losses, history) = (record.losses.clone(), history.clone());
    Grant { attempt: record.attempt, lost: record.lost, losses, history }
}

/// What a missing record stands for.
fn nothing(session: SessionId) -> Record {
    let state = State::Free { history: Bytes::new(), needs_slot: false };
    Record { state, session, attempt: 0, lost: 0, since_ms: 0, losses: Vec::new() }
}

/// The task with a fresh budget. Attempts go on counting, so that no token comes twice.
fn anew(record: &Record) -> Record {
    let state = State::Free { history: Bytes::new(), needs_slot: false };
    Record { state, lost: 0, losses: Vec::new(), ..record.clone() }
}

/// The free record that a leased one becomes when its owner is found dead. What was leased ahead may not
/// have begun: it is not charged with a loss.
fn healed(record: &Record, world: &World, now_ms: u64) -> Record {
    let State::Leased { history, is_ahead } = &record.state else {
        unreachable!("only leased records have an owner")
    };
    if *is_ahead {
        let state = State::Free { history: history.clone(), needs_slot: true };
        return Record { state, ..record.clone() };
    }
    let mut losses = record.losses.clone();
    if losses.len() >= MAX_LOSSES {
        losses.remove(0);
    }
    losses.push(Loss {
        session: record.session,
        attempt: record.attempt,
        since_ms: record.since_ms,
        until_ms: world.died_ms(record.session, now_ms),
    });
    let state = State::Free { history: history.clone(), needs_slot: false };
    Record { state, lost: record.lost + 1, losses, ..record.clone() }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const NOW: u64 = 1_000_000;

    fn id(number: u128) -> SessionId {
        SessionId::from_uuid(Uuid::from_u128(number))
    }

    fn world(alive: &[u128]) -> World {
        let sessions = alive.iter().map(|number| (id(*number), NOW + 1)).collect();
        World { sessions, ..World::default() }
    }

    fn claim_by(record: &mut Option<Record>, session: u128, world: &World) -> Answer {
        claim_for(record, session, world, false)
    }

    fn claim_for(record: &mut Option<Record>, session: u128, world: &World, is_ahead: bool) -> Answer {
        let claimant = Claimant { session: id(session), incarnation: 1, max_losses: 2, is_ahead };
        let (answer, change) = claim(record.as_ref(), claimant, Flags::default(), world, NOW, &mut 1);
        apply(record, change);
        answer
    }

    fn apply(record: &mut Option<Record>, change: Change) {
        match change {
            Change::Keep => {}
            Change::Put { record: new, .. } => *record = Some(new),
            Change::Delete => *record = None,
        }
    }

    #[test]
    fn a_task_is_granted_once() {
        let (world, mut record) = (world(&[1, 2]), None);
        assert!(matches!(claim_by(&mut record, 1, &world), Answer::Granted(grant) if grant.attempt == 1));
        assert!(matches!(claim_by(&mut record, 1, &world), Answer::Mine(grant) if grant.attempt == 1));
        assert!(matches!(claim_by(&mut record, 2, &world), Answer::Busy { owner, .. } if owner == id(1)));
    }

    #[test]
    fn losses_are_counted_until_the_task_is_poison() {
        let mut record = None;
        claim_by(&mut record, 1, &world(&[1]));
        let Answer::Granted(grant) = claim_by(&mut record, 2, &world(&[2])) else { panic!("it is free") };
        assert_eq!((grant.attempt, grant.lost, grant.losses.len()), (2, 1, 1));
        let Answer::Poison(grant) = claim_by(&mut record, 3, &world(&[3])) else { panic!("it killed two") };
        assert_eq!((grant.attempt, grant.lost, grant.losses.len()), (2, 2, 2));
        assert!(matches!(claim_by(&mut record, 3, &world(&[3])), Answer::Poison(_)));
    }

    #[test]
    fn what_was_leased_ahead_is_charged_no_loss_and_is_not_leased_ahead_again() {
        let mut record = None;
        claim_for(&mut record, 1, &world(&[1]), true);
        assert_eq!(claim_for(&mut record, 2, &world(&[2]), true), Answer::Later);
        let Answer::Granted(grant) = claim_by(&mut record, 2, &world(&[2])) else { panic!("it is free") };
        assert_eq!((grant.attempt, grant.lost, grant.losses.len()), (2, 0, 0));
        // From then on it is charged.
        assert_eq!(claim_for(&mut record, 3, &world(&[3]), true), Answer::Later);
        let Answer::Granted(grant) = claim_by(&mut record, 3, &world(&[3])) else { panic!("it is free") };
        assert_eq!((grant.attempt, grant.lost, grant.losses.len()), (3, 1, 1));
    }

    #[test]
    fn a_calm_protects_owners_that_are_missing() {
        let mut record = None;
        claim_by(&mut record, 1, &world(&[1]));
        let calm = World { calm_ms: NOW + 5, ..world(&[2]) };
        let expires_in = Duration::from_millis(5);
        assert_eq!(claim_by(&mut record, 2, &calm), Answer::Busy { owner: id(1), expires_in });
    }

    #[test]
    fn a_dead_session_ends_nothing() {
        let mut record = None;
        claim_by(&mut record, 1, &world(&[1]));
        let mut world = world(&[1]);
        world.leave(id(1), NOW);
        let (answer, change) = complete(record.as_ref(), id(1), 1, &Bytes::new(), &world);
        assert_eq!((answer, change), (Completed::Stale, Change::Keep));
    }

    #[test]
    fn a_withdrawn_task_is_wanted_again_only_by_a_newer_incarnation_or_after_restoring() {
        let (world, mut record) = (world(&[1]), None);
        let (answer, change) = withdraw(record.as_ref(), 1, &world, NOW);
        assert_eq!(answer, Withdrawal::Withdrawn);
        apply(&mut record, change);
        assert_eq!(claim_by(&mut record, 1, &world), Answer::Dropped);
        let newer = Claimant { session: id(1), incarnation: 2, max_losses: 2, is_ahead: false };
        let (answer, _) = claim(record.as_ref(), newer, Flags::default(), &world, NOW, &mut 1);
        assert!(matches!(answer, Answer::Granted(_)));
        let change = restore(record.as_ref());
        apply(&mut record, change);
        assert!(matches!(claim_by(&mut record, 1, &world), Answer::Granted(_)));
    }

    #[test]
    fn a_forgotten_task_runs_again_under_a_new_token() {
        let (world, mut record) = (world(&[1]), None);
        claim_by(&mut record, 1, &world);
        let (_, change) = complete(record.as_ref(), id(1), 1, &Bytes::from_static(b"dead"), &world);
        apply(&mut record, change);
        let change = forget(record.as_ref());
        apply(&mut record, change);
        assert!(matches!(claim_by(&mut record, 1, &world), Answer::Granted(grant) if grant.attempt == 2));
    }
}
