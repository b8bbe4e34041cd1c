//! What is to become of delayed copies that are due, by what Redis knows of their tasks.
//!
//! A copy of a task that somebody runs must not go to the end of a long queue: until it came to its head
//! the task would be done, and its record gone, and it would run again.

use std::collections::{HashMap, HashSet};

use protocol::{ExecutionId, SessionId, TaskId};
use serde_bytes::ByteBuf;

use super::connect::Shared;
use super::copy::{self, Delayed};
use crate::lease::{self, Record, State};
use crate::rabbitmq::Delivery;

/// What is to become of a copy.
pub(super) enum Fate {
    /// A worker is to have it.
    Wanted,
    /// A live session has the task.
    Leased,
    /// The task has ended. Whoever ended it may have died before it told.
    Done { part: ByteBuf },
}

/// A copy that has waited so often for the session that has its task makes whoever sees to it ask that session.
const ASKS_AFTER: u32 = 2;

/// The fate of each copy. If Redis cannot be asked, workers are to have them, who ask again.
pub(super) async fn fates(shared: &Shared, copies: &[(Delivery, Delayed)]) -> Vec<Fate> {
    let mut fates: Vec<Fate> = copies.iter().map(|_| Fate::Wanted).collect();
    if let Err(error) = decide(shared, copies, &mut fates).await {
        tracing::debug!(%error, "cannot see what became of delayed tasks");
    }
    fates
}

async fn decide(
    shared: &Shared,
    copies: &[(Delivery, Delayed)],
    fates: &mut [Fate],
) -> Result<(), lease::Error> {
    let mut by_execution: HashMap<&ExecutionId, Vec<usize>> = HashMap::new();
    for (position, (_, copy)) in copies.iter().enumerate() {
        by_execution.entry(&copy.execution).or_default().push(position);
    }
    let mut leased = Vec::new();
    for (execution, mut positions) in by_execution {
        if let Some(ended) = shared.arbiter.flags(execution).await?.ended {
            // Whoever claims them drops them; nobody waits for their outcomes any more.
            positions.retain(|position| copies[*position].1.incarnation > ended);
        }
        let tasks: Vec<TaskId> = positions.iter().map(|position| copies[*position].1.task).collect();
        for (position, record) in positions.into_iter().zip(shared.arbiter.look(execution, &tasks).await?) {
            let Some(Record { state, session, .. }) = record else { continue };
            match state {
                State::Leased { .. } => leased.push((position, session)),
                State::Done { outcome } => {
                    fates[position] = Fate::Done { part: ByteBuf::from(outcome.to_vec()) }
                }
                State::Free { .. } | State::Withdrawn { .. } => {}
            }
        }
    }
    if !leased.is_empty() {
        let live = shared.arbiter.sessions().await?;
        let live: HashSet<SessionId> = live.into_iter().map(|member| member.session).collect();
        let mut doubted: HashMap<SessionId, Vec<(&ExecutionId, TaskId)>> = HashMap::new();
        for (position, session) in leased {
            if live.contains(&session) {
                fates[position] = Fate::Leased;
                let (delivery, copy) = &copies[position];
                if copy::parks(delivery) >= ASKS_AFTER {
                    doubted.entry(session).or_default().push((&copy.execution, copy.task));
                }
            }
        }
        // Redis may have lost that they have ended it, and only they know.
        for (owner, tasks) in doubted {
            shared.arbiter.ask_owner(owner, &tasks).await?;
        }
    }
    Ok(())
}
