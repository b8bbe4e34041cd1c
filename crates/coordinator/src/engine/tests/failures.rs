//! What dead tasks, failing flows, late news and users mean to an execution.

use super::script::{Op, Script, task_id};
use super::world::World;
use crate::engine::{Conclusion, Input, OnDead};

fn tasks(names: &str) -> Op {
    Op::Tasks(names.split(' ').map(str::to_owned).collect())
}

fn flow(name: &str, steps: Vec<Op>) -> Script {
    Script { name: name.to_owned(), steps }
}

fn world(steps: Vec<Op>, dead: &[&str], on_dead: OnDead) -> World {
    let mut world = World::new(flow("f", steps), 10_000, on_dead);
    world.dead = dead.iter().map(|name| task_id(name)).collect();
    world
}

#[test]
fn by_default_the_first_dead_task_stops_expansion_and_running_ones_finish() {
    let mut world = world(vec![tasks("a b c"), Op::WaitAll, tasks("d")], &["a"], OnDead::Stop);
    // c runs; b is still with the broker.
    world.queue.retain(|task| task.id != task_id("c"));
    world.complete([task_id("a")]);
    assert_eq!(world.conclusion, None, "c still runs");
    world.complete([task_id("c")]);
    assert_eq!(world.conclusion, Some(Conclusion::Failed));
    let counts = world.engine.tally().counts();
    assert_eq!((counts.expanded, counts.succeeded, counts.failed, counts.cancelled), (3, 1, 1, 1));
}

#[test]
fn going_on_skips_what_depends_on_the_dead_and_runs_the_rest() {
    let branch = flow("g", vec![tasks("b"), Op::WaitAll, tasks("c d")]);
    let steps = vec![Op::Flow(branch), tasks("a"), Op::WaitFor(vec![1]), tasks("e"), Op::WaitAll, tasks("z")];
    let mut world = world(steps, &["b"], OnDead::Continue);
    world.run_out();
    assert_eq!(world.conclusion, Some(Conclusion::Failed));
    let counts = world.engine.tally().counts();
    assert_eq!((counts.expanded, counts.succeeded, counts.failed, counts.skipped), (3, 2, 1, 3));
    assert!(!world.published.contains(&task_id("z")));
}

#[test]
fn what_is_not_tried_again_stays_dead_and_is_counted() {
    let branch = flow("g", vec![tasks("b"), Op::WaitAll, tasks("c")]);
    let mut world = world(vec![Op::Flow(branch), tasks("a d")], &["b"], OnDead::Continue);
    world.run_out();
    assert_eq!(world.conclusion.take(), Some(Conclusion::Failed));
    world.published.clear();
    world.stays_dead = true;
    world.restart();
    world.run_out();
    assert_eq!(world.conclusion, Some(Conclusion::Failed));
    assert_eq!(world.published, []);
    let counts = world.engine.tally().counts();
    assert_eq!((counts.expanded, counts.succeeded, counts.failed), (3, 2, 1));
    assert_eq!((counts.reused, counts.skipped), (2, 1));
}

#[test]
fn a_caught_failure_is_the_flows_to_judge() {
    for on_dead in [OnDead::Stop, OnDead::Continue] {
        let mut world = world(vec![Op::Caught("a".to_owned()), Op::WaitAll, tasks("b")], &["a"], on_dead);
        world.run_out();
        assert!(matches!(world.conclusion, Some(Conclusion::Succeeded(_))), "{:?}", world.conclusion);
        assert_eq!(world.engine.tally().counts().failed, 1);
    }
}

#[test]
fn a_failure_below_a_caught_flow_stays_below_it() {
    let inner = flow("g", vec![tasks("a"), Op::WaitAll, tasks("never")]);
    let mut world = world(vec![Op::CaughtFlow(inner), Op::WaitAll, tasks("b")], &["a"], OnDead::Stop);
    world.run_out();
    assert!(matches!(world.conclusion, Some(Conclusion::Succeeded(_))), "{:?}", world.conclusion);
    assert!(!world.published.contains(&task_id("never")));
    assert!(world.published.contains(&task_id("b")));
}

#[test]
fn a_failure_caught_by_one_flow_still_stops_another() {
    let careless = flow("g", vec![tasks("a")]);
    let steps = vec![Op::Caught("a".to_owned()), Op::WaitAll, Op::Flow(careless), tasks("b")];
    let mut world = world(steps, &["a"], OnDead::Stop);
    world.run_out();
    assert_eq!(world.conclusion, Some(Conclusion::Failed));
}

#[test]
fn a_dead_task_is_never_taken_for_done_after_a_restart() {
    let mut world = world(vec![tasks("a"), Op::WaitAll, tasks("b")], &["a"], OnDead::Stop);
    world.run_out();
    assert_eq!(world.conclusion.take(), Some(Conclusion::Failed));
    world.dead.clear();
    world.restart();
    world.run_out();
    assert!(matches!(world.conclusion, Some(Conclusion::Succeeded(_))));
    assert_eq!(world.publications[&task_id("a")], 2);
    assert_eq!(world.engine.tally().counts().reused, 0);
}

#[test]
fn cancelling_takes_back_what_waits_and_lets_the_rest_finish() {
    let mut world = world(vec![tasks("a b")], &[], OnDead::Stop);
    world.queue.retain(|task| task.id != task_id("b"));
    world.apply(Input::Cancel);
    world.settle();
    assert_eq!(world.conclusion, None, "b still runs");
    world.complete([task_id("b")]);
    assert_eq!(world.conclusion, Some(Conclusion::Cancelled));
    let counts = world.engine.tally().counts();
    assert_eq!((counts.succeeded, counts.cancelled), (1, 1));
}

#[test]
fn nothing_counts_before_it_is_durable() {
    let mut world = world(vec![tasks("a"), Op::WaitAll, tasks("b")], &[], OnDead::Stop);
    world.end(task_id("a"));
    assert_eq!(world.engine.tally().counts().succeeded, 0);
    assert!(!world.published.contains(&task_id("b")));
    world.record(1);
    assert_eq!(world.engine.tally().counts().succeeded, 1);
    assert!(world.published.contains(&task_id("b")));
}

#[test]
fn repeated_and_foreign_outcomes_are_counted_and_ignored() {
    let mut world = world(vec![tasks("a"), Op::WaitAll, tasks("b")], &[], OnDead::Stop);
    let repeated =
        vec![world.outcome(task_id("a")), world.outcome(task_id("a")), world.outcome(task_id("x"))];
    world.apply(Input::Reported(repeated));
    world.settle();
    world.record(10);
    let late = vec![world.outcome(task_id("a"))];
    world.apply(Input::Reported(late));
    assert_eq!(world.engine.tally().ignored(), 3);
    assert_eq!(world.engine.tally().counts().succeeded, 1);
}

#[test]
fn leases_and_their_loss_are_followed() {
    use protocol::TaskState::{Leased, Queued};
    let mut world = world(vec![tasks("a b")], &[], OnDead::Stop);
    let states = |world: &World| (world.engine.tally().count(Queued), world.engine.tally().count(Leased));
    world.apply(Input::Leased(vec![task_id("a"), task_id("stranger")]));
    assert_eq!(states(&world), (1, 1));
    world.apply(Input::Released(vec![task_id("a"), task_id("b")]));
    assert_eq!(states(&world), (2, 0));
    world.run_out();
    assert_eq!(states(&world), (0, 0));
}

#[test]
fn what_a_stopping_step_yields_besides_is_cancelled() {
    let steps = vec![Op::Caught("a".to_owned()), Op::WaitAll, tasks("a b")];
    let mut world = world(steps, &["a"], OnDead::Stop);
    world.run_out();
    assert_eq!(world.conclusion, Some(Conclusion::Failed));
    let counts = world.engine.tally().counts();
    assert_eq!((counts.expanded, counts.failed, counts.cancelled), (2, 1, 1));
}

/// A flow that is skipped in one place must not count as done where it is needed.
#[test]
fn a_flow_skipped_by_one_parent_runs_for_another() {
    let shared = || Op::Flow(flow("shared", vec![tasks("x")]));
    let doomed = flow("doomed", vec![tasks("dead"), Op::WaitAll, shared()]);
    let sound = flow("sound", vec![tasks("t"), Op::WaitAll, shared()]);
    let mut world = world(vec![Op::CaughtFlow(doomed), Op::Flow(sound)], &["dead"], OnDead::Continue);
    world.end(task_id("dead"));
    world.end(task_id("t"));
    world.record(2);
    world.run_out();
    assert!(world.published.contains(&task_id("x")));
    assert!(matches!(world.conclusion, Some(Conclusion::Succeeded(_))), "{:?}", world.conclusion);
}

#[test]
fn late_news_of_a_lease_does_not_move_a_task_that_waits() {
    let mut world = World::new(flow("f", vec![tasks("a b")]), 1, OnDead::Stop);
    world.apply(Input::Released(vec![task_id("b")]));
    world.apply(Input::Leased(vec![task_id("b")]));
    let late = vec![world.outcome(task_id("b"))];
    world.apply(Input::Reported(late));
    world.settle();
    world.record(1);
    assert_eq!(world.published, [task_id("a")]);
    world.run_out();
    assert_eq!(world.published, [task_id("a"), task_id("b")]);
    assert!(matches!(world.conclusion, Some(Conclusion::Succeeded(_))));
}
