//! A worker program, and the environment that its processes get.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::directory::Directory;
use crate::programs::{program, repository};
use crate::running::{Ended, Running};

/// A program of workers; each start is a process and a session of its own.
#[derive(Debug)]
pub struct Worker {
    logs: PathBuf,
    program: PathBuf,
    environment: Vec<(OsString, OsString)>,
    directory: Directory,
}

impl Default for Worker {
    fn default() -> Self {
        Self::new()
    }
}

impl Worker {
    /// The stock worker.
    ///
    /// # Panics
    /// If there is no room for temporary files.
    pub fn new() -> Self {
        Self::of(&program("worker"))
    }

    /// Another worker program.
    ///
    /// # Panics
    /// If there is no room for temporary files.
    pub fn of(program: &Path) -> Self {
        let directory = Directory::new("worker");
        let logs = directory.subdirectory("logs");
        Self { logs, program: program.to_owned(), environment: Vec::new(), directory }
    }

    /// The same, with a variable set for each of its processes.
    #[must_use]
    pub fn with_env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// The same, with what its processes say in another folder.
    #[must_use]
    pub(crate) fn with_logs(mut self, folder: &Path) -> Self {
        self.logs = folder.to_owned();
        self
    }

    /// The folder with all that its processes said, two files for each.
    pub fn logs(&self) -> &Path {
        &self.logs
    }

    /// The command with these arguments, run from the repository.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .current_dir(repository())
            // A machine of their own, as far as semaphores go.
            .env("OTAMAN_SEMAPHORE_DIR", self.directory.path().join("semaphores"));
        // What the developer has set must not count.
        for name in ["AMQP_URL", "REDIS_URL", "OTAMAN_LOG", "OTAMAN_NODE", "SLURM_JOB_END_TIME"] {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts one.
    ///
    /// # Panics
    /// If it does not start.
    #[track_caller]
    pub fn start(&self, arguments: &[&str]) -> Running {
        Running::start("worker", &self.command(arguments), &self.logs)
    }

    /// Runs one to its end.
    ///
    /// # Panics
    /// If it does not start.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).wait()
    }
}
