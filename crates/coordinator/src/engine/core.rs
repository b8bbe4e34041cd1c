//! The engine itself: one function from an input to the effects it has.

use std::time::{Duration, Instant};

use protocol::{FlowId, TaskState};

use super::flows::{Flows, Parents, Phase};
use super::message::{Conclusion, Effect, FlowFailure, Input, OnDead};
use super::tally::Tally;
use super::tasks::Tasks;
use super::turn::Turn;

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
    pub(super) policy: Policy,
    pub(super) mode: Mode,
    pub(super) root: Option<FlowId>,
    pub(super) tasks: Tasks,
    pub(super) flows: Flows,
    pub(super) tally: Tally,
    pub(super) flow_failures: Vec<FlowFailure>,
    /// A flow was asked and has not answered; one at a time keeps the order of tasks the same in
    /// every run.
    is_asking: bool,
    started: Option<Instant>,
    elapsed: Duration,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Mode {
    Running,
    /// Nothing new is started; the execution ends so when the last running task has.
    Stopping(Conclusion),
    Finished,
}

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
                self.flows.insert(root, name, Parents::new());
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
        if self.mode != Mode::Running {
            // A flow may have yielded several tasks in the step in which the first of them stopped it.
            self.tasks.cancel_waiting(&mut self.tally);
        }
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

    /// Something failed for good: unless it is caught, the policy says what that means.
    pub(super) fn note_death(&mut self, parents: &Parents, turn: &mut Turn) {
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
}
