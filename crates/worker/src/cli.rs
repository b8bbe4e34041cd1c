//! The worker's command line.

use std::fmt::Display;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use backends::distributed::Options;
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand};
use otaman::{Registry, Resources};
use protocol::{DurationText, SemaphoreWidth, WorkerType};

use crate::failed::Failed;
use crate::isolated::serve_if_asked;
use crate::rules::{self, RuleArgs};
use crate::{bundle, logging, operations, serve};

/// The shortest and the longest lease that make sense.
const LEASES: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(3600)];

const EXAMPLES: &str = "\
Examples:
  export AMQP_URL=amqp://user:password@broker:5672 REDIS_URL=redis://store:6379
  worker                                       take tasks of type cpu, one at once for each core
  worker --queue gpu --concurrency 1           take tasks of type gpu, one at once
  worker --queue cpu --queue io --idle-timeout 10m
                                               end when there has been nothing to do for 10 minutes
  worker --max-runtime 4h                      end before a batch system's limit of 4 hours
  worker --queue gpu --semaphore cuda=1,read=8
                                               over all workers of this machine, 1 uses CUDA and 8 read at once
  worker operations                            list what this worker can run
  worker run task.bundle                       run a dead task by itself, to find out what is wrong with it
  worker rules --rules mine.json               list what failures mean to it, its own rules first

SIGTERM, SIGINT and SIGHUP drain: nothing more is taken, running tasks may finish within --drain-timeout and
are then handed back, at no cost to their budget of attempts. A second signal ends the worker at once; its
tasks go to others when its lease has run out. Any worker may be killed at any time.

With --listen: /livez (the worker's own loops turn), /readyz (it takes tasks), /metrics (for Prometheus).

A rule gives a failure a cause by part of its messages (or of the last line that a command wrote), by type,
exit code or signal; the first that matches counts, and only where the operation did not say the cause itself:
  [{\"text\": \"licence server\", \"cause\": \"transient\"}, {\"exit_code\": 3, \"cause\": \"permanent\"}]
Causes: transient, permanent, out_of_memory, timeout.

What this machine lacks (file descriptors, processes, room in TMPDIR) is no task's fault: the task goes to
others at no cost, and the worker leaves when --max-shortages different tasks met that within a minute.

What fails within 30 s for a reason that neither the task nor its operation names is tried by another machine,
if one has workers for it, before it counts: what fails on two is the task's fault. The worker leaves when
--max-doubts tasks in a row failed here and then succeeded elsewhere.

Below Slurm the worker knows when its job ends (SLURM_JOB_END_TIME), and drains in time; the nearer of that and
--max-runtime counts. A task that takes longer than the time that is left, as 95 of 100 of its operation do not,
is left to workers that go on for longer; one that fits no worker is run by one that has just started.

Exit codes: 0 ended as asked (drained, idle, or its time was over), 1 the task of a bundle failed, 2 wrong usage,
3 the servers failed or could not be told in time, 4 the machine is short of what tasks need, or tasks fail here
that succeed elsewhere, 130 ended at once by a second signal.";

/// Run the operations that are linked into this program, as tasks come.
#[derive(Debug, Parser)]
#[command(name = "worker", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(flatten)]
    work: WorkArgs,
    #[command(flatten)]
    rules: RuleArgs,
    #[command(flatten)]
    logs: LogArgs,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the operations that this worker can run
    Operations {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Run the task of a bundle that `coordinator bundle` has made, once, and print its value
    Run {
        /// The bundle; - for standard input
        file: PathBuf,
    },
    /// List the rules that tell transient failures from permanent ones, in their order
    Rules {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// How a worker works.
#[derive(Debug, Clone, Args)]
pub(crate) struct WorkArgs {
    /// Take tasks of this worker type; may be repeated
    #[arg(long = "queue", value_name = "TYPE", default_value = "cpu", value_delimiter = ',')]
    pub(crate) queues: Vec<WorkerType>,
    /// Tasks run at once [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) concurrency: Option<u32>,
    /// End when there has been no task for so long [default: wait for ever]
    #[arg(long, value_name = "TIME", value_parser = positive)]
    pub(crate) idle_timeout: Option<Duration>,
    /// Have ended after so long: drains in time [default: no limit]
    #[arg(long, value_name = "TIME", value_parser = positive)]
    pub(crate) max_runtime: Option<Duration>,
    /// How long running tasks may go on once the worker is told to end; then they are handed back
    #[arg(long, value_name = "TIME", default_value = "30s")]
    pub(crate) drain_timeout: DurationText,
    /// Others take this worker for dead, and its tasks over, after so long a silence
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = lease)]
    pub(crate) lease: Duration,
    /// Leave when this machine's shortages (no room in TMPDIR, no file descriptors) have hit so many
    /// different tasks within a minute
    #[arg(long, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u32).range(1..=10))]
    pub(crate) max_shortages: u32,
    /// Leave when so many different tasks, one after the other, have failed here and then succeeded on
    /// other machines
    #[arg(long, value_name = "N", default_value = "5", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) max_doubts: u32,
    /// What this machine is called; workers on one machine have one name [default: its host name]
    #[arg(long, value_name = "NAME", env = "OTAMAN_NODE", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) node: Option<String>,
    /// Tell of health and metrics on this address over HTTP; a port alone means 127.0.0.1
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub(crate) listen: Option<SocketAddr>,
    /// How many may hold a semaphore at once, over all workers of this user on the machine, such as
    /// cuda=1; may be repeated. read, write, cuda, cpu and tensorrt are there without it
    #[arg(long = "semaphore", value_name = "NAME=WIDTH", value_delimiter = ',')]
    pub(crate) semaphores: Vec<SemaphoreWidth>,
    /// Where semaphores have their files; the same for all workers that are to share them
    /// [default: /tmp/otaman-<user id>/semaphores]
    #[arg(long, value_name = "DIR", env = "OTAMAN_SEMAPHORE_DIR")]
    pub(crate) semaphore_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) servers: Options,
}

/// What is said on standard error.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct LogArgs {
    /// Write logs as lines of JSON
    #[arg(long, global = true)]
    pub(crate) json_logs: bool,
    /// Say more: each task; twice: each message. OTAMAN_LOG=filter decides finely
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub(crate) verbose: u8,
    /// Say nothing but warnings and errors
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
}

/// Runs the command line of this process with everything that is linked into it. `resources` are
/// what its operations may need besides their arguments.
pub fn main(resources: Resources) -> ExitCode {
    serve_if_asked(&resources);
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; clap knows which stream each belongs to.
            let code = if error.use_stderr() { 2 } else { 0 };
            let _ = backends::distributed::without_passwords(error).print();
            return ExitCode::from(code);
        }
    };
    let registry = match Registry::linked() {
        Ok(registry) => registry,
        Err(problems) => {
            let _ = writeln!(
                std::io::stderr(),
                "error: this program's operations do not fit together:\n{problems}"
            );
            return ExitCode::from(2);
        }
    };
    let done = match cli.command {
        Some(Command::Operations { json }) => operations::list(&registry, &resources, json),
        Some(Command::Run { file }) => cli.rules.read().map_err(Failed::from).and_then(|rules| {
            logging::start(cli.logs)?;
            bundle::run(&file, rules, registry, resources)
        }),
        Some(Command::Rules { json }) => {
            cli.rules.read().map_err(Failed::from).and_then(|rules| rules::list(&rules, json))
        }
        None => cli.rules.read().map_err(Failed::from).and_then(|rules| {
            let voice = logging::start(cli.logs)?;
            serve::run(cli.work, rules, voice, registry, resources)
        }),
    };
    done.map_or_else(Failed::report, |()| ExitCode::SUCCESS)
}

fn positive(text: &str) -> Result<Duration, String> {
    let duration = duration(text)?;
    if duration.is_zero() { Err("it must be more than nothing".to_owned()) } else { Ok(duration) }
}

fn lease(text: &str) -> Result<Duration, String> {
    let [shortest, longest] = LEASES;
    let duration = duration(text)?;
    if (shortest..=longest).contains(&duration) {
        Ok(duration)
    } else {
        Err(format!("it must be from {} to {}", DurationText(shortest), DurationText(longest)))
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    parsed::<DurationText>(text).map(|DurationText(duration)| duration)
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let port = parsed::<u16>(text).map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    port.or_else(|_| parsed(text)).map_err(|_| {
        "it must be a port or an address with a port, such as 9090, 0.0.0.0:9090 or [::]:9090".to_owned()
    })
}

fn parsed<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Cli, String> {
        let arguments = ["worker"].iter().chain(arguments);
        Cli::try_parse_from(arguments)
            .map_err(|error| backends::distributed::without_passwords(error).to_string())
    }

    fn work(arguments: &[&str]) -> WorkArgs {
        parse(arguments).unwrap().work
    }

    #[test]
    fn without_arguments_it_takes_cpu_tasks_and_never_ends_by_itself() {
        let cli = parse(&[]).unwrap();
        assert!(cli.command.is_none());
        assert_eq!(cli.work.queues, [WorkerType::default()]);
        assert_eq!((cli.work.idle_timeout, cli.work.max_runtime, cli.work.listen), (None, None, None));
        let limits = (cli.work.drain_timeout.0, cli.work.lease);
        assert_eq!(limits, (Duration::from_secs(30), Duration::from_secs(30)));
    }

    #[test]
    fn queues_are_repeated_or_listed() {
        for arguments in [&["--queue", "gpu", "--queue", "io"][..], &["--queue=gpu,io"]] {
            let queues = work(arguments).queues;
            assert_eq!(queues.iter().map(WorkerType::as_str).collect::<Vec<_>>(), ["gpu", "io"]);
        }
        let error = parse(&["--queue", "bad name"]).unwrap_err();
        assert!(error.contains("--queue") && error.contains("A-Z a-z 0-9"), "{error}");
    }

    #[test]
    fn times_are_written_as_people_write_them() {
        let work =
            work(&["--idle-timeout", "10m", "--max-runtime=1h 30m", "--drain-timeout", "0s", "--lease=3s"]);
        assert_eq!(work.idle_timeout, Some(Duration::from_secs(600)));
        assert_eq!(work.max_runtime, Some(Duration::from_secs(5400)));
        assert_eq!((work.drain_timeout.0, work.lease), (Duration::ZERO, Duration::from_secs(3)));
    }

    #[test]
    fn wrong_times_numbers_and_addresses_are_refused_with_the_cure() {
        for (argument, cure) in [
            ("--idle-timeout=soon", "write for example 30s"),
            ("--idle-timeout=0s", "more than nothing"),
            ("--max-runtime=0s", "more than nothing"),
            ("--lease=1s", "from 3s to 1h"),
            ("--concurrency=0", "1..=4096"),
            ("--listen=example", "such as 9090"),
            ("--semaphore=cuda", "write for example cuda=1"),
            ("--semaphore=cuda=0", "give it at least 1"),
        ] {
            let error = parse(&[argument]).unwrap_err();
            assert!(error.contains(cure), "{argument}: {error}");
        }
    }

    #[test]
    fn semaphores_are_repeated_or_listed() {
        for arguments in
            [&["--semaphore", "cuda=1", "--semaphore", "read=8"][..], &["--semaphore=cuda=1,read=8"]]
        {
            let semaphores = work(arguments).semaphores;
            assert_eq!(
                semaphores.iter().map(SemaphoreWidth::to_string).collect::<Vec<_>>(),
                ["cuda=1", "read=8"]
            );
        }
        assert!(work(&[]).semaphores.is_empty());
    }

    #[test]
    fn a_port_alone_is_on_this_machine_only() {
        assert_eq!(work(&["--listen", "9090"]).listen.unwrap().to_string(), "127.0.0.1:9090");
        assert_eq!(work(&["--listen", "0.0.0.0:80"]).listen.unwrap().to_string(), "0.0.0.0:80");
    }

    #[test]
    fn a_wrong_url_is_refused_without_its_password() {
        for option in ["--broker", "--store"] {
            let error = parse(&[option, "http://somebody:secret-word@host"]).unwrap_err();
            assert!(error.contains(option) && !error.contains("secret-word"), "{error}");
        }
    }

    #[test]
    fn the_listing_of_operations_stays_a_command() {
        let json = |arguments: &[&str]| match parse(arguments).unwrap().command {
            Some(Command::Operations { json }) => json,
            Some(Command::Rules { .. } | Command::Run { .. }) | None => panic!("it is another command"),
        };
        assert!(json(&["operations", "--json"]) && !json(&["operations"]));
    }

    #[test]
    fn a_file_of_rules_may_be_named_before_and_after_the_command() {
        for arguments in
            [&["--rules", "no/such", "rules"][..], &["rules", "--rules", "no/such"], &["--rules=no/such"]]
        {
            let error = parse(arguments).unwrap().rules.read().unwrap_err().to_string();
            assert!(error.contains("no/such"), "{error}");
        }
    }
}
