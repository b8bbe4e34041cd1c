//! One window of messages on one channel: all frames at once, then one confirm after the other.

use std::collections::HashSet;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::maybe_done;
use lapin::message::BasicReturnMessage;
use lapin::options::BasicPublishOptions;
use lapin::{Channel, Confirmation};
use tokio::time::timeout;

use super::link::Live;
use super::outbox::Job;
use super::queue::short;

const MANDATORY: BasicPublishOptions = BasicPublishOptions { mandatory: true, immediate: false };
/// In how many steps the silence of a broker is measured: while it is blocked it may be silent.
const STEPS: u32 = 10;

/// What became of a window.
#[derive(Debug)]
pub(super) struct Report {
    /// Of each message, whether the broker has confirmed it.
    pub(super) is_confirmed: Vec<bool>,
    /// The ids of messages for which there was no queue. Their confirms say that they arrived.
    pub(super) returned: HashSet<String>,
    /// Why the rest is unknown: each of them may or may not be in its queue.
    pub(super) broken: Option<Broken>,
}

/// Why a channel cannot go on.
#[derive(Debug)]
pub(super) enum Broken {
    /// The broker ended it, because of one of the messages.
    Objected(lapin::Error),
    /// The connection is gone.
    Lost(lapin::Error),
    /// No confirm came for too long.
    Silent,
}

/// Publishes a window and waits until the broker has answered all of it, or will not.
pub(super) async fn publish(channel: &Channel, jobs: &[Job], live: &Live, patience: Duration) -> Report {
    // The first poll puts the frames of a message in line. Nobody is woken for any but the one that
    // is waited for below.
    let mut sends = Vec::with_capacity(jobs.len());
    for job in jobs {
        // Too long a name was refused before.
        let name = short(&job.message.queue.name).unwrap_or_default();
        let properties = job.message.properties();
        let send = channel.basic_publish("".into(), name, MANDATORY, &job.message.body, properties);
        let mut send = Box::pin(maybe_done(send));
        let _ = (&mut send).now_or_never();
        sends.push(send);
    }
    let mut report = Report { is_confirmed: vec![false; jobs.len()], returned: HashSet::new(), broken: None };
    // Once it is silent, only what is there already counts.
    let mut patience = Some(patience);
    for (is_confirmed, mut send) in report.is_confirmed.iter_mut().zip(sends) {
        let confirm = async {
            patiently(send.as_mut(), live, patience).await?;
            let sent = send.as_mut().take_output().expect("it is done, and taken once");
            patiently(sent.map_err(broken)?, live, patience).await?.map_err(broken)
        };
        match confirm.await {
            Ok(Confirmation::Ack(message)) => {
                *is_confirmed = true;
                report.returned.extend(message.as_ref().and_then(id));
            }
            Ok(Confirmation::Nack(message)) => report.returned.extend(message.as_ref().and_then(id)),
            Ok(Confirmation::NotRequested) => {}
            Err(Broken::Silent) => {
                patience = None;
                report.broken.get_or_insert(Broken::Silent);
            }
            Err(error) => {
                report.broken.get_or_insert(error);
            }
        }
    }
    report
}

/// The id of a returned message, which need not be the one whose confirm it came with: the client
/// crate mixes them up when many are under way.
fn id(returned: &BasicReturnMessage) -> Option<String> {
    returned.delivery.properties.message_id().as_ref().map(|id| id.as_str().to_owned())
}

fn broken(error: lapin::Error) -> Broken {
    if error.is_amqp_soft_error() { Broken::Objected(error) } else { Broken::Lost(error) }
}

/// Waits, but not for a broker that is silent without being blocked; without patience not at all.
async fn patiently<F: Future + Unpin>(
    mut future: F,
    live: &Live,
    patience: Option<Duration>,
) -> Result<F::Output, Broken> {
    if let Some(output) = (&mut future).now_or_never() {
        return Ok(output);
    }
    let step = patience.ok_or(Broken::Silent)? / STEPS;
    let mut silent = 0;
    while silent < STEPS {
        match timeout(step, &mut future).await {
            Ok(output) => return Ok(output),
            Err(_) if live.is_blocked() => silent = 0,
            Err(_) => silent += 1,
        }
    }
    Err(Broken::Silent)
}
