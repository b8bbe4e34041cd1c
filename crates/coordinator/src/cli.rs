//! The command line: what can be asked for, and the documented exit codes.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use backends::distributed::Options;
use clap::builder::styling::Styles;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::args::{
    BundleArgs, DeadArgs, ExecuteArgs, ExecutionArgs, ExecutionsArgs, ExplainArgs, FetchArgs, ListArgs,
    OperationsArgs, PlanArgs, RetryArgs, ValidateArgs,
};
use crate::commands::{self, Stop};
use crate::embedded::StartWorker;

/// Expand the flows of a spec, run their tasks, remember every outcome.
///
/// With --broker and --store (or AMQP_URL and REDIS_URL) tasks run on all workers that use the same
/// servers; without them they run in this process, and nothing else is needed.
#[derive(Debug, Parser)]
#[command(
    name = "coordinator",
    version,
    styles = Styles::plain(),
    after_help = "Exit codes: 0 succeeded, 1 some task or flow failed, 2 wrong usage or spec, \
                  3 store, broker or disk failed, 130 cancelled."
)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct Common {
    /// Where executions without servers are remembered
    /// [default: otaman below $XDG_STATE_HOME or ~/.local/state]
    #[arg(long, global = true, env = "OTAMAN_STATE_DIR", value_name = "DIR", hide_env_values = true)]
    pub(crate) state_dir: Option<PathBuf>,
    /// Use no servers, although AMQP_URL and REDIS_URL name some
    #[arg(long, global = true)]
    pub(crate) embedded: bool,
    /// Say more on standard error: each task that runs in this process; twice: more yet. OTAMAN_LOG=filter decides finely
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Show no progress and no notes; results and errors only
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    // Last, since its heading holds for what follows.
    #[command(flatten)]
    pub(crate) servers: Options,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a spec to its end
    Execute(ExecuteArgs),
    /// Count the tasks of a spec without running any
    Plan(PlanArgs),
    /// Check a spec without running it
    Validate(ValidateArgs),
    /// Print the JSON Schema of all specs, for editors
    Schema,
    /// List the operations and flows that specs may use
    Operations(OperationsArgs),
    /// Look at executions, running and past
    Executions(ExecutionsArgs),
    /// Stop an execution: what waits is not run, what runs may finish
    ///
    /// It holds from whatever machine it is said, also while no worker and no coordinator is up. The
    /// execution can be taken up again by `coordinator execute --resume ID`.
    Cancel(ExecutionArgs),
    /// Start no more tasks of an execution until `resume`; what runs may finish
    Pause(ExecutionArgs),
    /// Start the tasks of a paused execution again
    ///
    /// An execution that no coordinator runs is taken up by `coordinator execute --resume ID`.
    Resume(ExecutionArgs),
    /// Try the dead tasks of an execution again, with fresh budgets, and go on with what depends on them
    Retry(RetryArgs),
    /// Look at dead tasks with their evidence, and try them again
    Dead(DeadArgs),
    /// Write a dead task to standard output, to run it by itself with `worker run`
    ///
    /// The file has the task, its arguments and how it failed: coordinator bundle TASK > task.bundle
    Bundle(BundleArgs),
    /// Say why an execution, or one of its tasks, is not running
    Explain(ExplainArgs),
    /// List the workers that are alive
    Workers(ListArgs),
    /// List what waits in the queues
    Queues(ListArgs),
    /// Get a file that was kept for a task's result, by the URL in the result
    Fetch(FetchArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Runs the command line of this process with everything that is linked into it; `start_worker`
/// starts the worker of embedded executions.
///
/// ```no_run
/// # fn worker() -> impl coordinator::embedded::StartWorker {
/// #     |_, _, _, _, _| -> futures::future::BoxFuture<'static, Result<(), coordinator::embedded::WorkerError>> {
/// #         Box::pin(async { Ok(()) })
/// #     }
/// # }
/// fn main() -> std::process::ExitCode {
///     coordinator::main(worker())
/// }
/// ```
pub fn main(start_worker: impl StartWorker) -> ExitCode {
    main_with(start_worker, Vec::new())
}

/// A command that a program adds to the coordinator's own.
#[derive(Debug)]
pub struct Extra {
    /// Its name, arguments and help.
    pub command: clap::Command,
    /// Runs it.
    pub run: fn(&ArgMatches) -> ExitCode,
}

/// As [`main`], with commands of the program's own beside the coordinator's.
pub fn main_with(start_worker: impl StartWorker, extras: Vec<Extra>) -> ExitCode {
    let command = extras.iter().fold(Cli::command(), |all, extra| all.subcommand(extra.command.clone()));
    let matches = match command.clone().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return refuse(error),
    };
    if let Some((name, matches)) = matches.subcommand()
        && let Some(extra) = extras.iter().find(|extra| extra.command.get_name() == name)
    {
        return (extra.run)(matches);
    }
    match Cli::from_arg_matches(&matches) {
        Ok(cli) => run(cli, start_worker, command),
        Err(error) => refuse(error.format(&mut command.clone())),
    }
}

fn refuse(error: clap::Error) -> ExitCode {
    // Help and version are no errors; clap knows which stream each belongs to.
    let code = if error.use_stderr() { 2 } else { 0 };
    let _ = backends::distributed::without_passwords(error).print();
    ExitCode::from(code)
}

fn run(cli: Cli, start_worker: impl StartWorker, mut command: clap::Command) -> ExitCode {
    crate::logging::start(cli.common.verbose, cli.common.quiet);
    let common = &cli.common;
    let result = match cli.command {
        Command::Execute(args) => commands::execute::run(common, args, Arc::new(start_worker)),
        Command::Plan(args) => commands::plan::run(common, &args),
        Command::Validate(args) => commands::validate::run(common, &args),
        Command::Schema => commands::schema::run(common),
        Command::Operations(args) => commands::operations::run(common, &args),
        Command::Executions(args) => commands::executions::run(common, &args),
        Command::Cancel(args) => commands::cancel::run(common, &args),
        Command::Pause(args) => commands::pause::pause(common, &args),
        Command::Resume(args) => commands::pause::unpause(common, &args),
        Command::Retry(args) => commands::retry::run(common, args, Arc::new(start_worker)),
        Command::Bundle(args) => commands::bundle::run(common, &args),
        Command::Dead(args) => commands::dead::run(common, args, Arc::new(start_worker)),
        Command::Explain(args) => commands::explain::run(common, &args),
        Command::Workers(args) => commands::workers::run(common, &args),
        Command::Queues(args) => commands::queues::run(common, &args),
        Command::Fetch(args) => commands::fetch::run(common, &args),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command, "coordinator", &mut script);
            commands::print(|out| out.write_all(&script)).map(|()| ExitCode::SUCCESS)
        }
    };
    result.unwrap_or_else(Stop::report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    fn parse(arguments: &[&str]) -> Cli {
        Cli::try_parse_from([&["coordinator"], arguments].concat()).unwrap()
    }

    #[test]
    fn json_is_asked_for_in_two_ways_and_at_any_level() {
        for arguments in [
            &["executions", "--json"][..],
            &["executions", "-o", "json"],
            &["executions", "show", "x", "--json"],
            &["executions", "--json", "show", "x"],
            &["executions", "show", "x", "--output", "json"],
        ] {
            let Command::Executions(args) = parse(arguments).command else { panic!("{arguments:?}") };
            assert!(args.output.is_json(), "{arguments:?}");
        }
        let Command::Executions(args) = parse(&["executions", "-o", "table"]).command else { panic!() };
        assert!(!args.output.is_json());
    }

    #[test]
    fn servers_may_be_named_before_and_after_the_command() {
        for arguments in [
            &["--broker", "amqp://one:secret@host", "workers"][..],
            &["workers", "--broker", "amqp://one:secret@host"],
        ] {
            let broker = parse(arguments).common.servers.broker.expect("it is named");
            assert!(!format!("{broker} {broker:?}").contains("secret"));
        }
    }
}
