//! A coordinator with a state directory of its own.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::directory::Directory;
use crate::programs::{program, repository};
use crate::running::{Ended, Running};

/// A place for executions, with the program that runs them.
#[derive(Debug)]
pub struct Coordinator {
    directory: Directory,
    logs: PathBuf,
    program: PathBuf,
    environment: Vec<(OsString, OsString)>,
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
        let directory = Directory::new("coordinator");
        let logs = directory.subdirectory("logs");
        Self { directory, logs, program: program.to_owned(), environment: Vec::new() }
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

    /// A directory for the test's own files.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The folder with all that its processes said, two files for each.
    pub fn logs(&self) -> &Path {
        &self.logs
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
            // A machine of its own, as far as semaphores go.
            .env("OTAMAN_SEMAPHORE_DIR", self.directory().join("semaphores"))
            // What the developer has set must not count.
            .env_remove("OTAMAN_LOG")
            .env_remove("AMQP_URL")
            .env_remove("REDIS_URL")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
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
    #[track_caller]
    pub fn start(&self, arguments: &[&str]) -> Running {
        Running::start("coordinator", &self.command(arguments), &self.logs)
    }
}
