//! The places of a worker: as many tasks as it has run at once. An attempt that waits for its semaphores
//! before it begins, or for a disk or a server while it runs, lends its place to another.
//!
//! When its wait ends it begins at once, whoever has its place: it holds what it has waited for, and that
//! one might wait for the same. More run then than there are places; whatever ends next gives one back.

use std::pin::pin;
use std::time::Duration;

use otaman::driver::Place;
use tokio::sync::watch;
use tokio::time::timeout;

/// A wait shorter than this is not worth having another task besides.
const PATIENCE: Duration = Duration::from_millis(100);

/// The places of a worker.
#[derive(Debug)]
pub(crate) struct Places {
    state: watch::Sender<State>,
    /// Most that may be lent.
    most: usize,
}

#[derive(Debug, Clone, Copy)]
struct State {
    /// Below zero while more run than there are places.
    free: isize,
    lent: usize,
}

/// Where one of those stands who take places in turn. Dropped, it gives back the place that it has, so that
/// nobody waits for one who has ended.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    places: &'a Places,
    seen: watch::Receiver<State>,
    has_place: bool,
}

/// A place that is lent; taken back when dropped.
struct Lent<'a>(&'a Places);

impl Places {
    /// So many, of which as many may be lent.
    pub(crate) fn new(count: usize) -> Self {
        let state = State { free: isize::try_from(count).unwrap_or(isize::MAX), lent: 0 };
        Self { state: watch::Sender::new(state), most: count }
    }

    /// How many loops can use them all, also those that are lent.
    pub(crate) fn users(count: usize) -> usize {
        count * 2
    }

    /// For one who takes places in turn.
    pub(crate) fn turn(&self) -> Turn<'_> {
        Turn { places: self, seen: self.state.subscribe(), has_place: false }
    }

    /// Waits for something with the caller's place lent to others, if it takes long. Dropped, it takes
    /// the place back.
    pub(crate) async fn lent_during<T>(&self, wait: impl Future<Output = T>) -> T {
        let mut wait = pin!(wait);
        if let Ok(done) = timeout(PATIENCE, &mut wait).await {
            return done;
        }
        let _lent = self.lend();
        wait.await
    }

    fn lend(&self) -> Option<Lent<'_>> {
        let is_lent = self.state.send_if_modified(|state| {
            let may_be = state.lent < self.most;
            if may_be {
                state.lent += 1;
                state.free += 1;
            }
            may_be
        });
        // Made only then: one that is dropped takes a place back.
        is_lent.then(|| Lent(self))
    }
}

impl Place for Places {
    fn lend(&self) -> Box<dyn Send + '_> {
        Box::new(Self::lend(self))
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.0.state.send_modify(|state| {
            state.lent -= 1;
            state.free -= 1;
        });
    }
}

impl Turn<'_> {
    /// Waits for a place and takes it. Dropped, it has taken none.
    pub(crate) async fn take(&mut self) {
        loop {
            let is_taken = self.places.state.send_if_modified(|state| {
                let is_free = state.free > 0;
                if is_free {
                    state.free -= 1;
                }
                is_free
            });
            if is_taken {
                self.has_place = true;
                return;
            }
            // The other end is ours, so it does not close.
            let _ = self.seen.wait_for(|state| state.free > 0).await;
        }
    }

    /// Gives the place back if more run than there are places; whether it did. Costs next to nothing
    /// while nothing changes.
    pub(crate) fn gives_back(&mut self) -> bool {
        let is_given = self.seen.has_changed().unwrap_or_default()
            && self.seen.borrow_and_update().free < 0
            && self.places.state.send_if_modified(|state| {
                let is_owed = state.free < 0;
                if is_owed {
                    state.free += 1;
                }
                is_owed
            });
        self.has_place &= !is_given;
        is_given
    }

    /// Waits until a place is to be given back.
    pub(crate) async fn owed(&mut self) {
        let _ = self.seen.wait_for(|state| state.free < 0).await;
        // What was seen here must be seen again by whoever gives it back.
        self.seen.mark_changed();
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.has_place {
            self.places.state.send_modify(|state| state.free += 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use tokio::sync::oneshot;

    use super::*;

    fn free(places: &Places) -> isize {
        places.state.borrow().free
    }

    #[tokio::test]
    async fn a_long_wait_lends_the_place_and_takes_it_back_whoever_has_it() {
        let places = Places::new(1);
        let (mut first, mut second) = (places.turn(), places.turn());
        first.take().await;
        assert!(second.take().now_or_never().is_none());
        let (end, ended) = oneshot::channel::<()>();
        let mut waiting = Box::pin(places.lent_during(ended));
        assert!(timeout(PATIENCE * 2, &mut waiting).await.is_err());
        second.take().await;
        assert!(second.owed().now_or_never().is_none() && !second.gives_back());
        end.send(()).unwrap();
        waiting.await.unwrap();
        // Both run; one of them has to give way.
        assert_eq!(free(&places), -1);
        second.owed().await;
        assert!(second.gives_back() && !second.gives_back() && !first.gives_back());
        assert!(second.take().now_or_never().is_none());
    }

    #[tokio::test]
    async fn who_ends_gives_back_the_place_that_it_has() {
        let places = Places::new(1);
        let (mut first, mut second) = (places.turn(), places.turn());
        first.take().await;
        drop(first);
        second.take().now_or_never().expect("the place is free");
        drop(places.turn());
        assert_eq!(free(&places), 0);
    }

    #[tokio::test]
    async fn an_operation_that_waits_for_a_disk_lends_its_place_at_once() {
        let places = Places::new(1);
        let (mut first, mut second) = (places.turn(), places.turn());
        first.take().await;
        assert!(second.take().now_or_never().is_none());

        let lent = Place::lend(&places);
        second.take().now_or_never().expect("the lent place is free");
        // No more than there are.
        let more = Place::lend(&places);
        assert_eq!(free(&places), 0);
        drop((lent, more));
        assert_eq!(free(&places), -1);
        assert!(second.gives_back());
    }

    #[tokio::test]
    async fn a_short_wait_lends_nothing_and_no_more_are_lent_than_there_are() {
        let places = Places::new(2);
        places.lent_during(tokio::time::sleep(PATIENCE / 2)).await;
        assert_eq!(free(&places), 2);
        let waits =
            std::array::from_fn::<_, 3, _>(|_| Box::pin(places.lent_during(std::future::pending::<()>())));
        let mut all = futures::future::join_all(waits);
        assert!(timeout(PATIENCE * 2, &mut all).await.is_err());
        assert_eq!(free(&places), 4);
        drop(all);
        assert_eq!(free(&places), 2);
    }
}
