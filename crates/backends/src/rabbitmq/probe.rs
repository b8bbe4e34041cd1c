//! Asks the broker whether it takes messages. It tells so only to a connection that publishes.

use std::future::pending;

use futures::StreamExt as _;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Event};
use tokio::time::sleep;

use super::dial::{Dial, Line};
use super::error::Error;
use super::link::ANSWER;

/// A queue that nobody has: what is published to it is dropped.
const NO_QUEUE: &str = "otaman.probe";

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
        published = publish(&line) => published.map(|()| None).map_err(|error| dial.explain(error)),
        () = sleep(ANSWER) => Ok(Some(format!("no answer within {ANSWER:?}"))),
    }
}

/// Publishes nothing to nobody and waits for the confirm.
async fn publish(line: &Line) -> Result<(), lapin::Error> {
    let channel = line.connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
    channel.basic_publish("".into(), NO_QUEUE.into(), options, &[], properties).await?.await?;
    Ok(())
}
