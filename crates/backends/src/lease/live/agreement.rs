//! The scripts and the pure transitions agree: in every answer, and in every byte that is kept.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError};
use tests::servers;
use tokio::runtime::{Builder, Runtime};

use super::clock::{connect, set_clock, set_identity, with_clock_in_keys};
use super::mirror::{Mirror, execution, session, task};
use super::question::{EXECUTIONS, LEASE_MS, Question, SESSIONS, TASKS, questions};
use crate::lease::answer::{Claim, Completion, Flags, Held, Release, Renewal};
use crate::lease::arbiter::Arbiter;
use crate::lease::error::Error;
use crate::lease::record::{Record, session_bytes};
use crate::redis::{FromRedisValue, cmd};

const LEASE: Duration = Duration::from_millis(LEASE_MS);

/// So often cases are drawn until all answers have come.
const MOST_ROUNDS: u32 = 10;

/// Answers that must have come at least once, or the questions are badly chosen.
const ANSWERS: [&str; 19] = [
    "Granted(Grant { attempt: 1",
    "Granted(Grant { attempt: 2",
    "Mine",
    "Busy",
    "Done",
    "Dropped",
    "Poison",
    "Later",
    "Paused",
    "SessionDead",
    "unknown",
    "dead",
    "Accepted",
    "Already",
    "Stale",
    "Held",
    "Lost",
    "Withdrawn",
    "Leased",
];

#[test]
fn scripts_and_transitions_agree() {
    let server = servers::Redis::options().without_append_only_file().start();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let arbiter = with_clock_in_keys(runtime.block_on(connect(&server)));
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(150);
    let missing = RefCell::new(BTreeSet::from(ANSWERS));
    // Some answers are rare, so that 150 cases may have none of one of them.
    for _ in 0..MOST_ROUNDS {
        proptest!(Config { cases, failure_persistence: None, ..Config::default() }, |(questions in questions())| {
            agree(&runtime, &arbiter, &questions, &mut missing.borrow_mut())?;
        });
        if missing.borrow().is_empty() {
            break;
        }
    }
    assert_eq!(missing.into_inner(), BTreeSet::new(), "answers that never came");
}

/// Asks both the same.
fn agree(
    runtime: &Runtime,
    arbiter: &Arbiter,
    questions: &[Question],
    missing: &mut BTreeSet<&str>,
) -> Result<(), TestCaseError> {
    runtime.block_on(async {
        let mut mirror = Mirror::new();
        read::<()>(arbiter, &["FLUSHALL"]).await;
        set_clock(&arbiter.redis, mirror.now_ms).await;
        set_identity(&arbiter.redis, &mirror.identity()).await;
        for (number, question) in questions.iter().enumerate() {
            let expected = mirror.answer(question);
            let answer = ask(arbiter, question, &mirror).await;
            prop_assert_eq!(&answer, &expected, "answer to question {}, {:?}", number, question);
            missing.retain(|word| !answer.contains(word));
            same_records(arbiter, &mirror).await?;
        }
        same_keys(arbiter, &mirror).await?;
        same_sessions(arbiter, &mirror).await
    })
}

/// The arbiter's answer in the mirror's words.
async fn ask(arbiter: &Arbiter, question: &Question, mirror: &Mirror) -> String {
    match question {
        Question::Wait(_) => set_clock(&arbiter.redis, mirror.now_ms).await,
        Question::RestartServer => set_identity(&arbiter.redis, &mirror.identity()).await,
        Question::Wipe => {
            read::<()>(arbiter, &["FLUSHALL"]).await;
            set_clock(&arbiter.redis, mirror.now_ms).await;
            set_identity(&arbiter.redis, &mirror.identity()).await;
        }
        Question::Claim { session: by, copies, suspects } => {
            let executions: Vec<_> = copies.iter().map(|copy| execution(copy.0)).collect();
            let claim = |(copy, execution)| {
                let &(_, number, incarnation, max_losses, is_ahead) = copy;
                Claim { execution, task: task(number), incarnation, max_losses, is_ahead }
            };
            let claims: Vec<_> = copies.iter().zip(&executions).map(claim).collect();
            return in_words(arbiter.claim(session(*by), &claims, *suspects).await);
        }
        Question::Complete { session: by, attempts, outcome } => {
            let executions: Vec<_> = attempts.iter().map(|attempt| execution(attempt.0)).collect();
            let completions = attempts.iter().zip(&executions).map(|((_, number, attempt), execution)| {
                Completion { execution, task: task(*number), attempt: *attempt, outcome }
            });
            let completions: Vec<_> = completions.collect();
            return in_words(arbiter.complete(session(*by), &completions, LEASE * 1000).await);
        }
        Question::Release { session: by, task: (of, number), attempt, lost, history } => {
            let execution = &execution(*of);
            let release = Release { execution, task: task(*number), attempt: *attempt, lost: *lost, history };
            return in_words(arbiter.release(session(*by), &release).await);
        }
        Question::Assert { session: by, attempts } => {
            let executions: Vec<_> = attempts.iter().map(|attempt| execution(attempt.0)).collect();
            let held = attempts.iter().zip(&executions).map(|((_, number, attempt), execution)| Held {
                execution,
                task: task(*number),
                attempt: *attempt,
            });
            return in_words(arbiter.assert_held(session(*by), &held.collect::<Vec<_>>()).await);
        }
        Question::Withdraw { execution: of, incarnation, tasks } => {
            let tasks: Vec<_> = tasks.iter().map(|number| task(*number)).collect();
            return in_words(arbiter.withdraw(&execution(*of), *incarnation, &tasks).await);
        }
        Question::Restore { execution: of, tasks } => {
            let tasks: Vec<_> = tasks.iter().map(|number| task(*number)).collect();
            arbiter.restore(&execution(*of), &tasks).await.unwrap();
        }
        Question::Forget { execution: of, tasks } => {
            let tasks: Vec<_> = tasks.iter().map(|number| task(*number)).collect();
            arbiter.forget(&execution(*of), &tasks).await.unwrap();
        }
        Question::Register(number) => {
            return renewal(arbiter.register(session(*number), LEASE, "node", b"info").await);
        }
        Question::Renew(number) => {
            return renewal(arbiter.renew(session(*number), LEASE, "node", b"info").await);
        }
        Question::Leave(number) => arbiter.leave(session(*number)).await.unwrap(),
        Question::Expire => return in_words(arbiter.expire(LEASE).await),
        Question::Suspend => arbiter.suspend(LEASE).await.unwrap(),
        Question::End { execution: of, incarnation } => {
            arbiter.end(&execution(*of), *incarnation).await.unwrap();
        }
        Question::Pause(of) => arbiter.pause(&execution(*of)).await.unwrap(),
        Question::Unpause(of) => arbiter.unpause(&execution(*of)).await.unwrap(),
    }
    String::new()
}

fn in_words<T: std::fmt::Debug>(answer: Result<T, Error>) -> String {
    match answer {
        Ok(answer) => format!("{answer:?}"),
        Err(Error::UnknownSession { .. }) => "unknown".to_owned(),
        Err(error) => panic!("{error:?}"),
    }
}

fn renewal(answer: Result<Renewal, Error>) -> String {
    match answer.unwrap() {
        Renewal::Renewed(beat) => {
            format!("{} {} {}", beat.now_ms, beat.canary, String::from_utf8(beat.server).unwrap())
        }
        Renewal::Dead => "dead".to_owned(),
        Renewal::Unknown => "unknown".to_owned(),
    }
}

/// Compares what is kept of tasks, byte by byte.
async fn same_records(arbiter: &Arbiter, mirror: &Mirror) -> Result<(), TestCaseError> {
    let names = || EXECUTIONS.flat_map(|of| TASKS.map(move |number| (of, number)));
    let mut read = cmd("MGET");
    for (of, number) in names() {
        read.arg(arbiter.keys.record(&execution(of), task(number)));
    }
    let kept: Vec<Option<Vec<u8>>> = arbiter.redis.run(&read).await.unwrap();
    for (name, kept) in names().zip(kept) {
        prop_assert_eq!(kept, mirror.record(name).map(Record::encode), "record {:?}", name);
    }
    Ok(())
}

/// Compares what is told of tasks and executions, and for how long it is kept.
async fn same_keys(arbiter: &Arbiter, mirror: &Mirror) -> Result<(), TestCaseError> {
    for of in EXECUTIONS {
        let tasks: Vec<_> = TASKS.map(task).collect();
        let looked = arbiter.look(&execution(of), &tasks).await.unwrap();
        for (number, looked) in TASKS.zip(looked) {
            let key = arbiter.keys.record(&execution(of), task(number));
            let ttl: i64 = arbiter.redis.run(cmd("TTL").arg(&key)).await.unwrap();
            let expected = mirror.records.get(&(of, number));
            prop_assert_eq!(looked.as_ref(), expected.map(|(record, _)| record));
            prop_assert_eq!(ttl > 0, expected.is_some_and(|(_, is_brief)| *is_brief), "TTL {}", ttl);
        }
        let expected: Flags = mirror.flags.get(&of).copied().unwrap_or_default();
        prop_assert_eq!(arbiter.flags(&execution(of)).await.unwrap(), expected);
    }
    Ok(())
}

async fn same_sessions(arbiter: &Arbiter, mirror: &Mirror) -> Result<(), TestCaseError> {
    let world = &mirror.world;
    let name = |key: &[u8]| String::from_utf8(key.to_vec()).unwrap();
    let calm: Option<u64> = read(arbiter, &["GET", &name(&arbiter.keys.calm)]).await;
    prop_assert_eq!(calm.unwrap_or(0), world.calm_ms, "calm");
    let beat: Option<u64> = read(arbiter, &["GET", &name(&arbiter.keys.beat)]).await;
    prop_assert_eq!(beat, world.beat_ms, "beat");
    let canary: Option<u64> = read(arbiter, &["GET", &name(&arbiter.keys.canary)]).await;
    prop_assert_eq!(canary.unwrap_or(0), world.canary, "canary");
    let mut members = arbiter.sessions().await.unwrap();
    members.sort_by_key(|member| member.session);
    let members: Vec<_> = members.into_iter().map(|member| (member.session, member.expires_in)).collect();
    let left = |expiry_ms: u64| Duration::from_millis(expiry_ms.saturating_sub(mirror.now_ms));
    let expected: Vec<_> = world.sessions.iter().map(|(id, expiry_ms)| (*id, left(*expiry_ms))).collect();
    prop_assert_eq!(members, expected, "sessions");
    for number in SESSIONS {
        let id = session_bytes(session(number));
        let mut score = cmd("ZSCORE");
        score.arg(&arbiter.keys.tombstones).arg(&id);
        let died: Option<f64> = arbiter.redis.run(&score).await.unwrap();
        let expected = world.tombstones.get(&session(number)).map(|died_ms| *died_ms as f64);
        prop_assert_eq!(died, expected, "tombstone of {}", number);
    }
    Ok(())
}

async fn read<T: FromRedisValue>(arbiter: &Arbiter, command: &[&str]) -> T {
    let mut line = cmd(command[0]);
    for word in &command[1..] {
        line.arg(word);
    }
    arbiter.redis.run(&line).await.unwrap()
}
