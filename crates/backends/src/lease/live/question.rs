//! Everything that can be asked of an arbiter or done to its Redis, at random.

use std::ops::Range;

use proptest::prelude::*;

/// Number of a session, an execution or a task.
pub(super) type Number = usize;

pub(super) const SESSIONS: Range<Number> = 0..3;
pub(super) const EXECUTIONS: Range<Number> = 0..2;
pub(super) const TASKS: Range<Number> = 0..3;
pub(super) const LEASE_MS: u64 = 900;

/// A copy of a task: execution, task, incarnation, most losses, whether it is claimed ahead.
pub(super) type Copy = (Number, Number, u32, u32, bool);

#[derive(Debug, Clone)]
pub(super) enum Question {
    Wait(u64),
    RestartServer,
    Wipe,
    Claim { session: Number, copies: Vec<Copy>, suspects: u32 },
    Complete { session: Number, attempts: Vec<(Number, Number, u32)>, outcome: Vec<u8> },
    Release { session: Number, task: (Number, Number), attempt: u32, lost: u32, history: Vec<u8> },
    Assert { session: Number, attempts: Vec<(Number, Number, u32)> },
    Withdraw { execution: Number, incarnation: u32, tasks: Vec<Number> },
    Restore { execution: Number, tasks: Vec<Number> },
    Forget { execution: Number, tasks: Vec<Number> },
    Register(Number),
    Renew(Number),
    Leave(Number),
    Expire,
    Suspend,
    End { execution: Number, incarnation: u32 },
    Pause(Number),
    Unpause(Number),
}

/// Sequences in which every question is likely to matter.
pub(super) fn questions() -> impl Strategy<Value = Vec<Question>> {
    prop::collection::vec(question(), 10..80)
}

fn question() -> impl Strategy<Value = Question> {
    let attempts = || prop::collection::vec((EXECUTIONS, TASKS, 1..4u32), 1..5);
    let tasks = || prop::collection::vec(TASKS, 1..4);
    let tail = || prop::collection::vec(any::<u8>(), 0..20);
    let copies = prop::collection::vec((EXECUTIONS, TASKS, 1..4u32, 0..4u32, any::<bool>()), 1..7);
    prop_oneof![
        8 => prop_oneof![1..LEASE_MS / 2, 1..3 * LEASE_MS, Just(25 * 60 * 60 * 1000)].prop_map(Question::Wait),
        1 => Just(Question::RestartServer),
        1 => Just(Question::Wipe),
        20 => (SESSIONS, copies, 0..3u32)
            .prop_map(|(session, copies, suspects)| Question::Claim { session, copies, suspects }),
        8 => (SESSIONS, attempts(), tail())
            .prop_map(|(session, attempts, outcome)| Question::Complete { session, attempts, outcome }),
        6 => (SESSIONS, (EXECUTIONS, TASKS), 1..4u32, 0..3u32, tail()).prop_map(
            |(session, task, attempt, lost, history)| Question::Release { session, task, attempt, lost, history }
        ),
        4 => (SESSIONS, attempts()).prop_map(|(session, attempts)| Question::Assert { session, attempts }),
        3 => (EXECUTIONS, 1..4u32, tasks())
            .prop_map(|(execution, incarnation, tasks)| Question::Withdraw { execution, incarnation, tasks }),
        2 => (EXECUTIONS, tasks()).prop_map(|(execution, tasks)| Question::Restore { execution, tasks }),
        2 => (EXECUTIONS, tasks()).prop_map(|(execution, tasks)| Question::Forget { execution, tasks }),
        8 => SESSIONS.prop_map(Question::Register),
        6 => SESSIONS.prop_map(Question::Renew),
        2 => SESSIONS.prop_map(Question::Leave),
        6 => Just(Question::Expire),
        1 => Just(Question::Suspend),
        1 => (EXECUTIONS, 1..3u32).prop_map(|(execution, incarnation)| Question::End { execution, incarnation }),
        1 => EXECUTIONS.prop_map(Question::Pause),
        1 => EXECUTIONS.prop_map(Question::Unpause),
    ]
}
