//! From the command line to a running execution.

use std::num::NonZeroU32;
use std::process::ExitCode;
use std::sync::Arc;

use super::embedded::{Embedded, cores};
use super::outcome::Output;
use super::work::Work;
use crate::cli::{Common, ExecuteArgs};
use crate::commands::{Stop, input, resume_command};
use crate::embedded::StartWorker;
use crate::engine::{OnDead, Policy};
use anyhow::Context as _;

/// Runs the command.
pub(crate) fn run(
    common: &Common,
    args: ExecuteArgs,
    start_worker: Arc<dyn StartWorker>,
) -> Result<ExitCode, Stop> {
    let registry = input::registry()?;
    let store = input::store(common)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting")?;
    let work = Work::read(common, &args, &registry, &store, &runtime)?;
    if !common.quiet {
        input::show_notes(&work.spec);
    }
    let slots = args.workers.or(work.spec.settings.workers.map(NonZeroU32::get)).unwrap_or_else(cores);
    let quiet = common.quiet || work.spec.settings.quiet;
    let on_dead = if work.record.continues_on_failure { OnDead::Continue } else { OnDead::Stop };
    let policy = Policy { max_in_flight: args.max_in_flight as usize, on_dead };
    let resume_command = resume_command(common, &work.record.id);
    let output = Output { quiet, as_json: args.json, resume_command };
    let embedded = Embedded { registry, store, start_worker, slots, output };
    runtime.block_on(embedded.execute(work, policy))
}
