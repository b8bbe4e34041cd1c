//! The worker as a process: connects, works session after session, and leaves when it is time.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backends::distributed::{self, Distributed, RemoteConsumer};
use otaman::driver::Rules;
use otaman::{Registry, Resources};
use protocol::{DurationText, Session};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::activity::{Activity, Report};
use crate::cli::WorkArgs;
use crate::config::Config;
use crate::doubts::Doubts;
use crate::failed::Failed;
use crate::learned::Learned;
use crate::leaving::{IdleClock, Leaving, Reason, Schedule, Signals};
use crate::lifetime::Lifetime;
use crate::limits;
use crate::listen;
use crate::logging::Voice;
use crate::observed::Observed;
use crate::run::{Error, check_resources, semaphores};
use crate::semaphores::MachineSemaphores;
use crate::session::{Ended, Sessions};
use crate::shortage::Fitness;
use crate::slurm;

/// Pause between a lost session and the next.
const PAUSE: Duration = Duration::from_secs(1);
/// How long what still runs may hold up the end of the process. What was dropped has killed its
/// processes by then.
const LAST_WAIT: Duration = Duration::from_millis(500);

/// Works until the worker leaves.
pub(crate) fn run(
    args: WorkArgs,
    rules: Rules,
    voice: Voice,
    registry: Registry,
    resources: Resources,
) -> Result<(), Failed> {
    let own_name = || rustix::system::uname().nodename().to_string_lossy().into_owned();
    let node = args.node.clone().unwrap_or_else(own_name);
    let servers = args.servers.config(&format!("worker on {node}"))?.ok_or(Failed::NoServers)?;
    check_resources(&registry, &resources, &args.queues)?;
    let time = Time::new(&args);
    let config = Config { rules, ..config(&args, time.as_ref()) };
    let semaphores = Arc::new(semaphores(&config).map_err(Error::from)?);
    // Signals, health and time-outs on this thread, operations on others: no load of theirs can
    // keep the worker from leaving.
    let control = Builder::new_current_thread().enable_all().build().map_err(Failed::Start)?;
    limits::raise_open_files(config.concurrency);
    let operations = operations_runtime(config.concurrency).map_err(Failed::Start)?;
    let start = Start { args, voice, node, servers, config, time, semaphores, registry, resources };
    let result = control.block_on(start.serve(operations.handle().clone()));
    operations.shutdown_timeout(LAST_WAIT);
    // What waits for the servers there must not hold up the end.
    control.shutdown_background();
    result
}

/// More threads than slots or cores would have nothing to do.
fn operations_runtime(slots: usize) -> std::io::Result<Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Builder::new_multi_thread()
        .worker_threads(slots.clamp(1, cores))
        // Each slot may have a task on a thread of its own, and tasks may have threads besides.
        .max_blocking_threads(slots + 512)
        .thread_name("operations")
        .enable_all()
        .build()
}

/// The time that a worker has, if that has an end.
struct Time {
    lifetime: Lifetime,
    schedule: Schedule,
    /// Why it leaves then.
    reason: Reason,
}

impl Time {
    /// The nearer end counts of that which was asked for and that of the batch job.
    fn new(args: &WorkArgs) -> Option<Self> {
        let asked = args.max_runtime.map(|limit| (limit, Reason::MaxRuntime(limit)));
        let job = slurm::job_ends_in().map(|left| (left, Reason::JobEnd));
        let (limit, reason) = [asked, job].into_iter().flatten().min_by_key(|(limit, _)| *limit)?;
        let schedule = Schedule::new(limit, args.drain_timeout.0, Config::default().stop_grace.0);
        let begins_at = Instant::now();
        let lifetime = Lifetime { begins_at, drains_at: begins_at + schedule.drain_after };
        Some(Self { lifetime, schedule, reason })
    }
}

fn config(args: &WorkArgs, time: Option<&Time>) -> Config {
    let mut config = Config {
        drain_timeout: args.drain_timeout,
        semaphores: args.semaphores.clone(),
        semaphore_dir: args.semaphore_dir.clone(),
        ..Config::default()
    };
    if let Some(concurrency) = args.concurrency {
        config.concurrency = concurrency as usize;
    }
    if let Some(time) = time {
        config.stop_grace = DurationText(time.schedule.stop_grace);
    }
    config
}

/// All that a worker process starts with.
struct Start {
    args: WorkArgs,
    voice: Voice,
    node: String,
    servers: distributed::Config,
    config: Config,
    time: Option<Time>,
    semaphores: Arc<MachineSemaphores>,
    registry: Registry,
    resources: Resources,
}

impl Start {
    async fn serve(self, operations: Handle) -> Result<(), Failed> {
        self.semaphores.agree().await.map_err(Error::from)?;
        let started = Instant::now();
        let voice = self.voice;
        let leaving = Arc::new(Leaving::default());
        let activity = Arc::new(Activity::new(self.config.concurrency));
        let (queues, lease) = (self.args.queues.clone(), self.args.lease);
        let semaphores = Arc::clone(&self.semaphores);
        let observed =
            Observed::new(self.node.clone(), queues, lease, activity, semaphores, Arc::clone(&leaving));
        let observed = Arc::new(observed);
        // They end when this returns.
        let mut aside = JoinSet::new();
        self.attend(&observed, &mut aside).await?;
        let name = Name { node: self.node.clone(), pid: std::process::id() };
        let result = tokio::select! {
            biased;
            () = leaving.at_once.cancelled() => Err(Failed::AtOnce),
            result = self.work(&name, Arc::clone(&observed), operations) => result,
        };
        let why = leaving.reason().map_or_else(String::new, |reason| format!(" ({reason})"));
        let time = DurationText(Duration::from_secs(started.elapsed().as_secs()));
        voice.say(format_args!("{name}: ended after {time}{why}: {}", Counted(observed.activity.report())));
        for figures in observed.semaphores.figures() {
            voice.say(format_args!("{name}: {figures}"));
        }
        match leaving.reason() {
            Some(Reason::Unfit(unfit)) => result.and(Err(Failed::Unfit(unfit))),
            Some(Reason::Signal(_) | Reason::Idle(_) | Reason::MaxRuntime(_) | Reason::JobEnd) | None => {
                result
            }
        }
    }

    /// Starts all that goes on beside the work: signals, time limits, health.
    async fn attend(&self, observed: &Arc<Observed>, aside: &mut JoinSet<()>) -> Result<(), Failed> {
        let (voice, leaving) = (self.voice, &observed.leaving);
        let signals = Signals::new().map_err(Failed::Start)?;
        let obeying = Arc::clone(leaving);
        aside.spawn(async move { signals.obey(&obeying, voice).await });
        if let Some(Time { schedule, reason, .. }) = &self.time {
            let (schedule, reason, leaving) = (*schedule, reason.clone(), Arc::clone(leaving));
            aside.spawn(async move { schedule.keep(reason, &leaving).await });
        }
        if let Some(limit) = self.args.idle_timeout {
            aside.spawn(watch_idleness(limit, Arc::clone(observed)));
        }
        if let Some(address) = self.args.listen {
            let failed = |source| Failed::Listen { address, source };
            let listener = TcpListener::bind(address).await.map_err(failed)?;
            let address = listener.local_addr().map_err(failed)?;
            voice.say(format_args!("worker: health and metrics on http://{address}"));
            aside.spawn(listen::serve(listener, Arc::clone(observed)));
        }
        Ok(())
    }

    async fn work(self, name: &Name, observed: Arc<Observed>, operations: Handle) -> Result<(), Failed> {
        let leaving = Arc::clone(&observed.leaving);
        let place = self.servers.broker.to_string();
        let distributed = tokio::select! {
            connected = Distributed::connect(self.servers) => connected?,
            () = leaving.stop.cancelled() => return Ok(()),
        };
        let _ = observed.control.set(distributed.control());
        let (config, registry) = (self.config, Arc::new(self.registry));
        for queue in &observed.queues {
            if !registry.operations().any(|operation| operation.info.worker_type == *queue) {
                tracing::warn!(
                    queue = queue.as_str(),
                    "no operation of this worker has this worker type; only tasks that a spec sends there come"
                );
            }
        }
        let fitness = Arc::new(Fitness::new(self.args.max_shortages as usize, Arc::clone(&leaving)));
        let doubts = Arc::new(Doubts::new(self.args.max_doubts as usize, Arc::clone(&leaving)));
        let learned = Arc::new(Learned::new(&registry));
        let control = distributed.control();
        // A task that does not fit is better not begun; without the store there are no tasks anyway.
        let _ = timeout(PAUSE, learned.exchange(&control)).await;
        // They end when this returns.
        let mut aside = JoinSet::new();
        let (watching, looking) = (Arc::clone(&doubts), control.clone());
        aside.spawn(async move { watching.watch(&looking).await });
        let (telling, hearing) = (Arc::clone(&learned), control.clone());
        aside.spawn(async move { telling.keep_telling(&hearing).await });
        let sessions = Sessions {
            distributed,
            fitness,
            doubts,
            learned: Arc::clone(&learned),
            lifetime: self.time.as_ref().map(|time| time.lifetime),
            config,
            registry,
            resources: Arc::new(self.resources),
            observed,
            operations,
        };
        let (mut session, mut consumer) = tokio::select! {
            started = sessions.start() => started?,
            () = leaving.stop.cancelled() => return Ok(()),
        };
        let time = self.time.as_ref().map_or_else(String::new, |time| {
            let left = DurationText(Duration::from_secs(time.schedule.drain_after.as_secs()));
            format!(
                " for {left}{}",
                if time.reason == Reason::JobEnd { ", as its job ends then" } else { "" }
            )
        });
        self.voice.say(format_args!(
            "{name}: takes tasks from {} ({} at once){time}, broker {place}",
            sessions.observed.queues.iter().map(|queue| queue.as_str()).collect::<Vec<_>>().join(", "),
            sessions.config.concurrency,
        ));
        loop {
            match sessions.work(session, consumer).await? {
                Ended::Lost if !leaving.stop.is_cancelled() => {
                    tracing::warn!("the session was lost: what ran counts for nothing; a new session starts");
                }
                Ended::Lost | Ended::Left => break,
            }
            match next_session(&sessions, &leaving).await {
                Some(next) => (session, consumer) = next,
                None => break,
            }
        }
        // What was learned since the last time is worth a moment.
        let _ = timeout(LAST_WAIT, learned.exchange(&control)).await;
        let telling = leaving.telling();
        timeout(telling, sessions.distributed.close()).await.map_err(|_| Failed::Untold(telling))
    }
}

/// Starts another session, however long the servers cannot be reached; `None` if the worker leaves.
async fn next_session(sessions: &Sessions, leaving: &Leaving) -> Option<(Session, Arc<RemoteConsumer>)> {
    loop {
        tokio::select! {
            () = leaving.stop.cancelled() => return None,
            () = sleep(PAUSE) => {}
        }
        tokio::select! {
            () = leaving.stop.cancelled() => return None,
            started = sessions.start() => match started {
                Ok(started) => return Some(started),
                Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "cannot start a session now; trying again"),
            }
        }
    }
}

async fn watch_idleness(limit: Duration, observed: Arc<Observed>) {
    let mut clock = IdleClock::new(limit);
    let mut steps = interval(clock.step());
    // After a pause of the whole process, one step is counted, not all at once.
    steps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    steps.tick().await;
    loop {
        steps.tick().await;
        let has_trouble = observed.signs().is_none_or(|signs| signs.hindrance().is_some());
        let (leased, busy) = (observed.activity.leased(), observed.activity.busy());
        if clock.tick(leased, busy, has_trouble) {
            return observed.leaving.leave(Reason::Idle(limit));
        }
    }
}

/// How the worker calls itself.
struct Name {
    node: String,
    pid: u32,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker {} {}", self.node, self.pid)
    }
}

/// What was done, as a line says it.
struct Counted(Report);

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { succeeded, failed, retried, preempted, declined, stale } = self.0;
        write!(f, "{succeeded} succeeded, {failed} failed")?;
        for (count, what) in [
            (retried, "to be tried again"),
            (preempted, "handed back"),
            (declined, "left to others"),
            (stale, "too late"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}
