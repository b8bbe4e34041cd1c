//! The worker as a part of another program.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use backends::broker::TaskConsumer;
use futures::future::BoxFuture;
use otaman::{Registry, Resources};
use protocol::{SemaphoreWidth, Session};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::isolated::serve_if_asked;
use crate::run::run;
use crate::{limits, rules};

/// A worker at work.
pub type Working = BoxFuture<'static, Result<(), Box<dyn Error + Send + Sync>>>;

/// A function that starts a worker with these resources for its operations, as the coordinator's
/// embedded mode wants it: the worker runs as many tasks at once as the session says, until the
/// token is cancelled or the broker closed. Semaphores have the widths it is given, and their files are
/// where `OTAMAN_SEMAPHORE_DIR` says; what failures mean is told by the rules that `OTAMAN_RULES` names, and
/// the usual ones. To be called first thing in `main`: of a program that was started for an isolated task
/// it never returns.
pub fn embedded(
    resources: Resources,
) -> impl Fn(Arc<Registry>, Arc<dyn TaskConsumer>, Session, Vec<SemaphoreWidth>, CancellationToken) -> Working
+ Send
+ Sync
+ 'static {
    serve_if_asked(&resources);
    let resources = Arc::new(resources);
    move |registry, consumer, session, semaphores, stop| {
        let concurrency = session.concurrency as usize;
        let semaphore_dir = std::env::var_os("OTAMAN_SEMAPHORE_DIR").map(PathBuf::from);
        let config = Config { concurrency, semaphores, semaphore_dir, ..Config::default() };
        let resources = Arc::clone(&resources);
        Box::pin(async move {
            let config = Config { rules: rules::of_environment()?, ..config };
            limits::raise_open_files(config.concurrency);
            let report = run(config, registry, resources, consumer, session, stop).await?;
            tracing::info!(?report, "the worker has ended");
            Ok(())
        })
    }
}
