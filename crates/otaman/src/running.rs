//! Running flows: a generator that is polled by its owner, one step at a time.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

use futures::future::BoxFuture;
use protocol::{FlowId, OperationName, Task, TaskId, Value};
use serde::Serialize;

use crate::error::Error;
use crate::flow::Flow;
use crate::handle::{Sink, Slot};
use crate::target::Resolve;

/// A call of a flow schema: what will run, not yet started.
pub struct FlowCall {
    /// Identity by content.
    pub id: FlowId,
    /// The schema's name.
    pub name: OperationName,
    pub(crate) start: Start,
}

/// Makes the generator.
type Start = Box<dyn FnOnce(Flow) -> BoxFuture<'static, Result<Value, Error>> + Send>;

impl fmt::Debug for FlowCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name, self.id)
    }
}

impl FlowCall {
    /// A call that runs this generator; for flows that are not types.
    pub fn new<F>(id: FlowId, name: OperationName, generator: impl FnOnce(Flow) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<Value, Error>> + Send + 'static,
    {
        Self { id, name, start: Box::new(move |flow| Box::pin(generator(flow))) }
    }
}

/// Something that a flow may yield and wait for.
#[derive(Debug)]
pub enum Node {
    /// A task.
    Task(Arc<Task>),
    /// A flow.
    Flow(FlowCall),
}

impl Node {
    /// Its identity.
    pub fn id(&self) -> NodeId {
        match self {
            Self::Task(task) => NodeId::Task(task.id),
            Self::Flow(flow) => NodeId::Flow(flow.id),
        }
    }
}

/// Identity of a task or a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NodeId {
    /// Of a task.
    Task(TaskId),
    /// Of a flow.
    Flow(FlowId),
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Task(id) => fmt::Display::fmt(id, f),
            Self::Flow(id) => fmt::Display::fmt(id, f),
        }
    }
}

/// What a child's failure means to the flow that yielded it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// The flow fails too, unless the execution stops before.
    Propagate,
    /// The flow looks at it and decides.
    Catch,
}

/// One yielded child.
#[derive(Debug)]
pub struct Item {
    /// The task or flow.
    pub node: Node,
    /// Where its end is to be told.
    pub sink: Sink,
    /// What its failure means.
    pub on_failure: OnFailure,
}

/// One step of a flow.
#[derive(Debug)]
pub enum Step {
    /// Children; may be none.
    Yield(Vec<Item>),
    /// Go on when all children so far are done.
    WaitAll,
    /// Go on when these children are done.
    WaitFor(Vec<Awaited>),
    /// The generator has ended. The flow is done when its children are.
    Done(Result<Value, Error>),
}

/// A child that a flow waits for.
#[derive(Debug)]
pub struct Awaited {
    /// Its identity.
    pub id: NodeId,
    pub(crate) slot: Option<Slot>,
}

impl Awaited {
    /// Whether the flow has been told how it ended.
    pub fn is_told(&self) -> bool {
        self.slot.as_ref().is_some_and(|slot| slot.get().is_some())
    }
}

/// What asking a flow for its next step gave.
#[derive(Debug)]
pub enum Pull {
    /// The step.
    Step(Step),
    /// None yet: the generator awaits something of its own, and will wake the given waker.
    Stalled,
}

thread_local! {
    /// Whether the generator that is being polled on this thread has read a value that is not known.
    static UNDECIDED: Cell<bool> = const { Cell::new(false) };
}

/// Notes that the generator that is being polled has read a value that is not known.
pub(crate) fn note_undecided() {
    UNDECIDED.set(true);
}

/// Tasks that a flow has said it will yield.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Calls of which operation.
    pub operation: OperationName,
    /// How many.
    pub tasks: u64,
}

/// What a flow reads and writes besides its tasks' arguments and values, for who plans it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Estimate {
    /// Bytes that its tasks read, uncompressed.
    pub read_bytes: u64,
    /// Bytes that its tasks write, uncompressed; without temporary ones.
    pub written_bytes: u64,
    /// Bytes that its tasks write and delete again.
    pub temporary_bytes: u64,
    /// What else a person may want to know before it runs, a sentence each.
    pub remarks: Vec<String>,
}

/// Between a generator and its owner.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    /// Steps that the generator has taken and its owner has not.
    steps: Mutex<VecDeque<Step>>,
    /// Tasks that the generator has said it will yield, and its owner has not heard of.
    expected: Mutex<Vec<Expected>>,
    /// What the generator has said about its cost, and its owner has not heard of.
    estimates: Mutex<Vec<Estimate>>,
}

impl Mailbox {
    pub(crate) fn put(&self, step: Step) {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner).push_back(step);
    }

    pub(crate) fn expect(&self, expected: Expected) {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner).push(expected);
    }

    pub(crate) fn estimate(&self, estimate: Estimate) {
        self.estimates.lock().unwrap_or_else(PoisonError::into_inner).push(estimate);
    }

    fn clear(&self) {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn take(&self) -> Option<Step> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

/// A started generator. It never runs but when it is asked for a step.
pub struct RunningFlow {
    mailbox: Arc<Mailbox>,
    /// `None` once it has ended.
    generator: Option<BoxFuture<'static, Result<Value, Error>>>,
}

impl RunningFlow {
    /// Starts a flow; nothing of it runs before the first [`Self::pull`].
    pub fn start(call: FlowCall, resolver: Arc<dyn Resolve>) -> Self {
        let mailbox = Arc::<Mailbox>::default();
        let flow = Flow::new(call.id, Arc::clone(&mailbox), resolver);
        Self { mailbox, generator: Some((call.start)(flow)) }
    }

    /// Runs the generator up to its next step. Must not be called while the flow waits. A panic in
    /// the generator becomes its error.
    pub fn pull(&mut self, waker: &Waker) -> Pull {
        if let Some(step) = self.mailbox.take() {
            return Pull::Step(step);
        }
        let Some(generator) = &mut self.generator else { return Pull::Stalled };
        let mut context = std::task::Context::from_waker(waker);
        let poll = std::panic::AssertUnwindSafe(|| generator.as_mut().poll(&mut context));
        UNDECIDED.set(false);
        let polled = std::panic::catch_unwind(poll);
        if UNDECIDED.get() && matches!(polled, Ok(Poll::Pending)) {
            // It went on by a guess; what it yields from here on means nothing, perhaps without end.
            self.generator = None;
            self.mailbox.clear();
            return Pull::Step(Step::Done(Err(Error::undecided(&"what it decides by"))));
        }
        let result = match polled {
            Ok(Poll::Pending) => return self.mailbox.take().map_or(Pull::Stalled, Pull::Step),
            Ok(Poll::Ready(result)) => result,
            Err(panic) => Err(Error::permanent(format!("the flow panicked: {}", panic_text(&*panic)))),
        };
        self.generator = None;
        // What it left unawaited in its last breath still counts, and comes first.
        self.mailbox.put(Step::Done(result));
        self.mailbox.take().map_or(Pull::Stalled, Pull::Step)
    }

    /// Which tasks it has said it will yield, since this was last asked.
    pub fn take_expected(&mut self) -> Vec<Expected> {
        std::mem::take(&mut *self.mailbox.expected.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What it has said about its cost, since this was last asked.
    pub fn take_estimates(&mut self) -> Vec<Estimate> {
        std::mem::take(&mut *self.mailbox.estimates.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
