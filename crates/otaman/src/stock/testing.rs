//! What stock operations report to and what drives stock flows in tests.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::future::BoxFuture;
use protocol::{OperationName, RetryPolicy, Task, Value};
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use crate::context::{Context, ContextParts, Reporter};
use crate::error::Error;
use crate::flow::FlowSchema;
use crate::handle::Settlement;
use crate::inline::semaphores::LocalSemaphores;
use crate::resources::Resources;
use crate::running::{Item, Node, Pull, RunningFlow, Step};
use crate::target::{Resolve, Target};

/// Remembers what an operation reports.
#[derive(Default)]
pub(crate) struct Recorder {
    /// Cancels the attempt.
    pub(crate) cancellation: CancellationToken,
    retry: Option<RetryPolicy>,
    reports: Arc<Reports>,
}

#[derive(Default)]
struct Reports {
    lines: Mutex<Vec<String>>,
    kept: Mutex<Vec<PathBuf>>,
}

impl Recorder {
    /// For a task with this retry policy.
    pub(crate) fn with_retry(retry: RetryPolicy) -> Self {
        Self { retry: Some(retry), ..Self::default() }
    }

    /// The context of an attempt that reports here.
    pub(crate) fn context(&self) -> Context {
        let name = OperationName::new("tested").unwrap();
        let mut task = Task::new(name, "1.0.0".parse().unwrap(), Value::null());
        task.retry = self.retry.clone().map(Box::new);
        Context::new(ContextParts {
            execution: "execution-1".parse().unwrap(),
            task: Arc::new(task),
            attempt: 2,
            cancellation: self.cancellation.clone(),
            resources: Arc::new(Resources::new()),
            reporter: Arc::clone(&self.reports) as Arc<dyn Reporter>,
            place: Arc::new(()),
            semaphores: Arc::new(LocalSemaphores::default()),
            permits: Vec::new(),
        })
    }

    /// The lines logged so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.reports.lines.lock().unwrap().clone()
    }
}

impl Reporter for Reports {
    fn holds_lease(&self) -> BoxFuture<'_, Result<bool, Error>> {
        async { Ok(true) }.boxed()
    }

    fn save_progress(&self, _: Value) -> BoxFuture<'_, Result<(), Error>> {
        async { Ok(()) }.boxed()
    }

    fn saved_progress(&self) -> BoxFuture<'_, Result<Option<Value>, Error>> {
        async { Ok(None) }.boxed()
    }

    fn progress(&self, _: u64, _: u64) {}

    fn log(&self, line: &str) {
        self.lines.lock().unwrap().push(line.to_owned());
    }

    fn keep<'a>(&'a self, file: &'a Path) -> BoxFuture<'a, Result<String, Error>> {
        async move {
            let kept = file.with_extension("kept");
            std::fs::rename(file, &kept)?;
            self.kept.lock().unwrap().push(kept.clone());
            Ok(kept.display().to_string())
        }
        .boxed()
    }
}

impl Drop for Reports {
    fn drop(&mut self) {
        for file in self.kept.get_mut().unwrap() {
            std::fs::remove_file(file).unwrap();
        }
    }
}

/// Resolves targets to tasks that return their `value`, with variables filled in.
#[derive(Default)]
pub(crate) struct Echoing {
    /// Where standard input is.
    pub(crate) standard_input: Option<PathBuf>,
    /// An item that no task can be made of.
    pub(crate) refused: Option<Json>,
}

impl Resolve for Echoing {
    fn resolve(&self, target: &Target, variables: &[(&str, &Json)]) -> Result<Node, Error> {
        if variables.iter().any(|(name, value)| *name == "item" && Some(*value) == self.refused.as_ref()) {
            return Err(Error::permanent("refused"));
        }
        let value = fill(&target.spec()["value"], variables);
        let name = OperationName::new("echo")?;
        Ok(Node::Task(Arc::new(Task::new(name, "1.0.0".parse()?, Value::encode(&value)?))))
    }

    fn standard_input(&self) -> Option<PathBuf> {
        self.standard_input.clone()
    }
}

fn fill(value: &Json, variables: &[(&str, &Json)]) -> Json {
    match value {
        Json::String(text) => {
            let found = variables.iter().find(|(name, _)| *text == format!("{{{name}}}"));
            found.map_or_else(|| value.clone(), |(_, value)| (*value).clone())
        }
        Json::Object(fields) => {
            fields.iter().map(|(key, value)| (key.clone(), fill(value, variables))).collect()
        }
        other => other.clone(),
    }
}

/// A flow that was driven to its end, each task returning its arguments when it is waited for.
pub(crate) struct Driven {
    /// What the flow returned.
    pub(crate) result: Result<Value, Error>,
    /// How many children it yielded.
    pub(crate) children: usize,
    /// How many of them in one step, at most.
    pub(crate) largest_step: usize,
    /// How many children were not done at each wait.
    pub(crate) waits: Vec<usize>,
}

impl Driven {
    pub(crate) fn to_the_end(flow: impl FlowSchema, resolver: Echoing) -> Self {
        let mut running = RunningFlow::start(flow.into_flow_call().unwrap(), Arc::new(resolver));
        let mut driven = Self { result: Ok(Value::null()), children: 0, largest_step: 0, waits: Vec::new() };
        let mut waiting: Vec<Item> = Vec::new();
        loop {
            let Pull::Step(step) = running.pull(std::task::Waker::noop()) else { panic!("the flow stalled") };
            match step {
                Step::Yield(items) => {
                    driven.children += items.len();
                    driven.largest_step = driven.largest_step.max(items.len());
                    waiting.extend(items);
                }
                Step::WaitAll | Step::WaitFor(_) => {
                    driven.waits.push(waiting.len());
                    waiting.drain(..).rev().for_each(|item| settle(&item));
                }
                Step::Done(result) => {
                    driven.result = result;
                    return driven;
                }
            }
        }
    }

    /// What the flow returned, as JSON.
    #[track_caller]
    pub(crate) fn value(&self) -> Json {
        self.result.as_ref().unwrap().to_json().unwrap()
    }
}

fn settle(item: &Item) {
    let Node::Task(task) = &item.node else { panic!("only tasks are resolved here") };
    item.sink.tell(&Settlement::Flow(Ok(task.arguments.clone())));
}
