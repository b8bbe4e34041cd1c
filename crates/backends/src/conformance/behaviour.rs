//! Named behaviours, and how they are run.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::task::JoinSet;

/// Longest that one behaviour may take.
const LIMIT: Duration = Duration::from_secs(300);

/// Something that a backend must do; panics if it does not.
pub struct Behaviour<F: ?Sized> {
    /// A sentence.
    pub name: &'static str,
    pub(super) check: fn(Arc<F>) -> BoxFuture<'static, ()>,
}

/// Lists functions as behaviours under their own names. They are private to their files, so that
/// the compiler reports one that no list has.
macro_rules! behaviours {
    ($($check:ident),* $(,)?) => {
        &[$(crate::conformance::Behaviour {
            name: stringify!($check),
            check: |fixture| Box::pin($check(fixture)),
        }),*]
    };
}
pub(super) use behaviours;

/// Runs behaviours beside each other, each with executions of its own.
///
/// # Panics
/// If any fails, with the names of all that did.
pub async fn run<F: ?Sized + Send + Sync + 'static>(fixture: Arc<F>, behaviours: &'static [Behaviour<F>]) {
    let mut running = JoinSet::new();
    for behaviour in behaviours {
        let check = tokio::spawn(tokio::time::timeout(LIMIT, (behaviour.check)(Arc::clone(&fixture))));
        running.spawn(async move {
            match check.await {
                Ok(Ok(())) => None,
                Ok(Err(_)) => Some(format!("{} (took longer than {LIMIT:?})", behaviour.name)),
                Err(panic) => Some(format!("{} ({panic})", behaviour.name)),
            }
        });
    }
    let failed: Vec<_> = running.join_all().await.into_iter().flatten().collect();
    assert!(failed.is_empty(), "{} of {} behaviours failed: {failed:#?}", failed.len(), behaviours.len());
}
