//! One installation's programs share operations, large values, and nothing with strangers.

use serde_json::json;
use tests::{Cluster, Worker, program, until};

use super::{assert_numbers, execute, numbers, until_there_are};

#[test]
fn large_values_travel_by_reference() {
    let cluster = Cluster::start();
    let _workers = cluster.start_workers(1, &["--queue", "cpu", "--quiet"]);
    let text = "x".repeat(3 * 1024 * 1024);
    let spec = json!({"@type": "echo", "value": text});
    let document = execute(&cluster, "large", &spec, &["--quiet"]).wait().expect(0).json();
    assert_eq!(document["result"].as_str().map(str::len), Some(text.len()));
}

#[test]
fn with_a_signing_key_unsigned_messages_are_put_aside() {
    let cluster = Cluster::start();
    let signed = cluster.another_worker().with_env("OTAMAN_SIGNING_KEY", "a secret of the installation");
    let _worker = signed.start(&["--queue", "cpu", "--quiet"]);
    // This coordinator does not know the secret.
    let mut stranger = execute(&cluster, "stranger", &numbers(3), &[]);
    until("the unsigned tasks to be put aside", || {
        let shown = cluster.coordinator().run(&["queues", "-o", "json"]);
        let text = if shown.code == Some(0) { shown.stdout } else { String::new() };
        let queues: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        // At least one copy of each: whoever loses its connection on the way publishes again what was not confirmed.
        let dead = queues
            .as_array()
            .into_iter()
            .flatten()
            .any(|queue| queue.to_string().contains("otaman.dead") && queue["ready"].as_u64() >= Some(3));
        dead.then_some(())
    });
    until("the coordinator to say so", || {
        stranger.stderr().contains("has another signing key than this coordinator").then_some(())
    });
    let explained = cluster.coordinator().run(&["explain", "stranger"]).expect(0).stdout;
    assert!(explained.contains("another signing key"), "{explained}");
    stranger.kill();
    let member = cluster.another_coordinator().with_env("OTAMAN_SIGNING_KEY", "a secret of the installation");
    let spec = member.file("spec.json", &numbers(3).to_string());
    assert_numbers(member.run(&["execute", &spec, "--quiet", "--json"]), 3);
}

#[test]
fn a_worker_with_another_signing_key_does_not_start_beside_others_on_its_queue() {
    let cluster = Cluster::start();
    let signed = cluster.another_worker().with_env("OTAMAN_SIGNING_KEY", "a secret of the installation");
    let worker = signed.start(&["--queue", "cpu", "--quiet"]);
    until_there_are(&cluster, 1);
    for key in ["", "another secret of somebody else"] {
        let other = cluster.another_worker().with_env("OTAMAN_SIGNING_KEY", key);
        let refused = other.run(&["--queue", "cpu"]).expect(3).stderr;
        let pid = worker.pid().as_raw_nonzero();
        assert!(
            refused.contains(&format!("worker {pid} on ")) && refused.contains("OTAMAN_SIGNING_KEY"),
            "{refused}"
        );
        // On other queues, and once the first has left, nobody is in its way.
        drop(other.start(&["--queue", "gpu", "--quiet"]));
    }
    worker.terminate();
    worker.wait().expect(0);
    let other = cluster.another_worker().with_env("OTAMAN_SIGNING_KEY", "another secret of somebody else");
    let _worker = other.start(&["--queue", "cpu", "--quiet"]);
    until_there_are(&cluster, 1);
}

#[test]
fn embedded_and_distributed_give_the_same_result() {
    let cluster = Cluster::start();
    let _workers = cluster.start_workers(1, &["--queue", "cpu", "--quiet"]);
    let spec = json!({"@type": "mazepa.sequential_flow", "stages": [
        numbers(100),
        {"@type": "map_flow", "over": {"list": ["a", "b"]}, "do": {"@type": "echo", "value": "{item}-{index}"},
            "reduce": {"@type": "echo", "value": "{values}"}},
        {"@type": "map_flow", "over": {"list": []}, "do": {"@type": "echo", "value": "{item}"}},
        {"@type": "command", "argv": ["printf", "hello"]},
    ]});
    let distributed = execute(&cluster, "same", &spec, &["--quiet"]).wait().expect(0).json();
    let alone = tests::Coordinator::new();
    let spec = alone.file("spec.json", &spec.to_string());
    let embedded = alone.run(&["execute", &spec, "--quiet", "--json"]).expect(0).json();
    assert_eq!(distributed["result"], embedded["result"]);
    assert_eq!(distributed["tasks"], embedded["tasks"]);
}

#[test]
fn a_worker_leaves_operations_that_it_lacks_to_others_on_its_queue() {
    const TASKS: u64 = 10;
    let cluster = Cluster::start();
    let stock = cluster.worker().start(&["--queue", "cpu", "--concurrency", "4"]);
    let own = Worker::of(&program("own-worker"))
        .with_env("AMQP_URL", cluster.amqp_url())
        .with_env("REDIS_URL", cluster.redis_url());
    let _own = own.start(&["--queue", "cpu", "--concurrency", "1", "--quiet"]);
    until_there_are(&cluster, 2);
    let spec = json!({"@type": "map_flow", "over": {"range": [0, TASKS]}, "do": {"@type": "evaluate", "x": "{item}"}});
    // Which of the two gets a task is up to the broker, and a session is announced before its worker consumes.
    let mut runs = 0;
    until("the stock worker to be handed a task of which it lacks the operation", || {
        runs += 1;
        let document =
            execute(&cluster, &format!("shared-{runs}"), &spec, &["--quiet"]).wait().expect(0).json();
        assert_eq!(document["result"][3], 7.0);
        assert_eq!(document["tasks"]["succeeded"], TASKS);
        stock.stderr().contains("lacks an operation").then_some(())
    });
}

#[test]
fn a_worker_leaves_tasks_whose_semaphore_it_lacks_to_others_that_have_it() {
    const TASKS: u64 = 10;
    let cluster = Cluster::start();
    let _without = cluster.worker().start(&["--queue", "cpu", "--concurrency", "4", "--quiet"]);
    let with = ["--queue", "cpu", "--concurrency", "1", "--semaphore", "licence=1", "--quiet"];
    let with = cluster.worker().start(&with);
    until_there_are(&cluster, 2);
    let spec = json!({"@type": "map_flow", "over": {"range": [0, TASKS]},
        "do": {"@type": "echo", "value": "{item}", "@semaphores": ["licence"]}});
    assert_eq!(assert_numbers(execute(&cluster, "licensed", &spec, &["--quiet"]).wait(), TASKS), 0);
    drop(with);
    until_there_are(&cluster, 1);
    let spec = json!({"@type": "echo", "value": 1, "@semaphores": ["licence"], "@key": "alone"});
    let failed = execute(&cluster, "alone", &spec, &["--quiet"]).wait().expect(1);
    let told = failed.json()["failures"].to_string();
    assert!(told.contains("--semaphore licence=1"), "{told}");
}
