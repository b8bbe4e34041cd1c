//! Programs find their servers, and what they say is looked through for passwords.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use tests::servers::{RabbitMq, Redis};
use tests::{Cluster, Worker, assert_hidden, until};

#[test]
fn all_programs_of_a_cluster_are_given_its_servers() {
    let cluster = Cluster::behind_proxies(RabbitMq::start(), Redis::start());
    let proxied = cluster.proxies().redis.address().to_string();
    assert!(cluster.redis_url().contains(&proxied));
    let another = cluster.another_coordinator();
    assert_ne!(another.directory(), cluster.coordinator().directory());
    for command in [cluster.worker().command(&[]), cluster.coordinator().command(&[]), another.command(&[])] {
        let value = |name: &str| {
            let (_, value) = command.get_envs().find(|(given, _)| *given == name).unwrap();
            value.unwrap().to_str().unwrap().to_owned()
        };
        assert_eq!(value("AMQP_URL"), cluster.amqp_url());
        assert_eq!(value("REDIS_URL"), cluster.redis_url());
    }
    for worker in cluster.start_workers(2, &["operations", "--json"]) {
        assert!(worker.wait().expect(0).json().is_array());
    }
    let shown = another.run(&["executions", "show", "nothing"]);
    assert_ne!(shown.code, Some(0));
    // Two workers and one coordinator have said something.
    assert_eq!(fs::read_dir(cluster.logs()).unwrap().count(), 6);
    cluster.assert_passwords_hidden();
}

#[test]
fn a_password_that_a_process_prints_is_found_and_not_repeated() {
    let worker = Worker::of(Path::new("echo"));
    worker.run(&["calm"]).expect(0);
    assert_hidden(&["hunter2"], &[worker.logs()]);
    worker.run(&["url is amqp://user:hunter2@host"]).expect(0);
    let failure = catch_unwind(|| assert_hidden(&["hunter2"], &[worker.logs()])).unwrap_err();
    let message = failure.downcast::<String>().unwrap();
    assert!(
        message.contains("stdout:1: a secret is shown: url is amqp://user:<the secret>@host"),
        "{message}"
    );
}

#[test]
fn silence_is_no_proof_that_passwords_are_hidden() {
    let folder = tempfile::tempdir().unwrap();
    assert!(catch_unwind(|| assert_hidden(&["hunter2"], &[folder.path()])).is_err());
}

#[test]
fn what_a_running_worker_says_can_be_read() {
    let worker = Worker::of(Path::new("sh")).with_env("WORD", "hello");
    let running = worker.start(&["-c", "echo $WORD; echo more >&2; exec sleep 600"]);
    until("its words", || (running.stderr() == "more\n").then_some(()));
    assert_eq!(running.stdout(), "hello\n");
    running.terminate();
    assert_eq!(running.wait().code, None);
}

#[test]
fn a_cluster_ends_with_a_look_for_passwords() {
    let cluster = Cluster::start();
    let password = cluster.redis().password().unwrap().to_owned();
    let careless = cluster.logs().join("careless.stderr");
    fs::write(careless, format!("url is redis://:{password}@host")).unwrap();
    let failure = catch_unwind(AssertUnwindSafe(|| drop(cluster))).unwrap_err();
    let message = failure.downcast::<String>().unwrap();
    assert!(message.contains("careless.stderr:1: a secret is shown"), "{message}");
}
