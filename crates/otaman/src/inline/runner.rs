//! The runner: depth first, one thing at a time.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use protocol::{FlowId, SemaphoreWidth, SemaphoreWidths, TaskId, Value};
use serde::de::DeserializeOwned;

use crate::driver::{Item, Node, NodeId, Settlement};
use crate::error::Error;
use crate::flow::FlowSchema;
use crate::inline::attempts::Attempts;
use crate::inline::frame::{Frame, Next};
use crate::inline::run::{Ran, Run};
use crate::inline::semaphores::LocalSemaphores;
use crate::operation::{IntoCall, Operation};
use crate::registry::Registry;
use crate::resources::Resources;
use crate::running::FlowCall;
use crate::target::{Resolve, Target};

/// Runs flows to their ends in the current task, one child at a time, depth first: for unit tests
/// of operations and flows. Must be used inside a tokio runtime.
///
/// Flows behave as in earnest: what has the same id runs once, waits are honoured, a failed child
/// fails its flow unless it is caught. Children run when they are waited for, or when their flow
/// ends, and not before; what is worth another attempt gets it without delay; after an uncaught
/// failure nothing else of that flow runs.
pub struct Runner {
    attempts: Attempts,
    resolver: Arc<dyn Resolve>,
}

impl Runner {
    /// A runner for the operations of this registry. Flows need not be in it.
    pub fn new(registry: impl Into<Arc<Registry>>) -> Self {
        let attempts = Attempts {
            registry: registry.into(),
            resources: Arc::default(),
            execution: "inline".parse().expect("it keeps to the grammar"),
            files: None,
            semaphores: Arc::default(),
        };
        Self { attempts, resolver: Arc::new(NoTargets) }
    }

    /// Gives operations these resources.
    #[must_use]
    pub fn with_resources(mut self, resources: Resources) -> Self {
        self.attempts.resources = Arc::new(resources);
        self
    }

    /// Gives operations these semaphores, each written as `disk=2`, besides the stock ones, which have
    /// one place each.
    ///
    /// # Errors
    /// If one is not written so, or is given twice.
    pub fn with_semaphores<'a>(mut self, widths: impl IntoIterator<Item = &'a str>) -> Result<Self, Error> {
        let widths = widths.into_iter().map(str::parse).collect::<Result<Vec<SemaphoreWidth>, _>>()?;
        self.attempts.semaphores = Arc::new(LocalSemaphores::new(SemaphoreWidths::new(widths)?));
        Ok(self)
    }

    /// Resolves the targets that flows have among their arguments.
    #[must_use]
    pub fn with_resolver(mut self, resolver: Arc<dyn Resolve>) -> Self {
        self.resolver = resolver;
        self
    }

    /// Puts files that tasks keep into this directory, in one of its own for each task.
    #[must_use]
    pub fn keeping_files_in(mut self, directory: impl Into<PathBuf>) -> Self {
        self.attempts.files = Some(directory.into());
        self
    }

    /// Runs a flow.
    pub async fn run<S: FlowSchema>(&self, schema: S) -> Run<S::Output> {
        match schema.into_flow_call() {
            Ok(call) => typed(self.run_call(call).await),
            Err(error) => Run { result: Err(error), tasks: Vec::new() },
        }
    }

    /// Runs one task.
    pub async fn run_task<C>(&self, call: C) -> Run<<C::Operation as Operation>::Output>
    where
        C: IntoCall + Send + 'static,
    {
        let id = FlowId::of_key("one task");
        let name = "one-task".parse().expect("it keeps to the grammar");
        let flow = FlowCall::new(id, name, move |flow| async move {
            let output = flow.run(call).await?;
            Ok(Value::encode(&output)?)
        });
        typed(self.run_call(flow).await)
    }

    /// Runs a call of a flow.
    pub async fn run_call(&self, call: FlowCall) -> Run<Value> {
        let mut finished = Finished::default();
        let mut parents = Vec::new();
        let mut open = HashSet::from([call.id]);
        let mut frame = Frame::new(call, Arc::clone(&self.resolver));
        loop {
            match frame.next().await {
                Next::Child(Item { node: Node::Task(task), sink, on_failure }) => {
                    let child = NodeId::Task(task.id);
                    let settlement = match finished.settlement(child) {
                        Some(settlement) => settlement,
                        None => finished.task(self.attempts.run(task).await),
                    };
                    frame.settle(child, &sink, on_failure, &settlement);
                }
                Next::Child(Item { node: Node::Flow(call), sink, on_failure }) => {
                    let child = NodeId::Flow(call.id);
                    if let Some(settlement) = finished.settlement(child) {
                        frame.settle(child, &sink, on_failure, &settlement);
                        continue;
                    }
                    if !open.insert(call.id) {
                        let message = format!("flow {} would wait for itself", call.name);
                        return Run { result: Err(Error::permanent(message)), tasks: finished.ran };
                    }
                    frame.enter(sink, on_failure);
                    parents.push(frame);
                    frame = Frame::new(call, Arc::clone(&self.resolver));
                }
                Next::Done(result) => {
                    let Some(mut parent) = parents.pop() else { return Run { result, tasks: finished.ran } };
                    parent.leave(NodeId::Flow(frame.id), &finished.flow(frame.id, result));
                    frame = parent;
                }
            }
        }
    }
}

fn typed<T: DeserializeOwned>(run: Run<Value>) -> Run<T> {
    let decode =
        |value: Value| value.decode().map_err(|error| Error::from(error).context("reading the flow's value"));
    Run { result: run.result.and_then(decode), tasks: run.tasks }
}

/// What has ended: each task and flow runs once.
#[derive(Default)]
struct Finished {
    ran: Vec<Ran>,
    tasks: HashMap<TaskId, usize>,
    flows: HashMap<FlowId, Settlement>,
}

impl Finished {
    fn settlement(&self, id: NodeId) -> Option<Settlement> {
        match id {
            NodeId::Task(id) => {
                self.tasks.get(&id).map(|&index| Settlement::Task(Arc::clone(&self.ran[index].outcome)))
            }
            NodeId::Flow(id) => self.flows.get(&id).cloned(),
        }
    }

    fn task(&mut self, ran: Ran) -> Settlement {
        let settlement = Settlement::Task(Arc::clone(&ran.outcome));
        self.tasks.insert(ran.task.id, self.ran.len());
        self.ran.push(ran);
        settlement
    }

    fn flow(&mut self, id: FlowId, result: Result<Value, Error>) -> Settlement {
        let settlement = Settlement::Flow(result.map_err(|error| Arc::new(error.into_failure())));
        self.flows.insert(id, settlement.clone());
        settlement
    }
}

/// Resolves nothing.
struct NoTargets;

impl Resolve for NoTargets {
    fn resolve(&self, target: &Target, _: &[(&str, &serde_json::Value)]) -> Result<Node, Error> {
        let of_type = target.spec().get("@type").map(ToString::to_string).unwrap_or_default();
        Err(Error::permanent(format!(
            "this runner cannot resolve the target {of_type}; give it a resolver with Runner::with_resolver"
        )))
    }
}
