//! Holding an execution: a key that expires unless it is renewed.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior};

use super::fence::Fence;
use super::keys::Keys;
use super::scripts::Scripts;
use crate::redis::Redis;

/// How long a hold lasts after its last renewal.
pub(super) const LASTS: Duration = Duration::from_secs(8);
const RENEWED_EVERY: Duration = Duration::from_secs(2);
/// How long a release is tried; the hold ends by itself soon after.
const RELEASE_LIMIT: Duration = Duration::from_secs(2);

/// Keeps an execution held until dropped.
#[derive(Debug)]
pub(super) struct Hold {
    /// Ends the renewals; the guard goes to whoever releases.
    end: Option<oneshot::Sender<Releasing>>,
    releases: Releases,
}

/// What is needed to renew and to release.
pub(super) struct Renewal {
    pub(super) redis: Redis,
    pub(super) scripts: Arc<Scripts>,
    pub(super) keys: Keys,
    pub(super) fence: Fence,
    /// The text of the hold.
    pub(super) hold: String,
}

/// How many releases are under way, so that who comes after can wait for them.
#[derive(Debug, Clone, Default)]
pub(super) struct Releases {
    count: Arc<watch::Sender<usize>>,
}

/// One release that is under way, until dropped.
#[derive(Debug)]
struct Releasing(Releases);

impl Hold {
    /// Renews from now on, on a task of its own.
    pub(super) fn keep(renewal: Renewal, releases: Releases) -> Self {
        let (end, ended) = oneshot::channel();
        tokio::spawn(renewal.run(ended));
        Self { end: Some(end), releases }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // The release counts from now on, and not only when its task runs. An error means that
        // the task is gone with its runtime: the hold will expire.
        if let Some(end) = self.end.take() {
            let _ = end.send(self.releases.begin());
        }
    }
}

impl Renewal {
    async fn run(self, mut ended: oneshot::Receiver<Releasing>) {
        let releasing = tokio::select! {
            releasing = &mut ended => releasing,
            () = self.renew() => ended.await,
        };
        let redis = self.redis.with_patience(RELEASE_LIMIT);
        let released = redis.call::<String>(&self.scripts.release, &[&self.keys.hold], &[&self.hold]).await;
        if let Err(error) = released {
            tracing::debug!(execution = %self.keys.id, %error, "a hold was not released and will expire");
        }
        drop(releasing);
    }

    /// Until another incarnation has taken over, which every write notices by itself.
    async fn renew(&self) {
        let mut ticks = tokio::time::interval_at(Instant::now() + RENEWED_EVERY, RENEWED_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let redis = self.redis.with_patience(LASTS);
        let (incarnation, lasts) = (self.fence.incarnation.to_string(), LASTS.as_millis().to_string());
        let keys = [&self.keys.fence, &self.keys.hold];
        let args = [&self.fence.text, &incarnation, &self.hold, &lasts];
        loop {
            ticks.tick().await;
            match redis.call::<String>(&self.scripts.renew, &keys, &args).await {
                Ok(answer) if answer == "ok" => {}
                Ok(_) => {
                    tracing::error!(execution = %self.keys.id, "another coordinator has taken over");
                    return;
                }
                // As long as nobody takes over, nothing is lost by a hold that expires.
                Err(error) => tracing::warn!(execution = %self.keys.id, %error, "cannot renew a hold"),
            }
        }
    }
}

impl Releases {
    fn begin(&self) -> Releasing {
        self.count.send_modify(|count| *count += 1);
        Releasing(self.clone())
    }

    /// Waits for the releases that are under way.
    pub(super) async fn settled(&self) {
        let mut count = self.count.subscribe();
        let waiting = tokio::time::timeout(RELEASE_LIMIT * 2, count.wait_for(|count| *count == 0));
        if waiting.await.is_err() {
            tracing::debug!("holds are still being released");
        }
    }
}

impl Drop for Releasing {
    fn drop(&mut self) {
        self.0.count.send_modify(|count| *count -= 1);
    }
}
