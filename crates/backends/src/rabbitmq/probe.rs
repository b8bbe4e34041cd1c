//! Asks the broker whether it takes messages. It tells so only to a connection that publishes.

use std::future::pending;

use futures::StreamExt as _;
use lapin::Event;
use tokio::time::sleep;

use super::dial::Dial;
use super::error::Error;
use super::link::ANSWER;

/// Why the broker takes no messages; `None` if it does. A connection of its own is used, since one
/// that is blocked does nothing else any more.
pub(super) async fn probe(dial: &Dial) -> Result<Option<String>, Error> {
    let line = dial.connect().await?;
    // Listened to before anything is published.
    let mut events = Box::pin(line.connection.events_listener());
    let blocked = async {
        while let Some(event) = events.next().await {
            if let Event::ConnectionBlocked(reason) = event {
                return reason;
            }
        }
        // How the connection ended is told to who publishes.
        pending().await
    };
    tokio::select! {
        reason = blocked => Ok(Some(reason)),
        published = line.publish_nothing() => published.map(|()| None).map_err(|error| dial.explain(error)),
        () = sleep(ANSWER) => Ok(Some(format!("no answer within {ANSWER:?}"))),
    }
}
