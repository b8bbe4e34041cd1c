//! Workers are killed at random, and tasks that kill theirs are found out.

use std::time::{Duration, Instant};

use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use tests::{Cluster, Running, until, until_the_end_of, until_within};

use super::{assert_numbers, execute, numbers};

/// Longest that the executions may take whose workers die.
const MOST: Duration = Duration::from_secs(600);
/// Short leases let the tasks of dead workers come back while the test runs.
const WORKER: &[&str] = &["--queue", "cpu", "--concurrency", "2", "--lease", "3s", "--quiet"];

#[test]
fn workers_killed_at_200_moments_lose_and_double_nothing() {
    const TASKS: u64 = 100_000;
    const KILLS: u32 = 200;
    let cluster = Cluster::start();
    let seed = rand::random();
    println!("seed {seed}");
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    let mut workers = cluster.start_workers(4, WORKER);
    let started = Instant::now();
    let (mut kills, mut executions) = (0, 0);
    // On a fast machine one is over before all kills.
    while kills < KILLS {
        executions += 1;
        let mut running = execute(&cluster, &format!("kills-{executions}"), &numbers(TASKS), &["--quiet"]);
        while kills < KILLS && !running.has_ended() {
            std::thread::sleep(Duration::from_millis(random.random_range(50..350)));
            let victim = random.random_range(0..workers.len());
            workers[victim].kill();
            workers[victim] = cluster.worker().start(WORKER);
            kills += 1;
        }
        until_the_end_of(&mut running);
        let extra = assert_numbers(running.wait(), TASKS);
        println!("{extra} extra executions, {kills} kills so far");
        assert!(extra <= TASKS / 20, "{extra} extra executions of {TASKS}");
    }
    println!("{kills} kills over {executions} executions, {:?}", started.elapsed());
}

/// Starts a worker, and another whenever that has died, until the execution has ended; how many died.
fn outlast(cluster: &Cluster, running: &mut Running, arguments: &[&str]) -> u64 {
    let mut worker = cluster.worker().start(arguments);
    let mut deaths = 0;
    until_within(MOST, "the end of the execution", || {
        if worker.has_ended() {
            deaths += 1;
            worker = cluster.worker().start(arguments);
        }
        running.has_ended().then_some(())
    });
    deaths
}

#[test]
fn a_task_that_kills_its_workers_is_dead_and_others_are_unhurt() {
    const SLOTS: &[&str] = &["--queue", "cpu", "--concurrency", "4", "--lease", "3s", "--quiet"];
    let cluster = Cluster::start();
    // Others that take so long that it takes them with it, as often as it runs beside them.
    let spec = json!({"@type": "mazepa.concurrent_flow", "stages": [
        {"@type": "command", "argv": ["sh", "-c", "sleep 0.5; kill -9 $PPID"], "@key": "poison"},
        {"@type": "map_flow", "over": {"range": [0, 3]}, "do": {"@type": "sleep", "duration": "3s", "@key": "long {item}"}},
        {"@type": "map_flow", "over": {"range": [0, 200]}, "do": {"@type": "sleep", "duration": "20ms", "@key": "{item}"}},
    ]});
    let mut running = execute(&cluster, "poison", &spec, &["--on-failure", "continue", "--quiet"]);
    let deaths = outlast(&cluster, &mut running, SLOTS);
    let ended = running.wait().expect(1);
    let document = ended.json();
    assert_eq!(document["tasks"]["failed"], 1, "{document:#}");
    assert_eq!(document["tasks"]["succeeded"], 203, "{document:#}");
    assert_eq!(deaths, 3, "as many as the default policy allows");
    let text = document["failures"].to_string();
    assert!(text.contains("poison"), "{text}");
}

#[test]
fn tasks_that_were_leased_ahead_when_others_killed_the_worker_are_unhurt() {
    const SHORT: u64 = 5_000;
    const DEADLY: u64 = 4;
    let cluster = Cluster::start();
    let deadly = json!({"@type": "command", "argv": ["sh", "-c", "kill -9 $PPID"], "@key": "deadly {item}"});
    let short = |to: u64| json!({"@type": "map_flow", "over": {"range": [to - SHORT, to]}, "do": {"@type": "echo", "value": "{item}"}});
    // Each deadly one comes while the worker knows the tasks to be short, and has many leased ahead.
    let stages: Vec<_> = (1..=DEADLY)
        .flat_map(|number| {
            [
                short(number * SHORT),
                json!({"@type": "map_flow", "over": {"range": [number, number + 1]}, "do": deadly.clone()}),
            ]
        })
        .collect();
    let spec = json!({"@type": "mazepa.concurrent_flow", "stages": stages});
    let mut running = execute(&cluster, "deadly", &spec, &["--on-failure", "continue", "--quiet"]);
    let deaths = outlast(&cluster, &mut running, WORKER);
    let document = running.wait().expect(1).json();
    println!("{deaths} deaths");
    assert_eq!(document["tasks"]["failed"], DEADLY, "{document:#}");
    assert_eq!(document["tasks"]["succeeded"], DEADLY * SHORT, "{document:#}");
    // Three each, and one more for a deadly task that was leased ahead itself; two may die of one death.
    assert!((3..=4 * DEADLY).contains(&deaths), "{deaths} deaths");
}

#[test]
fn preemptions_cost_nothing() {
    const PREEMPTIONS: u32 = 50;
    let cluster = Cluster::start();
    let enough = cluster.coordinator().directory().join("enough");
    let script = format!("test -e {} || sleep 60", enough.display());
    let spec = json!({"@type": "command", "argv": ["sh", "-c", script], "@key": "preempted"});
    let mut running = execute(&cluster, "preempted", &spec, &["--quiet"]);
    let arguments = [WORKER, &["--drain-timeout", "10ms", "--listen", "127.0.0.1:0"]].concat();
    for round in 0..PREEMPTIONS {
        let worker = cluster.worker().start(&arguments);
        until("the task to run", || {
            let shown = cluster.coordinator().run(&["workers", "-o", "json"]);
            let workers = if shown.code == Some(0) { shown.json() } else { json!([]) };
            let runs = workers.as_array().is_some_and(|all| {
                all.iter().any(|worker| worker["running"].as_array().is_some_and(|tasks| tasks.len() == 1))
            });
            runs.then_some(())
        });
        assert!(!running.has_ended(), "after {round} preemptions");
        worker.terminate();
        worker.wait().expect(0);
    }
    std::fs::write(&enough, "").expect("the directory is writable");
    let _worker = cluster.worker().start(WORKER);
    let document = running.wait().expect(0).json();
    assert_eq!(document["tasks"]["succeeded"], 1);
    let attempts = document["tasks"]["retried"].as_u64().expect("a count");
    assert!(attempts >= u64::from(PREEMPTIONS), "{attempts}");
}
