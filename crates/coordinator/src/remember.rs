//! Remembering: what the checkpoint knows of yielded tasks.

use std::sync::Arc;

use backends::store::{self, Checkpoint};
use protocol::{IdSet, Outcome, TaskId};

use crate::engine::{ChildNode, Known, PlannedStep};
use crate::seen::Seen;

/// Which tasks that died in earlier runs are tried again, with a fresh budget.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Anew {
    /// All of them.
    #[default]
    All,
    /// These only; the others stay dead.
    Only(IdSet<TaskId>),
}

impl Anew {
    fn contains(&self, task: TaskId) -> bool {
        match self {
            Self::All => true,
            Self::Only(tasks) => tasks.contains(&task),
        }
    }
}

/// Looks up yielded tasks in the checkpoint.
pub(crate) struct Memory {
    checkpoint: Arc<dyn Checkpoint>,
    incarnation: u32,
    anew: Anew,
    /// Tasks of earlier runs that this run has met; only these need remembering here, since what
    /// this run records carries its incarnation.
    reused: Seen,
    /// Dead tasks that this run tries again.
    revived: IdSet<TaskId>,
    /// Those of them that nobody has been told of yet.
    newly_revived: Vec<Arc<Outcome>>,
    wanted: Vec<TaskId>,
}

impl Memory {
    pub(crate) fn new(checkpoint: Arc<dyn Checkpoint>, anew: Anew) -> Self {
        let incarnation = checkpoint.record().incarnation;
        Self {
            checkpoint,
            incarnation,
            anew,
            reused: Seen::default(),
            revived: IdSet::default(),
            newly_revived: Vec::new(),
            wanted: Vec::new(),
        }
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
                    Some(found) if found.outcome.value().is_none() && self.anew.contains(task.id) => {
                        if self.revived.insert(task.id) {
                            self.newly_revived.push(found.outcome);
                        }
                        Known::New
                    }
                    Some(found) if self.reused.insert(task.id) => Known::Reused(found.outcome),
                    Some(found) => Known::Settled(found.outcome),
                };
            }
        }
        Ok(())
    }

    /// How tasks ended that were met since the last call and are tried again.
    pub(crate) fn take_revived(&mut self) -> Vec<Arc<Outcome>> {
        std::mem::take(&mut self.newly_revived)
    }
}
