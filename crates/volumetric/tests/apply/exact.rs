//! A copy with any crop, blend and levels is the source, bit for bit for integers.

use proptest::prelude::*;
use proptest::test_runner::Config;
use serde_json::{Value as Json, json};
use volumetric::array::DataType;
use volumetric::geometry::{Bounds, Vec3};

use crate::lab::{Lab, bbox, block_on, fill, identity, read, run};

const TYPES: [DataType; 10] = [
    DataType::Uint8,
    DataType::Uint16,
    DataType::Uint32,
    DataType::Uint64,
    DataType::Int8,
    DataType::Int16,
    DataType::Int32,
    DataType::Int64,
    DataType::Float32,
    DataType::Float64,
];

const MODES: [&str; 4] = ["linear", "quadratic", "bump", "max"];

/// One axis of a configuration: sizes, crops and blends from the largest level down, the box, the gap, the layer.
#[derive(Debug, Clone)]
struct AxisCase {
    sizes: Vec<i64>,
    crops: Vec<i64>,
    blends: Vec<i64>,
    gap: i64,
    start: i64,
    count: i64,
    chunk: i64,
    layer: (i64, i64),
    source: (i64, i64),
    most: i64,
}

#[derive(Debug, Clone)]
struct Case {
    axes: [AxisCase; 3],
    data_type: DataType,
    channels: usize,
    modes: Vec<&'static str>,
    skip: bool,
    adds_one: bool,
    distributed: usize,
    cache: usize,
    stack: i64,
}

/// A die. What it shows depends on nothing but the seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, range: std::ops::RangeInclusive<i64>) -> i64 {
        let width = (range.end() - range.start() + 1).unsigned_abs();
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        range.start() + i64::try_from((mixed ^ (mixed >> 31)) % width).unwrap()
    }

    fn one_in(&mut self, sides: i64) -> bool {
        self.roll(1..=sides) == 1
    }
}

impl AxisCase {
    fn random(dice: &mut Dice, levels: usize, plain: bool, flat: bool, with_gap: bool) -> Self {
        let mut axis = Self {
            sizes: Vec::new(),
            crops: Vec::new(),
            blends: Vec::new(),
            gap: if with_gap && !flat { 2 * dice.roll(0..=2) } else { 0 },
            start: dice.roll(-7..=7),
            count: if flat { 1 } else { dice.roll(1..=3) },
            chunk: if flat { 1 } else { dice.roll(1..=6) },
            layer: (dice.roll(-2..=4), dice.roll(-2..=4)),
            source: (dice.roll(-3..=6), dice.roll(-3..=6)),
            most: 0,
        };
        // From the smallest chunk upwards, so that each level is full of those below.
        for level in (0..levels).rev() {
            let is_last = level == levels - 1;
            let crop = if flat || plain && !is_last { 0 } else { dice.roll(0..=2) };
            let blend = if flat || plain || with_gap && level == 0 { 0 } else { dice.roll(0..=2) };
            let size = match axis.sizes.first() {
                _ if flat => 1,
                None => dice.roll((2 * blend).max(2)..=(2 * blend).max(2) + 4),
                Some(below) => {
                    let least = (2 * blend).max(1) + 2 * crop + 2 * blend;
                    let count = (least + below - 1) / below;
                    dice.roll(count..=count + 1) * below - 2 * crop - 2 * blend
                }
            };
            axis.sizes.insert(0, size);
            axis.crops.insert(0, crop);
            axis.blends.insert(0, blend);
        }
        axis.most = axis.sizes[0].max(axis.chunk) + dice.roll(0..=6);
        axis
    }

    fn stop(&self) -> i64 {
        self.start + self.count * (self.sizes[0] + self.gap) - self.gap
    }

    /// The box is this much larger or smaller than the layer's side, but never beyond its other side.
    fn span(&self, (before, after): (i64, i64)) -> (i64, i64) {
        let start = (self.start - before).min(self.stop() - 1);
        (start, (self.stop() + after).max(start + 1).max(self.start + 1))
    }

    fn is_processed(&self, place: i64) -> bool {
        let inside = (self.start..self.stop()).contains(&place);
        inside && (place - self.start) % (self.sizes[0] + self.gap) < self.sizes[0]
    }
}

impl Case {
    fn random(dice: &mut Dice) -> Self {
        let levels = usize::try_from(dice.roll(1..=3)).unwrap();
        let skip = dice.one_in(4);
        let with_gap = dice.one_in(5);
        let flat = dice.one_in(2);
        let axes =
            [false, dice.one_in(3), flat].map(|flat| AxisCase::random(dice, levels, skip, flat, with_gap));
        let data_type = TYPES[usize::try_from(dice.roll(0..=9)).unwrap()];
        let wide = matches!(data_type, DataType::Uint64 | DataType::Int64);
        let mode =
            |dice: &mut Dice| if wide { "max" } else { MODES[usize::try_from(dice.roll(0..=3)).unwrap()] };
        Self {
            axes,
            data_type,
            channels: usize::try_from(dice.roll(1..=2)).unwrap(),
            modes: (0..levels).map(|_| mode(dice)).collect(),
            skip,
            adds_one: !wide && dice.one_in(3),
            distributed: if dice.one_in(3) {
                usize::try_from(dice.roll(1..=levels as i64)).unwrap()
            } else {
                1
            },
            cache: usize::try_from(dice.roll(0..=levels as i64 - 1)).unwrap(),
            stack: dice.roll(1..=3),
        }
    }

    fn three(&self, value: impl Fn(&AxisCase) -> i64) -> Vec3 {
        Vec3(std::array::from_fn(|axis| value(&self.axes[axis])))
    }

    fn bounds(&self, span: impl Fn(&AxisCase) -> (i64, i64)) -> Bounds {
        Bounds::new(self.three(|axis| span(axis).0), self.three(|axis| span(axis).1))
    }

    fn levels(&self, value: impl Fn(&AxisCase) -> &Vec<i64>) -> Vec<Vec3> {
        (0..self.modes.len()).map(|level| self.three(|axis| value(axis)[level])).collect()
    }

    /// The flow, and the layers that it reads and writes.
    fn spec(&self, lab: &Lab) -> (Json, Json, Json) {
        let layer = self.bounds(|axis| axis.span(axis.layer));
        let mut target =
            lab.layer("target", self.data_type, self.channels, layer, self.three(|axis| axis.chunk));
        if self.adds_one {
            target["write_procs"] = json!([{"@type": "lambda", "lambda_str": "lambda data: data + 1"}]);
        }
        let source = self.bounds(|axis| axis.span(axis.source));
        let source = lab.layer("source", self.data_type, self.channels, source, Vec3::splat(64));
        let mut spec = json!({
            "@type": "build_subchunkable_apply_flow", "dst": target, "dst_resolution": [1, 1, 1],
            "processing_chunk_sizes": self.levels(|axis| &axis.sizes),
            "processing_crop_pads": self.levels(|axis| &axis.crops),
            "processing_blend_pads": self.levels(|axis| &axis.blends),
            "processing_blend_modes": self.modes,
            "processing_gap": self.three(|axis| axis.gap),
            "expand_bbox_processing": false,
            "bbox": bbox(self.bounds(|axis| (axis.start, axis.stop()))),
            "fn": identity(), "op_kwargs": {"src": source},
            "distributed_levels": self.distributed, "task_stack_size": self.stack,
            "allow_cache_up_to_level": self.cache, "verbose": false
        });
        if self.skip {
            spec["skip_intermediaries"] = true.into();
        } else {
            spec["level_intermediaries_dirs"] = vec![lab.path("temporaries"); self.modes.len()].into();
            spec["max_reduction_chunk_size"] = json!(self.three(|axis| axis.most));
        }
        (spec, source, target)
    }

    /// Runs it; whether it was refused for two tasks that would write one storage chunk.
    fn is_refused_or_exact(&self) -> Result<bool, TestCaseError> {
        let lab = Lab::new();
        let (spec, source, target) = self.spec(&lab);
        // Values over the whole range of the type, signs included, without a pattern.
        let range = match self.data_type {
            DataType::Uint8 => (0.0, 254.0),
            DataType::Int8 => (-128.0, 126.0),
            DataType::Uint16 => (0.0, 65534.0),
            DataType::Int16 => (-32768.0, 32766.0),
            DataType::Uint32 => (0.0, 4_294_967_294.0),
            DataType::Int32 => (-2_147_483_648.0, 2_147_483_646.0),
            DataType::Uint64 | DataType::Int64 => (0.0, 9e15),
            DataType::Float32 | DataType::Float64 => (-1000.0, 1000.0),
        };
        let value = |channel: usize, voxel: Vec3| {
            let mut mixed = channel as u64 + 1;
            for place in voxel.0 {
                mixed = (mixed ^ place as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23);
            }
            let share = (mixed >> 11) as f64 / (1u64 << 53) as f64;
            let value = range.0 + share * (range.1 - range.0);
            if self.data_type.is_float() { f64::from(value as f32) } else { value.round() }
        };
        fill(&source, value);
        let ran = match block_on(run(&spec)) {
            Ok(ran) => ran,
            Err(problems) if self.skip && problems.contains("both would write the storage chunk") => {
                return Ok(true);
            }
            // A layer that is all in a gap, or beside the box.
            Err(problems) if problems.contains("have no voxel in common") => return Ok(true),
            Err(problems) => return Err(TestCaseError::fail(problems)),
        };
        if let Err(error) = ran.result {
            return Err(TestCaseError::fail(error.to_string()));
        }
        let in_source = self.bounds(|axis| axis.span(axis.source));
        let bounds = self.bounds(|axis| axis.span(axis.layer));
        let found = read(&target, bounds);
        let one = f64::from(u8::from(self.adds_one));
        for channel in 0..self.channels {
            for z in bounds.start[2]..bounds.stop[2] {
                for y in bounds.start[1]..bounds.stop[1] {
                    for x in bounds.start[0]..bounds.stop[0] {
                        let voxel = Vec3::new(x, y, z);
                        let processed = (0..3).all(|axis| self.axes[axis].is_processed(voxel[axis]));
                        let inside = in_source.contains(&Bounds::at(voxel, Vec3::ONE));
                        let expected = match (processed, inside) {
                            (false, _) => 0.0,
                            (true, false) => one,
                            (true, true) => value(channel, voxel) + one,
                        };
                        let found = found.get(channel, voxel - bounds.start);
                        let close = match self.data_type.is_float() {
                            true => (found - expected).abs() <= 1e-6 * expected.abs().max(1.0),
                            false => found == expected,
                        };
                        prop_assert!(close, "{} for {} at {} of channel {}", found, expected, voxel, channel);
                    }
                }
            }
        }
        Ok(false)
    }
}

#[test]
fn a_copy_is_the_source_whatever_the_crops_blends_and_levels() {
    let mut dice = Dice(7);
    let (mut exact, mut refused) = (0, 0);
    let mut seen = std::collections::BTreeSet::new();
    while exact < 520 {
        let case = Case::random(&mut dice);
        match case.is_refused_or_exact() {
            Ok(false) => {
                exact += 1;
                seen.insert((case.modes.len(), case.skip, case.distributed, case.adds_one));
            }
            Ok(true) => refused += 1,
            Err(error) => panic!("{error}\n{case:#?}"),
        }
    }
    assert!(refused < exact, "{refused} were refused");
    assert!(seen.len() > 15, "{seen:?}");
}

proptest! {
    #![proptest_config(Config { cases: 150, ..Config::default() })]

    /// A valid configuration with one mistake is refused before anything runs.
    #[test]
    fn one_mistake_in_a_valid_configuration_is_refused(seed in any::<u64>(), mistake in 0..8) {
        let mut dice = Dice(seed);
        let mut case = Case::random(&mut dice);
        case.skip = false;
        let lab = Lab::new();
        let (mut spec, source, _) = case.spec(&lab);
        fill(&source, |_, _| 0.0);
        let last = case.modes.len() - 1;
        let words = match mistake {
            0 => {
                // One more voxel than chunks fill.
                let stop = case.bounds(|axis| (axis.start, axis.stop())).stop + Vec3::new(1, 0, 0);
                spec["bbox"]["end_coord"] = json!(stop);
                if case.axes[0].sizes[0] + case.axes[0].gap == 1 { return Ok(()); }
                "do not fill the box along x"
            }
            1 => {
                spec["processing_blend_pads"][last] = json!(case.three(|axis| axis.sizes[last] / 2 + 1));
                "is more than half of its chunks"
            }
            2 => {
                spec["processing_chunk_sizes"][last] = json!([0, 1, 1]);
                "a chunk size is [0, 1, 1]"
            }
            3 => {
                spec["max_reduction_chunk_size"] = json!(case.three(|axis| axis.chunk.max(axis.sizes[0]) - 1));
                "max_reduction_chunk_size"
            }
            4 => {
                spec["processing_gap"] = json!([1, 0, 0]);
                "must be even"
            }
            5 => {
                spec["op_kwargs"]["mask"] = 1.into();
                "takes no \"mask\""
            }
            6 => {
                spec["level_intermediaries_dirs"] = serde_json::Value::Null;
                "level_intermediaries_dirs is needed"
            }
            _ => {
                spec["processing_crop_pads"] = json!(vec![[0, 0, 0]; last + 2]);
                "processing_crop_pads has"
            }
        };
        let problems = block_on(run(&spec)).map(|run| run.result.is_ok()).unwrap_err();
        prop_assert!(problems.contains(words), "{}", problems);
    }
}
