//! Runs that were recorded of Mazepa along one axis. Where it is wrong, ours must be right.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use volumetric::array::{Array, DataType};
use volumetric::function::{Arguments, ArrayFunction, Error, Output, Registration, inventory};
use volumetric::geometry::{Bounds, Vec3};

use crate::lab::{Lab, bbox, expect_run, fill, identity, read, with};

/// 100 all over if the first voxel is negative, otherwise 201: two chunks that differ.
#[derive(Deserialize, JsonSchema)]
struct TwoConstants {}

impl ArrayFunction for TwoConstants {
    fn call(&self, arguments: &Arguments<'_>) -> Result<Output, Error> {
        let source = arguments.array("src")?;
        let value = if source.get(0, Vec3::ZERO) < 0.0 { 100.0 } else { 201.0 };
        Ok(Array::filled(source.data_type(), source.shape(), value).into())
    }
}

inventory::submit! { Registration::of::<TwoConstants>("two_constants") }

fn along_x(start: i64, stop: i64) -> Bounds {
    Bounds::new(Vec3::new(start, 0, 0), Vec3::new(stop, 1, 1))
}

#[test]
fn runs_give_what_mazepa_gives_or_what_it_should() {
    let recorded: Vec<Json> = serde_json::from_str(include_str!("../recorded/runs.json")).unwrap();
    let mut defects = 0;
    for case in &recorded {
        let lab = Lab::new();
        let number = |value: &Json| value.as_i64().unwrap();
        let (start, stop) = (number(&case["roi_x"][0]), number(&case["roi_x"][1]));
        let source = lab.layer("source", DataType::Float32, 1, along_x(-64, stop + 64), Vec3::new(64, 1, 1));
        fill(&source, |_, voxel| voxel[0] as f64);
        let data_type: DataType = serde_json::from_value(case["dst_dtype"].clone()).unwrap();
        let chunk = Vec3::new(number(&case["dst_chunk_x"]), 1, 1);
        let target = lab.layer("target", data_type, 1, along_x(0, stop), chunk);
        let function = match case["fn"].as_str().unwrap() {
            "identity" => identity(),
            _ => json!({"@type": "two_constants"}),
        };
        let mut spec = json!({
            "@type": "build_subchunkable_apply_flow", "dst": target, "dst_resolution": [1, 1, 1],
            "bbox": bbox(along_x(start, stop)), "fn": function, "op_kwargs": {"src": source}
        });
        spec = with(spec, case["params"].clone());
        if let Some(directories) = spec["level_intermediaries_dirs"].as_array_mut() {
            directories.iter_mut().for_each(|directory| *directory = lab.path("temporaries").into());
        }
        expect_run(&spec);
        let found = read(&target, along_x(start, stop));
        let found: Vec<f64> = (0..stop - start).map(|x| found.get(0, Vec3::new(x, 0, 0))).collect();
        let expected: Vec<f64> = match (case["defect"] == true, case["params"].get("processing_gap")) {
            (false, _) => serde_json::from_value(case["dst_x"].clone()).unwrap(),
            (true, None) => (start..stop).map(|x| x as f64).collect(),
            // Chunks of 8 with 4 between them.
            (true, Some(_)) => (start..stop).map(|x| if x % 12 < 8 { x as f64 } else { 0.0 }).collect(),
        };
        defects += usize::from(case["defect"] == true);
        for (x, (found, expected)) in found.iter().zip(&expected).enumerate() {
            // Recorded to seven digits.
            let close = (found - expected).abs() <= 1e-6 * expected.abs().max(1.0);
            assert!(close, "{}: {found} for {expected} at {x}", case["name"]);
        }
        assert_eq!(found.len(), expected.len(), "{}", case["name"]);
    }
    assert_eq!((recorded.len(), defects), (15, 2));
}
