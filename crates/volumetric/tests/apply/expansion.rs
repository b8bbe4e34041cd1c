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

/// A flow over a million chunks.
fn million(lab: &Lab, count: i64) -> SubchunkableApply {
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

/// Asks a flow for all its tasks, as fast as it gives them; those that it gave are forgotten. How many there were, and
/// the memory after half of them and at the end.
fn expand(flow: SubchunkableApply) -> (u64, u64, u64) {
    let mut running = RunningFlow::start(flow.into_flow_call().unwrap(), catalog());
    let (mut count, mut half) = (0, 0);
    loop {
        match running.pull(Waker::noop()) {
            Pull::Step(Step::Yield(items)) => {
                count += items.len() as u64;
                if half == 0 && count > 100_000 {
                    half = resident();
                }
            }
            Pull::Step(Step::WaitAll | Step::WaitFor(_)) => {}
            Pull::Step(Step::Done(result)) => {
                result.unwrap();
                return (count, half, resident());
            }
            Pull::Stalled => panic!("it waits for nothing of its own"),
        }
    }
}

#[test]
fn a_grid_is_yielded_lazily_in_flat_memory() {
    let lab = Lab::new();
    let (count, early, late) = expand(million(&lab, 20));
    assert_eq!(count, 200_000 + 1);
    // Half of the tasks would be 50 MB and more.
    assert!(late < early + 20_000_000, "{early} bytes after 100,000 tasks, {late} after 200,000");
}

#[test]
#[ignore = "a measurement"]
#[expect(clippy::print_stderr, reason = "a measurement is to be seen")]
fn expansion_rate() {
    let lab = Lab::new();
    let flow = million(&lab, 100);
    let start = Instant::now();
    let (count, early, late) = expand(flow);
    let seconds = start.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a measurement")]
    let rate = count as f64 / seconds;
    eprintln!(
        "{count} tasks in {seconds:.2} s: {rate:.0} tasks/s; {early} bytes after 100,000, {late} at the end"
    );
    assert!(count > 1_000_000 && late < early + 20_000_000);
}
