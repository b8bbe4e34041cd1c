//! Reports under way: a slot takes its next task while the broker hears how the last ones ended.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use backends::broker::{self, Settled};
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use protocol::{Ending, ExecutionId, Lease, Outcome};
use tokio_util::sync::CancellationToken;

use crate::activity::{End, Tally};

/// Most reports that may be under way in a slot.
const MOST: usize = 256;

/// Most bytes of values that may be under way in a slot.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// One report under way.
pub(crate) struct Telling<'a> {
    /// What the broker will say.
    pub(crate) answer: BoxFuture<'a, Result<Settled, broker::Error>>,
    pub(crate) execution: ExecutionId,
    pub(crate) lease: Lease,
    /// What to count if it is accepted.
    pub(crate) end: End,
    /// About how many bytes it holds.
    pub(crate) size: usize,
}

/// A report that the broker has answered.
pub(crate) struct Told {
    result: Result<Settled, broker::Error>,
    execution: ExecutionId,
    lease: Lease,
    end: End,
    size: usize,
}

/// The reports of one slot that are under way.
pub(crate) struct Pending<'a> {
    tellings: FuturesUnordered<Telling<'a>>,
    bytes: usize,
    tally: &'a Tally,
    /// Cancelled when a report fails, so that nothing more is leased.
    stop: &'a CancellationToken,
    first_error: Option<broker::Error>,
}

impl<'a> Pending<'a> {
    pub(crate) fn new(tally: &'a Tally, stop: &'a CancellationToken) -> Self {
        Self { tellings: FuturesUnordered::new(), bytes: 0, tally, stop, first_error: None }
    }

    /// Adds a report. One that is answered at once, as by a broker in memory, never waits here.
    pub(crate) fn add(&mut self, mut telling: Telling<'a>) {
        match (&mut telling.answer).now_or_never() {
            Some(result) => self.heard(telling.told(result)),
            None => {
                self.bytes += telling.size;
                self.tellings.push(telling);
            }
        }
    }

    /// Whether as many are under way as may be.
    pub(crate) fn is_full(&self) -> bool {
        self.tellings.len() >= MOST || self.bytes >= MOST_BYTES && !self.tellings.is_empty()
    }

    /// Waits until another may be added.
    pub(crate) async fn make_room(&mut self) {
        while self.is_full() {
            self.hear().await;
        }
    }

    /// Waits for something else, and meanwhile for the broker's answers.
    pub(crate) async fn beside<T>(&mut self, work: impl Future<Output = T>) -> T {
        if self.tellings.is_empty() {
            return work.await;
        }
        let mut work = pin!(work);
        while !self.tellings.is_empty() {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = self.hear() => {}
            }
        }
        work.await
    }

    /// Waits until every report has been answered; the first that failed.
    pub(crate) async fn finish(mut self) -> Result<(), broker::Error> {
        while !self.tellings.is_empty() {
            self.hear().await;
        }
        self.first_error.map_or(Ok(()), Err)
    }

    async fn hear(&mut self) {
        if let Some(told) = self.tellings.next().await {
            self.bytes -= told.size;
            self.heard(told);
        }
    }

    fn heard(&mut self, told: Told) {
        let Told { result, execution, lease, end, .. } = told;
        match result {
            Ok(Settled::Accepted) => self.tally.count(end),
            Ok(Settled::Stale) => {
                tracing::warn!(%execution, task = %lease.task, attempt = lease.token.attempt, "the lease was lost; the attempt counts for nothing");
                self.tally.count(End::Stale);
            }
            Err(error) => {
                self.first_error.get_or_insert(error);
                self.stop.cancel();
            }
        }
    }
}

impl Telling<'_> {
    fn told(&self, result: Result<Settled, broker::Error>) -> Told {
        Told { result, execution: self.execution.clone(), lease: self.lease, end: self.end, size: self.size }
    }
}

impl Future for Telling<'_> {
    type Output = Told;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Told> {
        self.answer.as_mut().poll(context).map(|result| self.told(result))
    }
}

/// About how many bytes an outcome holds.
pub(crate) fn size(outcome: &Outcome) -> usize {
    let ending = match &outcome.ending {
        Ending::Succeeded(value) => value.as_bytes().len(),
        Ending::Failed(failure) => failure.tail.len(),
        Ending::Cancelled => 0,
    };
    ending + outcome.failed_attempts.iter().map(|attempt| attempt.failure.tail.len()).sum::<usize>()
}
