//! The process of a slot: runs what it is told to, one attempt after the other.

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::exit;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use otaman::driver::{ContextParts, Evidence, Reporter};
use otaman::{Context, Permit, Registry, Resources};
use protocol::{SemaphoreWidths, Value};
use rustix::process::{Pid, Signal, getpid, getppid, kill_process_group};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::message::{Answer, Assignment, Machine, Order, Question, Report, encode, read, write};
use crate::panics::{self, Guarded};
use crate::semaphores::MachineSemaphores;
use crate::{logging, unknown};

/// The first argument of such a process; the second is the worker's process id.
const FLAG: &str = "--isolated-for";

/// The first argument of a process that ends the commands of another one when that dies; the second is
/// its process id, for people.
pub(super) const GUARD: &str = "--ends-commands-of";

/// The exit code of a process that cannot go on: `EX_SOFTWARE` of `sysexits.h`.
const BROKEN: i32 = 70;

/// How to start this program once more.
static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Becomes the process of a slot if this program was started as one; it then never returns. Otherwise
/// notes that it can be. To be called first thing, with what operations may need.
pub(crate) fn serve_if_asked(resources: &Resources) {
    let mut arguments = std::env::args_os().skip(1);
    let first = arguments.next();
    if first.as_ref().is_some_and(|first| first == GUARD) {
        guard();
    }
    // The link stays good when the file is replaced.
    let link = Path::new("/proc/self/exe");
    let program = if link.exists() { Ok(link.to_owned()) } else { std::env::current_exe() };
    if let Ok(program) = program {
        let id = getpid().as_raw_nonzero().to_string();
        otaman::driver::guard_commands_with(program.clone(), vec![GUARD.to_owned(), id]);
        PROGRAM.get_or_init(|| program);
    }
    if first.is_none_or(|first| first != FLAG) {
        return;
    }
    let worker = arguments.next().and_then(|id| id.to_str()?.parse().ok()).and_then(Pid::from_raw);
    if let Err(error) = serve(worker, resources.clone()) {
        tracing::error!(%error, "the process of an isolated task cannot go on");
        exit(BROKEN);
    }
    exit(0);
}

/// The program to start and its arguments; `None` if this one cannot be the process of a slot, since
/// its `main` is not ours.
pub(super) fn command() -> Option<(&'static Path, [OsString; 2])> {
    let id = getpid().as_raw_nonzero().to_string();
    PROGRAM.get().map(|program| (program.as_path(), [FLAG.into(), id.into()]))
}

/// Ends the commands of the process that has started this one when that has died.
fn guard() -> ! {
    let heedless = || -> io::Result<_> {
        let runtime = Builder::new_current_thread().enable_io().build()?;
        let _entered = runtime.enter();
        // A service is often stopped by a signal to all of its processes, and ends its commands itself.
        let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
        let heard = kinds.map(signal);
        Ok((runtime, heard))
    };
    let _heedless = heedless();
    otaman::driver::guard_commands(io::stdin());
    exit(0);
}

fn serve(worker: Option<Pid>, resources: Resources) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid() != worker {
        // It ended before it could be watched.
        return Ok(());
    }
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    // Operations that read their standard input find it empty.
    rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?)?;
    logging::start_relayed();
    panics::install();
    let registry = Registry::linked().map_err(|problems| io::Error::other(problems.to_string()))?;
    let child = Arc::new(Child {
        registry,
        resources: Arc::new(resources),
        socket: socket.try_clone()?,
        semaphores: OnceLock::new(),
        asking: Mutex::default(),
        turn: tokio::sync::Mutex::default(),
    });
    // More than one thread: what does not wait must not keep others from hearing that they are to stop.
    let runtime =
        Builder::new_multi_thread().worker_threads(2).thread_name("operation").enable_all().build()?;
    child.hear(&socket, &runtime);
    Ok(())
}

struct Child {
    registry: Registry,
    resources: Arc<Resources>,
    socket: UnixStream,
    semaphores: OnceLock<Arc<MachineSemaphores>>,
    /// Who waits for the worker's answer. A std mutex: held to put something there.
    asking: Mutex<Option<oneshot::Sender<Result<Answer, Evidence>>>>,
    /// Whose turn it is to ask.
    turn: tokio::sync::Mutex<()>,
}

impl Child {
    /// Follows orders until the worker has closed the socket or is gone; then ends whatever runs.
    fn hear(self: &Arc<Self>, socket: &UnixStream, runtime: &Runtime) {
        let mut running = CancellationToken::new();
        while let Ok(Some(order)) = read(socket) {
            match order {
                Order::Run(assignment, machine) => {
                    running = CancellationToken::new();
                    runtime.spawn(Arc::clone(self).run(*assignment, machine, running.clone()));
                }
                Order::Stop => running.cancel(),
                Order::Answer(answer) => {
                    let asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner).take();
                    if let Some(asking) = asking {
                        // Whoever asked may not wait any more.
                        let _ = asking.send(answer);
                    }
                }
            }
        }
        // All that was started with it, too; this is the leader of its group, and commands have theirs.
        otaman::driver::kill_commands();
        let _ = kill_process_group(getpid(), Signal::KILL);
    }

    async fn run(self: Arc<Self>, assignment: Assignment, machine: Machine, cancellation: CancellationToken) {
        let Assignment { execution, task, attempt } = assignment;
        let result = match self.registry.operation(&task.operation, &task.version) {
            Some(operation) => {
                let arguments = task.arguments.clone();
                // The worker has the task's own places.
                let permits = task.semaphores.iter().map(|name| Permit::new(name.clone(), ())).collect();
                let semaphores = match self.semaphores(machine) {
                    Ok(semaphores) => semaphores,
                    Err(error) => return self.end(Err(error)),
                };
                let context = Context::new(ContextParts {
                    execution,
                    task: Arc::new(task),
                    attempt,
                    cancellation,
                    resources: Arc::clone(&self.resources),
                    reporter: Arc::clone(&self) as _,
                    // It is the worker that has places.
                    place: Arc::new(()),
                    semaphores,
                    permits,
                });
                Guarded::new(operation.entry.run(arguments, context)).await.flatten()
            }
            None => Err(otaman::Error::from_failure(unknown::failure(&self.registry, &task))),
        };
        self.end(result);
    }

    /// The semaphores of the machine, as the worker has them.
    fn semaphores(&self, machine: Machine) -> otaman::Result<Arc<MachineSemaphores>> {
        if let Some(known) = self.semaphores.get() {
            return Ok(Arc::clone(known));
        }
        let widths = SemaphoreWidths::new(machine.semaphores)?;
        let made = Arc::new(MachineSemaphores::new(widths, machine.semaphore_dir));
        Ok(Arc::clone(self.semaphores.get_or_init(|| made)))
    }

    fn end(&self, result: otaman::Result<Value>) {
        let result = result.map_err(otaman::Error::into_evidence);
        let bytes = encode(&Report::Ended(result)).or_else(|error| {
            let error = otaman::Error::permanent(format!("its outcome cannot be told: {error}"));
            encode(&Report::Ended(Err(error.into_evidence())))
        });
        match bytes {
            Ok(bytes) => self.send(&bytes),
            Err(error) => tracing::error!(%error, "cannot tell how the task ended"),
        }
    }

    async fn ask(&self, question: Question) -> otaman::Result<Answer> {
        let _turn = self.turn.lock().await;
        let (reply, answered) = oneshot::channel();
        *self.asking.lock().unwrap_or_else(PoisonError::into_inner) = Some(reply);
        self.tell(&Report::Ask(question));
        let answer = answered.await.map_err(|_| otaman::Error::transient("the worker does not answer"))?;
        answer.map_err(otaman::Error::from_evidence)
    }

    fn tell(&self, report: &Report) {
        match encode(report) {
            Ok(bytes) => self.send(&bytes),
            Err(error) => tracing::error!(%error, "cannot tell the worker of the task"),
        }
    }

    fn send(&self, bytes: &[u8]) {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        // A worker that is gone is heard of where orders are read.
        let _ = write(&self.socket, bytes);
    }
}

impl Reporter for Child {
    fn progress(&self, done: u64, total: u64) {
        self.tell(&Report::Progress { done, total });
    }

    fn log(&self, line: &str) {
        self.tell(&Report::Log(line.to_owned()));
    }

    fn keep<'a>(&'a self, file: &'a Path) -> BoxFuture<'a, otaman::Result<String>> {
        async move {
            match self.ask(Question::Keep(std::path::absolute(file)?)).await? {
                Answer::Kept(url) => Ok(url),
                other => Err(misunderstood(&other)),
            }
        }
        .boxed()
    }

    fn holds_lease(&self) -> BoxFuture<'_, otaman::Result<bool>> {
        async move {
            match self.ask(Question::HoldsLease).await? {
                Answer::HoldsLease(holds) => Ok(holds),
                other => Err(misunderstood(&other)),
            }
        }
        .boxed()
    }

    fn save_progress(&self, progress: Value) -> BoxFuture<'_, otaman::Result<()>> {
        async move {
            match self.ask(Question::SaveProgress(progress)).await? {
                Answer::Saved => Ok(()),
                other => Err(misunderstood(&other)),
            }
        }
        .boxed()
    }

    fn saved_progress(&self) -> BoxFuture<'_, otaman::Result<Option<Value>>> {
        async move {
            match self.ask(Question::SavedProgress).await? {
                Answer::SavedProgress(progress) => Ok(progress),
                other => Err(misunderstood(&other)),
            }
        }
        .boxed()
    }
}

fn misunderstood(answer: &Answer) -> otaman::Error {
    otaman::Error::permanent(format!("the worker answered something else: {answer:?}"))
}
