//! Flows as data: a script is run by a real generator, and by a plain recursive interpreter that
//! says what must come out.

use std::collections::BTreeSet;
use std::sync::Arc;

use otaman::driver::{Node, NodeId, OnFailure};
use otaman::{Error, Flow, FlowCall, Handle};
use protocol::{FlowId, OperationName, Task, TaskId, Value};
use serde_json::{Value as Json, json};

/// A flow: its name (equal names are equal flows) and its steps.
#[derive(Debug, Clone)]
pub(super) struct Script {
    pub(super) name: String,
    pub(super) steps: Vec<Op>,
}

#[derive(Debug, Clone)]
pub(super) enum Op {
    Tasks(Vec<String>),
    Caught(String),
    Flow(Script),
    CaughtFlow(Script),
    WaitAll,
    /// Wait for the children at these positions, modulo the number of children so far.
    WaitFor(Vec<usize>),
    /// Wait for something that is not a child.
    WaitForName(String),
    /// Wait for the child at this position and go on with these steps if its value is odd.
    IfOdd(usize, Vec<Op>),
}

pub(super) fn task(name: &str) -> Arc<Task> {
    let arguments = Value::encode(&json!({ "name": name })).unwrap();
    Arc::new(Task::new(OperationName::new("t").unwrap(), "1.0.0".parse().unwrap(), arguments))
}

pub(super) fn task_id(name: &str) -> TaskId {
    task(name).id
}

/// What a task returns: something that decisions can depend on.
pub(super) fn value_of(id: TaskId) -> u64 {
    (id.to_u128() >> 7) as u64 % 10
}

impl Script {
    pub(super) fn call(&self) -> FlowCall {
        let script = self.clone();
        let name = OperationName::new("script").unwrap();
        FlowCall::new(FlowId::of_key(&self.name), name, move |flow| async move {
            let mut children = Vec::new();
            perform(&flow, &script.steps, &mut children).await?;
            flow.wait().await;
            let values: Vec<Json> =
                children.iter().map(|child| child.value()).collect::<Result<_, Error>>().or_else(
                    |error| {
                        // A caught child may have no value; that is a value, too.
                        if children.iter().any(Handle::is_failed) {
                            Ok(vec![json!("caught")])
                        } else {
                            Err(error)
                        }
                    },
                )?;
            Ok(Value::encode(&flat(values))?)
        })
    }
}

/// A flow's value: those of its children in one list, so that it stays flat however flows nest.
fn flat(values: Vec<Json>) -> Json {
    let items = values.into_iter().flat_map(|value| match value {
        Json::Array(items) => items,
        single => vec![single],
    });
    items.collect()
}

async fn perform(flow: &Flow, steps: &[Op], children: &mut Vec<Handle<Json>>) -> Result<(), Error> {
    for step in steps {
        match step {
            Op::Tasks(names) => {
                let nodes = names.iter().map(|name| Node::Task(task(name)));
                children.extend(flow.nodes(nodes, OnFailure::Propagate).await);
            }
            Op::Caught(name) => children.push(flow.node(Node::Task(task(name)), OnFailure::Catch).await),
            Op::Flow(script) => {
                children.push(flow.node(Node::Flow(script.call()), OnFailure::Propagate).await);
            }
            Op::CaughtFlow(script) => {
                children.push(flow.node(Node::Flow(script.call()), OnFailure::Catch).await);
            }
            Op::WaitAll => flow.wait().await,
            Op::WaitFor(positions) => {
                let count = children.len();
                if count > 0 {
                    flow.wait_for(positions.iter().map(|position| &children[position % count])).await;
                }
            }
            Op::WaitForName(name) => flow.wait_for_ids([NodeId::Task(task_id(name))]).await,
            Op::IfOdd(position, then) => {
                if let Some(count) = std::num::NonZero::new(children.len()) {
                    let child = children[*position % count].clone();
                    flow.wait_for([&child]).await;
                    if !child.is_failed() && child.value()?.as_u64().is_some_and(|value| value % 2 == 1) {
                        Box::pin(perform(flow, then, children)).await?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// What must come of a script, whatever the order of events.
#[derive(Debug, Default)]
pub(super) struct Expected {
    pub(super) run: BTreeSet<TaskId>,
}

struct Reference<'a> {
    dead: &'a BTreeSet<String>,
    expected: Expected,
}

/// One child as the interpreter sees it: its value, or that it failed or was skipped.
#[derive(Clone)]
struct Done {
    node: NodeId,
    value: Option<Json>,
    fails_parent: bool,
}

/// Interprets a script under the policy "continue"; `None` if the flow fails.
pub(super) fn interpret(script: &Script, dead: &BTreeSet<String>) -> (Option<Json>, Expected) {
    let mut reference = Reference { dead, expected: Expected::default() };
    let value = reference.flow(script);
    (value, reference.expected)
}

impl Reference<'_> {
    fn flow(&mut self, script: &Script) -> Option<Json> {
        let mut children = Vec::new();
        let is_skipping = self.steps(&script.steps, &mut children);
        if is_skipping || children.iter().any(|child| child.fails_parent) {
            return None;
        }
        let values: Option<Vec<Json>> = children.iter().map(|child| child.value.clone()).collect();
        Some(flat(values.unwrap_or_else(|| vec![json!("caught")])))
    }

    /// Says whether the rest is skipped.
    fn steps(&mut self, steps: &[Op], children: &mut Vec<Done>) -> bool {
        for step in steps {
            let has_failed = match step {
                Op::Tasks(names) => {
                    for name in names {
                        let done = self.task(name, true);
                        children.push(done);
                    }
                    false
                }
                Op::Caught(name) => {
                    let done = self.task(name, false);
                    children.push(done);
                    false
                }
                Op::Flow(script) | Op::CaughtFlow(script) => {
                    let value = self.flow(script);
                    let node = NodeId::Flow(FlowId::of_key(&script.name));
                    let fails_parent = value.is_none() && matches!(step, Op::Flow(_));
                    children.push(Done { node, value, fails_parent });
                    false
                }
                Op::WaitAll => children.iter().any(|child| child.fails_parent),
                Op::WaitFor(positions) => positions.iter().any(|at| fails(children, *at)),
                Op::WaitForName(_) => unreachable!("only in traces"),
                Op::IfOdd(position, then) => {
                    let at = (!children.is_empty()).then(|| position % children.len());
                    let value = at.and_then(|at| children[at].value.clone());
                    fails(children, *position)
                        || value.and_then(|value| value.as_u64()).is_some_and(|value| value % 2 == 1)
                            && self.steps(then, children)
                }
            };
            if has_failed {
                return true;
            }
        }
        false
    }

    fn task(&mut self, name: &str, propagates: bool) -> Done {
        let id = task_id(name);
        self.expected.run.insert(id);
        let is_dead = self.dead.contains(name);
        let value = (!is_dead).then(|| json!(value_of(id)));
        Done { node: NodeId::Task(id), value, fails_parent: is_dead && propagates }
    }
}

/// Whether the child at this position fails its flow, by any of its yields.
fn fails(children: &[Done], position: usize) -> bool {
    let Some(child) = children.get(position.checked_rem(children.len()).unwrap_or(0)) else { return false };
    children.iter().any(|other| other.node == child.node && other.fails_parent)
}
