//! The distributed benchmark: no-op tasks over private servers, beside a bare loop with the same client
//! and broker, in one run.
//!
//! `cargo run --release -p tests --example distributed_bench -- [TASKS [ROUNDS]]`

#![expect(clippy::print_stdout, reason = "a benchmark prints")]

use std::process::{Command, Stdio};

use serde_json::{Value as Json, json};
use tests::servers::{RabbitMq, Redis};
use tests::{Cluster, program};

/// Steps of the chain that measures round trips.
const STEPS: usize = 500;

fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<usize>().expect("a number"));
    let tasks = arguments.next().unwrap_or(100_000);
    let rounds = arguments.next().unwrap_or(3);
    let bare = program("examples/bare_lapin");
    // The servers of tests have so little memory that they would stop either side now and then.
    let rabbitmq = RabbitMq::options().line("vm_memory_high_watermark.absolute = 4GB").start();
    let cluster = Cluster::of(rabbitmq, Redis::start());
    let many = json!({"@type": "map_flow", "over": {"range": [0, tasks]}, "do": {"@type": "echo", "value": "{item}"}});
    let stages: Vec<Json> = (0..STEPS).map(|step| json!({"@type": "echo", "value": step})).collect();
    let chain = json!({"@type": "mazepa.sequential_flow", "stages": stages});
    let many = cluster.coordinator().file("many.json", &many.to_string());
    let chain = cluster.coordinator().file("chain.json", &chain.to_string());
    println!(
        "{:>14} {:>14} {:>7} {:>14} {:>14}",
        "ours tasks/s", "bare tasks/s", "share", "ours ms/step", "bare p50 ms"
    );
    for _ in 0..rounds {
        let worker = cluster.worker().start(&["--queue", "cpu", "--quiet"]);
        let seconds = elapsed(&cluster, &many);
        let step = elapsed(&cluster, &chain) / STEPS as f64 * 1e3;
        drop(worker);
        let url = cluster.amqp_url();
        let mut loop_ = Command::new(&bare).args(["worker", &url]).spawn().expect("the bare loop starts");
        let rate = figure(&bare, &["producer", &url, &tasks.to_string()], "tasks_per_s");
        let p50 = figure(&bare, &["latency", &url, &STEPS.to_string()], "p50_ms");
        // It works until it is killed.
        let _ = loop_.kill();
        let _ = loop_.wait();
        let ours = tasks as f64 / seconds;
        println!("{ours:>14.0} {rate:>14.0} {:>7.2} {step:>14.2} {p50:>14.2}", ours / rate);
    }
}

/// How long an execution took, without the start of its program.
fn elapsed(cluster: &Cluster, spec: &str) -> f64 {
    let ended = cluster.coordinator().run(&["execute", spec, "--quiet", "--json"]);
    ended.expect(0).json()["elapsed_s"].as_f64().expect("seconds")
}

fn figure(program: &std::path::Path, arguments: &[&str], name: &str) -> f64 {
    let out = Command::new(program).args(arguments).stderr(Stdio::inherit()).output();
    let out = out.expect("the bare loop starts").stdout;
    let figures: Json = serde_json::from_slice(&out).expect("it prints its figures");
    figures[name].as_f64().expect("a figure")
}
