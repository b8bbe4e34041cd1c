//! `coordinator execute`: runs a spec to its end.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context as _;
use backends::embedded::{EmbeddedBroker, EmbeddedStore};
use backends::store::{self, Checkpoint, Store as _};
use otaman::spec::{FailurePolicy, Spec};
use otaman::{Registry, Resolve};
use protocol::{Counts, ExecutionId, ExecutionRecord, Session, SessionId, Status, Value, to_unix_micros};
use serde_json::Value as Json;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::input::{self, Text};
use super::{CANCELLED, FAILED, Stop, print, print_json, say};
use crate::cli::{Common, ExecuteArgs, OnFailure};
use crate::display::{Display, Document, Evidence, summary};
use crate::embedded::StartWorker;
use crate::engine::{Conclusion, OnDead, Policy};
use crate::interrupt::Interrupts;
use crate::run::{self, Parts, Progress, Report};

/// Results up to this many bytes are printed indented.
const INDENTED: usize = 64 * 1024;

pub(crate) fn run(common: &Common, args: ExecuteArgs, start_worker: Arc<dyn StartWorker>) -> Result<ExitCode, Stop> {
    let registry = input::registry()?;
    let store = input::store(common)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting")?;
    let work = Work::read(common, &args, &registry, &store, &runtime)?;
    if !common.quiet {
        input::show_notes(&work.spec);
    }
    let slots = args.workers.or(work.spec.settings.workers.map(NonZeroU32::get)).unwrap_or_else(cores);
    let quiet = common.quiet || work.spec.settings.quiet;
    let policy = Policy { max_in_flight: args.max_in_flight as usize, on_dead: on_dead(&args, &work.spec) };
    let embedded = Embedded { registry, store, start_worker, slots };
    runtime.block_on(embedded.execute(work, policy, quiet, args.json))
}

/// One task at once for each core.
fn cores() -> u32 {
    std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32)
}

fn on_dead(args: &ExecuteArgs, spec: &Spec) -> OnDead {
    match (args.on_failure, spec.settings.on_failure) {
        (Some(OnFailure::Stop), _) | (None, Some(FailurePolicy::Stop) | None) => OnDead::Stop,
        (Some(OnFailure::Continue), _) | (None, Some(FailurePolicy::Continue)) => OnDead::Continue,
    }
}

/// What is to be run: a checked spec and the checkpoint that remembers it.
struct Work {
    spec: Spec,
    resolver: Arc<dyn Resolve>,
    checkpoint: Arc<dyn Checkpoint>,
    /// Whether the execution was there before with another spec.
    has_changed: bool,
    /// Standard input under the name that the catalog knows; gone when this is dropped.
    _spooled: Option<tempfile::NamedTempFile>,
}

impl Work {
    fn read(
        common: &Common,
        args: &ExecuteArgs,
        registry: &Arc<Registry>,
        store: &EmbeddedStore,
        runtime: &tokio::runtime::Runtime,
    ) -> Result<Self, Stop> {
        let earlier = match &args.resume {
            Some(id) => Some(runtime.block_on(store.view(id)).map_err(unknown_execution)?.record),
            None => None,
        };
        let (text, variables) = source(args, earlier.as_ref())?;
        let reads_input = input::reads_standard_input(&text);
        let mut catalog = otaman::spec::Catalog::new(registry);
        let mut spooled = None;
        match &earlier {
            Some(record) if reads_input => catalog = catalog.with_standard_input(kept_input(store, &record.id)),
            None if reads_input => {
                let file = input::spool_standard_input(&text, &input::state_dir(common)?)?;
                catalog = catalog.with_standard_input(file.path().to_owned());
                spooled = Some(file);
            }
            _ => {}
        }
        let spec = input::parse(&text, &variables, &catalog)?;
        let checkpoint = match &earlier {
            Some(record) => {
                let checkpoint = runtime.block_on(store.resume(&record.id)).map_err(unknown_execution)?;
                runtime.block_on(checkpoint.update(resumed(checkpoint.record(), &text, &variables)))?;
                checkpoint
            }
            None => {
                let id = args.id.clone().or_else(|| spec.settings.execution_id.clone()).unwrap_or_else(|| new_id(&text.name));
                let record = new_record(id, &text, variables);
                runtime.block_on(store.create(record)).map_err(existing_execution)?
            }
        };
        if let Some(file) = &spooled {
            let kept = kept_input(store, &checkpoint.record().id);
            let context = || format!("keeping standard input as {}", kept.display());
            std::fs::create_dir_all(kept.parent().expect("it lies in a directory")).with_context(context)?;
            std::fs::hard_link(file.path(), &kept).with_context(context)?;
        }
        let has_changed = earlier.is_some_and(|record| record.spec.as_bytes() != text.bytes || record.variables != checkpoint.record().variables);
        if !common.quiet && args.resume.is_some() {
            say(&format!("resuming execution {}", checkpoint.record().id));
        }
        Ok(Self { spec, resolver: Arc::new(catalog), checkpoint, has_changed, _spooled: spooled })
    }
}

/// Where an execution keeps what came on standard input.
fn kept_input(store: &EmbeddedStore, id: &ExecutionId) -> std::path::PathBuf {
    store.kept_dir(id).join("standard-input")
}

/// The spec to run: the one given, or that of the execution to be resumed.
fn source(args: &ExecuteArgs, earlier: Option<&ExecutionRecord>) -> Result<(Text, BTreeMap<String, Json>), Stop> {
    let given = input::variables(&args.variables)?;
    match (&args.spec, earlier) {
        (Some(path), _) => {
            let text = input::read_spec(path)?;
            let variables = if given.is_empty() { earlier.map(|record| record.variables.clone()) } else { None };
            Ok((text, variables.unwrap_or(given)))
        }
        (None, Some(record)) => {
            let text = Text { name: record.source.clone(), bytes: record.spec.clone().into_bytes() };
            let mut variables = record.variables.clone();
            variables.extend(given);
            Ok((text, variables))
        }
        (None, None) => Err(Stop::Usage("error: name a spec, or an execution with --resume".to_owned())),
    }
}

fn unknown_execution(error: store::Error) -> Stop {
    match error {
        store::Error::Unknown { id } => {
            Stop::Usage(format!("error: no execution is named {id}; see `coordinator executions`"))
        }
        other => other.into(),
    }
}

fn existing_execution(error: store::Error) -> Stop {
    match error {
        store::Error::Exists { id } => Stop::Usage(format!(
            "error: an execution named {id} exists already; go on with it by --resume {id}, or choose another --id"
        )),
        other => other.into(),
    }
}

/// A name from the spec's file name and a little chance.
fn new_id(source: &str) -> ExecutionId {
    let stem = Path::new(source).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_lowercase();
    let allowed = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c) { c } else { '-' };
    let stem: String = stem.chars().map(allowed).take(40).collect();
    let stem = stem.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let stem = if stem.is_empty() { "execution" } else { stem };
    let chance = rand::random::<u32>() & 0x00ff_ffff;
    format!("{stem}-{chance:06x}").parse().expect("made of allowed characters")
}

fn new_record(id: ExecutionId, text: &Text, variables: BTreeMap<String, Json>) -> ExecutionRecord {
    let now = to_unix_micros(SystemTime::now());
    ExecutionRecord {
        id,
        source: text.name.clone(),
        spec: String::from_utf8_lossy(&text.bytes).into_owned(),
        variables,
        incarnation: 1,
        status: Status::Running,
        created_at_us: now,
        updated_at_us: now,
        elapsed_us: 0,
        counts: Counts::default(),
        result: None,
        flow_failures: Vec::new(),
    }
}

/// The record of an execution that goes on, perhaps with another spec.
fn resumed(record: ExecutionRecord, text: &Text, variables: &BTreeMap<String, Json>) -> ExecutionRecord {
    ExecutionRecord {
        source: text.name.clone(),
        spec: String::from_utf8_lossy(&text.bytes).into_owned(),
        variables: variables.clone(),
        status: Status::Running,
        updated_at_us: to_unix_micros(SystemTime::now()),
        result: None,
        flow_failures: Vec::new(),
        ..record
    }
}

/// Broker, store and worker in this process.
struct Embedded {
    registry: Arc<Registry>,
    store: EmbeddedStore,
    start_worker: Arc<dyn StartWorker>,
    slots: u32,
}

impl Embedded {
    async fn execute(self, work: Work, policy: Policy, quiet: bool, as_json: bool) -> Result<ExitCode, Stop> {
        let id = work.checkpoint.record().id;
        if work.has_changed && !quiet {
            announce_reuse(&work).await?;
        }
        if !quiet {
            say(&format!("execution {id} runs {} tasks at once", self.slots));
        }
        let worker = self.start(&id)?;
        let (progress, watched) = watch::channel(Progress::default());
        let (commands, commanded) = mpsc::channel(1);
        let interrupts = Interrupts::listen(id.clone(), commands, worker.stop_now.clone())?;
        let display = (!quiet).then(|| Display::start(watched));
        let parts = Parts {
            root: crate::root::call(&work.spec.root),
            policy,
            resolver: Arc::clone(&work.resolver),
            producer: Arc::new(worker.broker.producer(id.clone())),
            checkpoint: Arc::clone(&work.checkpoint),
        };
        let outcome = tokio::select! {
            report = run::run(parts, commanded, progress) => Some(report),
            () = worker.stop_now.cancelled() => None,
        };
        worker.end().await;
        interrupts.end();
        if let Some(display) = display {
            display.end();
        }
        match outcome {
            Some(Ok(report)) => finish(&id, &report, quiet, as_json),
            Some(Err(error)) => {
                let how = format!("execution {id} stopped; go on with: coordinator execute --resume {id}");
                Err(Stop::Infrastructure(anyhow::Error::from(error).context(how)))
            }
            None => {
                say(&format!("execution {id} stopped at once; go on with: coordinator execute --resume {id}"));
                Ok(ExitCode::from(CANCELLED))
            }
        }
    }

    fn start(&self, id: &ExecutionId) -> Result<EmbeddedWorker, Stop> {
        // Tasks get threads of their own, so that one that never yields cannot hold up the engine.
        let threads = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(cores().min(self.slots).max(1) as usize)
            .thread_name("worker")
            .enable_all()
            .build()
            .context("starting the worker's threads")?;
        let broker = {
            let _entered = threads.enter();
            EmbeddedBroker::new()
        };
        let session = Session {
            id: SessionId::from_uuid(uuid::Uuid::new_v4()),
            node: node_name(),
            pid: std::process::id(),
            worker_types: Vec::new(),
            concurrency: self.slots,
            lease: std::time::Duration::from_secs(60),
        };
        let consumer = Arc::new(broker.consumer(session.clone(), self.store.kept_dir(id)));
        let (stop, stop_now) = (CancellationToken::new(), CancellationToken::new());
        let worker = (self.start_worker)(Arc::clone(&self.registry), consumer, session, stop.clone());
        let running = threads.spawn(worker);
        Ok(EmbeddedWorker { threads, broker, running, stop, stop_now })
    }
}

struct EmbeddedWorker {
    threads: tokio::runtime::Runtime,
    broker: EmbeddedBroker,
    running: tokio::task::JoinHandle<Result<(), crate::embedded::WorkerError>>,
    stop: CancellationToken,
    /// Cancelled when the user will not wait for running tasks.
    stop_now: CancellationToken,
}

/// How long running tasks get to end their processes when everything stops at once.
const LAST_GRACE: std::time::Duration = std::time::Duration::from_secs(2);

impl EmbeddedWorker {
    async fn end(self) {
        self.stop.cancel();
        self.broker.close();
        if self.stop_now.is_cancelled() {
            self.running.abort();
        }
        match self.running.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the worker ended early"),
            Err(_aborted) => {}
        }
        // A runtime must not be dropped in async code; what still runs then need not be waited for.
        let threads = self.threads;
        let _ = tokio::task::spawn_blocking(move || threads.shutdown_timeout(LAST_GRACE)).await;
    }
}

/// This machine's name, for evidence.
fn node_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Says what a changed spec reuses of the earlier runs and what is new.
async fn announce_reuse(work: &Work) -> Result<(), Stop> {
    let root = crate::root::call(&work.spec.root);
    let plan = crate::plan::plan(root, &work.resolver, Some(&*work.checkpoint)).await?;
    let more = if plan.undecided.is_empty() { "" } else { " at least" };
    let new = plan.tasks - plan.reused;
    say(&format!("the spec has changed: {} tasks are reused, {new}{more} are new", plan.reused));
    Ok(())
}

fn finish(id: &ExecutionId, report: &Report, quiet: bool, as_json: bool) -> Result<ExitCode, Stop> {
    let (status, result) = match &report.conclusion {
        Conclusion::Succeeded(value) => (Status::Succeeded, Some(value)),
        Conclusion::Failed => (Status::Failed, None),
        Conclusion::Cancelled => (Status::Cancelled, None),
    };
    let flows = report.flow_failures.iter().map(|failed| {
        Evidence::of_flow(&format!("{} ({}): {}", failed.name, failed.flow, failed.failure.summary()))
    });
    let document = Document {
        execution_id: id,
        status,
        elapsed_s: report.elapsed.as_secs_f64(),
        tasks: report.tally.counts(),
        result,
        failures: report.dead.iter().filter_map(Evidence::of_task).chain(flows).collect(),
    };
    if !quiet || status != Status::Succeeded {
        say(&summary(&document));
    }
    if as_json {
        print_json(&document)?;
    } else if let Some(value) = result {
        print_value(value)?;
    }
    Ok(match status {
        Status::Succeeded | Status::Running => ExitCode::SUCCESS,
        Status::Failed => ExitCode::from(FAILED),
        Status::Cancelled => ExitCode::from(CANCELLED),
    })
}

fn print_value(value: &Value) -> Result<(), Stop> {
    print(|out| {
        if value.as_bytes().len() <= INDENTED {
            serde_json::to_writer_pretty(&mut *out, value)?;
        } else {
            serde_json::to_writer(&mut *out, value)?;
        }
        out.write_all(b"\n")
    })
}
