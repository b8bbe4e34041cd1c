//! From the command line to a running execution.

use std::num::NonZeroU32;
use std::process::ExitCode;
use std::sync::Arc;

use super::embedded::{Embedded, cores};
use super::outcome::Output;
use super::work::Work;
use super::{course, distributed};
use crate::args::ExecuteArgs;
use crate::cli::Common;
use crate::commands::again::resume_command;
use crate::commands::backend::{Backend, Needs, Place};
use crate::commands::{Stop, input, say};
use crate::embedded::StartWorker;
use crate::engine::{OnDead, Policy};
use crate::run::Anew;

/// Runs the command.
pub(crate) fn run(
    common: &Common,
    args: ExecuteArgs,
    start_worker: Arc<dyn StartWorker>,
) -> Result<ExitCode, Stop> {
    let registry = input::registry()?;
    let backend = Backend::open(common, Needs::All)?;
    if backend.is_distributed() && args.how.workers.is_some() {
        let problem = "error: --workers is about executions in this process; over servers, tasks run on workers: \
                       start them with `worker --queue cpu --concurrency N`, or give --embedded";
        return Err(Stop::Usage(problem.to_owned()));
    }
    if backend.is_distributed() && !args.how.semaphores.is_empty() {
        let problem = "error: --semaphore is about executions in this process; over servers, give it to the workers: \
                       `worker --queue cpu --semaphore NAME=WIDTH`";
        return Err(Stop::Usage(problem.to_owned()));
    }
    let work = Work::read(common, &args, &registry, &backend)?;
    if !common.quiet {
        input::show_notes(&work.spec);
    }
    let wanted = work.spec.settings.workers.map(NonZeroU32::get);
    let quiet = common.quiet || work.spec.settings.quiet;
    // Other dead tasks than those to be replayed must not stop the run.
    let goes_on = work.record.continues_on_failure || args.only.is_some();
    let on_dead = if goes_on { OnDead::Continue } else { OnDead::Stop };
    let policy = Policy { max_in_flight: args.how.max_in_flight as usize, on_dead };
    let anew = args.only.map_or(Anew::All, |tasks| Anew::Only(tasks.into_iter().collect()));
    let resume_command = resume_command(common, &work.record.id);
    let output = Output { quiet, as_json: args.how.output.is_json(), resume_command };
    let plan = course::Settings { policy, anew, output };
    match &backend.place {
        Place::Embedded(store) => {
            let slots = args.how.workers.or(wanted).unwrap_or_else(cores);
            let semaphores = args.how.semaphores;
            let embedded = Embedded { registry, store: store.clone(), start_worker, slots, semaphores };
            backend.block_on(embedded.execute(work, plan))
        }
        Place::Servers(servers) => {
            if wanted.is_some() && !quiet {
                say("note: the number of workers in the spec has no effect over servers");
            }
            backend.block_on(distributed::execute(servers, work, plan))
        }
    }
}
