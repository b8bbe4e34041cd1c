//! What `coordinator executions remove` leaves on the servers.

use serde_json::{Value as Json, json};
use tests::{Cluster, until};

use super::{execute, lines};

#[test]
fn of_a_removed_execution_servers_keep_only_what_goes_by_itself() {
    let cluster = Cluster::start();
    let coordinator = cluster.coordinator();
    let runs = cluster.path("runs");
    let text = "x".repeat(400_000);
    let script = format!("echo run >> {runs}; head -c 400000 /dev/zero | tr '\\0' x");
    // One task is dead in the end, and one waits in the broker for ever.
    let spec = json!({"@type": "mazepa.concurrent_flow", "stages": [
        {"@type": "command", "argv": ["sh", "-c", script]}, {"@type": "echo", "value": text},
        {"@type": "command", "argv": ["false"]}, {"@type": "echo", "value": 1, "@worker_type": "nobody"}]});
    // Names of tasks' records are not text.
    let stays = "local stays = {} for _, key in ipairs(redis.call('KEYS', '*nightly*')) do \
                 if redis.call('TTL', key) < 0 then stays[#stays + 1] = key end end return stays";
    let what_stays = || cluster.redis().cli(&["EVAL", stays, "0"]);
    let _workers = cluster.start_workers(1, &["--queue", "cpu", "--quiet"]);
    for time in 1..=2 {
        let mut running = execute(&cluster, "nightly", &spec, &["--quiet", "--on-failure", "continue"]);
        until("three tasks to end", || {
            let shown = coordinator.run(&["executions", "show", "nightly", "--json"]);
            let tasks = if shown.code == Some(0) { shown.json()["tasks"].clone() } else { Json::Null };
            (tasks["succeeded"] == 2 && tasks["failed"] == 1).then_some(())
        });
        assert_eq!(lines(&runs), time, "a removed execution's outcomes are not those of a later one");
        let refused = coordinator.run(&["executions", "remove", "nightly"]).expect(3);
        assert!(refused.stderr.contains("is being run by"), "{}", refused.stderr);
        running.kill();
        assert!(what_stays().contains("nightly"));
        until("the killed coordinator to be known as gone", || {
            (coordinator.run(&["executions", "remove", "nightly"]).code == Some(0)).then_some(())
        });
        assert_eq!(what_stays().trim(), "", "it stays for ever");
        assert_eq!(coordinator.run(&["executions", "--json"]).expect(0).json(), json!([]));
        let queues = coordinator.run(&["queues", "-o", "json"]).expect(0).stdout;
        assert!(!queues.contains("nightly"), "{queues}");
    }
    // What waited for nobody is not run for an execution that is gone.
    let _late = cluster.start_workers(1, &["--queue", "nobody", "--quiet"]);
    let after = json!({"@type": "echo", "value": 2, "@worker_type": "nobody"});
    let document = execute(&cluster, "nightly", &after, &["--quiet"]).wait().expect(0).json();
    assert_eq!((&document["result"], &document["tasks"]["expanded"]), (&json!(2), &json!(1)));
}

#[test]
fn an_execution_of_which_workers_still_run_tasks_is_not_removed() {
    let cluster = Cluster::start();
    let coordinator = cluster.coordinator();
    let (runs, end) = (cluster.path("runs"), cluster.path("end"));
    let script = format!("echo run >> {runs}; until test -e {end}; do sleep 0.1; done");
    let spec = json!({"@type": "command", "argv": ["sh", "-c", script]});
    let worker = cluster.worker().start(&["--queue", "cpu", "--quiet"]);
    let mut running = execute(&cluster, "nightly", &spec, &["--quiet"]);
    until("the task to be told of", || {
        let shown = coordinator.run(&["workers", "-o", "json"]).expect(0).stdout;
        shown.contains("\"nightly\"").then_some(())
    });
    running.kill();
    until("the killed coordinator to be known as gone", || {
        let refused = coordinator.run(&["executions", "remove", "nightly"]).expect(3).stderr;
        let pid = worker.pid().as_raw_nonzero();
        refused.contains(&format!("workers that still have 1 task of it: worker {pid} on ")).then_some(())
    });
    std::fs::write(&end, "").expect("the directory is writable");
    until("it to be removed", || {
        (coordinator.run(&["executions", "remove", "nightly"]).code == Some(0)).then_some(())
    });
    let document = execute(&cluster, "nightly", &spec, &["--replace"]).wait().expect(0);
    assert!(document.stderr.contains("execution nightly runs on 1 worker"), "{}", document.stderr);
    assert_eq!(lines(&runs), 2);
}
