//! A coordinator with a state directory of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::programs::{program, repository};

/// A place for executions, with the program that runs them.
pub struct Coordinator {
    directory: TempDir,
    program: PathBuf,
}

impl Default for Coordinator {
    fn default() -> Self {
        Self::new()
    }
}

impl Coordinator {
    /// The stock coordinator with an empty state directory.
    ///
    /// # Panics
    /// If there is no room for temporary files.
    pub fn new() -> Self {
        Self::of(&program("coordinator"))
    }

    /// Another coordinator program with an empty state directory.
    ///
    /// # Panics
    /// If there is no room for temporary files.
    pub fn of(program: &Path) -> Self {
        let directory = tempfile::tempdir().expect("there is room for temporary files");
        Self { directory, program: program.to_owned() }
    }

    /// A directory for the test's own files.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file for the test; gives its path.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn file(&self, name: &str, content: &str) -> String {
        let path = self.directory().join(name);
        fs::write(&path, content).expect("the temporary directory is writable");
        path.to_str().expect("temporary paths are text").to_owned()
    }

    /// The command with these arguments, run from the repository.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .current_dir(repository())
            .env("OTAMAN_STATE_DIR", self.directory().join("state"))
            .env_remove("OTAMAN_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// If it does not start.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).wait()
    }

    /// Starts it.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start(&self, arguments: &[&str]) -> Running {
        Running(Some(self.command(arguments).spawn().expect("the coordinator starts")))
    }
}

/// A running coordinator; killed when dropped.
pub struct Running(Option<Child>);

impl Running {
    /// Its process id.
    ///
    /// # Panics
    /// Never: it is running.
    pub fn pid(&self) -> Pid {
        Pid::from_child(self.0.as_ref().expect("it has not been waited for"))
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// If it is gone.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it is still running");
    }

    /// Whether it has ended by itself.
    ///
    /// # Panics
    /// If the system does not say.
    pub fn has_ended(&mut self) -> bool {
        self.0.as_mut().is_none_or(|child| child.try_wait().expect("the child can be asked").is_some())
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If its output cannot be read.
    pub fn wait(mut self) -> Ended {
        let child = self.0.take().expect("it has not been waited for");
        let output = child.wait_with_output().expect("its output can be read");
        Ended {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("it prints text"),
            stderr: String::from_utf8(output.stderr).expect("it prints text"),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            // It may have ended meanwhile, which is as good.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// How a coordinator ended.
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
