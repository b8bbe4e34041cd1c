//! Coordinators are killed, replaced, and kept from working on one execution at once.

use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use tests::{Cluster, Stopwatch, until, until_the_end_of};

use super::{assert_numbers, execute, numbers, succeeded, until_it_has};

const RESUME: [&str; 7] = ["execute", "--resume", "killed", "--quiet", "--json", "--max-in-flight", "200"];

#[test]
fn a_coordinator_killed_at_50_moments_goes_on_each_time() {
    const ITEMS: u64 = 10_000;
    const KILLS: u64 = 50;
    /// Tasks between two kills.
    const APART: u64 = ITEMS / KILLS;
    let cluster = Cluster::start();
    let _workers = cluster.start_workers(2, &["--queue", "cpu", "--concurrency", "2", "--quiet"]);
    // Tasks that take their time, so that the run lasts longer than all the kills. Each run publishes all
    // that is in flight again: a broker with little memory is not to be filled with that.
    let each = json!({"@type": "mazepa.sequential_flow", "stages": [
        {"@type": "sleep", "duration": "20ms", "@key": "nap {item}"}, {"@type": "echo", "value": "{item}"}]});
    let spec = json!({"@type": "map_flow", "over": {"range": [0, ITEMS]}, "do": each});
    let mut running = execute(&cluster, "killed", &spec, &["--quiet", "--max-in-flight", "200"]);
    until("the execution's record", || {
        (cluster.coordinator().run(&["executions", "show", "killed", "--json"]).code == Some(0)).then_some(())
    });
    let seed = rand::random();
    println!("seed {seed}");
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    let mut slowest = Duration::ZERO;
    for kill in 1..=KILLS {
        until_it_has(&cluster, "killed", kill * APART);
        std::thread::sleep(Duration::from_millis(random.random_range(0..200)));
        assert!(!running.has_ended(), "the run was over before kill {kill}; it must be longer");
        running.kill();
        let (killed, before) = (Stopwatch::start(), succeeded(&cluster, "killed"));
        running = cluster.coordinator().start(&RESUME);
        until("the execution to be taken up again", || {
            let shown = cluster.coordinator().run(&["executions", "show", "killed", "--json"]).json();
            (shown["runs"].as_u64().unwrap_or_default() > kill).then_some(())
        });
        until_it_has(&cluster, "killed", before + 1);
        slowest = slowest.max(killed.elapsed());
    }
    println!("{KILLS} kills, at most {slowest:?} until tasks went on");
    until_the_end_of(&mut running);
    let document = running.wait().expect(0).json();
    assert_eq!(document["tasks"]["succeeded"], 2 * ITEMS, "{}", document["tasks"]);
    let result = document["result"].as_array().expect("the result is a list");
    assert!(result.iter().eq((0..ITEMS).map(|item| json!([null, item])).collect::<Vec<_>>().iter()));
    assert!(slowest < Duration::from_secs(10), "{slowest:?}");
}

#[test]
fn a_second_coordinator_is_refused_while_the_first_one_lives() {
    let cluster = Cluster::start();
    let first = execute(&cluster, "held", &numbers(1_000), &["--quiet"]);
    until("the execution's record", || {
        (cluster.coordinator().run(&["executions", "show", "held", "--json"]).code == Some(0)).then_some(())
    });
    let second = cluster.another_coordinator().run(&["execute", "--resume", "held"]).expect(3);
    assert!(second.stderr.contains("held"), "{}", second.stderr);
    let _worker = cluster.start_workers(1, &["--queue", "cpu", "--quiet"]);
    assert_numbers(first.wait(), 1_000);
}

#[test]
fn a_frozen_coordinator_is_fenced_when_another_has_taken_over() {
    let cluster = Cluster::start();
    let first = execute(&cluster, "fenced", &numbers(20_000), &["--quiet"]);
    let _workers = cluster.start_workers(1, &["--queue", "cpu", "--quiet"]);
    until_it_has(&cluster, "fenced", 1);
    first.freeze();
    // It is on this machine and alive, so the second waits for its hold to run out.
    let second = until("the second coordinator to take over", || {
        let running =
            cluster.another_coordinator().run(&["execute", "--resume", "fenced", "--quiet", "--json"]);
        (running.code != Some(3)).then_some(running)
    });
    assert_numbers(second, 20_000);
    first.thaw();
    let late = first.wait();
    assert_ne!(late.code, Some(0), "the first one must not believe that it ended the execution");
}
