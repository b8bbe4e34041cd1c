//! One flow that is being run: its generator and its children.

use std::collections::{BTreeSet, VecDeque};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use protocol::{FlowId, OperationName, Value};

use crate::driver::{Awaited, Item, NodeId, OnFailure, Pull, RunningFlow, Settlement, Step};
use crate::error::Error;
use crate::handle::Sink;
use crate::running::FlowCall;
use crate::target::Resolve;

/// One flow that is being run.
pub(crate) struct Frame {
    pub(crate) id: FlowId,
    name: OperationName,
    generator: RunningFlow,
    /// All that it has yielded.
    children: BTreeSet<NodeId>,
    /// Yielded and not waited for yet. They run no earlier, so that a flow that reads a value
    /// without waiting for it fails in a test as it may fail in earnest.
    pending: VecDeque<Item>,
    /// Waited for, so they run now.
    due: VecDeque<Item>,
    /// Of the child flow that is being run: where to tell its end, and what its failure means.
    child: Option<(Sink, OnFailure)>,
    result: Option<Result<Value, Error>>,
}

/// What has to happen for a flow to go on.
pub(crate) enum Next {
    /// This child has to run.
    Child(Item),
    /// It is done.
    Done(Result<Value, Error>),
}

impl Frame {
    pub(crate) fn new(call: FlowCall, resolver: Arc<dyn Resolve>) -> Self {
        Self {
            id: call.id,
            name: call.name.clone(),
            generator: RunningFlow::start(call, resolver),
            children: BTreeSet::new(),
            pending: VecDeque::new(),
            due: VecDeque::new(),
            child: None,
            result: None,
        }
    }

    /// Goes on until a child has to run, or to the end.
    pub(crate) async fn next(&mut self) -> Next {
        loop {
            if let Some(Err(_)) = &self.result {
                // What it has yielded beyond will never be waited for.
                self.due.clear();
                self.pending.clear();
            }
            if let Some(item) = self.due.pop_front() {
                return Next::Child(item);
            }
            if let Some(result) = self.result.take() {
                return Next::Done(result);
            }
            let step = self.step().await;
            self.take(step);
        }
    }

    async fn step(&mut self) -> Step {
        poll_fn(|context| match self.generator.pull(context.waker()) {
            Pull::Step(step) => Poll::Ready(step),
            Pull::Stalled => Poll::Pending,
        })
        .await
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Yield(items) => {
                self.children.extend(items.iter().map(|item| item.node.id()));
                self.pending.extend(items);
            }
            Step::WaitAll => self.due.append(&mut self.pending),
            Step::WaitFor(awaited) => self.wait_for(&awaited),
            Step::Done(result) => {
                self.due.append(&mut self.pending);
                self.result = Some(result);
            }
        }
    }

    fn wait_for(&mut self, awaited: &[Awaited]) {
        let waited: BTreeSet<_> = awaited.iter().map(|one| one.id).collect();
        if let Some(stranger) = waited.difference(&self.children).next() {
            let message = format!("flow {} waits for {stranger}, which it has not yielded", self.name);
            self.result = Some(Err(Error::permanent(message)));
            return;
        }
        let (due, pending) = self.pending.drain(..).partition(|item| waited.contains(&item.node.id()));
        self.due = due;
        self.pending = pending;
    }

    /// Notes that a child flow is being run.
    pub(crate) fn enter(&mut self, sink: Sink, on_failure: OnFailure) {
        self.child = Some((sink, on_failure));
    }

    /// Tells the flow how the child flow that was being run has ended.
    pub(crate) fn leave(&mut self, child: NodeId, settlement: &Settlement) {
        if let Some((sink, on_failure)) = self.child.take() {
            self.settle(child, &sink, on_failure, settlement);
        }
    }

    /// Tells the flow how a child has ended. A failure that it does not catch is its own.
    pub(crate) fn settle(
        &mut self,
        child: NodeId,
        sink: &Sink,
        on_failure: OnFailure,
        settlement: &Settlement,
    ) {
        sink.tell(settlement);
        if let (Some(Err(failure)), OnFailure::Propagate) = (settlement.value(), on_failure) {
            let error = Error::from_failure(failure.clone()).context(format!("{child} failed"));
            self.result = Some(Err(error));
        }
    }
}
