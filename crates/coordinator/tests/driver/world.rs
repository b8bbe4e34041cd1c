//! A broker and a store in memory, and an execution of a few tasks over them.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use backends::broker::{self, News, Receipt, TaskProducer};
use backends::store::{self, Checkpoint, Entry, Recalled};
use coordinator::engine::{OnDead, Policy};
use coordinator::run::{self, Anew, Command, Parts, Progress, Report, Revive};
use futures::future::BoxFuture;
use otaman::driver::{Node, OnFailure};
use otaman::{Error, FlowCall, Handle, Resolve, Target};
use protocol::{
    Cause, Counts, Ending, ExecutionRecord, Failure, FlowId, OperationName, Outcome, Task, TaskId, Value,
};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;

/// Longest that anything here may take.
const LIMIT: Duration = Duration::from_secs(20);

/// Waits for a condition.
#[track_caller]
pub fn until(what: &str, is_so: impl Fn() -> bool) -> impl Future<Output = ()> {
    let what = what.to_owned();
    async move {
        let waiting = async {
            while !is_so() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(LIMIT, waiting).await.unwrap_or_else(|_| panic!("{what} did not come"));
    }
}

pub fn task(number: u64) -> Task {
    let name = OperationName::new("work").unwrap();
    Task::new(name, "1.0.0".parse().unwrap(), Value::encode(&number).unwrap())
}

pub fn outcome(task: TaskId, is_success: bool) -> Outcome {
    let failure = Failure::new(Cause::Permanent, "no");
    let ending = if is_success { Ending::Succeeded(Value::null()) } else { Ending::Failed(failure) };
    Outcome { ending, attempt: 1, ..Outcome::cancelled(task) }
}

/// A broker whose workers are the test.
#[derive(Default)]
pub struct Broker {
    pub queue: Mutex<Vec<TaskId>>,
    pub has_ended: AtomicBool,
    news: Mutex<VecDeque<Outcome>>,
    arrived: Notify,
    receipts: AtomicU64,
}

impl Broker {
    pub fn queued(&self) -> MutexGuard<'_, Vec<TaskId>> {
        self.queue.lock().unwrap()
    }

    pub fn end_all(&self) {
        let tasks = std::mem::take(&mut *self.queued());
        self.news.lock().unwrap().extend(tasks.into_iter().map(|task| outcome(task, true)));
        self.arrived.notify_one();
    }
}

impl TaskProducer for Broker {
    fn publish(&self, tasks: Vec<Arc<Task>>) -> BoxFuture<'_, Result<(), broker::Error>> {
        self.queued().extend(tasks.iter().map(|task| task.id));
        Box::pin(async { Ok(()) })
    }

    fn withdraw(&self) -> BoxFuture<'_, Result<Vec<TaskId>, broker::Error>> {
        Box::pin(async { Ok(std::mem::take(&mut *self.queued())) })
    }

    fn news(&self) -> BoxFuture<'_, Result<News, broker::Error>> {
        Box::pin(async {
            loop {
                let outcomes: Vec<_> = self.news.lock().unwrap().drain(..).collect();
                if !outcomes.is_empty() {
                    let receipt = Receipt(self.receipts.fetch_add(1, Ordering::Relaxed) + 1);
                    return Ok(News { receipt, outcomes, ..News::default() });
                }
                self.arrived.notified().await;
            }
        })
    }

    fn acknowledge(&self, _: Receipt) -> BoxFuture<'_, Result<(), broker::Error>> {
        Box::pin(async { Ok(()) })
    }

    fn end(&self) -> BoxFuture<'_, Result<(), broker::Error>> {
        self.has_ended.store(true, Ordering::Relaxed);
        Box::pin(async { Ok(()) })
    }
}

/// A store that can be away, or in another coordinator's hands.
pub struct Memory {
    pub record: Mutex<ExecutionRecord>,
    pub entries: Mutex<HashMap<TaskId, Recalled>>,
    pub is_away: AtomicBool,
    pub is_taken: AtomicBool,
    pub misses: AtomicU64,
}

impl Memory {
    fn check(&self) -> Result<(), store::Error> {
        if self.is_taken.load(Ordering::Relaxed) {
            let id = self.record.lock().unwrap().id.clone();
            return Err(store::Error::Busy { id, owner: "process 7 on there".to_owned() });
        }
        Ok(())
    }
}

impl Checkpoint for Memory {
    fn record(&self) -> ExecutionRecord {
        self.record.lock().unwrap().clone()
    }

    fn append(&self, entries: Vec<Entry>) -> BoxFuture<'_, Result<(), store::Error>> {
        Box::pin(async move {
            self.check()?;
            let incarnation = self.record().incarnation;
            let mut known = self.entries.lock().unwrap();
            known.extend(
                entries
                    .into_iter()
                    .map(|entry| (entry.task.id, Recalled { outcome: entry.outcome, incarnation })),
            );
            Ok(())
        })
    }

    fn recall<'a>(
        &'a self,
        tasks: &'a [TaskId],
    ) -> BoxFuture<'a, Result<Vec<Option<Recalled>>, store::Error>> {
        let known = self.entries.lock().unwrap();
        let recalled = tasks.iter().map(|task| known.get(task).cloned()).collect();
        Box::pin(async { Ok(recalled) })
    }

    fn update(&self, record: ExecutionRecord) -> BoxFuture<'_, Result<(), store::Error>> {
        Box::pin(async move {
            self.check()?;
            *self.record.lock().unwrap() = record;
            Ok(())
        })
    }

    fn show_progress(&self, _: Counts) -> BoxFuture<'_, Result<(), store::Error>> {
        Box::pin(async {
            self.check()?;
            if self.is_away.load(Ordering::Relaxed) {
                self.misses.fetch_add(1, Ordering::Relaxed);
                let source = Box::new(std::io::Error::other("away"));
                return Err(store::Error::Medium { action: "write", place: "here".to_owned(), source });
            }
            Ok(())
        })
    }
}

struct NoTargets;

impl Resolve for NoTargets {
    fn resolve(&self, _: &Target, _: &[(&str, &serde_json::Value)]) -> Result<Node, Error> {
        Err(Error::permanent("there are no targets here"))
    }
}

/// An execution in its second run.
pub struct Running {
    pub broker: Arc<Broker>,
    pub memory: Arc<Memory>,
    pub revived: Arc<Mutex<Vec<TaskId>>>,
    pub commands: mpsc::Sender<Command>,
    pub progress: watch::Receiver<Progress>,
    driver: JoinHandle<Result<Report, run::Error>>,
}

impl Running {
    /// Starts a flow that yields so many tasks in each stage, numbered from 0 on, and waits for them;
    /// `known` ended so in the first run.
    pub fn start(stages: &[u64], known: &[(u64, bool)], anew: Anew, on_dead: OnDead) -> Self {
        let (memory, broker) = (Arc::new(memory(known)), Arc::new(Broker::default()));
        let revived: Arc<Mutex<Vec<TaskId>>> = Arc::default();
        let revive: Revive = {
            let revived = Arc::clone(&revived);
            Box::new(move |tasks| {
                revived.lock().unwrap().extend(tasks.iter().map(|outcome| outcome.task));
                Box::pin(async { Ok(()) })
            })
        };
        let (commands, commanded) = mpsc::channel(4);
        let (sender, progress) = watch::channel(Progress::default());
        let parts = Parts {
            root: flow(stages.to_vec()),
            policy: Policy { max_in_flight: 1_000, on_dead },
            resolver: Arc::new(NoTargets),
            producer: Arc::clone(&broker) as Arc<dyn TaskProducer>,
            checkpoint: Arc::clone(&memory) as Arc<dyn Checkpoint>,
            record: memory.record(),
            anew,
            revive: Some(revive),
        };
        let driver = tokio::spawn(run::run(parts, commanded, sender));
        Self { broker, memory, revived, commands, progress, driver }
    }

    pub async fn tell(&self, command: Command) {
        self.commands.send(command).await.unwrap();
    }

    pub async fn ended(self) -> Result<Report, run::Error> {
        tokio::time::timeout(LIMIT, self.driver).await.expect("it ends").unwrap()
    }
}

fn flow(stages: Vec<u64>) -> FlowCall {
    let name = OperationName::new("several").unwrap();
    FlowCall::new(FlowId::of_key("root"), name, move |flow| async move {
        let mut numbers = 0..;
        for count in stages {
            for number in numbers.by_ref().take(count as usize) {
                let node = Node::Task(Arc::new(task(number)));
                let _: Handle<Value> = flow.node(node, OnFailure::Propagate).await;
            }
            flow.wait().await;
        }
        Ok(Value::null())
    })
}

fn memory(known: &[(u64, bool)]) -> Memory {
    let record = ExecutionRecord {
        incarnation: 2,
        ..ExecutionRecord::new("nightly".parse().unwrap(), "spec.json", "", 0)
    };
    let entries = known.iter().map(|(number, is_success)| {
        let id = task(*number).id;
        (id, Recalled { outcome: Arc::new(outcome(id, *is_success)), incarnation: 1 })
    });
    Memory {
        record: Mutex::new(record),
        entries: Mutex::new(entries.collect()),
        is_away: AtomicBool::new(false),
        is_taken: AtomicBool::new(false),
        misses: AtomicU64::new(0),
    }
}
