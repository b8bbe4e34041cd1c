//! The connection in use, which is made anew whenever it is found broken.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use ::redis::{RedisError, RedisResult};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::connection::Connection;
use super::connector::{Connector, timed_out};
use crate::reconnect::Reconnect;

/// Longest pause between tries. Leases end when Redis stays away from their owners, so it is sought
/// more eagerly than a broker.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Between two words about a server that refuses.
const BETWEEN_WORDS: Duration = Duration::from_secs(10);

/// Keeps a connection.
pub(super) struct Link {
    pub(super) connector: Arc<Connector>,
    /// A std lock: it is held for a clone.
    current: RwLock<Option<Live>>,
    /// Whoever has it makes the next connection. A tokio lock: it is held while connecting.
    making: Mutex<Making>,
    /// When it was last said that the server refuses. A std mutex: held for a few instructions.
    said: std::sync::Mutex<Option<Instant>>,
}

/// One connection and its number.
#[derive(Clone)]
pub(super) struct Live {
    pub(super) number: u64,
    pub(super) connection: Connection,
}

struct Making {
    last_number: u64,
    delays: Reconnect,
    /// When the next try may begin.
    not_before: Instant,
    /// Why the last try failed; none if it did not.
    last_error: Option<RedisError>,
}

impl Link {
    /// Without a connection yet.
    pub(super) fn new(connector: Arc<Connector>) -> Self {
        let making =
            Making { last_number: 0, delays: Reconnect::new(), not_before: Instant::now(), last_error: None };
        let said = std::sync::Mutex::default();
        Self { connector, current: RwLock::default(), making: Mutex::new(making), said }
    }

    /// Says that the server is there and does not do what it is asked, not too often: whoever asked
    /// may wait for long, and nobody else would say why.
    pub(super) fn say_refused(&self, error: &RedisError) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.is_none_or(|said| said.elapsed() >= BETWEEN_WORDS) {
            *said = Some(Instant::now());
            tracing::warn!(redis = %self.connector.address.place(), %error, "Redis refuses for now; trying again");
        }
    }

    /// The connection in use, or a new one, which is tried until the deadline or an error that
    /// `gives_up`.
    pub(super) async fn live(
        &self,
        deadline: Instant,
        gives_up: impl Fn(&RedisError) -> bool,
    ) -> RedisResult<Live> {
        if let Some(live) = self.current() {
            return Ok(live);
        }
        let begun = Instant::now();
        // Enough for one try also of those who have no patience.
        let deadline = deadline.max(begun + self.connector.connect_timeout);
        let waited = |_| timed_out(begun.elapsed());
        let mut making = timeout_at(deadline, self.making.lock()).await.map_err(waited)?;
        loop {
            // Somebody else may have made it meanwhile.
            if let Some(live) = self.current() {
                return Ok(live);
            }
            if let Some(error) = making.last_error.as_ref().filter(|_| making.not_before >= deadline) {
                return Err(error.clone());
            }
            sleep_until(making.not_before).await;
            let opened = timeout_at(deadline, self.connector.open()).await;
            match opened.unwrap_or_else(|_| Err(timed_out(begun.elapsed()))) {
                Ok(connection) => return Ok(self.take_up(&mut making, connection)),
                Err(error) if gives_up(&error) => return Err(error),
                Err(error) => self.put_off(&mut making, error),
            }
        }
    }

    /// Leaves a connection aside, unless another one has taken its place. Calls that are under way
    /// on it may still end well.
    pub(super) fn discard(&self, number: u64) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|live| live.number == number) {
            *current = None;
        }
    }

    fn current(&self) -> Option<Live> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn take_up(&self, making: &mut Making, connection: Connection) -> Live {
        if making.last_error.take().is_some() {
            tracing::info!(redis = %self.connector.address.place(), "Redis is reached again");
        }
        making.delays.reset();
        making.last_number += 1;
        let live = Live { number: making.last_number, connection };
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(live.clone());
        live
    }

    fn put_off(&self, making: &mut Making, error: RedisError) {
        if making.last_error.is_none() {
            tracing::warn!(redis = %self.connector.address.place(), %error, "Redis cannot be reached");
        }
        making.not_before = Instant::now() + making.delays.next_delay().min(LONGEST_PAUSE);
        making.last_error = Some(error);
    }
}
