//! What a flow's step does to the engine: children, waits, the end of its generator.

use std::sync::Arc;

use otaman::driver::{Awaited, NodeId, OnFailure, Settlement};
use protocol::{Cause, Failure, FlowId, IdSet, OperationName, Task, Value};
use smallvec::smallvec;

use super::core::Engine;
use super::flows::{LiveFlow, Parent, Phase, Wait, adopt};
use super::message::{Child, ChildNode, FlowFailure, Known, PlannedStep};
use super::turn::Turn;

/// Most flow failures that are kept for the report.
const MAX_FLOW_FAILURES: usize = 1_000;

impl Engine {
    pub(super) fn plan(&mut self, id: FlowId, step: PlannedStep, turn: &mut Turn) {
        if !self.flows.get(id).is_some_and(|flow| matches!(flow.phase, Phase::Asked)) {
            return;
        }
        match step {
            PlannedStep::Yield(children) => {
                for child in children {
                    if let Err(failure) = self.add_child(id, child, turn) {
                        return self.end_generator(id, Err(failure), turn);
                    }
                }
                self.flows.make_ready(id);
            }
            PlannedStep::WaitAll => self.wait(id, Wait::All),
            PlannedStep::WaitFor(awaited) => match self.wait_for(id, awaited) {
                Ok(wait) => self.wait(id, wait),
                Err(failure) => self.end_generator(id, Err(failure), turn),
            },
            PlannedStep::Done(result) => self.end_generator(id, result, turn),
        }
    }

    fn add_child(&mut self, parent: FlowId, child: Child, turn: &mut Turn) -> Result<(), Failure> {
        let edge = Parent { flow: parent, on_failure: child.on_failure };
        match child.node {
            ChildNode::Task { task, known } => {
                self.add_task(edge, task, known, turn);
                Ok(())
            }
            ChildNode::Flow { id, name } => self.add_flow(edge, id, name, turn),
        }
    }

    fn add_task(&mut self, edge: Parent, task: Arc<Task>, known: Known, turn: &mut Turn) {
        let node = NodeId::Task(task.id);
        let flow = self.flows.get_mut(edge.flow).expect("an asked flow is live");
        if let Some(unsettled) = self.tasks.get_mut(task.id) {
            flow.unsettled += usize::from(adopt(&mut unsettled.parents, edge));
            return;
        }
        if flow.is_skipping {
            let operation = self.tally.operation(&task.operation);
            match known {
                Known::New => self.tally.skip(operation),
                // It has ended, whether this flow may use it or not.
                Known::Reused(outcome) => self.tally.reuse(operation, &outcome),
                Known::Settled(_) => {}
            }
            turn.tell(node, Settlement::Unknown);
            return;
        }
        match known {
            Known::New => {
                flow.unsettled += 1;
                self.tasks.insert(task, smallvec![edge], &mut self.tally);
            }
            Known::Reused(outcome) => {
                let operation = self.tally.operation(&task.operation);
                self.tally.reuse(operation, &outcome);
                if outcome.value().is_none() {
                    if edge.on_failure == OnFailure::Propagate {
                        flow.failed.insert(node);
                    }
                    self.note_death(&smallvec![edge], turn);
                }
                turn.tell(node, Settlement::Task(outcome));
            }
            Known::Settled(outcome) => {
                if outcome.failure().is_some() && edge.on_failure == OnFailure::Propagate {
                    flow.failed.insert(node);
                    // It was caught where it was yielded before; here nobody may catch it.
                    self.note_death(&smallvec![edge], turn);
                }
                turn.tell(node, Settlement::Task(outcome));
            }
        }
    }

    fn add_flow(
        &mut self,
        edge: Parent,
        id: FlowId,
        name: OperationName,
        turn: &mut Turn,
    ) -> Result<(), Failure> {
        let is_live = self.flows.get(id).is_some();
        if !is_live && self.flows.get(edge.flow).is_some_and(|parent| parent.is_skipping) {
            // Another flow may need it done, so it must not be there as something to be skipped.
            turn.tell(NodeId::Flow(id), Settlement::Unknown);
            return Ok(());
        }
        if is_live && self.flows.is_ancestor(id, edge.flow) {
            let message = format!(
                "flow {name} ({id}) is yielded by itself or by a flow that it yielded, so it would never end"
            );
            return Err(Failure::new(Cause::Permanent, message));
        }
        let added = match self.flows.get_mut(id) {
            Some(live) => adopt(&mut live.parents, edge),
            None => {
                self.flows.insert(id, name, smallvec![edge]);
                true
            }
        };
        let parent = self.flows.get_mut(edge.flow).expect("an asked flow is live");
        parent.unsettled += usize::from(added);
        Ok(())
    }

    /// Which of the awaited children are not settled.
    fn wait_for(&mut self, id: FlowId, awaited: Vec<Awaited>) -> Result<Wait, Failure> {
        let flow = self.flows.get(id).expect("an asked flow is live");
        let mut left = IdSet::default();
        let mut has_failed = false;
        for child in awaited {
            if child.is_told() {
                has_failed |= flow.failed.contains(&child.id);
                continue;
            }
            let parents = match child.id {
                NodeId::Task(task) => self.tasks.get(task).map(|unsettled| &unsettled.parents),
                NodeId::Flow(child) => self.flows.get(child).map(|live| &live.parents),
            };
            if !parents.is_some_and(|parents| parents.iter().any(|parent| parent.flow == id)) {
                let message = format!(
                    "flow {} ({id}) waits for {}, which it did not yield; a flow can wait for its own children only",
                    flow.name, child.id
                );
                return Err(Failure::new(Cause::Permanent, message));
            }
            left.insert(child.id);
        }
        Ok(Wait::For { left, has_failed })
    }

    fn wait(&mut self, id: FlowId, wait: Wait) {
        let flow = self.flows.get_mut(id).expect("an asked flow is live");
        // When skipping there is nothing to wait for; it goes on to what else is to be skipped.
        let is_over = flow.is_skipping || flow.is_over(&wait);
        flow.phase = Phase::Waiting(wait);
        if is_over {
            self.wake(id);
        }
    }

    /// Goes on after a wait; with a failure behind it, everything further depends on that.
    pub(super) fn wake(&mut self, id: FlowId) {
        let flow = self.flows.get_mut(id).expect("a waiting flow is live");
        if let Phase::Waiting(wait) = &flow.phase {
            flow.is_skipping |= match wait {
                Wait::All => !flow.failed.is_empty(),
                Wait::For { has_failed, .. } => *has_failed,
            };
        }
        self.flows.make_ready(id);
    }

    fn end_generator(&mut self, id: FlowId, result: Result<Value, Failure>, turn: &mut Turn) {
        let flow = self.flows.get_mut(id).expect("an asked flow is live");
        if let Err(failure) = &result
            && !flow.is_skipping
        {
            if self.flow_failures.len() < MAX_FLOW_FAILURES {
                let (name, failure) = (flow.name.clone(), failure.clone());
                self.flow_failures.push(FlowFailure { flow: id, name, failure });
            }
            let parents = flow.parents.clone();
            flow.phase = Phase::Ended(result);
            turn.check(id);
            return self.note_death(&parents, turn);
        }
        flow.phase = Phase::Ended(result);
        turn.check(id);
    }
}

impl LiveFlow {
    fn is_over(&self, wait: &Wait) -> bool {
        match wait {
            Wait::All => self.unsettled == 0,
            Wait::For { left, .. } => left.is_empty(),
        }
    }
}
