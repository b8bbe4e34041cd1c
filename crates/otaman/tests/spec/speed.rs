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
    let target = Target::new(json!({"@type": "resize", "path": "images/{item}.png", "width": "{index}", "tags": ["a"]}));
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
