//! A copy of a task on its way: what stands in the message, and how it is checked.

use std::sync::Arc;
use std::time::Duration;

use protocol::error::EnvelopeError;
use protocol::{Envelope, ExecutionId, Outcomes, RetryPolicy, Task, TaskId, WorkerType};
use serde_bytes::ByteBuf;

use super::blobs::{self, Blobs};
use super::queues::{Names, step_for};
use super::signing::SigningKey;
use crate::rabbitmq::{self, Header, Message, Queue};

/// Which incarnation of the execution published it.
const INCARNATION: &str = "otaman-incarnation";
/// How often the copy has waited because another session had the task.
const PARKS: &str = "otaman-parks";
/// The queue it goes back to after a delay.
const TARGET: &str = "otaman-target";
/// When it is due there, milliseconds of the store's clock.
const DUE: &str = "otaman-due";
pub(super) const SIGNATURE: &str = "otaman-signature";
/// The execution, for bodies that go by reference.
const EXECUTION: &str = "otaman-execution";

/// So much of a message that nobody can take is kept, in bytes.
const MOST_DEAD: usize = 64 * 1024;

/// Why a message is not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error("it is not signed with this installation's key")]
    Unsigned,
    #[error("it is signed, and this process has no key; set OTAMAN_SIGNING_KEY as the coordinator has it")]
    Signed,
    #[error("its {header} header is missing or wrong")]
    Header { header: &'static str },
    #[error("its id is not a task's")]
    Id,
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
}

/// What cannot be decided now.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unopened {
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The bytes that it refers to cannot be reached.
    #[error(transparent)]
    Blob(#[from] blobs::Error),
}

/// A copy of a task, as it came.
#[derive(Debug, Clone)]
pub(super) struct Copy {
    pub(super) execution: ExecutionId,
    pub(super) task: Arc<Task>,
    pub(super) incarnation: u32,
    pub(super) parks: u32,
    /// As it came, so that it can be passed on without being encoded again.
    body: bytes::Bytes,
    signature: Option<bytes::Bytes>,
}

/// Makes and reads copies.
#[derive(Debug, Clone)]
pub(super) struct Copies {
    pub(super) names: Names,
    pub(super) key: Option<SigningKey>,
    pub(super) blobs: Blobs,
}

impl Copies {
    /// Of the key, if there is one.
    pub(super) fn fingerprint(&self) -> Option<String> {
        self.key.as_ref().map(SigningKey::fingerprint)
    }

    /// The first copy of a task.
    pub(super) async fn make(
        &self,
        execution: &ExecutionId,
        incarnation: u32,
        task: Arc<Task>,
    ) -> Result<Copy, MakeError> {
        let envelope = Envelope { execution: execution.clone(), body: (*task).clone() };
        let body = self.blobs.put(execution, envelope.encode_large()?).await?;
        let queue = self.names.tasks(&task.worker_type);
        let signature = self.key.as_ref().map(|key| {
            key.sign(&[queue.as_bytes(), execution.as_str().as_bytes(), &incarnation.to_be_bytes(), &body])
                .into()
        });
        Ok(Copy { execution: execution.clone(), task, incarnation, parks: 0, body: body.into(), signature })
    }

    /// The copy for other workers: another queue, and hence another signature.
    pub(super) async fn moved(&self, copy: &Copy, worker_type: WorkerType) -> Result<Copy, MakeError> {
        let task = Arc::new((*copy.task).clone().on(worker_type));
        let moved = self.make(&copy.execution, copy.incarnation, task).await?;
        Ok(Copy { parks: copy.parks, ..moved })
    }

    /// Reads and checks what came from a queue of tasks.
    pub(super) async fn open(&self, queue: &str, delivery: &rabbitmq::Delivery) -> Result<Copy, Unopened> {
        let incarnation = number(delivery, INCARNATION)?;
        let execution = text(delivery, EXECUTION)?
            .parse::<ExecutionId>()
            .map_err(|_| Refused::Header { header: EXECUTION })?;
        let signature = delivery.bytes(SIGNATURE).map(bytes::Bytes::copy_from_slice);
        if let Some(key) = &self.key {
            let parts =
                [queue.as_bytes(), execution.as_str().as_bytes(), &incarnation.to_be_bytes(), &delivery.body];
            if !signature.as_ref().is_some_and(|signature| key.verifies(&parts, signature)) {
                return Err(Refused::Unsigned.into());
            }
        } else if signature.is_some() {
            // Its outcome would be refused.
            return Err(Refused::Signed.into());
        }
        let decoded = match self.blobs.get(&execution, &delivery.body).await? {
            Some(bytes) => Envelope::<Task>::decode_large(&bytes),
            None => Envelope::<Task>::decode(&delivery.body),
        };
        let Envelope { execution: inner, body: task } = decoded.map_err(Refused::Envelope)?;
        if inner != execution {
            return Err(Refused::Header { header: EXECUTION }.into());
        }
        let parks = number(delivery, PARKS).unwrap_or(0);
        let body = delivery.body.clone();
        Ok(Copy { execution, task: Arc::new(task), incarnation, parks, body, signature })
    }

    /// Outcomes as a message to the coordinator of their execution; each part is an encoded outcome
    /// or a reference to one.
    pub(super) fn report(&self, execution: &ExecutionId, parts: Vec<ByteBuf>) -> Message {
        let envelope = Envelope { execution: execution.clone(), body: Outcomes(parts) };
        let body = envelope.encode_large().expect("parts are bounded in size and number");
        let queue = self.names.outcome_queue(execution);
        let signature = self.key.as_ref().map(|key| key.sign(&[queue.name.as_bytes(), &body]));
        let headers = signature.map(|signature| (SIGNATURE, Header::Bytes(signature)));
        let id = uuid::Uuid::new_v4().to_string();
        Message { queue, id, body: body.into(), headers: headers.into_iter().collect() }
    }

    /// A message that nobody can take, with the queue that it came from and why; a long one is cut.
    pub(super) fn dead(&self, queue: &str, reason: &str, body: &bytes::Bytes) -> Message {
        let headers = vec![
            ("otaman-reason", Header::Bytes(reason.into())),
            ("otaman-queue", Header::Bytes(queue.into())),
            ("otaman-size", Header::Number(body.len() as u64)),
        ];
        let id = uuid::Uuid::new_v4().to_string();
        let body = match body.get(..MOST_DEAD) {
            // A copy, so that the rest takes no memory any more.
            Some(start) => bytes::Bytes::copy_from_slice(start),
            None => body.clone(),
        };
        Message { queue: self.names.dead_queue(), id, body, headers }
    }

    /// The copy as a message to the queue of its worker type.
    pub(super) fn to_work(&self, copy: &Copy) -> Message {
        let queue = self.names.task_queue(&copy.task.worker_type);
        Message { queue, id: copy.task.id.to_string(), body: copy.body.clone(), headers: copy.headers() }
    }

    /// The copy as a message that comes to the queue of its worker type after a delay. `now_ms` is
    /// the store's clock.
    pub(super) fn to_wait(
        &self,
        delayed: &[Arc<Queue>],
        copy: &Copy,
        now_ms: u64,
        delay: Duration,
    ) -> Message {
        let target = self.names.tasks(&copy.task.worker_type);
        let headers = waiting(copy.headers(), &target, now_ms + delay.as_millis() as u64);
        Message {
            queue: Arc::clone(&delayed[step_for(delay)]),
            id: copy.task.id.to_string(),
            body: copy.body.clone(),
            headers,
        }
    }
}

impl Copy {
    /// How many workers may be lost over the task before it is dead.
    pub(super) fn max_losses(&self) -> u32 {
        self.task
            .retry
            .as_deref()
            .map_or_else(|| RetryPolicy::default().max_losses, |policy| policy.max_losses)
    }

    /// The same, having waited once more for another session.
    pub(super) fn parked(&self) -> Self {
        Self { parks: self.parks.saturating_add(1), ..self.clone() }
    }

    fn headers(&self) -> Vec<(&'static str, Header)> {
        let mut headers = vec![
            (INCARNATION, Header::Number(self.incarnation.into())),
            (EXECUTION, Header::Bytes(self.execution.as_str().into())),
        ];
        if self.parks > 0 {
            headers.push((PARKS, Header::Number(self.parks.into())));
        }
        if let Some(signature) = &self.signature {
            headers.push((SIGNATURE, Header::Bytes(signature.to_vec())));
        }
        headers
    }
}

/// Why a task cannot be published.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// It cannot be encoded, or is too large even for a reference.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// Its bytes cannot be put aside.
    #[error(transparent)]
    Blob(#[from] blobs::Error),
}

/// A delayed message, for whoever drains its queue: it is passed on as it is.
pub(super) struct Delayed {
    pub(super) target: String,
    pub(super) due_ms: u64,
    pub(super) execution: ExecutionId,
    pub(super) incarnation: u32,
    pub(super) task: TaskId,
}

impl Delayed {
    pub(super) fn of(delivery: &rabbitmq::Delivery, names: &Names) -> Result<Self, Refused> {
        let due_ms = delivery.number(DUE).ok_or(Refused::Header { header: DUE })?;
        let target = text(delivery, TARGET)?;
        if !names.is_of_tasks(target) {
            return Err(Refused::Header { header: TARGET });
        }
        let execution = text(delivery, EXECUTION)?.parse();
        let execution = execution.map_err(|_| Refused::Header { header: EXECUTION })?;
        let task = delivery.id().and_then(|id| id.parse().ok()).ok_or(Refused::Id)?;
        let incarnation = number(delivery, INCARNATION)?;
        Ok(Self { target: target.to_owned(), due_ms, execution, incarnation, task })
    }

    /// The message on its way to its next step, or to its target when nothing is left to wait.
    pub(super) fn onward(
        &self,
        delivery: &rabbitmq::Delivery,
        delayed: &[Arc<Queue>],
        left: Duration,
    ) -> Message {
        let headers = headers_of(delivery, parks(delivery));
        let (queue, headers) = if left.is_zero() {
            (Arc::new(Queue::shared(self.target.as_str())), headers)
        } else {
            (Arc::clone(&delayed[step_for(left)]), waiting(headers, &self.target, self.due_ms))
        };
        let id = delivery.id().unwrap_or_default().to_owned();
        Message { queue, id, body: delivery.body.clone(), headers }
    }
}

/// Whether reading it takes more than what is in the message.
pub(super) fn is_by_reference(delivery: &rabbitmq::Delivery) -> bool {
    blobs::is_reference(&delivery.body)
}

/// How often a delivery was put aside.
pub(super) fn parks(delivery: &rabbitmq::Delivery) -> u32 {
    number(delivery, PARKS).unwrap_or(0)
}

/// A message from queue `target` that cannot be taken now, as one that comes there again after a delay.
/// `now_ms` is the store's clock.
pub(super) fn put_off(
    delayed: &[Arc<Queue>],
    target: &str,
    delivery: &rabbitmq::Delivery,
    now_ms: u64,
    delay: Duration,
) -> Message {
    let headers = headers_of(delivery, parks(delivery).saturating_add(1));
    Message {
        queue: Arc::clone(&delayed[step_for(delay)]),
        id: delivery.id().unwrap_or_default().to_owned(),
        body: delivery.body.clone(),
        headers: waiting(headers, target, now_ms + delay.as_millis() as u64),
    }
}

/// The headers of a copy, as they came.
fn headers_of(delivery: &rabbitmq::Delivery, parks: u32) -> Vec<(&'static str, Header)> {
    let mut headers = Vec::new();
    headers.extend(delivery.number(INCARNATION).map(|number| (INCARNATION, Header::Number(number))));
    for name in [EXECUTION, SIGNATURE] {
        headers.extend(delivery.bytes(name).map(|bytes| (name, Header::Bytes(bytes.to_vec()))));
    }
    if parks > 0 {
        headers.push((PARKS, Header::Number(parks.into())));
    }
    headers
}

/// The headers of a copy that waits: it is due at `due_ms` of the store's clock in queue `target`.
fn waiting(
    mut headers: Vec<(&'static str, Header)>,
    target: &str,
    due_ms: u64,
) -> Vec<(&'static str, Header)> {
    headers.push((TARGET, Header::Bytes(target.into())));
    headers.push((DUE, Header::Number(due_ms)));
    headers
}

fn number(delivery: &rabbitmq::Delivery, header: &'static str) -> Result<u32, Refused> {
    let number = delivery.number(header);
    number.and_then(|number| u32::try_from(number).ok()).ok_or(Refused::Header { header })
}

fn text<'d>(delivery: &'d rabbitmq::Delivery, header: &'static str) -> Result<&'d str, Refused> {
    let bytes = delivery.bytes(header).ok_or(Refused::Header { header })?;
    std::str::from_utf8(bytes).map_err(|_| Refused::Header { header })
}
