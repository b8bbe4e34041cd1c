//! Redis is restored from an older copy while a worker sleeps that others took for dead since.

use serde_json::json;
use tests::{Cluster, until};

use super::{execute, until_it_has};

const WORKER: &[&str] = &["--queue", "cpu", "--concurrency", "4", "--lease", "3s"];
const TASKS: u64 = 400;

#[test]
fn no_task_stays_busy_after_a_rollback_and_a_late_worker() {
    let cluster = Cluster::start();
    let spec = json!({"@type": "map_flow", "over": {"range": [0, TASKS]},
        "do": {"@type": "sleep", "duration": "100ms", "@key": "{item}"}});
    let running = execute(&cluster, "restored", &spec, &["--quiet"]);
    let sleeper = cluster.worker().start(WORKER);
    until_it_has(&cluster, "restored", 20);
    // This copy knows the sleeper's session as alive, and what it had leased.
    let snapshot = cluster.redis().snapshot();
    sleeper.freeze();
    let heir = cluster.worker().start(WORKER);
    let pid = i64::from(sleeper.pid().as_raw_nonzero().get());
    until("the sleeper to be taken for dead", || {
        let workers = cluster.coordinator().run(&["workers", "-o", "json"]).expect(0).json();
        let workers = workers.as_array()?.iter().map(|worker| worker["pid"].as_i64()).collect::<Vec<_>>();
        (!workers.is_empty() && !workers.contains(&Some(pid))).then_some(())
    });
    until_it_has(&cluster, "restored", 60);
    cluster.redis().roll_back(&snapshot);
    sleeper.thaw();
    let document = running.wait().expect(0).json();
    assert_eq!(document["tasks"]["succeeded"], TASKS, "{document:#}");
    assert_eq!(document["result"].as_array().map(Vec::len), Some(400));
    // Both work on: nothing that they had keeps them from new tasks.
    let again = execute(&cluster, "again", &spec, &["--quiet"]).wait().expect(0).json();
    assert_eq!(again["tasks"]["succeeded"], TASKS, "{again:#}");
    drop((sleeper, heir));
}

#[test]
fn what_a_rollback_took_from_an_execution_is_run_again_when_it_is_resumed() {
    const TASKS: u64 = 120;
    let cluster = Cluster::start();
    let spec = json!({"@type": "map_flow", "over": {"range": [0, TASKS]},
        "do": {"@type": "sleep", "duration": "300ms", "@key": "{item}"}});
    let workers = cluster.start_workers(3, &["--queue", "cpu", "--concurrency", "3", "--lease", "3s"]);
    let running = execute(&cluster, "taken", &spec, &["--quiet"]);
    until_it_has(&cluster, "taken", 30);
    // This copy knows of leases on tasks that their workers end at once, and go on living.
    let snapshot = cluster.redis().snapshot();
    until_it_has(&cluster, "taken", 60);
    cluster.redis().roll_back(&snapshot);
    assert_eq!(running.wait().expect(0).json()["tasks"]["succeeded"], TASKS);
    let mut resumed = cluster.coordinator().start(&["execute", "--resume", "taken", "--json", "--quiet"]);
    until("the end of the resumed execution", || resumed.has_ended().then_some(()));
    assert_eq!(resumed.wait().expect(0).json()["tasks"]["succeeded"], TASKS);
    drop(workers);
}
