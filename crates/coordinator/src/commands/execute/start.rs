//! From the command line to a running execution.

use std::num::NonZeroU32;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use otaman::spec::{FailurePolicy, Spec};

use super::embedded::{Embedded, cores};
use super::work::Work;
use crate::cli::{Common, ExecuteArgs, OnFailure};
use crate::commands::{Stop, input};
use crate::embedded::StartWorker;
use crate::engine::{OnDead, Policy};

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
    let policy = Policy { max_in_flight: args.max_in_flight as usize, on_dead: on_dead(&args, &work.spec) };
    let embedded = Embedded { registry, store, start_worker, slots };
    runtime.block_on(embedded.execute(work, policy, quiet, args.json))
}

fn on_dead(args: &ExecuteArgs, spec: &Spec) -> OnDead {
    match (args.on_failure, spec.settings.on_failure) {
        (Some(OnFailure::Stop), _) | (None, Some(FailurePolicy::Stop) | None) => OnDead::Stop,
        (Some(OnFailure::Continue), _) | (None, Some(FailurePolicy::Continue)) => OnDead::Continue,
    }
}
