//! What an execution waits for.

use std::collections::BTreeMap;

use super::facts::{Facts, TaskFacts};
use super::task::{Explanation, own_reasons};
use crate::display::{age, counted, length};

/// So many tasks are named of those that run, and of those that are held up.
const MOST_NAMED: usize = 5;

/// Explains the execution. `held_up` are tasks that no worker has and that some have had.
pub(super) fn explain(facts: &Facts, held_up: &[TaskFacts]) -> Explanation {
    let mut reasons = facts.obstacles();
    let counts = &facts.view.record.counts;
    let unfinished = counts.expanded.saturating_sub(counts.succeeded + counts.failed + counts.cancelled);
    let is_active = facts.view.owner.is_some();
    if is_active {
        let id = &facts.view.record.id;
        let presences = facts.workers.iter().map(|worker| &worker.presence);
        let known: Vec<_> =
            presences.flat_map(|presence| &presence.running).filter(|task| task.execution == *id).collect();
        let mut waiting = BTreeMap::<_, u64>::new();
        for wait in known.iter().filter_map(|task| task.waits_for.as_ref()) {
            *waiting.entry(&wait.semaphore).or_default() += 1;
        }
        let running = known.len() as u64 - waiting.values().sum::<u64>();
        let tasks = counted(unfinished, "task");
        reasons.push(if unfinished == 0 {
            "no task is out: a flow is at work, or the last outcomes are being recorded".to_owned()
        } else {
            format!("{tasks} without an outcome, {running} of them known to be running")
        });
        let started = known.iter().filter(|task| task.waits_for.is_none()).take(MOST_NAMED);
        reasons.extend(started.map(|task| format!("runs: {} for {}", task.task, length(age(task.since_us)))));
        reasons.extend(held_up.iter().take(MOST_NAMED).filter_map(|task| {
            let reasons = own_reasons(task);
            (!reasons.is_empty()).then(|| format!("waits: {}: {}", task.id, reasons.join("; ")))
        }));
        if let Some(others @ 1..) = held_up.len().checked_sub(MOST_NAMED) {
            reasons.push(format!("waits: {} more that workers have had", counted(others as u64, "task")));
        }
        for (semaphore, count) in waiting {
            let tasks = counted(count, "task");
            reasons.push(format!("on workers for a place in semaphore {semaphore}: {tasks} waiting"));
        }
        reasons.extend(facts.types.iter().filter_map(|kind| facts.obstacle_of(kind)));
    }
    if counts.failed > 0 {
        let failed = counted(counts.failed, "dead task");
        let (list, replay) = (&facts.commands.list_dead, &facts.commands.replay);
        reasons.push(match is_active {
            true => format!("{failed}: {list}; once the execution has ended, tried again with: {replay}"),
            false => format!("{failed}: {list}; tried again with: {replay}"),
        });
    }
    Explanation { status: facts.status(), reasons }
}

#[cfg(test)]
mod tests {
    use protocol::{Running, SemaphoreWait, Status, TaskId};

    use super::super::facts::testing::facts;
    use super::*;

    #[test]
    fn a_running_execution_tells_what_is_out_and_who_is_missing() {
        let mut facts = facts();
        facts.view.record.counts.expanded = 9;
        facts.view.record.counts.succeeded = 2;
        let explanation = explain(&facts, &[]);
        assert_eq!(explanation.status, "running");
        let said = explanation.reasons.join("\n");
        assert!(said.contains("7 tasks without an outcome"), "{said}");
        assert!(said.contains("worker --queue gpu") && !said.contains("worker --queue cpu"), "{said}");
        let running = |key, semaphore: Option<&str>| Running {
            execution: facts.view.record.id.clone(),
            task: TaskId::of_key(key),
            attempt: 1,
            since_us: 0,
            waits_for: semaphore.map(|name| SemaphoreWait { semaphore: name.parse().unwrap(), since_us: 0 }),
        };
        let tasks = [running("a", None), running("b", Some("cuda")), running("c", Some("cuda"))];
        facts.workers[0].presence.running.extend(tasks);
        let said = explain(&facts, &[]).reasons.join("\n");
        assert!(said.contains("outcome, 1 of them known to be running"), "{said}");
        assert!(said.contains("on workers for a place in semaphore cuda: 2 tasks waiting"), "{said}");
    }

    #[test]
    fn a_failed_execution_tells_how_its_dead_tasks_are_tried_again() {
        let mut facts = facts();
        facts.view.record.status = Status::Failed;
        facts.view.record.counts.failed = 3;
        facts.view.owner = None;
        let said = explain(&facts, &[]).reasons.join("\n");
        assert!(said.contains("3 dead tasks") && said.contains("REPLAY"), "{said}");
        assert!(!said.contains("worker --queue"), "{said}");
    }
}
