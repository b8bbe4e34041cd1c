//! A world around an engine: broker, journal and flows in memory, driven step by step.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use backends::store::Entry;
use otaman::driver::Node;
use otaman::{Error, Resolve, Target};
use protocol::{Cause, Ending, Failure, Outcome, Task, TaskId, Value};
use tokio::sync::mpsc;

use super::script::{Script, value_of};
use crate::engine::{ChildNode, Conclusion, Effect, Engine, Input, Known, OnDead, PlannedStep, Policy};
use crate::expand::Expander;

struct NoTargets;

impl Resolve for NoTargets {
    fn resolve(&self, _: &Target, _: &[(&str, &serde_json::Value)]) -> Result<Node, Error> {
        Err(Error::permanent("scripts have no targets"))
    }
}

pub(super) struct World {
    pub(super) engine: Engine,
    expander: Expander,
    _woken: mpsc::UnboundedReceiver<protocol::FlowId>,
    effects: VecDeque<Effect>,
    pub(super) policy: Policy,
    pub(super) script: Script,
    pub(super) incarnation: u32,
    /// Tasks whose attempts all fail.
    pub(super) dead: BTreeSet<TaskId>,
    /// Published, in order, since it was last looked at.
    pub(super) published: Vec<TaskId>,
    /// With the broker.
    pub(super) queue: Vec<Arc<Task>>,
    /// Asked to be recorded, not yet durable.
    pub(super) journal: VecDeque<Entry>,
    /// Durable.
    pub(super) checkpoint: HashMap<TaskId, (u32, Arc<Outcome>)>,
    reused: BTreeSet<TaskId>,
    /// Whether what died in earlier runs is not tried again.
    pub(super) stays_dead: bool,
    /// How often each task was published, over all incarnations.
    pub(super) publications: BTreeMap<TaskId, u32>,
    pub(super) conclusion: Option<Conclusion>,
    start: Instant,
    clock: u64,
}

impl World {
    pub(super) fn new(script: Script, max_in_flight: usize, on_dead: OnDead) -> Self {
        let policy = Policy { max_in_flight, on_dead };
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut world = Self {
            engine: Engine::new(policy),
            expander: Expander::new(Arc::new(NoTargets), sender),
            _woken: receiver,
            effects: VecDeque::new(),
            policy,
            script,
            incarnation: 0,
            dead: BTreeSet::new(),
            published: Vec::new(),
            queue: Vec::new(),
            journal: VecDeque::new(),
            checkpoint: HashMap::new(),
            reused: BTreeSet::new(),
            stays_dead: false,
            publications: BTreeMap::new(),
            conclusion: None,
            start: Instant::now(),
            clock: 0,
        };
        world.restart();
        world
    }

    /// The coordinator dies and a new one begins with what is durable. What was with the broker may
    /// still run: its outcomes come late, to the new one.
    pub(super) fn restart(&mut self) {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.engine = Engine::new(self.policy);
        self.expander = Expander::new(Arc::new(NoTargets), sender);
        self._woken = receiver;
        self.effects.clear();
        self.journal.clear();
        self.reused.clear();
        self.incarnation += 1;
        let root = self.script.call();
        let (id, name) = (root.id, root.name.clone());
        self.expander.add_root(root);
        self.apply(Input::Start { root: id, name });
        self.settle();
    }

    pub(super) fn apply(&mut self, input: Input) {
        self.clock += 1;
        let now = self.start + Duration::from_millis(self.clock);
        self.effects.extend(self.engine.apply(input, now));
        assert!(self.engine.tally().is_conserved(), "{:?}", self.engine.tally());
    }

    /// Performs all effects, without any outcome or record arriving.
    pub(super) fn settle(&mut self) {
        while let Some(effect) = self.effects.pop_front() {
            match effect {
                Effect::Pull(flow) => match self.expander.pull(flow) {
                    None => self.apply(Input::Stalled { flow }),
                    Some(mut step) => {
                        self.recall(&mut step);
                        self.apply(Input::Planned { flow, step });
                    }
                },
                Effect::Publish(tasks) => {
                    for task in tasks {
                        let is_durable =
                            self.checkpoint.get(&task.id).is_some_and(|(_, o)| o.value().is_some());
                        assert!(!is_durable, "{} was published although its success is durable", task.id);
                        self.published.push(task.id);
                        *self.publications.entry(task.id).or_default() += 1;
                        self.queue.push(task);
                    }
                }
                Effect::Record(entries) => self.journal.extend(entries),
                Effect::Tell(told) => told.iter().for_each(|told| self.expander.tell(told)),
                Effect::Withdraw => {
                    let ids = self.queue.drain(..).map(|task| task.id).collect();
                    self.apply(Input::Withdrawn(ids));
                }
                Effect::Finish(conclusion) => {
                    assert_eq!(self.conclusion.replace(conclusion), None, "it finished twice");
                }
            }
        }
    }

    fn recall(&mut self, step: &mut PlannedStep) {
        let PlannedStep::Yield(children) = step else { return };
        for child in children {
            if let ChildNode::Task { task, known } = &mut child.node {
                *known = match self.checkpoint.get(&task.id) {
                    None => Known::New,
                    Some((run, outcome)) if *run == self.incarnation => Known::Settled(outcome.clone()),
                    Some((_, outcome)) if outcome.value().is_none() && !self.stays_dead => Known::New,
                    Some((_, outcome)) if self.reused.insert(task.id) => Known::Reused(outcome.clone()),
                    Some((_, outcome)) => Known::Settled(outcome.clone()),
                };
            }
        }
    }

    pub(super) fn outcome(&self, id: TaskId) -> Outcome {
        let ending = if self.dead.contains(&id) {
            Ending::Failed(Failure::new(Cause::Permanent, "dead"))
        } else {
            Ending::Succeeded(Value::encode(&value_of(id)).unwrap())
        };
        Outcome { ending, attempt: 1, ..Outcome::cancelled(id) }
    }

    /// A worker ends this task.
    pub(super) fn end(&mut self, id: TaskId) {
        self.queue.retain(|task| task.id != id);
        self.apply(Input::Reported(vec![self.outcome(id)]));
        self.settle();
    }

    /// The oldest entries become durable.
    pub(super) fn record(&mut self, count: usize) {
        let count = count.min(self.journal.len());
        for entry in self.journal.drain(..count) {
            self.checkpoint.insert(entry.task.id, (self.incarnation, entry.outcome));
        }
        self.apply(Input::Recorded { count });
        self.settle();
    }

    /// A worker ends these tasks, and all of it becomes durable.
    pub(super) fn complete(&mut self, ids: impl IntoIterator<Item = TaskId>) {
        ids.into_iter().for_each(|id| self.end(id));
        self.record(usize::MAX);
    }

    /// One event: the oldest entry becomes durable, or else the first task ends.
    pub(super) fn step(&mut self) {
        if !self.journal.is_empty() {
            self.record(1);
        } else if let Some(task) = self.queue.first() {
            self.end(task.id);
        }
    }

    /// Everything is ended and recorded until nothing is left to do.
    pub(super) fn run_out(&mut self) {
        while !self.journal.is_empty() || !self.queue.is_empty() {
            let next = self.queue.first().map(|task| task.id);
            self.complete(next);
        }
    }
}
