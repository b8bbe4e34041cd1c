//! Every step that anybody may take at an instant, and every fault that may strike.

use stateright::{Model, Property};

use super::mutant::Mutant;
use super::representative::representative;
use super::state::{LATE_MS, LEASE_MS, NOW_MS, Redis, Snapshot, Step, Told, Worker, id};
use crate::lease::answer::{Answer, Completed, Flags};
use crate::lease::transition::{self, Change, Claimant};
use crate::lease::world::Standing;

/// Never reached, so that nothing is ever taken from a session.
const NEVER_MS: u64 = u64::MAX;

/// More copies of the task in queues are not looked at. The protocol never makes so many, which is one
/// of its promises; mutants may make more and more.
const MOST_COPIES: u8 = 6;

/// The protocol, or one of its mutants, under some number of faults.
#[derive(Debug, Clone, Copy)]
pub(super) struct Protocol {
    pub(super) mutant: Option<Mutant>,
    pub(super) max_faults: u8,
    /// Whether of states that behave alike only one is looked at; not for mutants.
    pub(super) is_reduced: bool,
}

/// A step of a worker, by its number, or of somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Action {
    Deliver(usize),
    NewSession(usize),
    Claim(usize),
    Park(usize),
    HandOver(usize),
    DropHandedOver(usize),
    Run(usize),
    Assert(usize),
    Complete(usize),
    Tell(usize),
    Release(usize),
    SendBack(usize),
    Ack(usize),
    Expire,
    Unpark,
    DeliverOutcome,
    Accept,
    MakeDurable,
    AckOutcome,
    // Faults.
    Crash(usize),
    LoseConnection(usize),
    Freeze(usize),
    Preempt(usize),
    RollBack,
    Wipe,
    CrashCoordinator,
    Duplicate,
}

impl Action {
    fn is_fault(self) -> bool {
        match self {
            Self::Crash(_)
            | Self::LoseConnection(_)
            | Self::Freeze(_)
            | Self::Preempt(_)
            | Self::RollBack
            | Self::Wipe
            | Self::CrashCoordinator
            | Self::Duplicate => true,
            Self::Deliver(_)
            | Self::NewSession(_)
            | Self::Claim(_)
            | Self::Park(_)
            | Self::HandOver(_)
            | Self::DropHandedOver(_)
            | Self::Run(_)
            | Self::Assert(_)
            | Self::Complete(_)
            | Self::Tell(_)
            | Self::Release(_)
            | Self::SendBack(_)
            | Self::Ack(_)
            | Self::Expire
            | Self::Unpark
            | Self::DeliverOutcome
            | Self::Accept
            | Self::MakeDurable
            | Self::AckOutcome => false,
        }
    }
}

/// What a worker may do at a step, and what may befall it.
fn actions_at(step: Step) -> &'static [fn(usize) -> Action] {
    use Action::{
        Ack, Assert, Claim, Complete, Crash, Deliver, DropHandedOver, Freeze, HandOver, LoseConnection,
        NewSession, Park, Preempt, Release, Run, SendBack, Tell,
    };
    match step {
        Step::Idle => &[Deliver, NewSession],
        Step::Claiming => &[Claim, Crash, LoseConnection, Freeze],
        Step::Parking => &[Park, Crash, LoseConnection, Freeze],
        Step::Running => &[HandOver, DropHandedOver, Run, Assert, Crash, LoseConnection, Freeze, Preempt],
        Step::Ended => &[Assert, Complete, Crash, LoseConnection, Freeze],
        Step::Telling(_) => &[Tell, Crash, LoseConnection, Freeze],
        Step::Releasing => &[Release, Crash, LoseConnection, Freeze],
        Step::SendingBack => &[SendBack, Crash, LoseConnection, Freeze],
        Step::Acking | Step::AckingFirst(_) => &[Ack, Crash, LoseConnection, Freeze],
    }
}

const OF_OTHERS: [Action; 10] = [
    Action::Expire,
    Action::Unpark,
    Action::DeliverOutcome,
    Action::Accept,
    Action::MakeDurable,
    Action::AckOutcome,
    Action::RollBack,
    Action::Wipe,
    Action::CrashCoordinator,
    Action::Duplicate,
];

pub(super) const KEPT: &str = "the task is never lost";
pub(super) const ONCE: &str = "one outcome is accepted";
pub(super) const FRUGAL: &str = "it runs once, and once more for each fault";
pub(super) const FEW: &str = "copies do not pile up";
pub(super) const ENDS: &str = "it can end";

impl Model for Protocol {
    type State = Snapshot;
    type Action = Action;

    fn init_states(&self) -> Vec<Snapshot> {
        let first = Snapshot::first();
        vec![if self.is_reduced { representative(first) } else { first }]
    }

    fn actions(&self, state: &Snapshot, actions: &mut Vec<Action>) {
        for (number, worker) in state.workers.iter().enumerate() {
            actions.extend(actions_at(worker.step).iter().map(|action| action(number)));
        }
        actions.extend(OF_OTHERS);
        if state.faults >= self.max_faults {
            actions.retain(|action| !action.is_fault());
        }
    }

    fn next_state(&self, last: &Snapshot, action: Action) -> Option<Snapshot> {
        let mut next = self.step(last, action)?;
        if next.faults >= self.max_faults {
            // Redis does not fall back any more: states that differ only in their past are one.
            next.past.clear();
        }
        Some(if self.is_reduced { representative(next) } else { next })
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(KEPT, |_, state: &Snapshot| state.durable.is_some() || state.copies() > 0),
            Property::always(ONCE, |_, state: &Snapshot| state.accepted <= 1),
            Property::always(FRUGAL, |_, state: &Snapshot| state.runs <= 1 + state.faults),
            Property::always(FEW, |_, state: &Snapshot| state.queued + state.parked < MOST_COPIES),
            Property::sometimes(ENDS, |_, state: &Snapshot| state.durable.is_some()),
        ]
    }

    fn within_boundary(&self, state: &Snapshot) -> bool {
        state.queued + state.parked <= MOST_COPIES && state.runs <= 5
    }
}

impl Protocol {
    fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    fn step(&self, last: &Snapshot, action: Action) -> Option<Snapshot> {
        match action {
            Action::Deliver(n)
            | Action::NewSession(n)
            | Action::Claim(n)
            | Action::Park(n)
            | Action::HandOver(n)
            | Action::DropHandedOver(n)
            | Action::Run(n)
            | Action::Assert(n)
            | Action::Complete(n)
            | Action::Tell(n)
            | Action::Release(n)
            | Action::SendBack(n)
            | Action::Ack(n) => self.work(last, action, n),
            Action::Crash(n) | Action::LoseConnection(n) | Action::Freeze(n) | Action::Preempt(n) => {
                strike_worker(last, action, n)
            }
            Action::Expire
            | Action::Unpark
            | Action::DeliverOutcome
            | Action::Accept
            | Action::MakeDurable
            | Action::AckOutcome => self.serve(last, action),
            Action::RollBack | Action::Wipe | Action::CrashCoordinator | Action::Duplicate => {
                strike_others(last, action)
            }
        }
    }

    /// A step of a worker.
    fn work(&self, last: &Snapshot, action: Action, n: usize) -> Option<Snapshot> {
        let mut next = last.clone();
        let now = &last.workers[n];
        let worker = &mut next.workers[n];
        match (action, now.step) {
            (Action::Deliver(_), Step::Idle) if now.is_renewing && last.queued > 0 => {
                next.queued -= 1;
                *worker = Worker { step: Step::Claiming, holds: true, has_handed_over: false, ..now.clone() };
            }
            (Action::NewSession(_), Step::Idle) if !now.is_renewing => {
                next.sessions += 1;
                worker.session = next.sessions;
                worker.is_renewing = true;
                next.redis.register(next.sessions);
            }
            (Action::Claim(_), Step::Claiming) => self.claim(&mut next, n),
            (Action::Park(_), Step::Parking) => {
                next.parked += 1;
                worker.step = Step::Acking;
            }
            (Action::HandOver(_), Step::Running) if now.holds && !now.has_handed_over => {
                next.parked += u8::from(!self.is(Mutant::AckAfterClaim));
                worker.has_handed_over = true;
            }
            (Action::DropHandedOver(_), Step::Running) if now.holds && now.has_handed_over => {
                worker.holds = false;
            }
            (Action::Run(_), Step::Running) => {
                next.runs += 1;
                worker.step = Step::Ended;
            }
            (Action::Assert(_), Step::Running | Step::Ended) => assert_held(&mut next, n)?,
            (Action::Complete(_), Step::Ended) => self.complete(&mut next, n),
            (Action::Tell(_), Step::Telling(told)) => {
                next.outcomes.push(told);
                next.outcomes.sort_unstable();
                next.outcomes.truncate(3);
                worker.step = Step::Acking;
            }
            (Action::Release(_), Step::Releasing) => {
                let (record, world) = (last.redis.record.as_ref(), &last.redis.world);
                let lost = record.map_or(0, |record| record.lost);
                let history = bytes::Bytes::new();
                let (_, change) =
                    transition::release(record, id(now.session), now.attempt, lost, &history, world);
                worker.step = Step::SendingBack;
                next.change(change);
            }
            (Action::SendBack(_), Step::SendingBack) => {
                next.queued += 1;
                worker.step = Step::Acking;
            }
            (Action::Ack(_), Step::Acking) => {
                worker.step = Step::Idle;
                worker.holds = false;
            }
            (Action::Ack(_), Step::AckingFirst(told)) => {
                worker.step = Step::Telling(told);
                worker.holds = false;
            }
            _ => return None,
        }
        Some(next)
    }

    fn claim(&self, next: &mut Snapshot, n: usize) {
        let Worker { session, holds, .. } = next.workers[n];
        match next.redis.world.standing(id(session)) {
            Standing::Dead => {
                next.queued += u8::from(holds);
                next.workers[n] = stopped(&next.workers[n]);
            }
            Standing::Unknown => {
                next.redis.register(session);
                next.workers[n].is_renewing = true;
            }
            Standing::Alive => {
                let mut world = next.redis.world.clone();
                if self.is(Mutant::NeverTakeFromTheDead) {
                    world.calm_ms = NEVER_MS;
                }
                let record = next.redis.record.as_ref();
                let claim = |is_ahead| {
                    let claimant = Claimant { session: id(session), incarnation: 1, max_losses: 2, is_ahead };
                    transition::claim(record, claimant, Flags::default(), &world, NOW_MS, &mut 1)
                };
                // One of the workers leases ahead, where it may.
                let (answer, change) = match claim(n == 1) {
                    (Answer::Later, _) => claim(false),
                    claimed => claimed,
                };
                next.change(change);
                let worker = &mut next.workers[n];
                worker.step = match answer {
                    Answer::Granted(grant) | Answer::Mine(grant) => {
                        worker.attempt = grant.attempt;
                        Step::Running
                    }
                    Answer::Poison(grant) => {
                        worker.attempt = grant.attempt;
                        Step::Ended
                    }
                    Answer::Busy { .. } if self.is(Mutant::AckWhenBusy) => Step::Acking,
                    Answer::Busy { .. } | Answer::Later => Step::Parking,
                    Answer::Done { outcome } => Step::Telling(Told::decode(&outcome)),
                    Answer::Dropped | Answer::Paused | Answer::SessionDead => {
                        unreachable!("nothing is withdrawn, paused or dead here")
                    }
                };
            }
        }
    }

    fn complete(&self, next: &mut Snapshot, n: usize) {
        let worker = next.workers[n].clone();
        let attempt = u8::try_from(worker.attempt).expect("there are few attempts");
        let told = Told { attempt, session: worker.session };
        let (record, world) = (next.redis.record.as_ref(), &next.redis.world);
        let (answer, change) =
            transition::complete(record, id(worker.session), worker.attempt, &told.encode(), world);
        next.change(change);
        let is_accepted = self.is(Mutant::NoFence) || answer != Completed::Stale;
        next.workers[n].step = match (is_accepted, worker.holds) {
            (true, _) if self.is(Mutant::AckBeforeTelling) => Step::AckingFirst(told),
            (true, _) => Step::Telling(told),
            (false, true) if self.is(Mutant::AckWhenStale) => Step::Acking,
            // No copy is ever acknowledged without a cause.
            (false, true) => Step::Parking,
            (false, false) => Step::Idle,
        };
    }

    /// A step of the broker, the coordinator or whoever looks for the dead.
    fn serve(&self, last: &Snapshot, action: Action) -> Option<Snapshot> {
        if !self.may_serve(last, action) {
            return None;
        }
        let mut next = last.clone();
        match action {
            Action::Expire => expire(&mut next)?,
            Action::Unpark => {
                next.parked -= 1;
                next.queued += 1;
            }
            Action::DeliverOutcome => next.unacked.push(next.outcomes.remove(0)),
            Action::Accept if last.known.is_none() => {
                let told = last.unacked[0];
                next.known = Some(told);
                next.accepted += u8::from(last.durable != Some(told));
            }
            Action::Accept => {
                next.known = Some(last.unacked[0]);
                next.durable = next.known;
                next.accepted += 1;
            }
            Action::MakeDurable => next.durable = last.known,
            Action::AckOutcome => _ = next.unacked.remove(0),
            _ => return None,
        }
        Some(next)
    }

    /// Whether the step can be taken at all, before anything is copied for it.
    fn may_serve(&self, last: &Snapshot, action: Action) -> bool {
        let told = last.unacked.first().copied();
        let accepts_again = self.is(Mutant::AcceptAgain);
        match action {
            Action::Expire => true,
            Action::Unpark => last.parked > 0,
            Action::DeliverOutcome => !last.outcomes.is_empty(),
            Action::Accept => {
                told.is_some() && (last.known.is_none() || (accepts_again && last.known != told))
            }
            Action::MakeDurable => last.known.is_some() && last.durable.is_none(),
            Action::AckOutcome if self.is(Mutant::AckBeforeDurable) => told.is_some() && last.known.is_some(),
            Action::AckOutcome => {
                told.is_some() && last.durable.is_some() && (!accepts_again || last.known == told)
            }
            _ => false,
        }
    }
}

/// A worker asserts what it holds, whenever that would change something.
fn assert_held(next: &mut Snapshot, n: usize) -> Option<()> {
    let Worker { session, attempt, .. } = next.workers[n];
    match next.redis.world.standing(id(session)) {
        Standing::Dead => return None,
        Standing::Unknown => {
            next.redis.register(session);
            next.workers[n].is_renewing = true;
        }
        Standing::Alive => {
            let (record, world) = (next.redis.record.as_ref(), &next.redis.world);
            match transition::assert_held(record, id(session), attempt, world, NOW_MS) {
                (_, Change::Keep) => return None,
                (_, change) => next.change(change),
            }
        }
    }
    Some(())
}

/// Whoever does not renew is late, and is found out.
fn expire(next: &mut Snapshot) -> Option<()> {
    let renewing = next.workers.iter().filter(|worker| worker.is_renewing).map(|worker| id(worker.session));
    let renewing: Vec<_> = renewing.collect();
    for (session, expiry_ms) in &mut next.redis.world.sessions {
        if !renewing.contains(session) {
            *expiry_ms = LATE_MS;
        }
    }
    let dead = next.redis.world.expire(NOW_MS, LEASE_MS, b"");
    (!dead.is_empty()).then_some(())
}

/// A worker without a life: it begins a new one before it does anything else.
fn stopped(worker: &Worker) -> Worker {
    Worker {
        step: Step::Idle,
        holds: false,
        attempt: 0,
        session: worker.session,
        is_renewing: false,
        has_handed_over: false,
    }
}

fn strike_worker(last: &Snapshot, action: Action, n: usize) -> Option<Snapshot> {
    let now = &last.workers[n];
    let is_busy = now.step != Step::Idle;
    let mut next = Snapshot { faults: last.faults + 1, ..last.clone() };
    match action {
        Action::Crash(_) if is_busy => {
            next.queued += u8::from(now.holds);
            next.workers[n] = stopped(now);
        }
        Action::LoseConnection(_) if now.holds => {
            next.queued += 1;
            next.workers[n].holds = false;
        }
        Action::Freeze(_) if is_busy && now.is_renewing => next.workers[n].is_renewing = false,
        Action::Preempt(_) if now.step == Step::Running => next.workers[n].step = Step::Releasing,
        _ => return None,
    }
    Some(next)
}

fn strike_others(last: &Snapshot, action: Action) -> Option<Snapshot> {
    let mut next = Snapshot { faults: last.faults + 1, ..last.clone() };
    match action {
        Action::RollBack => {
            next.redis = last.past.first()?.clone();
            next.past.clear();
        }
        Action::Wipe => {
            next.redis = Redis::default();
            next.past.clear();
        }
        Action::CrashCoordinator if last.known.is_some() || !last.unacked.is_empty() => {
            next.known = last.durable;
            next.accepted = if last.durable.is_some() { last.accepted } else { 0 };
            next.outcomes.append(&mut next.unacked);
            next.outcomes.sort_unstable();
        }
        Action::Duplicate => next.queued += 1,
        _ => return None,
    }
    Some(next)
}
