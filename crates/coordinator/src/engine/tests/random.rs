//! Random flows in random worlds: whatever the order of outcomes, records, repetitions and
//! restarts, the result is that of a plain interpreter.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::script::{Op, Script, interpret, task_id};
use super::world::World;
use crate::engine::{Conclusion, Input, OnDead};

fn ops(depth: u32) -> BoxedStrategy<Vec<Op>> {
    let task =
        prop::sample::select(vec!["a", "b", "c", "d", "e", "g", "h", "i", "j", "k"]).prop_map(str::to_owned);
    let leaf = prop_oneof![
        4 => prop::collection::vec(task.clone(), 0..4).prop_map(Op::Tasks),
        1 => task.prop_map(Op::Caught),
        2 => Just(Op::WaitAll),
        2 => prop::collection::vec(0usize..8, 0..3).prop_map(Op::WaitFor),
    ];
    if depth == 0 {
        return prop::collection::vec(leaf, 0..5).boxed();
    }
    let nested = prop_oneof![
        6 => leaf,
        2 => (0..1000u32, ops(depth - 1)).prop_map(move |(name, steps)| Op::Flow(named(depth, name, steps))),
        1 => (0..1000u32, ops(depth - 1)).prop_map(move |(name, steps)| Op::CaughtFlow(named(depth, name, steps))),
        1 => (0usize..8, ops(depth - 1)).prop_map(|(position, steps)| Op::IfOdd(position, steps)),
    ];
    prop::collection::vec(nested, 0..6).boxed()
}

/// Equal names must be equal flows, so the name holds the content.
fn named(depth: u32, _: u32, steps: Vec<Op>) -> Script {
    Script { name: format!("{depth} {steps:?}"), steps }
}

#[derive(Debug, Clone)]
enum Event {
    /// The task at this position of the queue ends.
    End(usize),
    /// So many entries become durable.
    Record(usize),
    /// An outcome comes again, or for the first time to a coordinator that knows nothing of it.
    Repeat(usize),
    Lease(usize),
    Release(usize),
    /// The coordinator dies; what was queued is lost (`true`) or runs on.
    Restart(bool),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        10 => any::<usize>().prop_map(Event::End),
        6 => (1usize..5).prop_map(Event::Record),
        2 => any::<usize>().prop_map(Event::Repeat),
        1 => any::<usize>().prop_map(Event::Lease),
        1 => any::<usize>().prop_map(Event::Release),
        1 => any::<bool>().prop_map(Event::Restart),
    ];
    prop::collection::vec(event, 0..60)
}

fn happen(world: &mut World, events: Vec<Event>) {
    let mut seen: Vec<protocol::TaskId> = Vec::new();
    for event in events {
        if world.conclusion.is_some() {
            return;
        }
        let pick = |list: &[protocol::TaskId], at: usize| list.get(at.checked_rem(list.len())?).copied();
        let queued: Vec<_> = world.queue.iter().map(|task| task.id).collect();
        seen.extend(&queued);
        match event {
            Event::End(at) => pick(&queued, at).into_iter().for_each(|id| world.end(id)),
            Event::Record(count) => world.record(count),
            Event::Repeat(at) => {
                if let Some(id) = pick(&seen, at) {
                    world.apply(Input::Reported(vec![world.outcome(id), world.outcome(task_id("stranger"))]));
                    world.settle();
                }
            }
            Event::Lease(at) => world.apply(Input::Leased(pick(&queued, at).into_iter().collect())),
            Event::Release(at) => world.apply(Input::Released(pick(&queued, at).into_iter().collect())),
            Event::Restart(loses_queue) => {
                if loses_queue {
                    world.queue.clear();
                }
                world.restart();
            }
        }
    }
    // Nothing may be left hanging, whatever came before.
    world.run_out();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn any_order_gives_the_result_of_a_plain_interpreter(
        steps in ops(3), events in events(), max_in_flight in 1usize..6,
    ) {
        let script = Script { name: "root".to_owned(), steps };
        let (value, expected) = interpret(&script, &BTreeSet::new());
        let mut world = World::new(script, max_in_flight, OnDead::Stop);
        happen(&mut world, events);
        let value = protocol::Value::encode(&value.expect("nothing fails")).unwrap();
        prop_assert_eq!(world.conclusion.as_ref(), Some(&Conclusion::Succeeded(value)));
        let run: BTreeSet<_> = world.publications.keys().copied().collect();
        prop_assert_eq!(&run, &expected.run);
        let counts = world.engine.tally().counts();
        prop_assert_eq!(counts.expanded, expected.run.len() as u64);
        prop_assert_eq!(counts.succeeded, counts.expanded);
        if world.incarnation == 1 {
            prop_assert!(world.publications.values().all(|count| *count == 1));
            prop_assert_eq!(counts.reused, 0);
        }
    }

    #[test]
    fn with_dead_tasks_exactly_the_independent_work_is_done(
        steps in ops(3), events in events(), dead in prop::collection::btree_set("[a-e]", 0..3),
        max_in_flight in 1usize..6,
    ) {
        let script = Script { name: "root".to_owned(), steps };
        let (value, expected) = interpret(&script, &dead);
        let mut world = World::new(script, max_in_flight, OnDead::Continue);
        world.dead = dead.iter().map(|name| task_id(name)).collect();
        happen(&mut world, events);
        let conclusion = match value {
            Some(value) => Conclusion::Succeeded(protocol::Value::encode(&value).unwrap()),
            None => Conclusion::Failed,
        };
        prop_assert_eq!(world.conclusion.as_ref(), Some(&conclusion));
        let run: BTreeSet<_> = world.publications.keys().copied().collect();
        prop_assert_eq!(&run, &expected.run);
        let counts = world.engine.tally().counts();
        prop_assert_eq!(counts.succeeded + counts.failed, expected.run.len() as u64);
    }

    #[test]
    fn stopping_never_hangs_and_conserves(
        steps in ops(3), events in events(), dead in prop::collection::btree_set("[a-e]", 0..4),
    ) {
        let script = Script { name: "root".to_owned(), steps };
        let (value, _) = interpret(&script, &dead);
        let mut world = World::new(script, 4, OnDead::Stop);
        world.dead = dead.iter().map(|name| task_id(name)).collect();
        happen(&mut world, events);
        let conclusion = world.conclusion.clone().expect("it ends");
        prop_assert_eq!(matches!(conclusion, Conclusion::Succeeded(_)), value.is_some());
    }

    /// A new coordinator after every single step, and at each of them a run that goes on from there.
    #[test]
    fn restarting_after_any_number_of_steps_gives_the_same(steps in ops(2), max_in_flight in 1usize..4) {
        let script = Script { name: "root".to_owned(), steps };
        let (value, expected) = interpret(&script, &BTreeSet::new());
        let value = Conclusion::Succeeded(protocol::Value::encode(&value.expect("nothing fails")).unwrap());
        let mut relay = World::new(script.clone(), max_in_flight, OnDead::Stop);
        for count in 0..=2 * expected.run.len() {
            let mut single = World::new(script.clone(), max_in_flight, OnDead::Stop);
            (0..count).for_each(|_| single.step());
            for world in [&mut single, &mut relay] {
                world.conclusion = None;
                world.queue.clear();
                world.restart();
            }
            single.run_out();
            prop_assert_eq!(single.conclusion.as_ref(), Some(&value), "restarted after {} steps", count);
            relay.step();
            relay.step();
        }
        relay.run_out();
        prop_assert_eq!(relay.conclusion.as_ref(), Some(&value));
        // What was durable was never published again: the world checks that at each publication.
    }
}
