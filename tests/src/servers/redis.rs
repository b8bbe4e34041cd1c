//! A private Redis.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::certificates::Certificates;
use super::files::{copy, installed_server};
use super::node::Node;
use super::port::{free_port, new_password};
use crate::directory::Directory;
use crate::wait::until;

/// A Redis of its own on loopback; killed when dropped.
///
/// Unless told otherwise it asks for a password and keeps an append-only file, so that it has its
/// data again after a kill.
#[derive(Debug)]
pub struct Redis {
    node: Node,
    port: u16,
    options: RedisOptions,
    directory: Directory,
}

impl Redis {
    /// Starts one.
    ///
    /// # Panics
    /// If it is not installed or does not start.
    #[track_caller]
    pub fn start() -> Self {
        Self::options().start()
    }

    /// How it shall be, other than usual.
    pub fn options() -> RedisOptions {
        RedisOptions {
            password: Some(new_password()),
            has_append_only_file: true,
            is_sentinel: false,
            tls: None,
            lines: Vec::new(),
        }
    }

    /// One for the whole process, for tests that neither disturb it nor mind others' keys.
    ///
    /// # Panics
    /// If it is not installed or does not start.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Redis> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Where clients find it, with the password.
    pub fn url(&self) -> String {
        let scheme = if self.options.tls.is_some() { "rediss" } else { "redis" };
        let login = self.options.password.as_ref().map(|word| format!(":{word}@")).unwrap_or_default();
        format!("{scheme}://{login}{}/0", self.address())
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Its password, if it asks for one.
    pub fn password(&self) -> Option<&str> {
        self.options.password.as_deref()
    }

    /// Its process.
    ///
    /// # Panics
    /// If it does not run.
    pub fn pid(&self) -> i32 {
        self.node.pid()
    }

    /// Whether its process is there, be it frozen.
    pub fn is_running(&self) -> bool {
        self.node.is_running()
    }

    /// The folder with what it said.
    pub fn logs(&self) -> PathBuf {
        self.directory.path().join("logs")
    }

    /// Runs one command by `redis-cli`; gives what it printed.
    ///
    /// # Panics
    /// If it fails.
    #[track_caller]
    pub fn cli(&self, arguments: &[&str]) -> String {
        let output = self.cli_command(arguments).output().expect("redis-cli starts");
        let text = |bytes| String::from_utf8_lossy(bytes).trim_end().to_owned();
        assert!(
            output.status.success(),
            "redis-cli {arguments:?}: {} {}",
            text(&output.stdout),
            text(&output.stderr)
        );
        text(&output.stdout)
    }

    /// Kills it with SIGKILL.
    pub fn kill(&self) {
        self.node.kill();
    }

    /// Has it end in an orderly way.
    pub fn stop(&self) {
        self.node.stop();
    }

    /// Starts it again with its data, on the same port; kills it first if it runs.
    ///
    /// # Panics
    /// If it does not start.
    #[track_caller]
    pub fn restart(&self) {
        self.node.kill();
        self.begin();
    }

    /// Stops it from answering until thawed; connections stay open.
    ///
    /// # Panics
    /// If it does not run.
    pub fn freeze(&self) {
        self.node.freeze();
    }

    /// Lets it answer again.
    ///
    /// # Panics
    /// If it does not run.
    pub fn thaw(&self) {
        self.node.thaw();
    }

    /// Deletes all that it has.
    ///
    /// # Panics
    /// If it does not answer.
    #[track_caller]
    pub fn wipe(&self) {
        self.cli(&["FLUSHALL"]);
    }

    /// A copy of all that it has now.
    ///
    /// # Panics
    /// If it does not run, or there is no room.
    #[track_caller]
    pub fn snapshot(&self) -> Snapshot {
        if self.options.has_append_only_file {
            // While the disk is slow to sync, what it has answered may not be in its file yet.
            until("Redis to have written all", || {
                self.cli(&["INFO", "persistence"]).contains("aof_buffer_length:0").then_some(())
            });
        } else {
            self.cli(&["SAVE"]);
        }
        let directory = Directory::new("snapshot");
        // Frozen, it adds nothing while we read.
        self.node.freeze();
        copy(&self.data(), &directory.path().join("data"));
        self.node.thaw();
        Snapshot(directory)
    }

    /// Kills it and starts it with what it had at the snapshot: what was written since is lost.
    ///
    /// # Panics
    /// If it does not start.
    #[track_caller]
    pub fn roll_back(&self, snapshot: &Snapshot) {
        self.node.kill();
        fs::remove_dir_all(self.data()).expect("its data can be removed");
        copy(&snapshot.0.path().join("data"), &self.data());
        self.begin();
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    #[track_caller]
    fn begin(&self) {
        self.node.start(|| {
            let pong = self.cli_command(&["PING"]).output().expect("redis-cli starts");
            pong.stdout.starts_with(b"PONG")
        });
    }

    fn cli_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(installed_server("redis-cli"));
        // Fails if the answer is an error; -2 is our protocol, too.
        command.args(["-e", "-2", "-p", &self.port.to_string()]);
        if let Some(password) = &self.options.password {
            // Not as an argument, which everybody sees.
            command.env("REDISCLI_AUTH", password);
        }
        if let Some((certificates, _)) = &self.options.tls {
            let (certificate, key) = certificates.client();
            command.arg("--tls").arg("--cacert").arg(certificates.ca());
            command.arg("--cert").arg(certificate).arg("--key").arg(key);
        }
        command.args(arguments);
        command
    }
}

/// What a Redis had at one moment.
#[derive(Debug)]
pub struct Snapshot(Directory);

/// How a Redis shall be.
#[derive(Clone, Debug)]
pub struct RedisOptions {
    password: Option<String>,
    has_append_only_file: bool,
    is_sentinel: bool,
    tls: Option<(Certificates, &'static str)>,
    lines: Vec<String>,
}

impl RedisOptions {
    /// It asks for no password.
    #[must_use]
    pub fn without_password(mut self) -> Self {
        self.password = None;
        self
    }

    /// It asks for this password, for servers that must share one.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    /// It forgets everything when killed.
    #[must_use]
    pub fn without_append_only_file(mut self) -> Self {
        self.has_append_only_file = false;
        self
    }

    /// It speaks TLS only.
    #[must_use]
    pub fn with_tls(mut self, certificates: &Certificates) -> Self {
        self.tls = Some((certificates.clone(), "no"));
        self
    }

    /// It speaks TLS only, with clients that have a certificate.
    #[must_use]
    pub fn with_client_certificates(mut self, certificates: &Certificates) -> Self {
        self.tls = Some((certificates.clone(), "yes"));
        self
    }

    /// It is a sentinel; say by lines what it watches. It has neither data nor password.
    #[must_use]
    pub fn as_sentinel(mut self) -> Self {
        self.is_sentinel = true;
        self.password = None;
        self.has_append_only_file = false;
        self
    }

    /// A line more for its configuration, such as `maxmemory 20mb`.
    #[must_use]
    pub fn line(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// If it is not installed or does not start.
    #[track_caller]
    pub fn start(self) -> Redis {
        let directory = Directory::new("redis");
        let port = free_port();
        let configuration = directory.path().join("redis.conf");
        let data = directory.subdirectory("data");
        let logs = directory.subdirectory("logs");
        fs::write(&configuration, self.configuration(port, &data)).expect("temporary files are writable");
        let mut command = Command::new(installed_server("redis-server"));
        command.arg(&configuration);
        if self.is_sentinel {
            command.arg("--sentinel");
        }
        let redis = Redis { node: Node::new("redis", command, &logs), port, options: self, directory };
        redis.begin();
        redis
    }

    fn configuration(&self, port: u16, data: &Path) -> String {
        let mut lines = vec!["bind 127.0.0.1".to_owned(), format!("dir {}", data.display())];
        match &self.tls {
            None => lines.push(format!("port {port}")),
            Some((certificates, asked)) => {
                let (certificate, key) = certificates.server();
                lines.push(format!("port 0\ntls-port {port}\ntls-auth-clients {asked}"));
                lines.push(format!("tls-ca-cert-file {}", certificates.ca().display()));
                lines.push(format!(
                    "tls-cert-file {}\ntls-key-file {}",
                    certificate.display(),
                    key.display()
                ));
            }
        }
        if !self.is_sentinel {
            lines.push("save \"\"".to_owned());
            let kept = if self.has_append_only_file { "yes" } else { "no" };
            lines.push(format!("appendonly {kept}\nappendfsync everysec"));
        }
        if let Some(password) = &self.password {
            lines.push(format!("requirepass {password}\nmasterauth {password}"));
        }
        lines.extend(self.lines.iter().cloned());
        lines.join("\n") + "\n"
    }
}
