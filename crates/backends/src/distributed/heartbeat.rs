//! Heartbeats: keeps a session alive from a thread of its own, so that no load of a task can starve
//! it, and reaps the sessions of others.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use protocol::{Presence, Session};
use tokio::sync::watch;

use super::announcement::Announcement;
use super::vitals::{Standing, Vitals};
use crate::lease::{Arbiter, Renewal, Witness};

/// Sessions are renewed at least this often, since what they say of themselves is shown to people.
const OFTEN: Duration = Duration::from_secs(2);

/// How long the store may take to hear that a session leaves.
const LEAVING: Duration = Duration::from_secs(2);

/// What a session says of itself once and for all.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) session: Session,
    pub(super) started_at_us: u64,
    pub(super) announcement: Option<Announcement>,
    /// Of its signing key, if it has one.
    pub(super) fingerprint: Option<String>,
}

impl Identity {
    async fn announce(&self) -> Result<(), crate::lease::Error> {
        match &self.announcement {
            Some(announcement) => Ok(announcement.make().await?),
            None => Ok(()),
        }
    }
}

/// A running heartbeat. It stops, and the session ends, when told to or dropped.
pub(super) struct Heartbeat {
    /// Says true when the session is to vanish; dropped when it is to leave.
    stop: Option<watch::Sender<bool>>,
    thread: Option<JoinHandle<()>>,
}

impl Heartbeat {
    /// Registers the session, then keeps it alive.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub(super) async fn start(
        arbiter: Arbiter,
        identity: Identity,
        vitals: Arc<Vitals>,
    ) -> Result<Self, crate::lease::Error> {
        identity.announce().await?;
        // The clock's offset must be known before anything is leased.
        let session = &identity.session;
        let registered =
            arbiter.register(session.id, session.lease, &session.node, &presence(&identity, &vitals)).await?;
        let mut witness = Witness::default();
        match registered {
            Renewal::Renewed(beat) => {
                vitals.renewed(beat.now_ms);
                witness.has_seen_loss(&beat);
            }
            Renewal::Dead | Renewal::Unknown => end(&vitals),
        }
        let (stop, stopped) = watch::channel(false);
        // A connection is driven where it is made, which must not be where others work.
        let arbiter = arbiter.with_own_connection();
        let announcement = identity.announcement.map(Announcement::with_own_connection);
        let identity = Identity { announcement, ..identity };
        let pulse = Pulse { arbiter, identity, vitals, witness, has_lost: false };
        let thread = std::thread::Builder::new().name("heartbeat".to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            match runtime {
                Ok(runtime) => runtime.block_on(pulse.beat(stopped)),
                Err(error) => {
                    tracing::error!(%error, "cannot start the heartbeat");
                    end(&pulse.vitals);
                }
            }
        });
        if let Err(error) = &thread {
            tracing::error!(%error, "cannot start the heartbeat's thread");
        }
        Ok(Self { stop: Some(stop), thread: thread.ok() })
    }

    /// Ends the session in order: others need not wait for its lease to run out.
    pub(super) async fn leave(mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }

    /// Stops without a word, as a kill would.
    pub(super) fn abandon(mut self) {
        if let Some(stop) = self.stop.take() {
            stop.send_replace(true);
        }
    }
}

fn end(vitals: &Vitals) {
    vitals.standing.send_replace(Standing::Ended);
}

fn presence(identity: &Identity, vitals: &Vitals) -> Vec<u8> {
    let presence = Presence {
        session: identity.session.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at_us: identity.started_at_us,
        is_draining: vitals.is_draining(),
        running: vitals.running(),
        ended: vitals.counters().completed,
        semaphores: vitals.semaphores(),
        key: identity.fingerprint.clone(),
        drains_in: vitals.drains_in(),
        operations: identity.announcement.as_ref().map(|made| made.key().to_owned()),
    };
    protocol::encode_part(&presence).expect("a presence is small and plain")
}

/// How a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// In order.
    Leave,
    /// As by a kill.
    Vanish,
}

/// Waits for the end.
async fn told(stopped: &mut watch::Receiver<bool>) -> End {
    match stopped.wait_for(|vanishes| *vanishes).await {
        Ok(_) => End::Vanish,
        Err(_) => End::Leave,
    }
}

struct Pulse {
    arbiter: Arbiter,
    identity: Identity,
    vitals: Arc<Vitals>,
    witness: Witness,
    /// Redis has lost writes, and not all that follows from it has been done.
    has_lost: bool,
}

impl Pulse {
    async fn beat(mut self, mut stopped: watch::Receiver<bool>) {
        let lease = self.identity.session.lease;
        let pause = (lease / 3).min(OFTEN);
        let session = self.identity.session.id;
        loop {
            tokio::select! {
                how = told(&mut stopped) => {
                    if how == End::Leave
                        && let Err(error) = self.arbiter.with_patience(LEAVING).leave(session).await
                    {
                        tracing::warn!(%error, "the session could not take its leave; it ends with its lease");
                    }
                    end(&self.vitals);
                    return;
                }
                () = tokio::time::sleep(pause) => {}
            }
            // A loop that hangs must lose its lease, so that others do its work.
            if self.vitals.since_turn() > lease {
                tracing::error!(since = ?self.vitals.since_turn(), "the worker's loop hangs; its session is not renewed");
                continue;
            }
            let renewed = tokio::select! {
                renewed = tokio::time::timeout(lease, self.renew()) => renewed,
                // The next turn hears it, too.
                _ = told(&mut stopped) => continue,
            };
            match renewed {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::warn!(error = crate::in_full(&error), "cannot renew the session; trying again")
                }
                Err(_) => tracing::warn!("no answer to the session's renewal; trying again"),
            }
            if *self.vitals.standing.borrow() == Standing::Ended {
                tracing::error!(%session, "the session was taken for dead by others; it ends");
                return;
            }
        }
    }

    async fn renew(&mut self) -> Result<(), crate::lease::Error> {
        let session = &self.identity.session;
        let info = presence(&self.identity, &self.vitals);
        let mut renewal = self.arbiter.renew(session.id, session.lease, &session.node, &info).await?;
        if renewal == Renewal::Unknown {
            // Neither alive nor dead: Redis has forgotten us, and others with us.
            self.has_lost = true;
            renewal = self.arbiter.register(session.id, session.lease, &session.node, &info).await?;
        }
        match renewal {
            Renewal::Renewed(beat) => {
                self.has_lost |= self.witness.has_seen_loss(&beat);
                self.vitals.renewed(beat.now_ms);
            }
            Renewal::Dead | Renewal::Unknown => {
                end(&self.vitals);
                return Ok(());
            }
        }
        if self.has_lost {
            tracing::warn!(
                "Redis has lost writes; nobody is taken for dead for two leases, and leases are asserted"
            );
            self.arbiter.suspend(session.lease).await?;
            self.identity.announce().await?;
            self.vitals.losses.send_modify(|count| *count += 1);
            self.has_lost = false;
        }
        let reaped = self.arbiter.expire(session.lease).await?;
        for session in reaped {
            tracing::warn!(%session, "a session has not been renewed in time; its tasks go to others");
        }
        Ok(())
    }
}

impl Vitals {
    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }
}
