//! Expansion: from a flow to its next step. Holds the generators; decides nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Wake, Waker};

use otaman::driver::{Item, Node, NodeId, Pull, RunningFlow, Sink, Step};
use otaman::{FlowCall, Resolve};
use protocol::{FlowId, IdMap, OperationName};
use smallvec::{SmallVec, smallvec};
use tokio::sync::mpsc::UnboundedSender;

use crate::engine::{Child, ChildNode, Known, PlannedStep, Told};

/// The generators of unsettled flows, and where the ends of their children are to be told.
pub(crate) struct Expander {
    resolver: Arc<dyn Resolve>,
    flows: IdMap<FlowId, Generator>,
    sinks: IdMap<NodeId, SmallVec<[Sink; 1]>>,
    woken: UnboundedSender<FlowId>,
    expected: BTreeMap<OperationName, u64>,
}

enum Generator {
    Called(FlowCall),
    Running {
        flow: RunningFlow,
        waker: Waker,
    },
    /// Its children are still at work; it stays so that a second call of it joins the first.
    Ended,
}

impl Expander {
    /// None yet. Flows that stall send their id to `woken` when they can go on.
    pub(crate) fn new(resolver: Arc<dyn Resolve>, woken: UnboundedSender<FlowId>) -> Self {
        Self { resolver, flows: IdMap::default(), sinks: IdMap::default(), woken, expected: BTreeMap::new() }
    }

    /// Takes up the root flow.
    pub(crate) fn add_root(&mut self, call: FlowCall) {
        self.flows.insert(call.id, Generator::Called(call));
    }

    /// Runs a flow up to its next step; `None` if it stalls. What the checkpoint knows of the
    /// tasks is not filled in yet.
    pub(crate) fn pull(&mut self, id: FlowId) -> Option<PlannedStep> {
        let generator = self.flows.get_mut(&id)?;
        if let Generator::Called(_) = generator
            && let Generator::Called(call) = std::mem::replace(generator, Generator::Ended)
        {
            let waker = Waker::from(Arc::new(FlowWaker { flow: id, woken: self.woken.clone() }));
            let flow = RunningFlow::start(call, Arc::clone(&self.resolver));
            *generator = Generator::Running { flow, waker };
        }
        let Generator::Running { flow, waker } = generator else { return None };
        let pull = flow.pull(waker);
        for expected in flow.take_expected() {
            *self.expected.entry(expected.operation).or_default() += expected.tasks;
        }
        match pull {
            Pull::Stalled => None,
            Pull::Step(Step::Yield(items)) => {
                Some(PlannedStep::Yield(items.into_iter().map(|item| self.child(item)).collect()))
            }
            Pull::Step(Step::WaitAll) => Some(PlannedStep::WaitAll),
            Pull::Step(Step::WaitFor(awaited)) => Some(PlannedStep::WaitFor(awaited)),
            Pull::Step(Step::Done(result)) => {
                *generator = Generator::Ended;
                Some(PlannedStep::Done(result.map_err(otaman::Error::into_failure)))
            }
        }
    }

    /// Tells flows how a child ended.
    pub(crate) fn tell(&mut self, told: &Told) {
        if let NodeId::Flow(id) = told.node {
            self.flows.remove(&id);
        }
        if let Some(sinks) = self.sinks.remove(&told.node) {
            for sink in sinks {
                sink.tell(&told.settlement);
            }
        }
    }

    /// How many tasks of each operation flows have said they will yield.
    pub(crate) fn expected(&self) -> &BTreeMap<OperationName, u64> {
        &self.expected
    }

    /// How many flows are not settled.
    pub(crate) fn live_flows(&self) -> usize {
        self.flows.len()
    }

    fn child(&mut self, item: Item) -> Child {
        let id = item.node.id();
        match self.sinks.entry(id) {
            std::collections::hash_map::Entry::Occupied(mut sinks) => sinks.get_mut().push(item.sink),
            std::collections::hash_map::Entry::Vacant(vacant) => drop(vacant.insert(smallvec![item.sink])),
        }
        let node = match item.node {
            Node::Task(task) => ChildNode::Task { task, known: Known::New },
            Node::Flow(call) => {
                let (id, name) = (call.id, call.name.clone());
                self.flows.entry(id).or_insert(Generator::Called(call));
                ChildNode::Flow { id, name }
            }
        };
        Child { node, on_failure: item.on_failure }
    }
}

struct FlowWaker {
    flow: FlowId,
    woken: UnboundedSender<FlowId>,
}

impl Wake for FlowWaker {
    fn wake(self: Arc<Self>) {
        // The receiver is gone only when the execution is over.
        let _ = self.woken.send(self.flow);
    }
}
