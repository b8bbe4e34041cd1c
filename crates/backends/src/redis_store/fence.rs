//! Fences: which take-over of an execution may write it.

use uuid::Uuid;

/// An incarnation and the take-over that made it. Executions that Redis forgot may be created anew,
/// so that an incarnation's number alone can occur twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fence {
    pub(super) incarnation: u32,
    pub(super) text: String,
}

impl Fence {
    /// One that nobody else has.
    pub(super) fn new(incarnation: u32) -> Self {
        Self { incarnation, text: format!("{incarnation} {}", Uuid::new_v4().simple()) }
    }

    /// What is left of it once its execution has been removed.
    pub(super) fn of_removed(&self) -> String {
        format!("{} removed", self.incarnation)
    }

    /// Whether another fence found in place of this one, or none (`""`), means that Redis has
    /// forgotten this one. If not, another incarnation has taken over.
    pub(super) fn was_forgotten(&self, found: &str) -> bool {
        found.is_empty() || incarnation(found) < self.incarnation
    }
}

/// The incarnation that a fence names; 0 if there is none.
pub(super) fn incarnation(fence: &str) -> u32 {
    fence.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_older_or_missing_fences_are_forgotten_ones() {
        let fence = Fence::new(3);
        assert!(fence.was_forgotten("") && fence.was_forgotten(&Fence::new(2).text));
        assert!(!fence.was_forgotten(&Fence::new(3).text) && !fence.was_forgotten(&Fence::new(4).text));
        assert_ne!(Fence::new(3), fence);
        assert_eq!(incarnation(&fence.text), 3);
        assert_eq!(incarnation(&fence.of_removed()), 3);
    }
}
