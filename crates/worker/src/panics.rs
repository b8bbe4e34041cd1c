//! Panics of operations: caught, with the place where they happened.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::pin::Pin;
use std::sync::{Mutex, Once, PoisonError};
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use otaman::Error;

/// How many panics of other threads are remembered until somebody asks for their place.
const MAX_ELSEWHERE: usize = 64;

thread_local! {
    /// Whether this thread is inside an operation, whose panics are ours to report.
    static IS_INSIDE: Cell<bool> = const { Cell::new(false) };
    /// Where the operation on this thread panicked.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Messages and places of panics outside of slots. An operation's blocking code panics on another
/// thread and the panic is then continued in the slot, without its place; it is found again by its
/// message. A std mutex: it is held for a look-up, never across an await.
static ELSEWHERE: Mutex<VecDeque<(String, String)>> = Mutex::new(VecDeque::new());

/// Sees to it that places of panics are remembered. Panics inside operations are not printed, since
/// they are reported as failures; all others go to the hook that was there before.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if IS_INSIDE.get() {
                PLACE.set(place(info));
            } else {
                remember(info);
                previous(info);
            }
        }));
    });
}

fn place(info: &PanicHookInfo<'_>) -> Option<String> {
    info.location().map(ToString::to_string)
}

fn remember(info: &PanicHookInfo<'_>) {
    let Some(place) = place(info) else { return };
    let mut elsewhere = ELSEWHERE.lock().unwrap_or_else(PoisonError::into_inner);
    if elsewhere.len() == MAX_ELSEWHERE {
        elsewhere.pop_front();
    }
    elsewhere.push_back((text(info.payload()).to_owned(), place));
}

fn recall(message: &str) -> Option<String> {
    let mut elsewhere = ELSEWHERE.lock().unwrap_or_else(PoisonError::into_inner);
    let index = elsewhere.iter().rposition(|(said, _)| said == message)?;
    elsewhere.remove(index).map(|(_, place)| place)
}

/// What a panic said.
pub(crate) fn text(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

/// Runs a part of an operation; a panic becomes an error.
fn guard<T>(part: impl FnOnce() -> T) -> Result<T, Error> {
    let was_inside = IS_INSIDE.replace(true);
    let result = catch_unwind(AssertUnwindSafe(part));
    IS_INSIDE.set(was_inside);
    result.map_err(|payload| {
        let message = text(&*payload);
        Error::of_panic(message, PLACE.take().or_else(|| recall(message)))
    })
}

/// An operation's future whose panics are errors.
pub(crate) struct Guarded<T>(Option<BoxFuture<'static, T>>);

impl<T> Guarded<T> {
    pub(crate) fn new(future: BoxFuture<'static, T>) -> Self {
        Self(Some(future))
    }
}

impl<T> Future for Guarded<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = &mut self.0 else { return Poll::Pending };
        match guard(|| future.as_mut().poll(context)) {
            Ok(poll) => poll.map(Ok),
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl<T> Drop for Guarded<T> {
    /// What an operation holds may panic when it is dropped; its result is known by then.
    fn drop(&mut self) {
        if let Some(future) = self.0.take()
            && let Err(error) = guard(|| drop(future))
        {
            tracing::warn!(place = error.failure().backtrace, "{error}, while it was dropped");
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::{Cause, Failure};

    use super::*;

    fn failure(operation: impl Future<Output = ()> + Send + 'static) -> Failure {
        install();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(Guarded::new(Box::pin(operation))).unwrap_err().into_failure()
    }

    #[test]
    fn a_panic_is_a_failure_with_message_and_place() {
        let failure = failure(async { panic!("number {} is bad", 7) });
        assert_eq!(failure.summary(), "the operation panicked: number 7 is bad");
        assert!(failure.backtrace.unwrap().starts_with(&format!("{}:", file!())));
        assert_eq!(failure.cause, Cause::Permanent);
    }

    #[test]
    fn a_panic_on_another_thread_keeps_its_place() {
        let failure = failure(async {
            let ended = tokio::task::spawn_blocking(|| panic!("elsewhere and unmistakable")).await;
            std::panic::resume_unwind(ended.unwrap_err().into_panic());
        });
        assert_eq!(failure.summary(), "the operation panicked: elsewhere and unmistakable");
        assert!(failure.backtrace.unwrap().starts_with(&format!("{}:", file!())));
    }

    #[test]
    fn a_panic_in_a_destructor_harms_nobody() {
        struct Sharp;
        impl Drop for Sharp {
            fn drop(&mut self) {
                panic!("sharp");
            }
        }
        install();
        let sharp = Sharp;
        let future: BoxFuture<'static, ()> = Box::pin(async move {
            let _sharp = sharp;
            std::future::pending().await
        });
        drop(Guarded::new(future));
    }
}
