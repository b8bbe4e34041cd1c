//! Why a task is not running, or where it runs.

use std::time::Duration;

use backends::lease::{Record, State};
use protocol::{
    Attempt, Declined, Ending, History, Outcome, RetryPolicy, Running, SemaphoreWait, Spent, Status,
};

use super::facts::{Commands, Facts, TaskFacts};
use crate::display::{Evidence, counted, length};

/// What is concluded: where it is, and why.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(super) struct Explanation {
    pub(super) status: &'static str,
    pub(super) reasons: Vec<String>,
}

impl Explanation {
    fn new(status: &'static str, reasons: Vec<String>) -> Self {
        Self { status, reasons }
    }
}

/// Explains one task.
pub(super) fn explain(facts: &Facts, task: &TaskFacts) -> Explanation {
    let record = match &task.lease {
        Some(record) => record,
        None => {
            return match evidence(facts, task) {
                Some(reasons) => Explanation::new("failed", reasons),
                None => unknown(facts, task),
            };
        }
    };
    match &record.state {
        State::Leased { .. } => leased(facts, task, record),
        State::Done { outcome } => done(facts, task, record.attempt, outcome),
        State::Free { history, .. } => match evidence(facts, task) {
            // What lies there is of the time before it died.
            Some(reasons) if facts.view.owner.is_none() => Explanation::new("failed", reasons),
            Some(_) | None => free(facts, task, record, history),
        },
        State::Withdrawn { .. } => {
            let mut reasons = vec!["its coordinator has taken it back before a worker had it".to_owned()];
            reasons.extend(facts.obstacles());
            Explanation::new("cancelled", reasons)
        }
    }
}

fn evidence(facts: &Facts, task: &TaskFacts) -> Option<Vec<String>> {
    let evidence = Evidence::of_task(task.dead.as_ref()?)?;
    Some(vec![evidence.to_text(), format!("it is tried again with: {}", facts.commands.replay)])
}

fn leased(facts: &Facts, task: &TaskFacts, record: &Record) -> Explanation {
    let since = length(Duration::from_millis(task.now_ms.saturating_sub(record.since_ms)));
    let attempt = record.attempt;
    match facts.worker(record.session) {
        Some(worker) => {
            let who = worker.name();
            let is_it = |running: &&Running| {
                (running.task, running.attempt) == (task.id, attempt)
                    && running.execution == facts.view.record.id
            };
            let running = worker.presence.running.iter().find(is_it);
            let reason = match running.and_then(|running| running.waits_for.as_ref()) {
                Some(SemaphoreWait { semaphore, since_us }) => {
                    let since = length(Duration::from_millis(task.now_ms.saturating_sub(since_us / 1000)));
                    format!(
                        "attempt {attempt} has been waiting for semaphore {semaphore} for {since} on {who}"
                    )
                }
                None => format!("attempt {attempt} has been running for {since} by {who}"),
            };
            Explanation::new("leased", vec![reason])
        }
        None => {
            let mut reasons = vec![format!(
                "attempt {attempt} began {since} ago by a worker that is gone; another gets the task as soon as its \
                 delayed copy comes up, which may take some minutes for long tasks"
            )];
            reasons.extend(queued(facts, task, &Spent::default()));
            Explanation::new("queued", reasons)
        }
    }
}

fn done(facts: &Facts, task: &TaskFacts, attempt: u32, outcome: &[u8]) -> Explanation {
    // Evidence of another attempt is of the time before it was replayed.
    if task.dead.as_ref().is_some_and(|entry| entry.outcome.attempt == attempt)
        && let Some(reasons) = evidence(facts, task)
    {
        return Explanation::new("failed", reasons);
    }
    let (status, how) = match protocol::decode_part::<Outcome>(outcome).map(|outcome| outcome.ending) {
        Ok(Ending::Succeeded(_)) => ("succeeded", "it has succeeded".to_owned()),
        Ok(Ending::Failed(failure)) => ("failed", format!("it has failed: {}", failure.summary())),
        Ok(Ending::Cancelled) => ("cancelled", "it was cancelled".to_owned()),
        Err(_) => {
            let how = "it has ended; its outcome is large and kept elsewhere, so that how it ended is not told here";
            ("ended", how.to_owned())
        }
    };
    let mut reasons = vec![how];
    if facts.status() == "interrupted" {
        let take_up = &facts.commands.take_up;
        reasons.push(format!(
            "that counts once a coordinator has recorded it; take the execution up with: {take_up}"
        ));
    }
    Explanation::new(status, reasons)
}

fn free(facts: &Facts, task: &TaskFacts, record: &Record, history: &[u8]) -> Explanation {
    let history: History = protocol::decode_part(history).unwrap_or_default();
    let mut reasons = past(task, record, &history);
    reasons.extend(queued(facts, task, &history.spent));
    Explanation::new("queued", reasons)
}

/// What holds up this task and no other, if no worker has it.
pub(super) fn own_reasons(task: &TaskFacts) -> Vec<String> {
    match &task.lease {
        Some(record @ Record { state: State::Free { history, .. }, .. }) => {
            past(task, record, &protocol::decode_part(history).unwrap_or_default())
        }
        Some(_) | None => Vec::new(),
    }
}

fn past(task: &TaskFacts, record: &Record, history: &History) -> Vec<String> {
    let mut reasons = Vec::new();
    if let Some(last) = history.failed_attempts.last() {
        reasons.push(format!(
            "attempt {} on {} failed: {} [{}]",
            last.number,
            last.node,
            last.failure.summary(),
            last.failure.cause.as_str()
        ));
        reasons.extend(back_off(task, history, last));
    }
    if let Some(Declined { times, node, why }) = &history.declined {
        let times = counted((*times).into(), "time");
        reasons.push(format!("workers have left it to others {times}, the last one on {node}: {why}"));
    }
    if record.lost > 0 {
        let lost = counted(record.lost.into(), "worker");
        reasons.push(format!("{lost} died while running it, so it is run with no other beside it"));
    }
    reasons
}

/// Until when the next attempt waits; the delay itself was drawn by chance.
fn back_off(task: &TaskFacts, history: &History, last: &Attempt) -> Option<String> {
    let policy: Option<RetryPolicy> = task.task.as_ref().and_then(|task| task.retry.as_deref().cloned());
    let failed = history.spent.transient + history.spent.timeout + history.spent.out_of_memory;
    let longest = policy.unwrap_or_default().delay_after(last.failure.cause, failed, 1.0);
    let ended_ms = last.started_at_us / 1000 + last.duration.as_millis() as u64;
    let due_ms = ended_ms + longest.as_millis() as u64;
    let left = Duration::from_millis(due_ms.checked_sub(task.now_ms)?);
    Some(format!("it waits before its next attempt, which is due within {}", length(left)))
}

/// Recorded outcomes are read by the coordinator that holds the execution only, so that a task of
/// which no lease is known may have ended as well as wait.
fn unknown(facts: &Facts, task: &TaskFacts) -> Explanation {
    let mut reasons = vec![
        "no worker has had it in the last two minutes: it waits, has ended, or is not of this execution"
            .to_owned(),
    ];
    if task.task.is_none() {
        reasons.push(
            "a walk through the spec on this machine does not meet it: its flow may decide by results whether to \
             yield it, its operation may be unknown here, more than a million tasks may come before it, or the id \
             is wrong"
                .to_owned(),
        );
    }
    let Commands { show, list_dead, .. } = &facts.commands;
    reasons.push(match facts.view.owner {
        Some(_) => {
            format!("it is not among the dead tasks so far, as listed by: {list_dead}; how many have ended: {show}")
        }
        None => format!("it is not among the dead tasks, as listed by: {list_dead}"),
    });
    reasons.extend(queued(facts, task, &Spent::default()));
    Explanation::new("unknown", reasons)
}

/// What may hold up a task that no worker has and whose attempts have ended like this.
fn queued(facts: &Facts, task: &TaskFacts, spent: &Spent) -> Vec<String> {
    let mut reasons = facts.obstacles();
    if facts.view.record.status != Status::Running {
        // No worker is missing to what has ended.
        return reasons;
    }
    match &task.task {
        Some(task) => reasons.extend(facts.obstacle_of(task.worker_type_after(spent))),
        None => reasons.extend(facts.types.iter().filter_map(|kind| facts.obstacle_of(kind))),
    }
    reasons
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use backends::store::Entry;
    use protocol::{Cause, Failure, OperationName, SessionId, Task, TaskId, Value};

    use super::super::facts::testing::facts;
    use super::*;

    const NOW_MS: u64 = 1_000_000;

    fn task_facts(worker_type: &str, state: Option<State>) -> TaskFacts {
        let task = Task::new(OperationName::new("work").unwrap(), "1.0.0".parse().unwrap(), Value::null());
        let lease = state.map(|state| Record {
            state,
            // That of the worker which is alive.
            session: SessionId::from_uuid(uuid::Uuid::from_u128(1)),
            attempt: 2,
            lost: 0,
            since_ms: NOW_MS - 65_000,
            losses: Vec::new(),
        });
        let task = Arc::new(task.on(worker_type.parse().unwrap()));
        let (id, task) = (task.id, Some(task));
        TaskFacts { id, lease, dead: None, task, now_ms: NOW_MS }
    }

    #[track_caller]
    fn assert_said(explanation: &Explanation, status: &str, parts: &[&str]) {
        assert_eq!(explanation.status, status);
        let said = explanation.reasons.join("\n");
        for part in parts {
            assert!(said.contains(part), "{part:?} is not in {said}");
        }
    }

    #[test]
    fn a_running_task_is_with_a_worker_since_a_moment() {
        let mut facts = facts();
        let task = task_facts("cpu", Some(State::Leased { history: Default::default(), is_ahead: false }));
        assert_said(&explain(&facts, &task), "leased", &["attempt 2", "1m 5s", "worker 1 on node-7"]);
        let wait = SemaphoreWait { semaphore: "cuda".parse().unwrap(), since_us: (NOW_MS - 5_000) * 1000 };
        facts.workers[0].presence.running.push(Running {
            execution: facts.view.record.id.clone(),
            task: task.id,
            attempt: 2,
            since_us: 0,
            waits_for: Some(wait),
        });
        let parts = ["attempt 2 has been waiting for semaphore cuda for 5.0s", "worker 1 on node-7"];
        assert_said(&explain(&facts, &task), "leased", &parts);
        facts.workers.clear();
        assert_said(&explain(&facts, &task), "queued", &["a worker that is gone"]);
    }

    #[test]
    fn a_task_that_nobody_takes_says_which_worker_is_missing() {
        let explanation = explain(&facts(), &task_facts("gpu", None));
        assert_said(&explanation, "unknown", &["worker --queue gpu"]);
        assert!(!explanation.reasons.concat().contains("worker --queue cpu"));
    }

    #[test]
    fn a_task_without_a_lease_is_not_claimed_to_wait() {
        let (mut facts, mut task) = (facts(), task_facts("cpu", None));
        assert_said(&explain(&facts, &task), "unknown", &["two minutes", "has ended", "SHOW"]);
        facts.view.owner = None;
        facts.view.record.status = Status::Succeeded;
        task.task = None;
        let explanation = explain(&facts, &task);
        assert_said(&explanation, "unknown", &["LIST DEAD", "nothing of it is left to run", "id is wrong"]);
        assert!(!explanation.reasons.concat().contains("worker --queue"));
    }

    #[test]
    fn a_failed_attempt_is_told_with_the_longest_wait_for_the_next() {
        let mut history = History::default();
        history.charge(Attempt {
            number: 2,
            session: SessionId::from_uuid(uuid::Uuid::nil()),
            node: "node-9".to_owned(),
            started_at_us: (NOW_MS - 500) * 1000,
            duration: Duration::from_millis(100),
            failure: Failure::new(Cause::Transient, "no route"),
        });
        let bytes = protocol::encode_part(&history).unwrap();
        let task = task_facts("cpu", Some(State::Free { history: bytes.into(), needs_slot: false }));
        let parts = ["attempt 2 on node-9 failed: no route [transient]", "due within 600ms"];
        assert_said(&explain(&facts(), &task), "queued", &parts);
    }

    #[test]
    fn a_task_that_workers_leave_to_others_says_why() {
        let mut history = History::default();
        history.decline("node-8", "no time".to_owned());
        history.decline("node-9", "it takes up to 2h, and the worker goes on for 5m only".to_owned());
        let bytes = protocol::encode_part(&history).unwrap();
        let task = task_facts("cpu", Some(State::Free { history: bytes.into(), needs_slot: false }));
        let parts = ["left it to others 2 times, the last one on node-9: it takes up to 2h"];
        assert_said(&explain(&facts(), &task), "queued", &parts);
    }

    #[test]
    fn what_holds_up_the_execution_holds_up_its_tasks() {
        let mut facts = facts();
        facts.flags.is_paused = true;
        facts.trouble = Some("blocked by the broker: low on memory".to_owned());
        let task = task_facts("cpu", None);
        assert_said(&explain(&facts, &task), "unknown", &["paused", "UNPAUSE", "low on memory"]);
        facts.view.owner = None;
        assert_said(&explain(&facts, &task), "unknown", &["no coordinator", "TAKE UP", "paused besides"]);
    }

    #[test]
    fn an_ended_task_says_how() {
        let mut outcome = Outcome::cancelled(TaskId::of_key("x"));
        outcome.ending = Ending::Succeeded(Value::null());
        let ended = |outcome: &Outcome| {
            let bytes = protocol::encode_part(outcome).unwrap();
            explain(&facts(), &task_facts("cpu", Some(State::Done { outcome: bytes.into() })))
        };
        assert_said(&ended(&outcome), "succeeded", &["has succeeded"]);
        outcome.ending = Ending::Failed(Failure::new(Cause::Permanent, "bad input"));
        assert_said(&ended(&outcome), "failed", &["bad input"]);
    }

    fn dead(task: &TaskFacts, attempt: u32) -> Entry {
        let task = Arc::clone(task.task.as_ref().unwrap());
        let mut outcome = Outcome::cancelled(task.id);
        outcome.attempt = attempt;
        outcome.ending = Ending::Failed(Failure::new(Cause::Permanent, "bad input"));
        Entry { task, outcome: Arc::new(outcome) }
    }

    #[test]
    fn an_outcome_kept_by_reference_is_not_taken_for_a_success() {
        let reference = [&[0xc1][..], &[0; 40]].concat().into();
        let mut task = task_facts("cpu", Some(State::Done { outcome: reference }));
        assert_said(&explain(&facts(), &task), "ended", &["large and kept elsewhere"]);
        task.dead = Some(dead(&task, 2));
        assert_said(&explain(&facts(), &task), "failed", &["bad input", "REPLAY"]);
        // It was replayed since.
        task.dead = Some(dead(&task, 1));
        assert_said(&explain(&facts(), &task), "ended", &[]);
    }
}
