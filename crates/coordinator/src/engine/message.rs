//! What the engine is told, and what it asks for.

use std::sync::Arc;

use backends::store::Entry;
use otaman::driver::{Awaited, NodeId, OnFailure, Settlement};
use protocol::{Failure, FlowId, OperationName, Outcome, Task, TaskId, Value};

/// Something that happened.
#[derive(Debug)]
pub enum Input {
    /// The execution begins with this flow.
    Start {
        /// Its identity.
        root: FlowId,
        /// Its schema's name.
        name: OperationName,
    },
    /// A flow that was asked took a step.
    Planned {
        /// The flow.
        flow: FlowId,
        /// Its step.
        step: PlannedStep,
    },
    /// A flow that was asked has no step yet; it awaits something of its own.
    Stalled {
        /// The flow.
        flow: FlowId,
    },
    /// A stalled flow may be asked again.
    Woken {
        /// The flow.
        flow: FlowId,
    },
    /// Tasks ended. The same outcome may be told again, and late.
    Reported(Vec<Outcome>),
    /// So many more of the entries that were to be recorded are durable, in the order of asking.
    Recorded {
        /// How many.
        count: usize,
    },
    /// Workers have been running these tasks for a while.
    Leased(Vec<TaskId>),
    /// These tasks are back in their queue.
    Released(Vec<TaskId>),
    /// The broker gave these tasks back; they will not run.
    Withdrawn(Vec<TaskId>),
    /// A user wants the execution to stop. What runs may finish.
    Cancel,
}

/// A step of a flow, with what the checkpoint knows of the tasks in it.
#[derive(Debug)]
pub enum PlannedStep {
    /// Children; may be none.
    Yield(Vec<Child>),
    /// Go on when all children so far are done.
    WaitAll,
    /// Go on when these children are done.
    WaitFor(Vec<Awaited>),
    /// The generator has ended.
    Done(Result<Value, Failure>),
}

/// A yielded child.
#[derive(Debug)]
pub struct Child {
    /// The task or flow.
    pub node: ChildNode,
    /// What its failure means to the flow.
    pub on_failure: OnFailure,
}

/// What was yielded.
#[derive(Debug)]
pub enum ChildNode {
    /// A task.
    Task {
        /// The task.
        task: Arc<Task>,
        /// What the checkpoint knows of it.
        known: Known,
    },
    /// A flow.
    Flow {
        /// Its identity.
        id: FlowId,
        /// Its schema's name.
        name: OperationName,
    },
}

/// What the checkpoint knows of a task.
#[derive(Debug, Clone)]
pub enum Known {
    /// Nothing: it has not ended, or only dead in an earlier run and is to be tried again.
    New,
    /// It ended in an earlier run and is not to run once more: it succeeded, or it is dead and to
    /// stay so. It is yielded for the first time in this run.
    Reused(Arc<Outcome>),
    /// It ended in this run, or was reused in it before.
    Settled(Arc<Outcome>),
}

/// Something to do.
#[derive(Debug)]
pub enum Effect {
    /// Ask this flow for its next step; answer with `Planned` or `Stalled`.
    Pull(FlowId),
    /// Give these tasks to the broker.
    Publish(Vec<Arc<Task>>),
    /// Make these entries durable, in this order; answer with `Recorded`.
    Record(Vec<Entry>),
    /// Tell flows how their children ended.
    Tell(Vec<Told>),
    /// Take back what no worker has leased; answer with `Withdrawn`.
    Withdraw,
    /// Nothing more will happen.
    Finish(Conclusion),
}

/// How a child ended.
#[derive(Debug)]
pub struct Told {
    /// The child.
    pub node: NodeId,
    /// How.
    pub settlement: Settlement,
}

/// How the execution ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Conclusion {
    /// All is done, and this is the root flow's value.
    Succeeded(Value),
    /// Some task is dead or some flow failed.
    Failed,
    /// A user stopped it.
    Cancelled,
}

/// What a dead task means to the rest of the execution, unless a flow catches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDead {
    /// Nothing more is started; running tasks finish.
    Stop,
    /// What does not depend on it goes on; what does is skipped.
    Continue,
}

/// A flow whose generator returned an error.
#[derive(Debug, Clone, PartialEq)]
pub struct FlowFailure {
    /// The flow.
    pub flow: FlowId,
    /// Its schema's name.
    pub name: OperationName,
    /// The error.
    pub failure: Failure,
}
