//! A running program, and what it said until its end.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value as Json;

use crate::pages::{Page, get};
use crate::spawn::spawn;
use crate::wait::until;

/// How many of the last lines are shown when a test fails.
const SHOWN_LINES: usize = 40;

/// A running program; killed when dropped. What it says is kept in files.
#[derive(Debug)]
pub struct Running {
    /// `None` once it has been waited for.
    child: Option<Child>,
    output: Output,
}

impl Running {
    /// Starts the command, its output going to new files of this name in `folder`.
    ///
    /// # Panics
    /// If it does not start.
    #[track_caller]
    pub(crate) fn start(name: &str, command: &Command, folder: &Path) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let output = Output {
            stdout: folder.join(format!("{name}-{count}.stdout")),
            stderr: folder.join(format!("{name}-{count}.stderr")),
        };
        let create = |path| File::create(path).expect("temporary directories are writable");
        let child = spawn(command, create(&output.stdout).into(), create(&output.stderr).into());
        let child = child.unwrap_or_else(|error| panic!("{name} did not start: {error}"));
        Self { child: Some(child), output }
    }

    /// Its process id.
    ///
    /// # Panics
    /// If it has been killed.
    pub fn pid(&self) -> Pid {
        Pid::from_child(self.child.as_ref().expect("it has not been waited for"))
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// If it is gone.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it is still running");
    }

    /// Ends it at once, as a crash or an operator with `kill -9` would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended meanwhile, which is as good.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Stops it from doing anything until thawed; its connections stay open.
    ///
    /// # Panics
    /// If it is gone.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on after a freeze.
    ///
    /// # Panics
    /// If it is gone.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Asks it to end in an orderly way (SIGTERM).
    ///
    /// # Panics
    /// If it is gone.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Whether it has ended, by itself or killed.
    ///
    /// # Panics
    /// If the system does not say.
    pub fn has_ended(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| child.try_wait().expect("the child can be asked").is_some())
    }

    /// What it has printed as its result until now.
    ///
    /// # Panics
    /// If that cannot be read.
    pub fn stdout(&self) -> String {
        read(&self.output.stdout)
    }

    /// What it has said besides until now.
    ///
    /// # Panics
    /// If that cannot be read.
    pub fn stderr(&self) -> String {
        read(&self.output.stderr)
    }

    /// Reads one of the pages that it has over HTTP; what it shows is kept with what it says.
    ///
    /// # Panics
    /// If it does not say on which address, or does not answer.
    #[track_caller]
    pub fn page(&self, path: &str) -> Page {
        let address = until("the address of its pages", || {
            let said = self.stderr();
            let (_, rest) = said.split_once(" on http://")?;
            let (line, _) = rest.split_once('\n')?;
            Some(line.parse().expect("it is an address"))
        });
        let page = get(address, path).unwrap_or_else(|error| panic!("{path}: {error}"));
        fs::write(self.output.stdout.with_extension(path.trim_start_matches('/')), &page.body)
            .expect("temporary directories are writable");
        page
    }

    /// One of its numbers, as `/metrics` shows it, by its name without `otaman_worker_` and with its
    /// labels.
    ///
    /// # Panics
    /// If there is none of this name.
    #[track_caller]
    pub fn metric(&self, name: &str) -> u64 {
        let page = self.page("/metrics");
        let line = page
            .body
            .lines()
            .find_map(|line| line.strip_prefix("otaman_worker_")?.strip_prefix(name)?.strip_prefix(' '));
        let value: f64 = line.and_then(|value| value.parse().ok()).unwrap_or_else(|| {
            panic!("there is no {name} in\n{}", page.body);
        });
        value as u64
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it has been killed already, or its output is not text.
    pub fn wait(mut self) -> Ended {
        let mut child = self.child.take().expect("it has not been waited for");
        let status = child.wait().expect("the child can be waited for");
        Ended { code: status.code(), stdout: self.stdout(), stderr: self.stderr() }
    }

    /// The last lines that it said, for a failure's message.
    pub(crate) fn last_words(&self) -> String {
        [&self.output.stdout, &self.output.stderr].map(|path| tail(path)).concat()
    }
}

impl Drop for Running {
    #[expect(clippy::print_stderr, reason = "a failed test shows what its processes said")]
    fn drop(&mut self) {
        if self.child.is_some() && std::thread::panicking() {
            eprint!("{}", self.last_words());
        }
        self.kill();
    }
}

/// Where a program's output goes.
#[derive(Debug)]
struct Output {
    stdout: PathBuf,
    stderr: PathBuf,
}

/// The last lines of a file under its name; nothing if it is empty or not there.
pub(crate) fn tail(path: &Path) -> String {
    let text = String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    if lines.is_empty() {
        return String::new();
    }
    let shown = lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n");
    format!("---- {}\n{shown}\n", path.display())
}

fn read(path: &Path) -> String {
    let bytes = fs::read(path).expect("its output is kept as long as it is");
    String::from_utf8(bytes).expect("it prints text")
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// Exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// What it printed as its result.
    pub stdout: String,
    /// What it said besides.
    pub stderr: String,
}

impl Ended {
    /// The same, if it ended with this code.
    ///
    /// # Panics
    /// If it did not.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// What it printed, as JSON.
    ///
    /// # Panics
    /// If it is not JSON.
    #[track_caller]
    pub fn json(&self) -> Json {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}
