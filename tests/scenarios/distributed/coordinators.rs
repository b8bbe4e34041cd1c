//! Coordinators are killed, replaced, and kept from working on one execution at once.

use std::time::{Duration, Instant};

use rand::{RngExt as _, SeedableRng as _};
use tests::{Cluster, until};

use super::{assert_numbers, execute, numbers, succeeded, until_it_has};

#[test]
fn a_coordinator_killed_at_50_moments_goes_on_each_time() {
    const TASKS: u64 = 20_000;
    const KILLS: u64 = 50;
    // So they are spread over nearly all of the run, however fast it is.
    const APART: u64 = TASKS * 9 / 10 / KILLS;
    let cluster = Cluster::start();
    let _workers = cluster.start_workers(2, &["--queue", "cpu", "--concurrency", "2", "--quiet"]);
    let mut running = execute(&cluster, "killed", &numbers(TASKS), &["--quiet"]);
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
        let (killed, before) = (Instant::now(), succeeded(&cluster, "killed"));
        running = cluster.coordinator().start(&["execute", "--resume", "killed", "--quiet", "--json"]);
        until("the execution to be taken up again", || {
            let shown = cluster.coordinator().run(&["executions", "show", "killed", "--json"]).json();
            (shown["runs"].as_u64().unwrap_or_default() > kill).then_some(())
        });
        until_it_has(&cluster, "killed", before + 1);
        slowest = slowest.max(killed.elapsed());
    }
    println!("{KILLS} kills, at most {slowest:?} until tasks went on");
    assert_numbers(running.wait(), TASKS);
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
        (running.code != Some(2)).then_some(running)
    });
    assert_numbers(second, 20_000);
    first.thaw();
    let late = first.wait();
    assert_ne!(late.code, Some(0), "the first one must not believe that it ended the execution");
}
