//! Traces recorded from Mazepa (zetta_utils f64f6cde): the same flows give the same batches.

use otaman::driver::NodeId;
use protocol::FlowId;
use serde_json::{Value as Json, json};

use super::script::{Op, Script, task_id};
use super::world::World;
use crate::engine::{Conclusion, OnDead};

/// What a flow yields, and what happened step by step: which tasks were handed out, which were then
/// completed, which flows were still at work.
fn traces() -> Json {
    json!([
        {"yields": [["a"], "dep*", ["b"]], "steps": [
            {"batch": ["a"], "complete": ["a"], "ongoing": ["f"]},
            {"batch": ["b"], "complete": ["b"], "ongoing": []}]},
        {"yields": [["a", "b", "c"], "dep a", ["d"]], "steps": [
            {"batch": ["a", "b", "c"], "complete": ["b"]},
            {"batch": [], "complete": ["a"]},
            {"batch": ["d"], "complete": ["c", "d"], "ongoing": []}]},
        {"yields": [{"flow_1": ["x", "y", "dep x", "z"]}, "a", "dep a", "b"], "steps": [
            {"batch": ["a", "x", "y"], "complete": []},
            {"batch": [], "complete": ["x"]},
            {"batch": ["z"], "complete": ["z", "y", "a"], "ongoing": ["f"]},
            {"batch": ["b"], "complete": []}]},
        {"yields": [["a", "b"], "dep a", "c", "dep*", "d"], "steps": [
            {"batch": ["a", "b"], "complete": ["a"]},
            {"batch": ["c"], "complete": ["c"]},
            {"batch": [], "complete": ["b"]},
            {"batch": ["d"]}]}
    ])
}

fn steps(yields: &Json) -> Vec<Op> {
    let mut names: Vec<String> = Vec::new();
    let mut ops = Vec::new();
    for item in yields.as_array().unwrap() {
        match item {
            Json::String(text) if text == "dep*" => ops.push(Op::WaitAll),
            Json::String(text) => match text.strip_prefix("dep ") {
                Some(name) => ops.push(match names.iter().position(|known| known == name) {
                    Some(position) => Op::WaitFor(vec![position]),
                    None => Op::WaitForName(name.to_owned()),
                }),
                None => {
                    names.push(text.clone());
                    ops.push(Op::Tasks(vec![text.clone()]));
                }
            },
            Json::Array(tasks) => {
                let tasks: Vec<String> = tasks.iter().map(|task| task.as_str().unwrap().to_owned()).collect();
                names.extend(tasks.iter().cloned());
                ops.push(Op::Tasks(tasks));
            }
            Json::Object(flow) => {
                let (name, yields) = flow.iter().next().unwrap();
                names.push(name.clone());
                ops.push(Op::Flow(Script { name: name.clone(), steps: steps(yields) }));
            }
            other => panic!("{other}"),
        }
    }
    ops
}

fn world(yields: &Json) -> World {
    let script = Script { name: "f".to_owned(), steps: steps(yields) };
    World::new(script, 10_000, OnDead::Stop)
}

fn ids(names: &Json) -> Vec<protocol::TaskId> {
    names.as_array().unwrap().iter().map(|name| task_id(name.as_str().unwrap())).collect()
}

#[test]
fn batches_are_those_of_mazepa() {
    for (number, trace) in traces().as_array().unwrap().iter().enumerate() {
        let mut world = world(&trace["yields"]);
        for (index, step) in trace["steps"].as_array().unwrap().iter().enumerate() {
            let place = format!("trace {number}, step {index}");
            assert_eq!(std::mem::take(&mut world.published), ids(&step["batch"]), "{place}");
            if !step["complete"].is_null() {
                world.complete(ids(&step["complete"]));
            }
            if let Some(ongoing) = step["ongoing"].as_array() {
                let is_done = world.conclusion.is_some();
                assert_eq!(is_done, ongoing.is_empty(), "{place}");
            }
        }
    }
}

/// The fifth trace: waiting for something that the flow did not yield. Mazepa dies of an assertion
/// in its main loop; here the flow fails, with a message that names both.
#[test]
fn waiting_for_what_is_no_child_fails_the_flow() {
    let mut world = world(&json!(["a", "dep nochild", "b"]));
    assert_eq!(world.published, [task_id("a")]);
    world.run_out();
    assert_eq!(world.conclusion, Some(Conclusion::Failed));
    let failure = &world.engine.flow_failures()[0];
    assert_eq!(failure.flow, FlowId::of_key("f"));
    let message = failure.failure.summary();
    assert!(message.contains(&NodeId::Task(task_id("nochild")).to_string()), "{message}");
    assert!(message.contains("which it did not yield"), "{message}");
}

#[test]
fn a_dependency_on_nothing_is_no_dependency() {
    let mut world = world(&json!(["dep*", "a", "dep*", "dep*", "b"]));
    assert_eq!(world.published, [task_id("a")]);
    world.run_out();
    assert_eq!(world.published, [task_id("a"), task_id("b")]);
    assert!(matches!(world.conclusion, Some(Conclusion::Succeeded(_))));
}

#[test]
fn expansion_stops_at_the_limit_and_goes_on_with_the_leftover() {
    let tasks = |names: &str| names.chars().map(String::from).collect();
    let script = Script { name: "f".to_owned(), steps: vec![Op::Tasks(tasks("abc")), Op::Tasks(tasks("d"))] };
    let mut world = World::new(script, 1, OnDead::Stop);
    for name in ["a", "b", "c", "d"] {
        assert_eq!(std::mem::take(&mut world.published), [task_id(name)]);
        world.complete([task_id(name)]);
    }
    assert!(matches!(world.conclusion, Some(Conclusion::Succeeded(_))));
}

/// Mazepa replaces the first flow and restarts its generator, and pushes its tasks twice.
#[test]
fn an_id_yielded_twice_joins_the_first() {
    let twice = json!([{"g": ["x", "dep*", "y"]}, "x", "x", {"g": ["x", "dep*", "y"]}, "dep*", "x"]);
    let mut world = world(&twice);
    world.run_out();
    assert_eq!(world.published, [task_id("x"), task_id("y")]);
    assert_eq!(world.engine.tally().counts().expanded, 2);
    assert!(matches!(world.conclusion, Some(Conclusion::Succeeded(_))));
}

#[test]
fn a_flow_that_yields_itself_fails_instead_of_hanging() {
    let inner = json!([{"g": ["x", {"f": ["never"]}]}]);
    let mut world = world(&inner);
    world.run_out();
    assert_eq!(world.conclusion, Some(Conclusion::Failed));
    assert!(world.engine.flow_failures()[0].failure.summary().contains("yielded by itself"));
}

#[test]
fn flows_nest_by_the_thousand() {
    let mut script = Script { name: "leaf".to_owned(), steps: vec![Op::Tasks(vec!["a".to_owned()])] };
    for depth in 0..3_000 {
        script = Script { name: format!("level {depth}"), steps: vec![Op::Flow(script), Op::WaitAll] };
    }
    // Dropping and cloning nested data is recursive, unlike the engine; give that room.
    let body = move || {
        let mut world = World::new(script, 10, OnDead::Stop);
        world.run_out();
        assert!(matches!(world.conclusion, Some(Conclusion::Succeeded(_))));
    };
    std::thread::Builder::new().stack_size(256 << 20).spawn(body).unwrap().join().unwrap();
}
