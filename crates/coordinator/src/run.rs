//! The driver of one execution: turns the engine's effects into I/O and I/O into its inputs.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use backends::broker::{self, News, Receipt, TaskProducer};
use backends::store::{self, Checkpoint, Entry};
use futures::future::BoxFuture;
use otaman::{FlowCall, Resolve};
use protocol::{
    Counts, ExecutionId, ExecutionRecord, FlowId, OperationName, Outcome, Status, Task, TaskId,
    to_unix_micros,
};
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;

use crate::engine::{Conclusion, Effect, Engine, FlowFailure, Input, Policy, Tally};
use crate::expand::Expander;
use crate::journal::Journal;
pub use crate::remember::Anew;
use crate::remember::Memory;

/// Tasks are handed to the broker when so many have gathered, or when there is nothing else to do.
const PUBLISH_AT_ONCE: usize = 1_024;
/// Effects performed between two looks at what else has happened.
const EFFECTS_AT_ONCE: usize = 256;
/// How often progress is shown.
const TICK: Duration = Duration::from_millis(100);
/// How many ticks pass between two notes of progress in the store.
const TICKS_PER_NOTE: u32 = 2;
/// Most dead tasks that are kept for the report.
const MAX_DEAD: usize = 1_000;

/// Why an execution could not go on. Nothing is lost: it can be resumed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error("cannot go on without the store")]
    Store(#[source] store::Error),
    /// The broker failed.
    #[error("cannot go on without the broker")]
    Broker(#[from] broker::Error),
    /// Another coordinator goes on with the execution.
    #[error("another coordinator has taken over: execution {id} is being run by {owner}")]
    TakenOver {
        /// The execution.
        id: ExecutionId,
        /// Who has it now, for people.
        owner: String,
    },
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Busy { id, owner } => Self::TakenOver { id, owner },
            other => Self::Store(other),
        }
    }
}

/// Tells the broker that tasks which ended in earlier runs, with these outcomes, are to run once more.
pub type Revive =
    Box<dyn Fn(Vec<Arc<Outcome>>) -> BoxFuture<'static, Result<(), broker::Error>> + Send + Sync>;

/// What an execution runs with.
pub struct Parts {
    /// The flow to run.
    pub root: FlowCall,
    /// Limits and failure policy.
    pub policy: Policy,
    /// Makes tasks and flows of parts of the spec.
    pub resolver: Arc<dyn Resolve>,
    /// Where tasks go and outcomes come from.
    pub producer: Arc<dyn TaskProducer>,
    /// Where outcomes are recorded.
    pub checkpoint: Arc<dyn Checkpoint>,
    /// What is to be remembered of the execution, as of now.
    pub record: ExecutionRecord,
    /// Which dead tasks of earlier runs are tried again.
    pub anew: Anew,
    /// For a broker that remembers by itself how tasks ended.
    pub revive: Option<Revive>,
}

/// What a user may ask of a running execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Start nothing new; what runs may finish.
    Cancel,
    /// Hand no more tasks to the broker until told to go on.
    Pause,
    /// Go on after a pause.
    Unpause,
}

/// How far an execution is.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// Its counts.
    pub tally: Tally,
    /// How long it has been running.
    pub elapsed: Duration,
    /// Whether it stops: nothing new is started.
    pub is_stopping: bool,
    /// Whether a user has paused it.
    pub is_paused: bool,
    /// What keeps tasks from being handed on at present, if anything.
    pub trouble: Option<String>,
    /// Flows that are not done.
    pub live_flows: usize,
    /// Tasks of each operation that flows have said they will yield.
    pub expected: BTreeMap<OperationName, u64>,
    /// The first tasks that are dead, at most [`Progress::MOST_DEAD`].
    pub dead: Vec<Entry>,
}

impl Progress {
    /// So many dead tasks are told of while the execution runs.
    pub const MOST_DEAD: usize = 10;
}

/// How an execution ended.
#[derive(Debug)]
pub struct Report {
    /// Well, badly or early.
    pub conclusion: Conclusion,
    /// The final counts.
    pub tally: Tally,
    /// How long this run took.
    pub elapsed: Duration,
    /// Dead tasks, the first thousand.
    pub dead: Vec<Entry>,
    /// Flows whose generators returned errors, the first thousand.
    pub flow_failures: Vec<FlowFailure>,
}

/// Runs an execution to its end.
///
/// # Errors
/// If store or broker fail for good; the execution can be resumed.
pub async fn run(
    parts: Parts,
    mut commands: mpsc::Receiver<Command>,
    progress: watch::Sender<Progress>,
) -> Result<Report, Error> {
    let (mut driver, mut woken) = Driver::new(parts, progress);
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let conclusion = loop {
        driver.perform().await?;
        if let Some(conclusion) = driver.conclusion.take() {
            break conclusion;
        }
        let has_more = !driver.effects.is_empty();
        // In this order, so that what comes rarely is not starved by what comes all the time.
        tokio::select! {
            biased;
            Some(command) = commands.recv() => driver.obey(command),
            _ = tick.tick() => driver.tick().await?,
            recorded = driver.journal.recorded() => driver.recorded(recorded?).await?,
            news = driver.producer.news() => driver.heard(news?),
            Some(flow) = woken.recv() => driver.apply(Input::Woken { flow }),
            () = tokio::task::yield_now(), if has_more => {}
        }
    };
    // Whoever has something to say from now on is told that it is too late.
    drop(commands);
    driver.finish(conclusion).await
}

struct Driver {
    engine: Engine,
    expander: Expander,
    memory: Memory,
    journal: Journal,
    producer: Arc<dyn TaskProducer>,
    checkpoint: Arc<dyn Checkpoint>,
    record: ExecutionRecord,
    progress: watch::Sender<Progress>,
    effects: VecDeque<Effect>,
    to_publish: Vec<Arc<Task>>,
    conclusion: Option<Conclusion>,
    dead: Vec<Entry>,
    receipts: Receipts,
    revive: Option<Revive>,
    is_paused: bool,
    /// Whether the last note of progress did not reach the store.
    has_missed_note: bool,
    ticks: u32,
    started: Instant,
}

impl Driver {
    fn new(parts: Parts, progress: watch::Sender<Progress>) -> (Self, mpsc::UnboundedReceiver<FlowId>) {
        let (waker, woken) = mpsc::unbounded_channel();
        let mut driver = Self {
            engine: Engine::new(parts.policy),
            expander: Expander::new(parts.resolver, waker),
            memory: Memory::new(Arc::clone(&parts.checkpoint), parts.anew),
            journal: Journal::start(Arc::clone(&parts.checkpoint)),
            producer: parts.producer,
            checkpoint: parts.checkpoint,
            record: parts.record,
            progress,
            effects: VecDeque::new(),
            to_publish: Vec::new(),
            conclusion: None,
            dead: Vec::new(),
            receipts: Receipts::default(),
            revive: parts.revive,
            is_paused: false,
            has_missed_note: false,
            ticks: 0,
            started: Instant::now(),
        };
        let (root, name) = (parts.root.id, parts.root.name.clone());
        driver.expander.add_root(parts.root);
        driver.apply(Input::Start { root, name });
        (driver, woken)
    }

    fn apply(&mut self, input: Input) {
        self.effects.extend(self.engine.apply(input, Instant::now()));
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Cancel => self.apply(Input::Cancel),
            Command::Pause => self.is_paused = true,
            Command::Unpause => self.is_paused = false,
        }
    }

    /// Does what the engine has asked for, and what follows from that; of very much only a part, since
    /// a flow may yield without end what is known already.
    async fn perform(&mut self) -> Result<(), Error> {
        for _ in 0..EFFECTS_AT_ONCE {
            let Some(effect) = self.effects.pop_front() else { break };
            match effect {
                Effect::Pull(flow) => match self.expander.pull(flow) {
                    None => self.apply(Input::Stalled { flow }),
                    Some(mut step) => {
                        self.memory.fill(&mut step).await?;
                        self.revive().await?;
                        self.apply(Input::Planned { flow, step });
                    }
                },
                Effect::Publish(tasks) => {
                    self.to_publish.extend(tasks);
                    if self.to_publish.len() >= PUBLISH_AT_ONCE {
                        self.publish().await?;
                    }
                }
                Effect::Record(entries) => {
                    self.receipts.asked += entries.len() as u64;
                    let room = MAX_DEAD - self.dead.len();
                    self.dead
                        .extend(entries.iter().filter(|e| e.outcome.failure().is_some()).take(room).cloned());
                    self.journal.record(entries).await;
                }
                Effect::Tell(told) => told.iter().for_each(|told| self.expander.tell(told)),
                Effect::Withdraw => self.withdraw().await?,
                Effect::Finish(conclusion) => self.conclusion = Some(conclusion),
            }
        }
        self.publish().await
    }

    /// Must come before the tasks are published: the broker would only repeat how they ended.
    async fn revive(&mut self) -> Result<(), Error> {
        let revived = self.memory.take_revived();
        if let Some(revive) = &self.revive
            && !revived.is_empty()
        {
            revive(revived).await?;
        }
        Ok(())
    }

    async fn publish(&mut self) -> Result<(), Error> {
        if !self.to_publish.is_empty() && !self.is_paused {
            self.producer.publish(std::mem::take(&mut self.to_publish)).await?;
        }
        Ok(())
    }

    async fn withdraw(&mut self) -> Result<(), Error> {
        // What the broker has not been given yet need not be asked back.
        let mut ids: Vec<TaskId> = self.to_publish.drain(..).map(|task| task.id).collect();
        ids.extend(self.producer.withdraw().await?);
        if !ids.is_empty() {
            self.apply(Input::Withdrawn(ids));
        }
        Ok(())
    }

    fn heard(&mut self, news: News) {
        if !news.leased.is_empty() {
            self.apply(Input::Leased(news.leased));
        }
        if !news.released.is_empty() {
            self.apply(Input::Released(news.released));
        }
        self.apply(Input::Reported(news.outcomes));
        self.receipts.heard(news.receipt, &self.effects);
    }

    async fn recorded(&mut self, count: usize) -> Result<(), Error> {
        self.apply(Input::Recorded { count });
        if let Some(receipt) = self.receipts.recorded(count) {
            self.producer.acknowledge(receipt).await?;
        }
        Ok(())
    }

    async fn tick(&mut self) -> Result<(), Error> {
        let counts = self.engine.tally().counts();
        self.show();
        self.ticks += 1;
        if self.ticks.is_multiple_of(TICKS_PER_NOTE) {
            self.note(counts).await?;
            // News of nothing but repeated outcomes has nothing to wait for.
            if let Some(receipt) = self.receipts.recorded(0) {
                self.producer.acknowledge(receipt).await?;
            }
            if self.engine.is_stopping() {
                // A running task may have gone back to its queue for a retry since.
                self.withdraw().await?;
            }
        }
        Ok(())
    }

    /// Notes progress for others. A store that is away for a while is no reason to stop: what must
    /// be recorded is not lost by it.
    async fn note(&mut self, counts: Counts) -> Result<(), Error> {
        match self.checkpoint.show_progress(counts).await {
            Ok(()) => self.has_missed_note = false,
            Err(error @ store::Error::Busy { .. }) => return Err(error.into()),
            Err(error) => {
                if !std::mem::replace(&mut self.has_missed_note, true) {
                    tracing::warn!(execution = %self.record.id, error = &error as &dyn std::error::Error, "cannot show progress to others; trying again");
                }
            }
        }
        Ok(())
    }

    fn show(&self) {
        self.progress.send_replace(Progress {
            tally: self.engine.tally().clone(),
            elapsed: self.started.elapsed(),
            is_stopping: self.engine.is_stopping(),
            is_paused: self.is_paused,
            trouble: self.producer.trouble(),
            live_flows: self.expander.live_flows(),
            expected: self.expander.expected().clone(),
            dead: self.dead.iter().take(Progress::MOST_DEAD).cloned().collect(),
        });
    }

    async fn finish(self, conclusion: Conclusion) -> Result<Report, Error> {
        self.show();
        self.journal.close().await;
        let tally = self.engine.tally().clone();
        let elapsed = self.started.elapsed();
        let mut record = self.record;
        (record.status, record.result) = match &conclusion {
            Conclusion::Succeeded(value) => (Status::Succeeded, Some(value.clone())),
            Conclusion::Failed => (Status::Failed, None),
            Conclusion::Cancelled => (Status::Cancelled, None),
        };
        record.counts = tally.counts();
        record.elapsed_us += elapsed.as_micros() as u64;
        record.updated_at_us = to_unix_micros(SystemTime::now());
        let describe =
            |failed: &FlowFailure| format!("{} ({}): {}", failed.name, failed.flow, failed.failure.summary());
        record.flow_failures = self.engine.flow_failures().iter().map(describe).collect();
        let id = record.id.clone();
        self.checkpoint.update(record).await?;
        if let Err(error) = self.producer.end().await {
            // What is left then is done by the next run, or given up by the broker after a while.
            tracing::warn!(execution = %id, error = &error as &dyn std::error::Error, "cannot clear what is left of the execution in the broker; nothing is lost");
        }
        let flow_failures = self.engine.flow_failures().to_vec();
        Ok(Report { conclusion, tally, elapsed, dead: self.dead, flow_failures })
    }
}

/// Which news is fully recorded, so that the broker may forget it.
#[derive(Debug, Default)]
struct Receipts {
    /// Entries that were asked to be recorded so far.
    asked: u64,
    /// Entries that are durable.
    recorded: u64,
    /// Each piece of news with the number of entries asked for once it was applied.
    open: VecDeque<(u64, Receipt)>,
}

impl Receipts {
    /// `pending` are effects not performed yet: what they ask to be recorded counts as asked.
    fn heard(&mut self, receipt: Receipt, pending: &VecDeque<Effect>) {
        let more: usize = pending
            .iter()
            .map(|effect| if let Effect::Record(entries) = effect { entries.len() } else { 0 })
            .sum();
        self.open.push_back((self.asked + more as u64, receipt));
    }

    /// Counts durable entries; says up to which news all is durable.
    fn recorded(&mut self, count: usize) -> Option<Receipt> {
        self.recorded += count as u64;
        let mut last = None;
        while let Some(&(needed, receipt)) = self.open.front()
            && needed <= self.recorded
        {
            last = Some(receipt);
            self.open.pop_front();
        }
        last
    }
}
