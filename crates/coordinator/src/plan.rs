//! Planning: walks the flows of a spec without running anything, and counts.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use backends::store::{self, Checkpoint};
use otaman::driver::{Item, Node, Pull, RunningFlow, Settlement, Sink, Step};
use otaman::{Estimate, FlowCall, Resolve};
use protocol::{FlowId, IdMap, OperationName, Task, TaskId, WorkerType};
use serde::Serialize;

use crate::seen::Seen;

/// What a spec would run.
#[derive(Debug, Default, Serialize)]
pub struct Plan {
    /// Tasks by operation and worker type.
    pub operations: Vec<PlannedOperation>,
    /// All tasks.
    pub tasks: u64,
    /// Those of them that an earlier run has finished.
    pub reused: u64,
    /// What flows over data say that they read and write.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub estimates: Vec<EstimatedFlow>,
    /// Flows that read values which only a run can give; what they yield after that is not counted.
    pub undecided: Vec<String>,
    /// Flows whose generators fail, and why.
    pub failing: Vec<String>,
}

/// The tasks of one operation for one worker type.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedOperation {
    /// The operation.
    pub operation: OperationName,
    /// The workers that would run them.
    pub worker_type: WorkerType,
    /// How many.
    pub tasks: u64,
    /// How many of them an earlier run has finished.
    pub reused: u64,
}

/// What a flow says that it reads and writes.
#[derive(Debug, Clone, Serialize)]
pub struct EstimatedFlow {
    /// The flow.
    pub flow: String,
    /// What it says.
    #[serde(flatten)]
    pub estimate: Estimate,
}

/// Walks a flow and all that it yields. With a checkpoint, what an earlier run has finished counts
/// as reused, and flows see its values.
///
/// # Errors
/// If the checkpoint cannot be read.
pub async fn plan(
    root: FlowCall,
    resolver: &Arc<dyn Resolve>,
    checkpoint: Option<&dyn Checkpoint>,
) -> Result<Plan, store::Error> {
    let mut planner = Planner::new(checkpoint, None);
    planner.walk(root, resolver).await?;
    Ok(planner.finish())
}

/// Walks a flow until it has yielded a certain task, or so many others; gives that task.
///
/// # Errors
/// If the checkpoint cannot be read.
pub async fn find(
    root: FlowCall,
    resolver: &Arc<dyn Resolve>,
    task: TaskId,
    most: u64,
) -> Result<Option<Arc<Task>>, store::Error> {
    Ok(search(root, resolver, Some(task), most).await?.pop())
}

/// Walks a flow until it has yielded so many tasks; gives these.
///
/// # Errors
/// If the checkpoint cannot be read.
pub async fn first(
    root: FlowCall,
    resolver: &Arc<dyn Resolve>,
    most: u64,
) -> Result<Vec<Arc<Task>>, store::Error> {
    search(root, resolver, None, most).await
}

async fn search(
    root: FlowCall,
    resolver: &Arc<dyn Resolve>,
    wanted: Option<TaskId>,
    most: u64,
) -> Result<Vec<Arc<Task>>, store::Error> {
    let mut planner = Planner::new(None, Some(Search { wanted, left: most, found: Vec::new() }));
    planner.walk(root, resolver).await?;
    Ok(planner.search.map_or_else(Vec::new, |search| search.found))
}

struct Frame {
    id: FlowId,
    name: OperationName,
    flow: RunningFlow,
    sink: Option<Sink>,
    /// Flows it has yielded and that are not walked yet, last one first.
    children: Vec<(FlowCall, Sink)>,
}

impl Frame {
    fn start(call: FlowCall, sink: Option<Sink>, resolver: &Arc<dyn Resolve>) -> Self {
        let (id, name) = (call.id, call.name.clone());
        Self { id, name, flow: RunningFlow::start(call, Arc::clone(resolver)), sink, children: Vec::new() }
    }
}

struct Planner<'a> {
    checkpoint: Option<&'a dyn Checkpoint>,
    search: Option<Search>,
    seen: Seen,
    counts: BTreeMap<(OperationName, WorkerType), (u64, u64)>,
    plan: Plan,
    /// Flows that were walked, and what is known of their values; another call of one joins it.
    ended: IdMap<FlowId, Settlement>,
}

/// A certain task that is looked for.
struct Search {
    /// All tasks are, if none is named.
    wanted: Option<TaskId>,
    /// How many may still be met.
    left: u64,
    found: Vec<Arc<Task>>,
}

impl Search {
    fn is_over(&self) -> bool {
        (self.wanted.is_some() && !self.found.is_empty()) || self.left == 0
    }

    fn meet(&mut self, task: &Arc<Task>) {
        if self.is_over() {
            return;
        }
        self.left -= 1;
        if self.wanted.is_none_or(|wanted| wanted == task.id) {
            self.found.push(Arc::clone(task));
        }
    }
}

impl<'a> Planner<'a> {
    fn new(checkpoint: Option<&'a dyn Checkpoint>, search: Option<Search>) -> Self {
        Self {
            checkpoint,
            search,
            seen: Seen::default(),
            counts: BTreeMap::new(),
            plan: Plan::default(),
            ended: IdMap::default(),
        }
    }

    async fn walk(&mut self, root: FlowCall, resolver: &Arc<dyn Resolve>) -> Result<(), store::Error> {
        // Depth first, with a stack of our own: a flow goes on when those that it yielded are walked.
        let mut stack = vec![Frame::start(root, None, resolver)];
        while let Some(frame) = stack.last_mut() {
            if self.search.as_ref().is_some_and(Search::is_over) {
                break;
            }
            if let Some((call, sink)) = frame.children.pop() {
                if let Some(known) = self.ended.get(&call.id) {
                    sink.tell(known);
                    continue;
                }
                if stack.iter().any(|above| above.id == call.id) {
                    self.plan.failing.push(format!("{} ({}) is yielded by itself", call.name, call.id));
                    continue;
                }
                stack.push(Frame::start(call, Some(sink), resolver));
                continue;
            }
            let step = poll_fn(|context| match frame.flow.pull(context.waker()) {
                Pull::Step(step) => Poll::Ready(step),
                Pull::Stalled => Poll::Pending,
            });
            let step = step.await;
            for estimate in frame.flow.take_estimates() {
                let flow = format!("{} ({})", frame.name, frame.id);
                self.plan.estimates.push(EstimatedFlow { flow, estimate });
            }
            match step {
                Step::Yield(items) => {
                    let flows = self.count(items).await?;
                    frame.children.extend(flows.into_iter().rev());
                }
                Step::WaitAll | Step::WaitFor(_) => {}
                Step::Done(result) => {
                    let frame = stack.pop().expect("the frame that was asked is on the stack");
                    self.end(frame, result);
                }
            }
        }
        Ok(())
    }

    /// Counts tasks and tells what is known of them; gives back the flows.
    async fn count(&mut self, items: Vec<Item>) -> Result<Vec<(FlowCall, Sink)>, store::Error> {
        let mut tasks = Vec::new();
        let mut flows = Vec::new();
        for item in items {
            match item.node {
                Node::Task(task) => tasks.push((task, item.sink)),
                Node::Flow(call) => flows.push((call, item.sink)),
            }
        }
        if let Some(search) = &mut self.search {
            tasks.iter().for_each(|(task, _)| search.meet(task));
        }
        let ids: Vec<_> = tasks.iter().map(|(task, _)| task.id).collect();
        let recalled = match self.checkpoint {
            Some(checkpoint) if !ids.is_empty() => checkpoint.recall(&ids).await?,
            _ => vec![None; ids.len()],
        };
        for ((task, sink), recalled) in tasks.into_iter().zip(recalled) {
            let outcome = recalled.map(|found| found.outcome).filter(|outcome| outcome.value().is_some());
            if self.seen.insert(task.id) {
                let key = (task.operation.clone(), task.worker_type.clone());
                let (tasks, reused) = self.counts.entry(key).or_default();
                *tasks += 1;
                *reused += u64::from(outcome.is_some());
            }
            sink.tell(&outcome.map_or(Settlement::Unknown, Settlement::Task));
        }
        Ok(flows)
    }

    fn end(&mut self, frame: Frame, result: otaman::Result<protocol::Value>) {
        let settlement = match result {
            Ok(value) => Settlement::Flow(Ok(value)),
            Err(error) => {
                if error.is_undecided() {
                    self.plan.undecided.push(format!("{} ({})", frame.name, frame.id));
                } else if !error.is_unknown_value() {
                    self.plan.failing.push(format!("{} ({}): {error}", frame.name, frame.id));
                }
                Settlement::Unknown
            }
        };
        if let Some(sink) = frame.sink {
            sink.tell(&settlement);
        }
        self.ended.insert(frame.id, settlement);
    }

    fn finish(mut self) -> Plan {
        for ((operation, worker_type), (tasks, reused)) in self.counts {
            self.plan.tasks += tasks;
            self.plan.reused += reused;
            self.plan.operations.push(PlannedOperation { operation, worker_type, tasks, reused });
        }
        self.plan
    }
}

#[cfg(test)]
mod tests {
    use otaman::driver::OnFailure;
    use otaman::{Error, Handle, Target};
    use protocol::{Task, Value};

    use super::*;

    struct NoTargets;

    impl Resolve for NoTargets {
        fn resolve(&self, _: &Target, _: &[(&str, &serde_json::Value)]) -> Result<Node, Error> {
            Err(Error::permanent("there are no targets here"))
        }
    }

    /// A flow that tries further seeds until one returns a value, which in a plan none ever does.
    #[tokio::test]
    async fn a_flow_that_goes_on_by_unknown_values_is_cut_off_and_told() {
        let name = OperationName::new("search").unwrap();
        let root = FlowCall::new(FlowId::of_key("root"), name.clone(), move |flow| async move {
            for seed in 0u64.. {
                let task = Task::new(name.clone(), "1.0.0".parse().unwrap(), Value::encode(&seed).unwrap());
                let tried: Handle<u64> = flow.node(Node::Task(Arc::new(task)), OnFailure::Catch).await;
                flow.wait().await;
                if let Ok(found) = tried.value() {
                    return Ok(Value::encode(&found)?);
                }
            }
            Ok(Value::null())
        });
        let resolver: Arc<dyn Resolve> = Arc::new(NoTargets);
        let plan = plan(root, &resolver, None).await.unwrap();
        assert_eq!(plan.tasks, 1);
        assert_eq!(plan.undecided.len(), 1, "{:?}", plan.undecided);
    }
}
