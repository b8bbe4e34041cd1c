//! The embedded benchmark: `map_flow` of no-op tasks by the real coordinator, at growing sizes.
//!
//! `cargo run --release -p tests --example embedded_bench -- [SIZE…]`

#![expect(clippy::print_stdout, reason = "a benchmark prints")]

use std::fs;

use serde_json::json;
use tests::{Coordinator, measured};

fn main() {
    let sizes: Vec<u64> =
        std::env::args().skip(1).map(|size| size.parse().expect("a number of tasks")).collect();
    let sizes = if sizes.is_empty() { vec![10_000, 100_000, 1_000_000] } else { sizes };
    println!(
        "{:>10} {:>9} {:>12} {:>9} {:>12} {:>10}",
        "tasks", "seconds", "tasks/s", "peak MB", "resume s", "disk MB"
    );
    for size in sizes {
        let coordinator = Coordinator::new();
        // A value of its own for each task: equal calls would be one task.
        let spec = json!({"@type": "map_flow", "over": {"range": [0, size]}, "do": {"@type": "echo", "value": "{item}"}});
        let spec = coordinator.file("spec.json", &spec.to_string());
        let (seconds, peak) =
            timed(&coordinator, &["execute", &spec, "--id", "bench", "--quiet", "--json"], size, 0);
        let disk = fs::metadata(coordinator.directory().join("state/executions/bench/store.redb"))
            .map_or(0, |m| m.len());
        let (resume, _) =
            timed(&coordinator, &["execute", "--resume", "bench", "--quiet", "--json"], size, size);
        let rate = size as f64 / seconds;
        println!(
            "{size:>10} {seconds:>9.2} {rate:>12.0} {peak:>9.1} {resume:>12.2} {:>10.1}",
            disk as f64 / 1e6
        );
    }
}

/// Wall time of a whole process, and its peak memory in MB.
fn timed(coordinator: &Coordinator, arguments: &[&str], size: u64, reused: u64) -> (f64, f64) {
    let out = coordinator.directory().join("out.json");
    let mut command = coordinator.command(arguments);
    command.stdout(fs::File::create(&out).expect("the directory is writable"));
    let (seconds, peak) = measured(&mut command);
    let document: serde_json::Value =
        serde_json::from_slice(&fs::read(out).expect("it has printed")).expect("it prints JSON");
    assert_eq!(document["tasks"]["succeeded"], size);
    assert_eq!(document["tasks"]["reused"], reused);
    assert_eq!(document["result"][size as usize - 1], size - 1);
    (seconds, peak)
}
