//! The operations that flows over volumes are made of.

use std::ops::ControlFlow;
use std::sync::Arc;

use otaman::{Context, Error, Result, operation};
use serde_json::Value as Json;

use crate::apply;
use crate::apply::blend::Blend;
use crate::apply::compute::{Computation, Computed};
use crate::apply::memory;
use crate::apply::recent::Recent;
use crate::apply::recipe::{ChunkName, Recipe, Reduction, Temporaries};
use crate::apply::temporaries::{self, Store};
use crate::apply::tiles::Tiles;
use crate::array::Array;
use crate::geometry::{Bounds, Resolution, Vec3};
use crate::layer::{self, Layer, LayerSpec, Written};

/// Makes the layer that a flow writes to, if its parameters ask for that, and looks whether it can be opened.
#[operation(name = "volumetric.create", version = "1.0.0", tags("volumetric"))]
pub fn create_layer(
    /// The layer.
    layer: LayerSpec,
) -> Result<()> {
    layer.create()?;
    Ok(())
}

/// Processes chunks of a volume. Its value is that of the function, where there is no layer to write to.
#[operation(name = "volumetric.process", version = "1.0.0", tags("volumetric"))]
pub fn process_chunks(
    context: &Context,
    /// What is done with each chunk, as JSON; the same for all tasks of a flow.
    recipe: String,
    /// The first voxels of the chunks, without their pads.
    chunks: Vec<Vec3>,
) -> Result<Json> {
    static OPENED: Recent<(Arc<Recipe>, Computation)> = Recent::new();
    let (recipe, mut computation) = OPENED.get(context, &recipe, || {
        let recipe: Recipe = serde_json::from_str(&recipe)?;
        let computation = Computation::open(&recipe)?;
        Ok::<_, apply::Error>((Arc::new(recipe), computation))
    })?;
    memory::check(recipe.memory)?;
    let store = match recipe.target.as_ref().and_then(|target| Some((target, target.temporaries.as_ref()?))) {
        Some((target, temporaries)) => Some(Store::open(target, temporaries, context)?),
        None => None,
    };
    let level = recipe.levels[recipe.task_level];
    let mut done = 0;
    let mut told = |_: &Bounds| {
        if context.is_cancelled() {
            return ControlFlow::Break(());
        }
        done += 1;
        ControlFlow::Continue(())
    };
    let (mut values, mut written) = (Vec::new(), Written::default());
    let total = chunks.len() as u64;
    for (index, start) in (1..).zip(chunks) {
        let chunk = Bounds::at(start, level.size).padded(level.blend);
        let computed = computation.chunk(recipe.task_level, chunk, &mut told).map_err(stopped)?;
        match (computed, &store, computation.layer()) {
            (Computed::Array(array), Some(store), _) => store.put(recipe.task_level, chunk, &array)?,
            (Computed::Array(array), None, Some(layer)) => {
                written.join(write(layer, recipe.resolution, chunk, &array)?);
            }
            (Computed::Array(_), None, None) => {}
            (Computed::Values(found), ..) => values.extend(found),
        }
        context.progress(index, total);
    }
    tracing::debug!(smallest_chunks = done, "processed");
    on_disk(context, written)?;
    match values.len() {
        0 => Ok(Json::Null),
        1 => Ok(values.remove(0)),
        _ => Ok(computation.merge(&values)?),
    }
}

fn write(
    layer: &Layer,
    resolution: Resolution,
    bounds: Bounds,
    array: &Array,
) -> Result<Written, apply::Error> {
    layer.write_processed(resolution, bounds.start, array).map_err(|source| apply::Error::Layer {
        what: "writing".into(),
        bounds,
        source: Box::new(source),
    })
}

/// Waits until what a task has written is as safe as its outcome will be, while others compute.
fn on_disk(context: &Context, written: Written) -> Result<(), layer::Error> {
    context.waiting(|| written.sync())
}

/// What was told to stop may run elsewhere.
fn stopped(error: apply::Error) -> Error {
    match error {
        apply::Error::Stopped(_) => Error::transient(error),
        other => other.into(),
    }
}

/// Puts results of chunks together and writes them to the layer, or keeps them as the result of a larger chunk.
#[operation(name = "volumetric.reduce", version = "1.0.0", tags("volumetric"))]
pub fn reduce_chunks(
    context: &Context,
    /// How results are put together, as JSON; the same for all tasks of a flow.
    reduction: String,
    /// The box of the layer to write.
    bounds: Option<Bounds>,
    /// The larger chunk.
    chunk: Option<ChunkName>,
) -> Result<()> {
    static OPENED: Recent<(Arc<Reduction>, Layer)> = Recent::new();
    let (reduction, layer) = OPENED.get(context, &reduction, || {
        let reduction: Reduction = serde_json::from_str(&reduction)?;
        let opened = reduction.target.layer.open();
        let layer =
            opened.map_err(|source| apply::Error::Open { what: "dst".into(), source: Box::new(source) })?;
        Ok::<_, apply::Error>((Arc::new(reduction), layer))
    })?;
    let target = &reduction.target;
    let Some(temporaries) = &target.temporaries else {
        return Err(Error::permanent("this reduction has no intermediate results"));
    };
    let store = Store::open(target, temporaries, context)?;
    match (bounds, chunk) {
        (Some(bounds), None) => {
            let tiles = Tiles::new(reduction.region, &reduction.levels[0], reduction.gap)
                .map_err(apply::Error::Geometry)?;
            let mut written = Written::default();
            if reduction.gap == Vec3::ZERO {
                let array = together(&store, &reduction, 0, tiles, bounds)?;
                written = write(&layer, reduction.resolution, bounds, &array)?;
            } else {
                // What lies between chunks stays as it is.
                for chunk in tiles.meeting(&bounds) {
                    let part = chunk.intersection(&bounds);
                    let array = together(&store, &reduction, 0, tiles, part)?;
                    written.join(write(&layer, reduction.resolution, part, &array)?);
                }
            }
            on_disk(context, written)?;
        }
        (None, Some(chunk)) => {
            let level = reduction.levels[chunk.level];
            let bounds = Bounds::at(chunk.start, level.size).padded(level.blend);
            let tiles = Tiles::of_level(&reduction.levels, chunk.level + 1, bounds)
                .map_err(apply::Error::Geometry)?;
            let array = together(&store, &reduction, chunk.level + 1, tiles, bounds)?;
            store.put(chunk.level, bounds, &array)?;
        }
        (Some(_), Some(_)) | (None, None) => {
            return Err(Error::permanent("a reduction is of a box or of a chunk"));
        }
    }
    Ok(())
}

/// The results of chunks of a level in a box.
fn together(
    store: &Store,
    reduction: &Reduction,
    level: usize,
    tiles: Tiles,
    bounds: Bounds,
) -> Result<Array, apply::Error> {
    let target = &reduction.target;
    let settings = &reduction.levels[level];
    let mut blend = Blend::new(settings, bounds, tiles.region(), target.data_type, target.channels)?;
    for chunk in tiles.meeting(&bounds) {
        let (array, piece) = store.get(level, chunk, &bounds)?;
        blend.add(&array, piece, chunk)?;
    }
    Ok(blend.finish())
}

/// Deletes the intermediate results of a flow.
#[operation(name = "volumetric.clean", version = "1.0.0", tags("volumetric"))]
pub fn clean_up(
    context: &Context,
    /// Where they are.
    temporaries: Temporaries,
) -> Result<()> {
    temporaries::delete(&temporaries, context)?;
    Ok(())
}
