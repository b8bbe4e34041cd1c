//! Which deliveries of a channel are not settled, and how to settle many with few frames.

use std::collections::VecDeque;

/// What to send, in this order: returning first, since `through` would acknowledge what comes back
/// after it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Settlement {
    /// To return to the queue, one by one.
    pub(super) returned: Vec<u64>,
    /// To acknowledge, one by one.
    pub(super) single: Vec<u64>,
    /// To acknowledge this and all before.
    pub(super) through: Option<u64>,
}

/// The deliveries of one channel from the oldest that is not settled.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// The delivery tag of the front; tags of a channel are 1, 2, 3 …
    front: u64,
    deliveries: VecDeque<State>,
    acknowledged: Vec<u64>,
    returned: Vec<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Somebody has it.
    Out,
    /// To be told to the broker with the next settlement.
    Acknowledged,
    /// Told, or about to be told one by one.
    Settled,
}

impl Ledger {
    pub(super) fn new() -> Self {
        Self { front: 1, ..Self::default() }
    }

    /// A delivery came.
    pub(super) fn deliver(&mut self, tag: u64) {
        // They come in order. Were one left out, nothing could be settled through it.
        while self.front + (self.deliveries.len() as u64) < tag {
            self.deliveries.push_back(State::Out);
        }
        self.deliveries.push_back(State::Out);
    }

    /// It is to be acknowledged. A second time counts for nothing: the broker would end the channel.
    pub(super) fn acknowledge(&mut self, tag: u64) {
        if let Some(state) = self.out(tag) {
            *state = State::Acknowledged;
            self.acknowledged.push(tag);
        }
    }

    /// It is to go back to its queue.
    pub(super) fn give_back(&mut self, tag: u64) {
        if let Some(state) = self.out(tag) {
            *state = State::Settled;
            self.returned.push(tag);
        }
    }

    /// What to send for all that was settled since the last time.
    pub(super) fn settle(&mut self) -> Settlement {
        let mut through = None;
        while let Some(State::Acknowledged | State::Settled) = self.deliveries.front() {
            // The broker must still have the one that is named; those before it need not be.
            if self.deliveries.pop_front() == Some(State::Acknowledged) {
                through = Some(self.front);
            }
            self.front += 1;
        }
        let mut single = std::mem::take(&mut self.acknowledged);
        single.retain(|tag| through.is_none_or(|through| *tag > through));
        for tag in &single {
            if let Some(state) = self.state(*tag) {
                *state = State::Settled;
            }
        }
        Settlement { returned: std::mem::take(&mut self.returned), single, through }
    }

    fn out(&mut self, tag: u64) -> Option<&mut State> {
        self.state(tag).filter(|state| **state == State::Out)
    }

    fn state(&mut self, tag: u64) -> Option<&mut State> {
        let place = tag.checked_sub(self.front)?;
        self.deliveries.get_mut(usize::try_from(place).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn ledger(deliveries: u64) -> Ledger {
        let mut ledger = Ledger::new();
        (1..=deliveries).for_each(|tag| ledger.deliver(tag));
        ledger
    }

    #[test]
    fn those_in_a_row_are_acknowledged_at_once() {
        let mut ledger = ledger(5);
        [2, 1, 3, 5].into_iter().for_each(|tag| ledger.acknowledge(tag));

        let expected = Settlement { single: vec![5], through: Some(3), ..Settlement::default() };
        assert_eq!(ledger.settle(), expected);
        ledger.acknowledge(4);
        assert_eq!(ledger.settle(), Settlement { through: Some(4), ..Settlement::default() });
        assert_eq!(ledger.settle(), Settlement::default());
    }

    #[test]
    fn nothing_is_settled_twice() {
        let mut ledger = ledger(2);
        ledger.acknowledge(2);
        ledger.acknowledge(2);
        ledger.give_back(2);
        assert_eq!(ledger.settle(), Settlement { single: vec![2], ..Settlement::default() });
        ledger.acknowledge(2);
        ledger.acknowledge(3);
        ledger.acknowledge(0);
        assert_eq!(ledger.settle(), Settlement::default());
    }

    /// What the broker does with a settlement; refuses what it would end the channel for.
    fn apply(settlement: &Settlement, held: &mut BTreeSet<u64>, acknowledged: &mut BTreeSet<u64>) {
        for tag in &settlement.returned {
            assert!(held.remove(tag), "returned {tag}, which is not out");
        }
        for tag in &settlement.single {
            assert!(held.remove(tag), "acknowledged {tag}, which is not out");
            acknowledged.insert(*tag);
        }
        if let Some(through) = settlement.through {
            assert!(held.contains(&through), "acknowledged through {through}, which is not out");
            let after = held.split_off(&(through + 1));
            acknowledged.append(held);
            *held = after;
        }
    }

    proptest! {
        #[test]
        fn the_broker_acknowledges_exactly_what_was_acknowledged(
            steps in prop::collection::vec((0_u8..5, 0_u64..12), 0..200),
        ) {
            let mut ledger = Ledger::new();
            let (mut delivered, mut settled) = (0, BTreeSet::new());
            let (mut held, mut acknowledged, mut expected) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
            for (step, back) in steps {
                let tag = u64::saturating_sub(delivered, back);
                match step {
                    0 | 1 => {
                        delivered += 1;
                        ledger.deliver(delivered);
                        held.insert(delivered);
                    }
                    2 => {
                        ledger.acknowledge(tag);
                        if tag > 0 && settled.insert(tag) {
                            expected.insert(tag);
                        }
                    }
                    3 => {
                        ledger.give_back(tag);
                        settled.insert(tag);
                    }
                    _ => apply(&ledger.settle(), &mut held, &mut acknowledged),
                }
            }
            apply(&ledger.settle(), &mut held, &mut acknowledged);

            prop_assert_eq!(acknowledged, expected);
            prop_assert!(held.iter().all(|tag| !settled.contains(tag)));
        }
    }
}
