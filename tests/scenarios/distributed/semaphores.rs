//! Workers of one machine share its semaphores.

use std::fs;

use serde_json::{Value as Json, json};
use tests::{Cluster, until};

use super::{execute, lines, until_there_are};

const WORKER: &[&str] = &[
    "--queue",
    "cpu",
    "--concurrency",
    "4",
    "--lease",
    "3s",
    "--listen",
    "127.0.0.1:0",
    "--semaphore",
    "disk=2",
];

/// A task that tells when it is in and when it is out.
fn entering(journal: &str) -> Json {
    let script = format!("echo in >> {journal}; sleep 0.05; echo out >> {journal}; : {{item}}");
    json!({"@type": "command", "argv": ["sh", "-c", script], "@semaphores": ["disk"]})
}

#[test]
fn tasks_of_one_semaphore_never_overlap_beyond_its_width_over_all_workers() {
    const TASKS: u64 = 60;
    let cluster = Cluster::start();
    let journal = cluster.path("journal");
    let workers = cluster.start_workers(3, WORKER);
    until_there_are(&cluster, 3);
    let spec = json!({"@type": "map_flow", "over": {"range": [0, TASKS]}, "do": entering(&journal)});
    let document = execute(&cluster, "entering", &spec, &["--quiet"]).wait().expect(0).json();
    assert_eq!((&document["tasks"]["succeeded"], &document["tasks"]["retried"]), (&json!(TASKS), &json!(0)));
    let (mut inside, mut most) = (0, 0);
    for line in fs::read_to_string(&journal).expect("tasks have run").lines() {
        inside += if line == "in" { 1 } else { -1 };
        most = most.max(inside);
    }
    assert_eq!((inside, most), (0, 2));
    let refused = cluster.worker().run(&["--semaphore", "disk=3"]).expect(2);
    for part in ["semaphore disk has width 2", "width 3 here", "the same width"] {
        assert!(refused.stderr.contains(part), "{part}: {}", refused.stderr);
    }
    let acquisitions = "semaphore_acquisitions_total{semaphore=\"disk\"}";
    let acquired: Vec<u64> = workers.iter().map(|worker| worker.metric(acquisitions)).collect();
    assert_eq!(acquired.iter().sum::<u64>(), TASKS, "{acquired:?}");
    for (worker, acquired) in workers.into_iter().zip(acquired) {
        worker.terminate();
        let said = worker.wait().expect(0).stderr;
        assert!(said.contains(&format!("semaphore disk (width 2): acquired {acquired}x, waited ")), "{said}");
    }
}

#[test]
fn a_killed_workers_place_goes_to_another_worker() {
    let cluster = Cluster::start();
    let one = |queue| ["--queue", queue, "--lease", "3s", "--listen", "127.0.0.1:0"];
    let task = |queue: &str, script: &str| json!({"@type": "command", "argv": ["sh", "-c", script], "@worker_type": queue, "@semaphores": ["cuda"]});
    let (end, runs) = (cluster.path("end"), cluster.path("runs"));
    let mut holder = cluster.worker().start(&one("first"));
    let goes_on = task("first", &format!("echo run >> {runs}; until test -e {end}; do sleep 0.1; done"));
    let _holding = execute(&cluster, "holds", &goes_on, &["--quiet"]);
    until("the task to hold the place", || (lines(&runs) == 1).then_some(()));
    let other = cluster.worker().start(&one("second"));
    let waits = execute(&cluster, "waits", &task("second", &format!("echo run >> {runs}")), &["--quiet"]);
    let waiting = "otaman_worker_semaphore_waiting{semaphore=\"cuda\"} 1";
    until("the other task to wait", || other.page("/metrics").body.contains(waiting).then_some(()));
    assert_eq!(lines(&runs), 1);
    until("it to be explained", || {
        let coordinator = cluster.coordinator();
        let explained = coordinator.run(&["explain", "waits"]).stdout;
        let is_told = explained.contains("on workers for a place in semaphore cuda: 1 task waiting");
        let workers = coordinator.run(&["workers", "-o", "json"]).expect(0).json();
        let running = workers.as_array()?.iter().flat_map(|worker| worker["running"].as_array()).flatten();
        let waits = |task: &&Json| task["execution"] == "waits" && task["waits_for"]["semaphore"] == "cuda";
        let task = running.filter(waits).find_map(|task| task["task"].as_str().map(str::to_owned))?;
        let said = coordinator.run(&["explain", "waits", &task]).expect(0).stdout;
        let wait = "attempt 1 has been waiting for semaphore cuda for ";
        (is_told
            && said.contains(wait)
            && said.contains(&format!("worker {} on ", other.pid().as_raw_nonzero())))
        .then_some(())
    });
    holder.kill();
    until("the place", || (lines(&runs) == 2).then_some(()));
    assert_eq!(waits.wait().expect(0).json()["tasks"]["succeeded"], 1);
}

#[test]
fn nothing_begins_that_waits_for_a_semaphore_while_its_execution_is_paused_or_cancelled() {
    const TASKS: usize = 4;
    let cluster = Cluster::start();
    let coordinator = cluster.coordinator();
    let worker = cluster.worker().start(&[WORKER, &["--semaphore", "gate=1"]].concat());
    let waiting = |count: usize| {
        let wanted = format!("otaman_worker_semaphore_waiting{{semaphore=\"gate\"}} {count}\n");
        until(&format!("{count} tasks to wait"), || {
            worker.page("/metrics").body.contains(&wanted).then_some(())
        });
    };
    for (id, command) in [("paused", "pause"), ("cancelled", "cancel")] {
        let (runs, end) = (cluster.path(&format!("runs-{id}")), cluster.path(&format!("end-{id}")));
        let script = format!("echo run >> {runs}; until test -e {end}; do sleep 0.1; done; : {{item}}");
        let task = json!({"@type": "command", "argv": ["sh", "-c", script], "@semaphores": ["gate"]});
        let spec = json!({"@type": "map_flow", "over": {"range": [0, TASKS]}, "do": task});
        let running = execute(&cluster, id, &spec, &["--quiet"]);
        until("a task to run", || (lines(&runs) == 1).then_some(()));
        waiting(TASKS - 1);
        // It says so once the coordinator has ended the execution, for which a task still runs.
        let said = coordinator.start(&[command, id]);
        waiting(0);
        fs::write(&end, "").expect("the directory is writable");
        if command == "cancel" {
            let document = running.wait().expect(130).json();
            assert_eq!((&document["tasks"]["succeeded"], lines(&runs)), (&json!(1), 1), "{document:#}");
            said.wait().expect(0);
            continue;
        }
        said.wait().expect(0);
        until("the running task to end", || {
            let shown = coordinator.run(&["executions", "show", id, "--json"]).expect(0).json();
            (shown["tasks"]["succeeded"] == 1).then_some(())
        });
        assert_eq!(lines(&runs), 1);
        coordinator.run(&["resume", id]).expect(0);
        let document = running.wait().expect(0).json();
        assert_eq!((&document["tasks"]["succeeded"], lines(&runs)), (&json!(TASKS), TASKS), "{document:#}");
    }
}
