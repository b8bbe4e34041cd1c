//! Redis as it should be: the pure transitions, on records in memory.

use std::collections::BTreeMap;

use bytes::Bytes;
use protocol::{ExecutionId, SessionId, TaskId};
use uuid::Uuid;

use super::question::{Copy, LEASE_MS, Number, Question};
use crate::lease::answer::{Answer, Flags};
use crate::lease::record::Record;
use crate::lease::transition::{self, Change, Claimant};
use crate::lease::world::{Standing, World};

pub(super) fn session(number: Number) -> SessionId {
    SessionId::from_uuid(Uuid::from_u128(0x5e55_1011 << 64 | number as u128))
}

pub(super) fn execution(number: Number) -> ExecutionId {
    format!("execution-{number}").parse().unwrap()
}

pub(super) fn task(number: Number) -> TaskId {
    TaskId::from_u128(0x7a5c << 100 | number as u128)
}

pub(super) struct Mirror {
    pub(super) now_ms: u64,
    pub(super) server: u32,
    pub(super) world: World,
    /// Records, and whether each will go by itself.
    pub(super) records: BTreeMap<(Number, Number), (Record, bool)>,
    pub(super) flags: BTreeMap<Number, Flags>,
}

impl Mirror {
    pub(super) fn new() -> Self {
        Self {
            now_ms: 1_700_000_000_000,
            server: 1,
            world: World::default(),
            records: BTreeMap::new(),
            flags: BTreeMap::new(),
        }
    }

    pub(super) fn identity(&self) -> String {
        format!("server{}", self.server)
    }

    /// Does what is asked; the answer in words.
    pub(super) fn answer(&mut self, question: &Question) -> String {
        let (now_ms, server) = (self.now_ms, self.identity().into_bytes());
        match question {
            Question::Wait(millis) => self.now_ms += millis,
            Question::RestartServer => self.server += 1,
            Question::Wipe => {
                self.world = World::default();
                self.records.clear();
                self.flags.clear();
            }
            Question::Claim { session, copies, suspects } => return self.claim(*session, copies, *suspects),
            Question::Complete { session: by, attempts, outcome } => {
                let outcome = Bytes::from(outcome.clone());
                let mut answers = Vec::new();
                for (execution, task, attempt) in attempts {
                    let (answer, change) = transition::complete(
                        self.record((*execution, *task)),
                        session(*by),
                        *attempt,
                        &outcome,
                        &self.world,
                    );
                    self.change((*execution, *task), change);
                    answers.push(answer);
                }
                return format!("{answers:?}");
            }
            Question::Release { session: by, task, attempt, lost, history } => {
                let history = Bytes::from(history.clone());
                let (answer, change) = transition::release(
                    self.record(*task),
                    session(*by),
                    *attempt,
                    *lost,
                    &history,
                    &self.world,
                );
                self.change(*task, change);
                return format!("{answer:?}");
            }
            Question::Assert { session: by, attempts } => return self.assert_held(*by, attempts),
            Question::Withdraw { execution, incarnation, tasks } => {
                let mut answers = Vec::new();
                for task in tasks {
                    let key = (*execution, *task);
                    let (answer, change) =
                        transition::withdraw(self.record(key), *incarnation, &self.world, now_ms);
                    self.change(key, change);
                    answers.push(answer);
                }
                return format!("{answers:?}");
            }
            Question::Restore { execution, tasks } => {
                for task in tasks {
                    let change = transition::restore(self.record((*execution, *task)));
                    self.change((*execution, *task), change);
                }
            }
            Question::Forget { execution, tasks } => {
                for task in tasks {
                    let change = transition::forget(self.record((*execution, *task)));
                    self.change((*execution, *task), change);
                }
            }
            Question::Register(number) => {
                let standing = self.world.register(session(*number), now_ms, LEASE_MS, &server);
                return self.beat(standing);
            }
            Question::Renew(number) => {
                let standing = self.world.renew(session(*number), now_ms, LEASE_MS, &server);
                return self.beat(standing);
            }
            Question::Leave(number) => self.world.leave(session(*number), now_ms),
            Question::Expire => return format!("{:?}", self.world.expire(now_ms, LEASE_MS, &server)),
            Question::Suspend => self.world.suspend(now_ms, LEASE_MS),
            Question::End { execution, incarnation } => {
                let flags = self.flags.entry(*execution).or_default();
                flags.ended = flags.ended.max(Some(*incarnation));
            }
            Question::Pause(execution) => self.flags.entry(*execution).or_default().is_paused = true,
            Question::Unpause(execution) => self.flags.entry(*execution).or_default().is_paused = false,
        }
        String::new()
    }

    pub(super) fn record(&self, key: (Number, Number)) -> Option<&Record> {
        self.records.get(&key).map(|(record, _)| record)
    }

    fn change(&mut self, key: (Number, Number), change: Change) {
        match change {
            Change::Keep => {}
            Change::Put { record, is_brief } => {
                self.records.insert(key, (record, is_brief));
            }
            Change::Delete => {
                self.records.remove(&key);
            }
        }
    }

    fn claim(&mut self, by: Number, copies: &[Copy], mut suspects: u32) -> String {
        match self.world.standing(session(by)) {
            Standing::Alive => {}
            Standing::Dead => return format!("{:?}", vec![Answer::SessionDead; copies.len()]),
            Standing::Unknown => return "unknown".to_owned(),
        }
        let mut answers = Vec::new();
        for (execution, task, incarnation, max_losses, is_ahead) in copies {
            let claimant = Claimant {
                session: session(by),
                incarnation: *incarnation,
                max_losses: *max_losses,
                is_ahead: *is_ahead,
            };
            let flags = self.flags.get(execution).copied().unwrap_or_default();
            let record = self.record((*execution, *task));
            let (answer, change) =
                transition::claim(record, claimant, flags, &self.world, self.now_ms, &mut suspects);
            self.change((*execution, *task), change);
            answers.push(answer);
        }
        format!("{answers:?}")
    }

    fn assert_held(&mut self, by: Number, attempts: &[(Number, Number, u32)]) -> String {
        match self.world.standing(session(by)) {
            Standing::Alive => {}
            Standing::Dead => {
                return format!("{:?}", vec![crate::lease::Assertion::Lost; attempts.len()]);
            }
            Standing::Unknown => return "unknown".to_owned(),
        }
        let mut answers = Vec::new();
        for (execution, task, attempt) in attempts {
            let record = self.record((*execution, *task));
            let (answer, change) =
                transition::assert_held(record, session(by), *attempt, &self.world, self.now_ms);
            self.change((*execution, *task), change);
            answers.push(answer);
        }
        format!("{answers:?}")
    }

    fn beat(&self, standing: Standing) -> String {
        match standing {
            Standing::Alive => format!("{} {} {}", self.now_ms, self.world.canary, self.identity()),
            Standing::Dead => "dead".to_owned(),
            Standing::Unknown => "unknown".to_owned(),
        }
    }
}
