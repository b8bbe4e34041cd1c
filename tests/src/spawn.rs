//! Starting processes that cannot outlive this one.

use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{OnceLock, mpsc};
use std::thread;

/// Runs a program unless its parent is gone already.
const UNLESS_ORPHANED: &str = r#"[ "$PPID" = "$0" ] && exec "$@""#;

/// Starts the command; the system kills it once this process is gone, even if that is killed.
///
/// Standard input is empty; the other two are set by the caller and count for the command.
pub(crate) fn spawn(command: &Command, stdout: Stdio, stderr: Stdio) -> io::Result<Child> {
    let mut bound = bound_to_us(command);
    bound.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
    if let Some(directory) = command.get_current_dir() {
        bound.current_dir(directory);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => bound.env(name, value),
            None => bound.env_remove(name),
        };
    }
    let (answer, answered) = mpsc::channel();
    let order = Order { command: bound, answer };
    spawner().send(order).expect("the spawner lives as long as the process");
    answered.recv().expect("the spawner answers each order")
}

/// Where a program is, if it is installed.
pub(crate) fn installed(program: &str, elsewhere: &[&str]) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    elsewhere
        .iter()
        .map(PathBuf::from)
        .chain(std::env::split_paths(&paths))
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

/// Linux can have a process killed together with its parent; elsewhere dropping has to do.
fn bound_to_us(command: &Command) -> Command {
    let mut bound = if cfg!(target_os = "linux") {
        let mut bound = Command::new("setpriv");
        bound.args(["--pdeathsig", "KILL", "sh", "-c", UNLESS_ORPHANED]);
        bound.arg(std::process::id().to_string()).arg(command.get_program());
        bound
    } else {
        Command::new(command.get_program())
    };
    bound.args(command.get_args());
    bound
}

struct Order {
    command: Command,
    answer: mpsc::Sender<io::Result<Child>>,
}

/// The parent, to the system, is the thread that started a process, and a test's thread ends with
/// its test; so all are started by one thread that stays.
fn spawner() -> &'static mpsc::Sender<Order> {
    static SPAWNER: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
    SPAWNER.get_or_init(|| {
        let (sender, orders) = mpsc::channel::<Order>();
        let work = move || {
            for mut order in orders {
                // Whoever ordered waits for the answer.
                let _ = order.answer.send(order.command.spawn());
            }
        };
        thread::Builder::new().name("spawner".into()).spawn(work).expect("threads can be started");
        sender
    })
}
