//! Declaring, counting and deleting queues, each on a channel that is thrown away: the broker ends
//! a channel on which such a request fails, and with it all that is under way there.

use std::time::Duration;

use lapin::ErrorKind;
use lapin::options::{QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{FieldTable, ShortString};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::error::Error;
use super::link::{ANSWER, Link, Live};
use super::queue::{Count, DURABLE, Queue, QueueKind, arguments, short};
use crate::reconnect::Reconnect;

/// How long a request is tried over reconnects.
const PATIENCE: Duration = Duration::from_secs(30);
const NOT_FOUND: u16 = 404;

/// What can be asked about queues.
#[derive(Debug, Clone)]
pub(super) struct Topology {
    pub(super) link: Link,
    pub(super) kind: QueueKind,
}

#[derive(Debug, Clone)]
enum Request {
    Declare(FieldTable),
    Count,
    Delete,
}

impl Topology {
    pub(super) async fn declare(&self, queue: &Queue) -> Result<(), Error> {
        let name = &queue.name;
        match self.ask(Request::Declare(arguments(queue, self.kind)), name).await? {
            Ok(_) => Ok(()),
            Err(error) => Err(drift(name, &error).unwrap_or_else(|| refused("declare", name, error))),
        }
    }

    pub(super) async fn count(&self, name: &str) -> Result<Option<Count>, Error> {
        match self.ask(Request::Count, name).await? {
            Ok(count) => Ok(Some(count)),
            Err(error) if code(&error) == Some(NOT_FOUND) => Ok(None),
            Err(error) => Err(refused("count", name, error)),
        }
    }

    pub(super) async fn delete(&self, name: &str) -> Result<(), Error> {
        match self.ask(Request::Delete, name).await? {
            Ok(_) => Ok(()),
            // Brokers of today do not mind a missing one, older ones do.
            Err(error) if code(&error) == Some(NOT_FOUND) => Ok(()),
            Err(error) => Err(refused("delete", name, error)),
        }
    }

    /// Asks over reconnects until the broker answers; the inner error is its refusal.
    async fn ask(&self, request: Request, name: &str) -> Result<Result<Count, lapin::Error>, Error> {
        let queue = short(name)?;
        let attempt = request.verb();
        let unanswered = || Error::Unanswered { attempt, queue: name.to_owned(), waited: PATIENCE };
        let deadline = Instant::now() + PATIENCE;
        let mut link = self.link.clone();
        link.need();
        let mut reconnect = Reconnect::new();
        loop {
            let live = timeout_at(deadline, link.live()).await.map_err(|_| unanswered())?;
            let live = live.ok_or(Error::Closed)?;
            match timeout(ANSWER, request.clone().put(&live, queue.clone())).await {
                Ok(Ok(count)) => return Ok(Ok(count)),
                Ok(Err(error)) if error.is_amqp_soft_error() => return Ok(Err(error)),
                Ok(Err(error)) => tracing::debug!(queue = name, %error, attempt, "asking again"),
                Err(_) => link.doubt(&live).await,
            }
            if timeout_at(deadline, sleep(reconnect.next_delay())).await.is_err() {
                return Err(unanswered());
            }
        }
    }
}

impl Request {
    fn verb(&self) -> &'static str {
        match self {
            Self::Declare(_) => "declare",
            Self::Count => "count",
            Self::Delete => "delete",
        }
    }

    /// Asks once; the answer is what the queue holds, or held.
    async fn put(self, live: &Live, name: ShortString) -> Result<Count, lapin::Error> {
        let channel = live.channel().await?;
        let count = match self {
            Self::Declare(arguments) => count(&channel.queue_declare(name, DURABLE, arguments).await?),
            Self::Count => {
                let passive = QueueDeclareOptions { passive: true, ..DURABLE };
                count(&channel.queue_declare(name, passive, FieldTable::default()).await?)
            }
            Self::Delete => {
                let ready = channel.queue_delete(name, QueueDeleteOptions::default()).await?;
                Count { ready, consumers: 0 }
            }
        };
        // The request is answered, however this ends.
        let _ = channel.close(200, "OK".into()).await;
        Ok(count)
    }
}

fn count(found: &lapin::Queue) -> Count {
    Count { ready: found.message_count(), consumers: found.consumer_count() }
}

/// The broker's number for what is wrong.
pub(super) fn code(error: &lapin::Error) -> Option<u16> {
    match error.kind() {
        ErrorKind::ProtocolError(error) => Some(error.get_id()),
        _ => None,
    }
}

fn refused(attempt: &'static str, queue: &str, source: lapin::Error) -> Error {
    Error::Refused { attempt, queue: queue.to_owned(), source: source.into() }
}

/// Reads the broker's `inequivalent arg 'x-queue-type' for queue 'q' in vhost '/': received the value
/// 'quorum' of type 'longstr' but current is none`.
fn drift(queue: &str, error: &lapin::Error) -> Option<Error> {
    let ErrorKind::ProtocolError(error) = error.kind() else { return None };
    let (_, told) = error.get_message().as_str().split_once("inequivalent arg '")?;
    let (argument, told) = told.split_once('\'')?;
    let (_, told) = told.split_once("received ")?;
    let (wanted, found) = told.split_once(" but current is ")?;
    Some(Error::Drift {
        queue: queue.to_owned(),
        argument: argument.to_owned(),
        wanted: value(wanted).to_owned(),
        found: value(found).to_owned(),
    })
}

/// The value alone, of `none`, `'true'` and `the value '5' of type 'long'`.
fn value(text: &str) -> &str {
    let text = text.strip_prefix("the value ").unwrap_or(text);
    text.strip_prefix('\'').and_then(|text| text.split_once('\'')).map_or(text, |(value, _)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_in_each_form_that_brokers_use() {
        assert_eq!(value("none"), "none");
        assert_eq!(value("'true'"), "true");
        assert_eq!(value("the value '1000000' of type 'signedint'"), "1000000");
    }
}
