//! A private RabbitMQ.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::certificates::Certificates;
use super::files::installed_server;
use super::node::Node;
use super::port::{free_port, new_password};
use crate::directory::Directory;

/// Who logs in.
const USER: &str = "otaman";
/// Each node has an epmd of its own, so that all may have the same name.
const NODE: &str = "otaman@localhost";
/// What the log says when clients are served.
const READY: &str = "Server startup complete";

/// A RabbitMQ of its own on loopback; killed when dropped, with its name server (epmd).
#[derive(Debug)]
pub struct RabbitMq {
    // Dropped in this order: the node, what it is known by, its data.
    node: Node,
    name_server: Node,
    ports: Ports,
    password: String,
    is_tls: bool,
    directory: Directory,
}

impl RabbitMq {
    /// Starts one, which takes some seconds.
    ///
    /// # Panics
    /// If it is not installed or does not start.
    #[track_caller]
    pub fn start() -> Self {
        Self::options().start()
    }

    /// How it shall be, other than usual.
    pub fn options() -> RabbitMqOptions {
        RabbitMqOptions { lines: Vec::new(), advanced: "[].".to_owned(), plugins: Vec::new(), tls: None }
    }

    /// One for the whole process, for tests that neither disturb it nor mind others' queues.
    ///
    /// # Panics
    /// If it is not installed or does not start.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<RabbitMq> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Where clients find it, with user, password and the virtual host `/`.
    pub fn url(&self) -> String {
        let scheme = if self.is_tls { "amqps" } else { "amqp" };
        format!("{scheme}://{USER}:{}@{}/%2f", self.password, self.address())
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.ports.clients).into()
    }

    /// Its only user's password.
    pub fn password(&self) -> &str {
        &self.password
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

    /// Runs `rabbitmqctl` (about a second); gives what it printed.
    ///
    /// # Panics
    /// If it fails.
    #[track_caller]
    pub fn ctl(&self, arguments: &[&str]) -> String {
        let mut command = self.command("rabbitmqctl");
        command.args(["--node", NODE, "--quiet"]).args(arguments);
        let output = command.output().expect("rabbitmqctl starts");
        let text = |bytes| String::from_utf8_lossy(bytes).trim_end().to_owned();
        assert!(
            output.status.success(),
            "rabbitmqctl {arguments:?}: {} {}",
            text(&output.stdout),
            text(&output.stderr)
        );
        text(&output.stdout)
    }

    /// Has it write down which quorum queues it has. RabbitMQ 3.10 does that some seconds after one was declared;
    /// killed before, it has the queue's log but knows it no more, and makes another one.
    ///
    /// # Panics
    /// If it does not answer.
    #[track_caller]
    pub fn write_down(&self) {
        self.ctl(&["eval", "[ok = dets:sync(Table) || Table <- dets:all()]."]);
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

    #[track_caller]
    fn begin(&self) {
        let names = SocketAddr::from((Ipv4Addr::LOCALHOST, self.ports.names));
        self.name_server.start(|| TcpStream::connect(names).is_ok());
        let log = self.logs().join("log");
        let times_ready = || {
            let text = fs::read(&log).unwrap_or_default();
            String::from_utf8_lossy(&text).matches(READY).count()
        };
        let before = times_ready();
        self.node.start(|| times_ready() > before);
    }

    fn command(&self, program: &str) -> Command {
        command(program, self.directory.path(), &self.ports)
    }
}

#[derive(Clone, Copy, Debug)]
struct Ports {
    clients: u16,
    /// For `rabbitmqctl`.
    nodes: u16,
    names: u16,
}

/// How a RabbitMQ shall be.
#[derive(Clone, Debug)]
pub struct RabbitMqOptions {
    lines: Vec<String>,
    advanced: String,
    plugins: Vec<String>,
    tls: Option<(Certificates, bool)>,
}

impl RabbitMqOptions {
    /// A line more for `rabbitmq.conf`, such as `heartbeat = 2`; it replaces ours of the same name.
    #[must_use]
    pub fn line(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    /// The content of `advanced.config`, such as `[{rabbit, [{consumer_timeout, 60000}]}].`
    #[must_use]
    pub fn advanced(mut self, terms: &str) -> Self {
        self.advanced = terms.to_owned();
        self
    }

    /// A plugin that it starts with.
    #[must_use]
    pub fn plugin(mut self, name: &str) -> Self {
        self.plugins.push(name.to_owned());
        self
    }

    /// It speaks TLS only.
    #[must_use]
    pub fn with_tls(mut self, certificates: &Certificates) -> Self {
        self.tls = Some((certificates.clone(), false));
        self
    }

    /// It speaks TLS only, with clients that have a certificate.
    #[must_use]
    pub fn with_client_certificates(mut self, certificates: &Certificates) -> Self {
        self.tls = Some((certificates.clone(), true));
        self
    }

    /// Starts it, which takes some seconds.
    ///
    /// # Panics
    /// If it is not installed or does not start.
    #[track_caller]
    pub fn start(self) -> RabbitMq {
        let directory = Directory::new("rabbitmq");
        let ports = Ports { clients: free_port(), nodes: free_port(), names: free_port() };
        let password = new_password();
        let logs = directory.subdirectory("logs");
        for name in ["data", "home", "none"] {
            directory.subdirectory(name);
        }
        let write = |name: &str, content: &str| {
            fs::write(directory.path().join(name), content).expect("temporary files are writable");
        };
        write("rabbitmq.conf", &self.configuration(ports, &password));
        write("advanced.config", &self.advanced);
        write("enabled_plugins", &format!("[{}].", self.plugins.join(",")));
        write("environment", "");

        let mut names = command("epmd", directory.path(), &ports);
        names.args(["-port", &ports.names.to_string(), "-address", "127.0.0.1"]);
        let name_server = Node::new("epmd", names, &logs);
        let node = Node::new("rabbitmq", command("rabbitmq-server", directory.path(), &ports), &logs);
        let rabbitmq = RabbitMq { node, name_server, ports, password, is_tls: self.tls.is_some(), directory };
        rabbitmq.begin();
        rabbitmq
    }

    fn configuration(&self, ports: Ports, password: &str) -> String {
        let mut lines = vec![
            format!("default_user = {USER}"),
            format!("default_pass = {password}"),
            "vm_memory_high_watermark.absolute = 256MB".to_owned(),
            "disk_free_limit.absolute = 10MB".to_owned(),
            "raft.wal_max_size_bytes = 67108864".to_owned(),
            "log.console = false".to_owned(),
        ];
        let address = (Ipv4Addr::LOCALHOST, ports.clients);
        match &self.tls {
            None => lines.push(format!("listeners.tcp.1 = {}", SocketAddr::from(address))),
            Some((certificates, is_asked)) => {
                let (certificate, key) = certificates.server();
                lines.push("listeners.tcp = none".to_owned());
                lines.push(format!("listeners.ssl.1 = {}", SocketAddr::from(address)));
                lines.push(format!("ssl_options.cacertfile = {}", certificates.ca().display()));
                lines.push(format!("ssl_options.certfile = {}", certificate.display()));
                lines.push(format!("ssl_options.keyfile = {}", key.display()));
                let check = if *is_asked { "verify_peer" } else { "verify_none" };
                lines.push(format!("ssl_options.verify = {check}"));
                lines.push(format!("ssl_options.fail_if_no_peer_cert = {is_asked}"));
            }
        }
        let name = |line: &str| line.split('=').next().unwrap_or_default().trim().to_owned();
        lines.retain(|line| !self.lines.iter().any(|given| name(given) == name(line)));
        lines.extend(self.lines.iter().cloned());
        lines.join("\n") + "\n"
    }
}

/// One of RabbitMQ's programs, told to live in this directory and on these ports alone.
fn command(program: &str, directory: &Path, ports: &Ports) -> Command {
    // One scheduler that sleeps when there is nothing to do: many may run at once.
    const LIGHT: &str =
        "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none";
    let inside = |name: &str| directory.join(name);
    let mut command = Command::new(installed_server(program));
    command
        .current_dir(directory)
        // The cookie lies there.
        .env("HOME", inside("home"))
        .env("ERL_EPMD_PORT", ports.names.to_string())
        .env("ERL_EPMD_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_NODENAME", NODE)
        .env("RABBITMQ_DIST_PORT", ports.nodes.to_string())
        .env("RABBITMQ_MNESIA_BASE", inside("data"))
        .env("RABBITMQ_LOG_BASE", inside("logs"))
        .env("RABBITMQ_LOGS", inside("logs/log"))
        .env("RABBITMQ_PID_FILE", inside("pid"))
        .env("RABBITMQ_CONFIG_FILE", inside("rabbitmq"))
        .env("RABBITMQ_CONFIG_FILES", inside("none"))
        .env("RABBITMQ_ADVANCED_CONFIG_FILE", inside("advanced.config"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", inside("enabled_plugins"))
        .env("RABBITMQ_CONF_ENV_FILE", inside("environment"))
        .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", LIGHT)
        // The script then becomes the node instead of standing between us and it.
        .env("RUNNING_UNDER_SYSTEMD", "true")
        .env_remove("NOTIFY_SOCKET");
    command
}
