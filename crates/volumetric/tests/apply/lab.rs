//! Volumes in memory to try flows on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use otaman::driver::Node;
use otaman::inline::{Run, Runner};
use otaman::spec::{self, Catalog};
use otaman::{Registry, Resolve, Value};
use serde_json::{Value as Json, json};
use volumetric::array::{Array, DataType, Shape};
use volumetric::geometry::{Bounds, Resolution, Vec3};
use volumetric::layer::LayerSpec;

/// A place of its own for the layers of one test.
pub struct Lab {
    place: String,
}

impl Lab {
    pub fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        Self { place: format!("memory://lab-{}", COUNT.fetch_add(1, Ordering::Relaxed)) }
    }

    pub fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.place)
    }

    /// The spec of a layer.
    pub fn layer(
        &self,
        name: &str,
        data_type: DataType,
        channels: usize,
        bounds: Bounds,
        chunk: Vec3,
    ) -> Json {
        json!({
            "@type": "build_zarr_layer", "path": self.path(name), "resolution": [1, 1, 1], "ome": false,
            "data_type": data_type, "num_channels": channels, "voxel_offset": bounds.start, "size": bounds.size(),
            "chunk_size": chunk, "codec": "raw"
        })
    }
}

pub fn resolution() -> Resolution {
    Resolution::from_nanometres([1.0; 3]).unwrap()
}

pub fn spec_of(layer: &Json) -> LayerSpec {
    serde_json::from_value(layer.clone()).unwrap()
}

/// Makes a layer and fills it.
pub fn fill(layer: &Json, value: impl FnMut(usize, Vec3) -> f64) -> Array {
    let opened = spec_of(layer).create().unwrap();
    let bounds = opened.volume().scale(resolution()).unwrap().bounds;
    let shape = Shape::new(opened.volume().channels(), bounds.size());
    let mut value = value;
    let array = Array::generate(opened.volume().data_type(), shape, |channel, voxel| {
        value(channel, voxel + bounds.start)
    });
    opened.write(resolution(), bounds.start, array.clone()).unwrap();
    array
}

/// What stands in a box of a layer.
pub fn read(layer: &Json, bounds: Bounds) -> Array {
    spec_of(layer).open().unwrap().read(resolution(), bounds).unwrap()
}

pub fn identity() -> Json {
    json!({"@type": "lambda", "lambda_str": "lambda src: src"})
}

pub fn bbox(bounds: Bounds) -> Json {
    json!({"@type": "BBox3D.from_coords", "start_coord": bounds.start, "end_coord": bounds.stop,
        "resolution": [1, 1, 1]})
}

/// All that is linked; made once, since that takes longer than most flows here.
pub fn registry() -> Arc<Registry> {
    static REGISTRY: OnceLock<Arc<Registry>> = OnceLock::new();
    REGISTRY.get_or_init(|| Arc::new(Registry::linked().unwrap())).clone()
}

pub fn catalog() -> Arc<Catalog> {
    static CATALOG: OnceLock<Arc<Catalog>> = OnceLock::new();
    CATALOG.get_or_init(|| Arc::new(Catalog::new(&registry()))).clone()
}

/// Checks and runs a spec as the coordinator does.
pub async fn run(spec: &Json) -> Result<Run<Value>, String> {
    let catalog = catalog();
    let text = serde_json::to_string_pretty(spec).unwrap();
    let spec = spec::parse("spec.json", &text, &BTreeMap::new(), &catalog)
        .map_err(|problems| problems.to_string())?;
    let Node::Flow(call) = catalog.resolve(&spec.root, &[]).unwrap() else { panic!("the root is a flow") };
    Ok(Runner::new(registry()).with_resolver(catalog).run_call(call).await)
}

/// Runs a spec that must succeed.
#[track_caller]
pub fn expect_run(spec: &Json) -> Run<Value> {
    let run = block_on(run(spec)).unwrap_or_else(|problems| panic!("{problems}"));
    if let Err(error) = &run.result {
        panic!("{error}\n{spec:#}");
    }
    run
}

pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// How many tasks of an operation ran.
pub fn count(run: &Run<Value>, operation: &str) -> usize {
    run.operations().iter().filter(|name| **name == operation).count()
}

/// Merges fields into an object; null takes a field away.
pub fn with(mut spec: Json, changes: Json) -> Json {
    let fields = spec.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            fields.remove(name);
        } else {
            fields.insert(name.clone(), value.clone());
        }
    }
    spec
}
