//! How fast a block grid becomes tasks, and in how much memory. Run by hand, optimised:
//! `cargo test --release -p volumetric --test apply expansion -- --ignored --nocapture`

use std::task::Waker;
use std::time::Instant;

use otaman::FlowSchema as _;
use otaman::driver::{Pull, RunningFlow, Step};
use serde_json::json;
use volumetric::apply::SubchunkableApply;
use volumetric::array::DataType;
use volumetric::geometry::{Bounds, Vec3};

use crate::lab::{Lab, bbox, catalog, identity};

/// Bytes of this process in memory.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or_default() * 4096
}

/// A flow over 10,000 chunks, so many times.
fn grid(lab: &Lab, count: i64) -> SubchunkableApply {
    let region = Bounds::at(Vec3::ZERO, Vec3::new(64 * count, 6400, 64 * 100));
    let source = lab.layer("source", DataType::Uint8, 1, region, Vec3::splat(64));
    crate::lab::spec_of(&source).create().unwrap();
    serde_json::from_value(json!({
        "dst": lab.layer("target", DataType::Uint8, 1, region, Vec3::splat(64)), "dst_resolution": [1, 1, 1],
        "processing_chunk_sizes": [[64, 64, 64]], "skip_intermediaries": true, "bbox": bbox(region),
        "fn": identity(), "op_kwargs": {"src": source}, "verbose": false
    }))
    .unwrap()
}

/// What came of asking a flow for all its tasks.
struct Expansion {
    tasks: u64,
    largest_step: usize,
    /// Bytes in memory after 100,000 tasks and at the end.
    early: u64,
    late: u64,
}

/// Asks a flow for all its tasks, as fast as it gives them; those that it gave are forgotten.
fn expand(flow: SubchunkableApply) -> Expansion {
    let mut running = RunningFlow::start(flow.into_flow_call().unwrap(), catalog());
    let mut expansion = Expansion { tasks: 0, largest_step: 0, early: 0, late: 0 };
    loop {
        match running.pull(Waker::noop()) {
            Pull::Step(Step::Yield(items)) => {
                expansion.tasks += items.len() as u64;
                expansion.largest_step = expansion.largest_step.max(items.len());
                if expansion.early == 0 && expansion.tasks > 100_000 {
                    expansion.early = resident();
                }
            }
            Pull::Step(Step::WaitAll | Step::WaitFor(_)) => {}
            Pull::Step(Step::Done(result)) => {
                result.unwrap();
                expansion.late = resident();
                return expansion;
            }
            Pull::Stalled => panic!("it waits for nothing of its own"),
        }
    }
}

#[test]
fn a_grid_is_yielded_in_small_steps() {
    let lab = Lab::new();
    let expansion = expand(grid(&lab, 2));
    assert_eq!((expansion.tasks, expansion.largest_step), (20_000 + 1, 256));
}

#[test]
#[ignore = "a measurement"]
#[expect(clippy::print_stderr, reason = "a measurement is to be seen")]
fn expansion_rate() {
    let lab = Lab::new();
    let flow = grid(&lab, 100);
    let start = Instant::now();
    let Expansion { tasks, early, late, .. } = expand(flow);
    let seconds = start.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a measurement")]
    let rate = tasks as f64 / seconds;
    eprintln!(
        "{tasks} tasks in {seconds:.2} s: {rate:.0} tasks/s; {early} bytes after 100,000, {late} at the end"
    );
    assert!(tasks > 1_000_000 && late < early + 20_000_000);
}
