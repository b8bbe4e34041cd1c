//! How long resolving takes; run with `--release -- --ignored --nocapture`.

use std::time::Instant;

use otaman::{Resolve, Target};
use serde_json::json;

use crate::fixtures::catalog;

#[test]
#[ignore = "a measurement, for release builds on an idle machine"]
fn a_prepared_target_is_resolved_within_a_microsecond() {
    const TIMES: u32 = 1_000_000;
    let catalog = catalog();
    let target = Target::new(
        json!({"@type": "resize", "path": "images/{item}.png", "width": "{index}", "tags": ["a"]}),
    );
    let prepared = catalog.prepare(&target).unwrap();
    let item = json!("some-image-name");
    let started = Instant::now();
    for index in 0..TIMES {
        std::hint::black_box(prepared(&[("item", &item), ("index", &json!(index))]).unwrap());
    }
    let each = started.elapsed() / TIMES;
    assert!(each.as_nanos() < 1000, "{each:?} for each");
    let mut out = std::io::stderr();
    std::io::Write::write_fmt(&mut out, format_args!("{each:?} for each resolve\n")).unwrap();
}

#[test]
#[ignore = "a measurement, for release builds on an idle machine"]
fn a_large_spec_is_checked_in_time_that_grows_with_its_size() {
    let timed = |stages: usize| {
        let stages: Vec<_> = (0..stages)
            .map(|index| json!({"@type": "note", "data": {"index": index, "list": [1, 2]}}))
            .collect();
        let text = json!({"@type": "chain", "stages": stages}).to_string();
        let started = Instant::now();
        crate::fixtures::parse(text).unwrap();
        started.elapsed()
    };
    let (small, large) = (timed(10_000), timed(100_000));
    assert!(large < small * 20, "{small:?} for 10,000 stages, {large:?} for 100,000");
    let mut out = std::io::stderr();
    std::io::Write::write_fmt(&mut out, format_args!("{large:?} for a spec of 100,000 stages\n")).unwrap();
}
