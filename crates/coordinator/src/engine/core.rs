//! The engine itself: one function from an input to the effects it has.

use std::sync::Arc;
use std::time::{Duration, Instant};

use otaman::driver::{Awaited, NodeId, OnFailure, Settlement};
use protocol::{Cause, Ending, Failure, FlowId, OperationName, Task, TaskState, Value};
use smallvec::smallvec;

use super::flows::{Flows, LiveFlow, Parent, Parents, Phase, Wait, adopt};
use super::message::{
    Child, ChildNode, Conclusion, Effect, FlowFailure, Input, Known, OnDead, PlannedStep, Told,
};
use super::tally::Tally;
use super::tasks::Tasks;
use crate::id_map::IdSet;

/// How an execution is to be run.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// Flows are asked for more only while fewer tasks than this are unsettled.
    pub max_in_flight: usize,
    /// What a dead task means to the rest.
    pub on_dead: OnDead,
}

/// The scheduler of one execution.
///
/// Promises: a task is published once, however many flows yield it; of several outcomes the first
/// counts; a flow goes on only when what it waits for is recorded durably; nothing is settled
/// twice; at every instant each expanded task is in exactly one state.
#[derive(Debug)]
pub struct Engine {
    policy: Policy,
    mode: Mode,
    root: Option<FlowId>,
    tasks: Tasks,
    flows: Flows,
    tally: Tally,
    flow_failures: Vec<FlowFailure>,
    /// A flow was asked and has not answered; one at a time keeps the order of tasks the same in
    /// every run.
    is_asking: bool,
    started: Option<Instant>,
    elapsed: Duration,
}

#[derive(Debug, Clone, PartialEq)]
enum Mode {
    Running,
    /// Nothing new is started; the execution ends so when the last running task has.
    Stopping(Conclusion),
    Finished,
}

/// Most flow failures that are kept for the report.
const MAX_FLOW_FAILURES: usize = 1_000;

impl Engine {
    /// An engine that has not been told anything.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy: Policy { max_in_flight: policy.max_in_flight.max(1), ..policy },
            mode: Mode::Running,
            root: None,
            tasks: Tasks::default(),
            flows: Flows::default(),
            tally: Tally::default(),
            flow_failures: Vec::new(),
            is_asking: false,
            started: None,
            elapsed: Duration::ZERO,
        }
    }

    /// The counts.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Flows whose generators returned errors.
    pub fn flow_failures(&self) -> &[FlowFailure] {
        &self.flow_failures
    }

    /// How long the execution has been running, as of the last input.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Whether it stops: nothing new is started.
    pub fn is_stopping(&self) -> bool {
        self.mode != Mode::Running
    }

    /// Takes an input and says what follows from it, to be done in this order.
    pub fn apply(&mut self, input: Input, now: Instant) -> Vec<Effect> {
        self.elapsed = now.saturating_duration_since(*self.started.get_or_insert(now));
        let mut turn = Turn::default();
        match input {
            Input::Start { root, name } => {
                self.root = Some(root);
                self.flows.insert(root, name, Parents::new(), false);
            }
            Input::Planned { flow, step } => {
                self.is_asking = false;
                self.plan(flow, step, &mut turn);
            }
            Input::Stalled { flow } => {
                self.is_asking = false;
                if let Some(live) = self.flows.get_mut(flow) {
                    live.phase = Phase::Stalled;
                }
            }
            Input::Woken { flow } => {
                if self.flows.get(flow).is_some_and(|live| matches!(live.phase, Phase::Stalled)) {
                    self.flows.make_ready(flow);
                }
            }
            Input::Reported(outcomes) => {
                let entries = self.tasks.accept(outcomes, &mut self.tally);
                if !entries.is_empty() {
                    turn.effects.push(Effect::Record(entries));
                }
            }
            Input::Recorded { count } => {
                for _ in 0..count {
                    self.settle_task(&mut turn);
                }
            }
            Input::Leased(ids) => self.tasks.move_to(&ids, TaskState::Leased, &mut self.tally),
            Input::Released(ids) => self.tasks.move_to(&ids, TaskState::Queued, &mut self.tally),
            Input::Withdrawn(ids) => self.tasks.cancel(&ids, &mut self.tally),
            Input::Cancel => self.stop(Conclusion::Cancelled, &mut turn),
        }
        self.settle_flows(&mut turn);
        self.proceed(&mut turn);
        debug_assert!(self.tally.is_conserved(), "tasks are not conserved: {:?}", self.tally);
        turn.into_effects()
    }

    /// Publishes, asks, or finishes.
    fn proceed(&mut self, turn: &mut Turn) {
        match &self.mode {
            Mode::Running => {
                let in_flight = self.tasks.len() - self.tasks.waiting();
                let room = self.policy.max_in_flight.saturating_sub(in_flight);
                let batch = self.tasks.publish(room, &mut self.tally);
                if !batch.is_empty() {
                    turn.effects.push(Effect::Publish(batch));
                }
                if !self.is_asking
                    && self.tasks.len() < self.policy.max_in_flight
                    && let Some(flow) = self.flows.ask_next(self.policy.max_in_flight)
                {
                    self.is_asking = true;
                    turn.effects.push(Effect::Pull(flow));
                }
            }
            Mode::Stopping(conclusion) if self.tasks.len() == 0 => {
                turn.effects.push(Effect::Finish(conclusion.clone()));
                self.mode = Mode::Finished;
            }
            Mode::Stopping(_) | Mode::Finished => {}
        }
    }

    fn plan(&mut self, id: FlowId, step: PlannedStep, turn: &mut Turn) {
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
            ChildNode::Flow { id, name } => self.add_flow(edge, id, name),
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
            self.tally.skip(operation);
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
                self.tally.expand(operation, TaskState::Succeeded);
                self.tally.reused += 1;
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

    fn add_flow(&mut self, edge: Parent, id: FlowId, name: OperationName) -> Result<(), Failure> {
        let is_live = self.flows.get(id).is_some();
        if is_live && self.flows.is_ancestor(id, edge.flow) {
            let message = format!(
                "flow {name} ({id}) is yielded by itself or by a flow that it yielded, so it would never end"
            );
            return Err(Failure::new(Cause::Permanent, message));
        }
        let added = match self.flows.get_mut(id) {
            Some(live) => adopt(&mut live.parents, edge),
            None => {
                let is_skipping = self.flows.get(edge.flow).is_some_and(|parent| parent.is_skipping);
                self.flows.insert(id, name, smallvec![edge], is_skipping);
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
    fn wake(&mut self, id: FlowId) {
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

    fn settle_task(&mut self, turn: &mut Turn) {
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

    /// Something failed for good: unless it is caught, the policy says what that means.
    fn note_death(&mut self, parents: &Parents, turn: &mut Turn) {
        if self.policy.on_dead == OnDead::Stop && self.mode == Mode::Running && !self.flows.is_caught(parents)
        {
            self.stop(Conclusion::Failed, turn);
        }
    }

    fn stop(&mut self, conclusion: Conclusion, turn: &mut Turn) {
        if self.mode != Mode::Running {
            return;
        }
        self.mode = Mode::Stopping(conclusion);
        self.tasks.cancel_waiting(&mut self.tally);
        if self.tasks.len() > 0 {
            turn.withdraws = true;
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
    fn settle_flows(&mut self, turn: &mut Turn) {
        while let Some(id) = turn.ended.pop() {
            let is_done = |flow: &LiveFlow| flow.unsettled == 0 && matches!(flow.phase, Phase::Ended(_));
            if !self.flows.get(id).is_some_and(is_done) {
                continue;
            }
            let Some(flow) = self.flows.remove(id) else { continue };
            let result = flow.into_result(id);
            let node = NodeId::Flow(id);
            if self.root == Some(id) && self.mode == Mode::Running {
                self.mode = Mode::Stopping(match &result.value {
                    Ok(value) => Conclusion::Succeeded(value.clone()),
                    Err(_) => Conclusion::Failed,
                });
            }
            let has_failed = result.value.is_err() && !result.is_skipped;
            let settlement = if result.is_skipped {
                Settlement::Unknown
            } else {
                Settlement::Flow(result.value.map_err(Arc::new))
            };
            turn.tell(node, settlement);
            for parent in result.parents {
                self.child_done(parent, node, has_failed, turn);
            }
        }
    }
}

/// How a flow ended.
struct FlowResult {
    value: Result<Value, Failure>,
    /// Whether it failed only because something it depends on did.
    is_skipped: bool,
    parents: Parents,
}

impl LiveFlow {
    fn is_over(&self, wait: &Wait) -> bool {
        match wait {
            Wait::All => self.unsettled == 0,
            Wait::For { left, .. } => left.is_empty(),
        }
    }

    fn into_result(self, id: FlowId) -> FlowResult {
        let is_skipped = self.is_skipping && self.failed.is_empty();
        let value = match self.phase {
            Phase::Ended(Err(failure)) if !self.is_skipping => Err(failure),
            Phase::Ended(Ok(value)) if self.failed.is_empty() && !self.is_skipping => Ok(value),
            _ => {
                let count = self.failed.len();
                let message = match count {
                    0 => format!("flow {} ({id}) was skipped", self.name),
                    _ => format!("{count} of the tasks and flows of flow {} ({id}) failed", self.name),
                };
                Err(Failure::new(Cause::Permanent, message))
            }
        };
        FlowResult { value, is_skipped, parents: self.parents }
    }
}

/// What gathers while one input is applied.
#[derive(Default)]
struct Turn {
    effects: Vec<Effect>,
    told: Vec<Told>,
    /// Flows whose generators have ended and that may be done now.
    ended: Vec<FlowId>,
    withdraws: bool,
}

impl Turn {
    fn tell(&mut self, node: NodeId, settlement: Settlement) {
        self.told.push(Told { node, settlement });
    }

    fn check(&mut self, flow: FlowId) {
        self.ended.push(flow);
    }

    /// Flows must hear of their children before they are asked again, so that comes first.
    fn into_effects(mut self) -> Vec<Effect> {
        if !self.told.is_empty() {
            self.effects.insert(0, Effect::Tell(self.told));
        }
        if self.withdraws {
            self.effects.push(Effect::Withdraw);
        }
        self.effects
    }
}
