//! Two tasks that would write one storage chunk are found before anything runs, exactly when there are such.

use serde_json::json;
use volumetric::apply::{Argument, Refusal, SubchunkableApply};
use volumetric::array::DataType;
use volumetric::geometry::{Bounds, Fit, Grid, Layout, Region, RegionSpec, Vec3};

use crate::lab::{Lab, fill, identity, resolution, spec_of};

/// A die. What it shows depends on nothing but the seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, range: std::ops::RangeInclusive<i64>) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        range.start() + ((self.0 >> 33) as i64) % (range.end() - range.start() + 1)
    }

    fn three(&mut self, range: std::ops::RangeInclusive<i64>) -> Vec3 {
        Vec3(std::array::from_fn(|_| self.roll(range.clone())))
    }
}

fn flow(lab: &Lab, region: Bounds, size: Vec3, gap: Vec3, layer: Bounds, chunk: Vec3) -> SubchunkableApply {
    let source = lab.layer("source", DataType::Uint8, 1, region, Vec3::splat(8));
    let target = lab.layer("target", DataType::Uint8, 1, layer, chunk);
    let function = serde_json::from_value(identity()).unwrap();
    SubchunkableApply {
        skip_intermediaries: true,
        processing_gap: gap,
        expand_bbox_processing: false,
        function: Some(function),
        op_kwargs: [("src".to_owned(), Argument::Layer(spec_of(&source)))].into(),
        bbox: Some(RegionSpec(Region::of(region, resolution()))),
        ..SubchunkableApply::new(Some(spec_of(&target)), resolution(), vec![size])
    }
}

/// Every pair of chunks, every storage chunk.
fn by_force(region: Bounds, size: Vec3, gap: Vec3, layer: Bounds, chunk: Vec3) -> bool {
    let chunks = Grid::new(region, Layout::tiled(size, Fit::Expand).spaced(gap)).unwrap();
    let written: Vec<Bounds> = chunks.iter().map(|chunk| chunk.intersection(&layer)).collect();
    let stored = Grid::new(layer, Layout::tiled(chunk, Fit::Exact).from_offset(layer.start)).unwrap();
    stored.iter().any(|stored| written.iter().filter(|chunk| chunk.intersects(&stored)).count() > 1)
}

#[test]
fn conflicts_are_found_exactly_where_a_search_finds_them() {
    let mut dice = Dice(11);
    let (mut good, mut bad) = (0, 0);
    while good < 60 || bad < 60 {
        let size = dice.three(1..=5);
        let gap = if dice.roll(1..=3) == 1 { dice.three(0..=1) * 2 } else { Vec3::ZERO };
        let start = dice.three(-6..=6);
        let counts = dice.three(1..=3);
        let region = Bounds::at(start, counts * (size + gap) - gap);
        let layer = Bounds::new(start + dice.three(-5..=2), region.stop + dice.three(-2..=5));
        // One in two is made to fit, otherwise nearly all would be bad.
        let chunk = match dice.roll(1..=2) {
            1 => dice.three(1..=5),
            _ => {
                (size + gap).map(|step| if step % 2 == 0 && dice.roll(1..=2) == 1 { step / 2 } else { step })
            }
        };
        let layer = match dice.roll(1..=2) {
            1 => layer,
            _ => Bounds::new(start, layer.stop),
        };
        if layer.is_empty() || !layer.intersects(&region) {
            continue;
        }
        let lab = Lab::new();
        let flow = flow(&lab, region, size, gap, layer, chunk);
        fill(&lab.layer("source", DataType::Uint8, 1, region, Vec3::splat(8)), |_, _| 1.0);
        let expected = by_force(region, size, gap, layer, chunk);
        let case = format!("{region} by {size} with {gap} into {layer} by {chunk}");
        match flow.plan() {
            Ok(_) => {
                assert!(!expected, "accepted: {case}");
                good += 1;
            }
            Err(refusals) => {
                let all: Vec<_> = refusals.iter().collect();
                let [(_, Refusal::Conflict { first, second, chunk, .. })] = all.as_slice() else {
                    panic!("{refusals}: {case}");
                };
                assert!(expected, "refused: {case}: {refusals}");
                assert!(
                    !first.intersects(second) && first.intersects(chunk) && second.intersects(chunk),
                    "{refusals}"
                );
                bad += 1;
            }
        }
    }
}

#[test]
fn a_conflict_names_both_chunks_the_storage_chunk_and_a_cure() {
    let region = Bounds::new(Vec3::ZERO, Vec3::new(24, 8, 1));
    let lab = Lab::new();
    let source = lab.layer("source", DataType::Uint8, 1, region, Vec3::splat(8));
    fill(&source, |_, _| 1.0);
    let unaligned = flow(&lab, region, Vec3::new(12, 8, 1), Vec3::ZERO, region, Vec3::new(8, 8, 1));
    assert_eq!(
        unaligned.plan().unwrap_err().to_string(),
        "/processing_chunk_sizes/0: the chunks [0, 0, 0] to [12, 8, 1] and [12, 0, 0] to [24, 8, 1] are processed by \
         two tasks at once, and both would write the storage chunk [8, 0, 0] to [16, 8, 1] of dst; make chunks 16 long \
         along x, so that they begin with storage chunks of 8, or set skip_intermediaries to false and name \
         level_intermediaries_dirs"
    );
    let moved = Bounds::new(Vec3::new(4, 0, 0), Vec3::new(20, 8, 1));
    let lab = Lab::new();
    fill(&lab.layer("source", DataType::Uint8, 1, moved, Vec3::splat(8)), |_, _| 1.0);
    let moved = flow(&lab, moved, Vec3::new(8, 8, 1), Vec3::ZERO, region, Vec3::new(8, 8, 1));
    assert!(moved.plan().unwrap_err().to_string().contains("set expand_bbox_backend to true"));
    let cured = SubchunkableApply { expand_bbox_backend: true, ..moved };
    assert_eq!(cured.plan().unwrap().region, region);
}

#[test]
fn with_intermediaries_the_same_chunks_are_put_together_by_boxes_of_storage_chunks() {
    let region = Bounds::new(Vec3::ZERO, Vec3::new(24, 8, 1));
    let lab = Lab::new();
    let source = lab.layer("source", DataType::Uint8, 1, region, Vec3::splat(8));
    fill(&source, |_, voxel| voxel[0] as f64);
    let direct = flow(&lab, region, Vec3::new(12, 8, 1), Vec3::ZERO, region, Vec3::new(8, 8, 1));
    let kept = SubchunkableApply {
        skip_intermediaries: false,
        level_intermediaries_dirs: Some(vec![Some(lab.path("temporaries"))]),
        ..direct
    };
    let plan = serde_json::to_value(kept.plan().unwrap()).unwrap();
    assert_eq!(
        plan["tasks"],
        json!([
            {"operation": "volumetric.create", "worker_type": "cpu", "tasks": 1},
            {"operation": "volumetric.process", "worker_type": "cpu", "tasks": 2},
            {"operation": "volumetric.reduce", "worker_type": "cpu", "tasks": 3},
            {"operation": "volumetric.clean", "worker_type": "cpu", "tasks": 1}
        ])
    );
    assert_eq!(
        (&plan["bytes_read"], &plan["bytes_written"], &plan["temporary_bytes"]),
        (&json!(192), &json!(192), &json!(192))
    );
}
