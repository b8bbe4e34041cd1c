//! The protocol as a whole, checked state by state: one task, two workers, a coordinator, and every
//! order of steps and faults. The steps of Redis are the transitions that the scripts are tested
//! against. One fault is looked at with each test run, two and three by `just model`; with three, of states
//! that behave alike only one, which for one and two faults is held against all of them.

mod mutant;
mod protocol;
mod reach;
mod representative;
mod state;

use stateright::{Checker, HasDiscoveries, Model};

use mutant::Mutant;
use protocol::{FRUGAL, KEPT, ONCE, Protocol};

/// Fails with the way to a state that is wrong.
#[track_caller]
#[expect(clippy::print_stdout, reason = "the number of states tells what was looked through")]
fn assert_holds(protocol: Protocol) {
    // Depth first remembers only fingerprints.
    let checker = protocol.checker().threads(2).spawn_dfs().join();
    checker.assert_properties();
    let reach = reach::explore(&protocol);
    assert!(reach.dead_end.is_none(), "the task can never end from {:#?}", reach.dead_end);
    println!("{} states, {} of them until the end", checker.unique_state_count(), reach.states);
    assert!(reach.states > 1000, "only {} states", reach.states);
}

/// Fails unless the wrong variant breaks this very promise.
#[track_caller]
fn assert_breaks(mutant: Mutant, promise: &'static str) {
    let protocol = Protocol { mutant: Some(mutant), max_faults: 1, is_reduced: false };
    let finish = HasDiscoveries::AnyOf([promise].into());
    let checker = protocol.checker().threads(2).finish_when(finish).spawn_bfs().join();
    assert!(
        checker.discovery(promise).is_some(),
        "{mutant:?} got through {} states",
        checker.unique_state_count()
    );
}

#[test]
fn the_protocol_holds_under_any_fault() {
    assert_holds(Protocol { mutant: None, max_faults: 1, is_reduced: false });
}

/// Whether the states that stand for others are those for which others stand.
#[track_caller]
fn assert_nothing_that_counts_is_left_out(max_faults: u8) {
    let whole = Protocol { mutant: None, max_faults, is_reduced: false };
    let reduced = Protocol { is_reduced: true, ..whole };
    let represented = reach::all(&whole, representative::representative);
    assert!(represented == reach::all(&reduced, |state| state), "some states are not represented");
}

#[test]
fn states_that_are_not_looked_at_are_represented() {
    assert_nothing_that_counts_is_left_out(1);
}

#[test]
#[ignore = "takes minutes: `just model`"]
fn states_that_are_not_looked_at_are_represented_under_any_two_faults() {
    assert_nothing_that_counts_is_left_out(2);
}

#[test]
#[ignore = "takes long without optimisation: `just model`"]
fn the_protocol_holds_under_any_two_faults() {
    assert_holds(Protocol { mutant: None, max_faults: 2, is_reduced: false });
}

#[test]
#[ignore = "takes minutes: `just model`; the number of faults is MODEL_FAULTS, by default 3"]
fn the_protocol_holds_under_any_three_faults() {
    let max_faults = std::env::var("MODEL_FAULTS").map_or(3, |faults| faults.parse().unwrap());
    assert_holds(Protocol { mutant: None, max_faults, is_reduced: true });
}

#[test]
fn acknowledging_what_others_run_loses_the_task() {
    assert_breaks(Mutant::AckWhenBusy, KEPT);
}

#[test]
fn acknowledging_before_the_outcome_is_told_loses_the_task() {
    assert_breaks(Mutant::AckBeforeTelling, KEPT);
}

#[test]
fn acknowledging_once_it_is_claimed_loses_the_task() {
    assert_breaks(Mutant::AckAfterClaim, KEPT);
}

#[test]
fn acknowledging_outcomes_that_are_not_durable_loses_the_task() {
    assert_breaks(Mutant::AckBeforeDurable, KEPT);
}

#[test]
fn acknowledging_what_was_refused_loses_the_task() {
    assert_breaks(Mutant::AckWhenStale, KEPT);
}

#[test]
fn a_coordinator_that_does_not_compare_accepts_two_outcomes() {
    assert_breaks(Mutant::AcceptAgain, ONCE);
}

#[test]
fn taking_nothing_from_the_dead_leads_to_dead_ends() {
    let reach = reach::explore(&Protocol {
        mutant: Some(Mutant::NeverTakeFromTheDead),
        max_faults: 1,
        is_reduced: false,
    });
    assert!(reach.dead_end.is_some(), "{} states, all with a way out", reach.states);
}

#[test]
fn without_the_fence_nothing_is_lost_or_accepted_twice() {
    let protocol = Protocol { mutant: Some(Mutant::NoFence), max_faults: 1, is_reduced: false };
    let checker = protocol.checker().threads(2).spawn_bfs().join();
    for promise in [KEPT, ONCE, FRUGAL] {
        assert!(checker.discovery(promise).is_none(), "{promise}");
    }
}
