//! A slot: takes a task, runs it, reports it, and takes the next. There are more of them than places, and
//! only who has a place takes tasks.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use backends::broker::Delivery;
use futures::FutureExt;
use protocol::{Cause, RetryPolicy, Session};
use tokio_util::sync::CancellationToken;

use crate::activity::{Activity, End};
use crate::decline::Decline;
use crate::execute::{Ended, Executor};
use crate::pending::{Pending, Telling, size};
use crate::places::{Places, Turn};
use crate::run::Error;
use crate::settle::{Settlement, settle};

/// How many tasks a slot runs before it lets others run. Quick operations never wait for anything,
/// so the scheduler would otherwise not get a turn.
const TURNS: u64 = 100;

/// What every slot works with.
pub(crate) struct Slots {
    pub(crate) executor: Executor,
    pub(crate) session: Session,
    pub(crate) retry: RetryPolicy,
    pub(crate) activity: Arc<Activity>,
    pub(crate) places: Arc<Places>,
    /// Cancelled when nothing more is to be leased.
    pub(crate) stop: CancellationToken,
    /// Cancelled when running tasks are to be handed back.
    pub(crate) cut: CancellationToken,
}

impl Slots {
    /// Works as one of the slots until stopped. Whatever it has begun to report is reported when
    /// this returns.
    pub(crate) async fn work(self: Arc<Self>, number: usize) -> Result<(), Error> {
        let tally = self.activity.slot(number);
        let mut pending = Pending::new(tally, &self.stop);
        let result = self.take_turns(number, &mut pending).await;
        tally.pause();
        let told = pending.finish().await;
        result.and(told.map_err(Error::broker("reporting a task")))
    }

    async fn take_turns<'a>(&'a self, number: usize, pending: &mut Pending<'a>) -> Result<(), Error> {
        let consumer = &*self.executor.consumer;
        let tally = self.activity.slot(number);
        // One for all turns, so that a quick task costs no registration with the token.
        let mut cut = pin!(self.cut.cancelled().fuse());
        let mut place = self.places.turn();
        pending.beside(self.take(&mut place)).await;
        for turn in 1u64.. {
            if pending.is_full() {
                pending.make_room().await;
            }
            if place.gives_back() {
                pending.beside(self.take(&mut place)).await;
            }
            if self.stop.is_cancelled() {
                break;
            }
            let lease = async {
                loop {
                    tokio::select! {
                        biased;
                        leased = consumer.lease() => return leased,
                        () = self.stop.cancelled() => return Ok(None),
                        () = place.owed() => {}
                    }
                    if place.gives_back() {
                        self.take(&mut place).await;
                        if self.stop.is_cancelled() {
                            return Ok(None);
                        }
                    }
                }
            };
            let leased = pending.beside(lease).await.map_err(Error::broker("leasing a task"))?;
            let Some(delivery) = leased else { break };
            tally.begin();
            let ended =
                pending.beside(self.executor.execute(&delivery, &self.places, tally, cut.as_mut())).await;
            tally.pause();
            let rest = match &ended {
                Ended::Declined(decline) => decline.rest,
                Ended::Attempted(attempted) => attempted.rest,
            };
            pending.add(self.report(delivery, ended));
            if !rest.is_zero() {
                pending.beside(self.rest(rest)).await;
            }
            if turn % TURNS == 0 {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    /// Waits for a place, or for the order to stop.
    async fn take(&self, place: &mut Turn<'_>) {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => {}
            () = place.take() => {}
        }
    }

    /// Takes nothing for a while: the machine is to get over a shortage, or others are to come first.
    async fn rest(&self, time: Duration) {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = self.stop.cancelled() => {}
        }
    }

    fn report(&self, delivery: Delivery, ended: Ended) -> Telling<'_> {
        let (execution, lease) = (delivery.execution.clone(), delivery.lease);
        let consumer = &self.executor.consumer;
        let attempted = match ended {
            Ended::Attempted(attempted) => attempted,
            Ended::Declined(Decline { why, after, .. }) => {
                tracing::debug!(task = %lease.task, why, "left to other workers");
                let answer = consumer.decline(lease, &self.session.node, why, after);
                return Telling { answer, execution, lease, end: End::Declined, size: 0 };
            }
        };
        match settle(delivery, attempted, &self.session, &self.retry, rand::random) {
            Settlement::Complete(outcome) => {
                let end = if outcome.value().is_some() { End::Succeeded } else { End::Failed };
                let size = size(&outcome);
                Telling { answer: consumer.complete(lease, outcome), execution, lease, end, size }
            }
            Settlement::Retry { failed, after } => {
                let is_preempted = failed.failure.cause == Cause::Preempted;
                let end = if is_preempted { End::Preempted } else { End::Retried };
                let size = failed.failure.tail.len();
                Telling { answer: consumer.retry(lease, failed, after), execution, lease, end, size }
            }
        }
    }
}
