//! What an execution waits for.

use super::facts::Facts;
use super::task::Explanation;
use crate::display::counted;

/// Explains the execution.
pub(super) fn explain(facts: &Facts) -> Explanation {
    let mut reasons = facts.obstacles();
    let counts = &facts.view.record.counts;
    let unfinished = counts.expanded.saturating_sub(counts.succeeded + counts.failed + counts.cancelled);
    let is_active = facts.view.owner.is_some();
    if is_active {
        let id = &facts.view.record.id;
        let presences = facts.workers.iter().map(|worker| &worker.presence);
        let running =
            presences.flat_map(|presence| &presence.running).filter(|task| task.execution == *id).count();
        let tasks = counted(unfinished, "task");
        reasons.push(if unfinished == 0 {
            "no task is out: a flow is at work, or the last outcomes are being recorded".to_owned()
        } else {
            format!("{tasks} without an outcome, {running} of them known to have been running for a while")
        });
        reasons.extend(facts.types.iter().filter_map(|kind| facts.obstacle_of(kind)));
    }
    if counts.failed > 0 {
        let failed = counted(counts.failed, "dead task");
        reasons.push(format!("{failed}; they are tried again with: {}", facts.commands.replay));
    }
    Explanation { status: facts.status(), reasons }
}

#[cfg(test)]
mod tests {
    use protocol::Status;

    use super::super::facts::testing::facts;
    use super::*;

    #[test]
    fn a_running_execution_tells_what_is_out_and_who_is_missing() {
        let mut facts = facts();
        facts.view.record.counts.expanded = 9;
        facts.view.record.counts.succeeded = 2;
        let explanation = explain(&facts);
        assert_eq!(explanation.status, "running");
        let said = explanation.reasons.join("\n");
        assert!(said.contains("7 tasks without an outcome"), "{said}");
        assert!(said.contains("worker --queue gpu") && !said.contains("worker --queue cpu"), "{said}");
    }

    #[test]
    fn a_failed_execution_tells_how_its_dead_tasks_are_tried_again() {
        let mut facts = facts();
        facts.view.record.status = Status::Failed;
        facts.view.record.counts.failed = 3;
        facts.view.owner = None;
        let said = explain(&facts).reasons.join("\n");
        assert!(said.contains("3 dead tasks") && said.contains("REPLAY"), "{said}");
        assert!(!said.contains("worker --queue"), "{said}");
    }
}
