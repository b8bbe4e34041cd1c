//! Remembering: what the checkpoint knows of yielded tasks.

use std::sync::Arc;

use backends::store::{self, Checkpoint};
use protocol::TaskId;

use crate::engine::{ChildNode, Known, PlannedStep};
use crate::seen::Seen;

/// Looks up yielded tasks in the checkpoint.
pub(crate) struct Memory {
    checkpoint: Arc<dyn Checkpoint>,
    incarnation: u32,
    /// Tasks of earlier runs that this run has met; only these need remembering here, since what
    /// this run records carries its incarnation.
    reused: Seen,
    wanted: Vec<TaskId>,
}

impl Memory {
    pub(crate) fn new(checkpoint: Arc<dyn Checkpoint>) -> Self {
        let incarnation = checkpoint.record().incarnation;
        Self { checkpoint, incarnation, reused: Seen::default(), wanted: Vec::new() }
    }

    /// Fills in what is known of each yielded task.
    ///
    /// # Errors
    /// If the checkpoint cannot be read.
    pub(crate) async fn fill(&mut self, step: &mut PlannedStep) -> Result<(), store::Error> {
        let PlannedStep::Yield(children) = step else { return Ok(()) };
        self.wanted.clear();
        self.wanted.extend(children.iter().filter_map(|child| match &child.node {
            ChildNode::Task { task, .. } => Some(task.id),
            ChildNode::Flow { .. } => None,
        }));
        if self.wanted.is_empty() {
            return Ok(());
        }
        let mut recalled = self.checkpoint.recall(&self.wanted).await?.into_iter();
        for child in children {
            if let ChildNode::Task { task, known } = &mut child.node {
                *known = match recalled.next().flatten() {
                    None => Known::New,
                    Some(found) if found.incarnation == self.incarnation => Known::Settled(found.outcome),
                    // What died in an earlier run is tried again with a fresh budget.
                    Some(found) if found.outcome.value().is_none() => Known::New,
                    Some(found) if self.reused.insert(task.id) => Known::Reused(found.outcome),
                    Some(found) => Known::Settled(found.outcome),
                };
            }
        }
        Ok(())
    }
}
