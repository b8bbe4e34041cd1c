//! Passwords in URLs are shown nowhere, however much is said. Each cluster looks for them when it ends;
//! here as much is said as can be.

use tests::{Cluster, until};

use super::{assert_numbers, execute, numbers, until_it_goes_on, until_it_has};

const WORKER: &[&str] = &["--queue", "cpu", "--lease", "3s", "--listen", "127.0.0.1:0"];

#[test]
fn nothing_that_is_traced_shows_a_password() {
    let cluster = Cluster::start();
    let worker = cluster.another_worker().with_env("OTAMAN_LOG", "trace").start(WORKER);
    let coordinator = cluster.another_coordinator().with_env("OTAMAN_LOG", "trace");
    let spec = coordinator.file("spec.json", &numbers(20_000).to_string());
    let running =
        coordinator.start(&["execute", &spec, "--id", "traced", "--json", "--max-in-flight", "100"]);
    until_it_has(&cluster, "traced", 1);
    cluster.redis().kill();
    cluster.redis().restart();
    until_it_goes_on(&cluster, "traced");
    cluster.rabbitmq().write_down();
    cluster.rabbitmq().kill();
    cluster.rabbitmq().restart();
    let ended = running.wait();
    assert!(ended.stderr.contains("lost RabbitMQ"), "{}", ended.stderr);
    assert_numbers(ended, 20_000);
    for page in ["/livez", "/readyz", "/metrics"] {
        worker.page(page);
    }
    assert!(worker.stderr().contains("TRACE"), "it must say a lot");
    for command in ["workers", "queues", "executions"] {
        coordinator.run(&[command, "-o", "json"]).expect(0);
    }
}

#[test]
fn no_refusal_shows_a_password() {
    let cluster = Cluster::start();
    let (amqp, redis) = (cluster.amqp_url(), cluster.redis_url());
    for (variable, url) in [
        ("AMQP_URL", amqp.replace("//otaman:", "//nobody:")),
        ("AMQP_URL", amqp.replace("%2f", "no-such-host")),
        ("AMQP_URL", amqp.replace("amqp://", "http://")),
        ("AMQP_URL", amqp.replace("127.0.0.1", "no such host")),
        ("REDIS_URL", redis.replace("//:", "//nobody:")),
        ("REDIS_URL", redis.replace("redis://", "redis:/")),
        ("REDIS_URL", redis.replace("/0", "/none")),
    ] {
        let worker = cluster.another_worker().with_env(variable, &url).with_env("OTAMAN_LOG", "trace");
        let mut worker = worker.start(WORKER);
        until("the worker to be refused", || worker.has_ended().then_some(()));
        let refused = worker.wait();
        assert!(refused.code.is_some_and(|code| code > 1), "{refused:?}");
        assert!(refused.stderr.contains("error"), "{}", refused.stderr);
        let coordinator =
            cluster.another_coordinator().with_env(variable, &url).with_env("OTAMAN_LOG", "trace");
        let spec = coordinator.file("spec.json", &numbers(1).to_string());
        let refused = coordinator.run(&["execute", &spec]);
        assert!(refused.code.is_some_and(|code| code > 1), "{refused:?}");
    }
    let _worker = cluster.start_workers(1, WORKER);
    assert_numbers(execute(&cluster, "well", &numbers(1), &[]).wait(), 1);
}
