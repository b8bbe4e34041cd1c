//! Settling: what follows from tasks and flows that are done.

use std::sync::Arc;

use otaman::driver::{NodeId, OnFailure, Settlement};
use protocol::{Cause, Ending, Failure, FlowId, Value};

use super::core::{Engine, Mode};
use super::flows::{LiveFlow, Parent, Parents, Phase, Wait};
use super::message::Conclusion;
use super::turn::Turn;

impl Engine {
    /// Settles the oldest accepted task, whose record is durable now.
    pub(super) fn settle_task(&mut self, turn: &mut Turn) {
        let settled = self.tasks.settle_next(&mut self.tally);
        let has_failed = settled.outcome.value().is_none();
        let node = NodeId::Task(settled.outcome.task);
        if matches!(settled.outcome.ending, Ending::Failed(_)) {
            self.note_death(&settled.parents, turn);
        }
        turn.tell(node, Settlement::Task(settled.outcome));
        for parent in settled.parents {
            self.child_done(parent, node, has_failed, turn);
        }
    }

    fn child_done(&mut self, parent: Parent, node: NodeId, has_failed: bool, turn: &mut Turn) {
        let Some(flow) = self.flows.get_mut(parent.flow) else { return };
        flow.unsettled -= 1;
        let fails = has_failed && parent.on_failure == OnFailure::Propagate;
        if fails {
            flow.failed.insert(node);
        }
        let is_over = match &mut flow.phase {
            Phase::Waiting(Wait::For { left, has_failed }) => {
                *has_failed |= fails && left.contains(&node);
                left.remove(&node);
                left.is_empty()
            }
            Phase::Waiting(Wait::All) => flow.unsettled == 0,
            Phase::Ended(_) => {
                turn.check(parent.flow);
                false
            }
            Phase::Ready | Phase::Asked | Phase::Stalled => false,
        };
        if is_over {
            self.wake(parent.flow);
        }
    }

    /// Settles the flows whose generators have ended and whose children are done; a loop, not a
    /// recursion, since flows may nest by the thousand.
    pub(super) fn settle_flows(&mut self, turn: &mut Turn) {
        while let Some(id) = turn.ended.pop() {
            let is_done = |flow: &LiveFlow| flow.unsettled == 0 && matches!(flow.phase, Phase::Ended(_));
            if !self.flows.get(id).is_some_and(is_done) {
                continue;
            }
            let Some(flow) = self.flows.remove(id) else { continue };
            let (value, parents) = flow.into_result(id);
            let node = NodeId::Flow(id);
            if self.root == Some(id) && self.mode == Mode::Running {
                self.mode = Mode::Stopping(match &value {
                    Ok(value) => Conclusion::Succeeded(value.clone()),
                    Err(_) => Conclusion::Failed,
                });
            }
            let has_failed = value.is_err();
            turn.tell(node, Settlement::Flow(value.map_err(Arc::new)));
            for parent in parents {
                self.child_done(parent, node, has_failed, turn);
            }
        }
    }
}

impl LiveFlow {
    /// How the flow ended, and whom that concerns.
    fn into_result(self, id: FlowId) -> (Result<Value, Failure>, Parents) {
        let value = match self.phase {
            Phase::Ended(Err(failure)) if !self.is_skipping => Err(failure),
            Phase::Ended(Ok(value)) if self.failed.is_empty() => Ok(value),
            _ => {
                let (count, name) = (self.failed.len(), self.name);
                let message = format!("{count} of the tasks and flows of flow {name} ({id}) failed");
                Err(Failure::new(Cause::Permanent, message))
            }
        };
        (value, self.parents)
    }
}
