//! The servers die, come back, forget, and refuse.

use std::time::Duration;

use tests::servers::{RabbitMq, Redis};
use tests::{Cluster, Direction, Stopwatch, Traffic, until};

use super::{assert_numbers, execute, numbers, until_it_goes_on, until_it_has};

const WORKER: &[&str] = &["--queue", "cpu", "--concurrency", "2", "--lease", "5s", "--quiet"];

#[test]
fn the_broker_killed_20_times_under_load_loses_nothing() {
    const TASKS: u64 = 100_000;
    const KILLS: usize = 20;
    let cluster = Cluster::start();
    let _workers = cluster.start_workers(2, WORKER);
    let mut running = execute(&cluster, "broker", &numbers(TASKS), &["--quiet", "--max-in-flight", "2000"]);
    until_it_has(&cluster, "broker", 1);
    cluster.rabbitmq().write_down();
    let mut slowest = Duration::ZERO;
    for kill in 1..=KILLS {
        assert!(!running.has_ended(), "the run was over before kill {kill}; it must be longer");
        cluster.rabbitmq().kill();
        cluster.rabbitmq().restart();
        let back = Stopwatch::start();
        until_it_goes_on(&cluster, "broker");
        slowest = slowest.max(back.elapsed());
    }
    let extra = assert_numbers(running.wait(), TASKS);
    println!(
        "{KILLS} kills of the broker, {extra} extra executions, at most {slowest:?} until tasks went on"
    );
    assert!(slowest < Duration::from_secs(15), "{slowest:?}");
}

#[test]
fn redis_killed_20_times_wiped_and_rolled_back_in_mid_run_loses_nothing() {
    const TASKS: u64 = 100_000;
    const KILLS: usize = 20;
    let cluster = Cluster::start();
    let _workers = cluster.start_workers(2, WORKER);
    let mut running = execute(&cluster, "store", &numbers(TASKS), &["--quiet", "--max-in-flight", "2000"]);
    until_it_has(&cluster, "store", 1);
    let mut slowest = Duration::ZERO;
    for _ in 0..KILLS {
        cluster.redis().kill();
        cluster.redis().restart();
        let back = Stopwatch::start();
        until_it_goes_on(&cluster, "store");
        slowest = slowest.max(back.elapsed());
    }
    let snapshot = cluster.redis().snapshot();
    until_it_goes_on(&cluster, "store");
    cluster.redis().roll_back(&snapshot);
    until_it_goes_on(&cluster, "store");
    assert!(!running.has_ended(), "it must go on when everything is wiped");
    cluster.redis().wipe();
    let extra = assert_numbers(running.wait(), TASKS);
    println!("{KILLS} kills, {extra} extra executions, at most {slowest:?} until tasks went on");
    assert!(slowest < Duration::from_secs(15), "{slowest:?}");
}

#[test]
fn a_memory_alarm_blocks_and_the_run_goes_on_alone() {
    let cluster = Cluster::start();
    let mut running = execute(&cluster, "alarm", &numbers(30_000), &["--max-in-flight", "1000"]);
    let _workers = cluster.start_workers(1, WORKER);
    until_it_has(&cluster, "alarm", 1);
    cluster.rabbitmq().ctl(&["set_vm_memory_high_watermark", "absolute", "1MB"]);
    until("the run to say that it is blocked", || {
        assert!(!running.has_ended(), "it ended before the alarm");
        running.stderr().contains("blocked").then_some(())
    });
    let explained = cluster.coordinator().run(&["explain", "alarm"]).expect(0);
    assert!(explained.stdout.contains("blocked by the broker: low on memory"), "{}", explained.stdout);
    let queues = cluster.coordinator().run(&["queues"]).expect(0);
    assert!(queues.stderr.contains("blocked by the broker"), "{}", queues.stderr);
    cluster.rabbitmq().ctl(&["set_vm_memory_high_watermark", "absolute", "1GB"]);
    assert_numbers(running.wait(), 30_000);
}

#[test]
fn a_half_open_connection_is_noticed() {
    // What we ask of RabbitMQ unless its URL says otherwise.
    const HEARTBEAT: Duration = Duration::from_secs(10);
    let cluster = Cluster::behind_proxies(RabbitMq::start(), Redis::start());
    let workers = cluster.start_workers(1, WORKER);
    let running = execute(&cluster, "half-open", &numbers(20_000), &["--quiet", "--max-in-flight", "500"]);
    until_it_has(&cluster, "half-open", 1);
    for direction in [Direction::ToServer, Direction::ToClient] {
        cluster.proxies().rabbitmq.set(direction, Traffic::Drop);
    }
    // Nothing tells either side that the other is gone, except its silence.
    let silent = Stopwatch::start();
    until("the worker to notice", || workers[0].stderr().contains("lost RabbitMQ").then_some(()));
    let took = silent.elapsed();
    println!("noticed after {took:?}");
    assert!(took <= 2 * HEARTBEAT, "noticed after {took:?}");
    cluster.proxies().rabbitmq.heal();
    assert_numbers(running.wait(), 20_000);
}
