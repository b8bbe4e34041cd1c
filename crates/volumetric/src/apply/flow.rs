//! `build_subchunkable_apply_flow`: the layer is made, chunks are processed, their results put together, what was left
//! over deleted; each when the step before is done.

use otaman::{Call, Descriptor, Error, Flow, FlowSchema, Handle, Operation, Resolve, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::apply::memory::MUCH;
use crate::apply::parameters::SubchunkableApply;
use crate::apply::plan::{Plan, task_bytes};
use crate::apply::prepared::{Destination, Prepared, When, Writing};
use crate::apply::recipe::{ChunkName, Recipe, Reduction, Target, Temporaries};
use crate::apply::tasks::{CleanUp, CreateLayer, ProcessChunks, ReduceChunks};
use crate::apply::tiles::Tiles;
use crate::apply::writers;
use crate::function::OperationSpec;
use crate::geometry::{Bounds, Fit, Grid, Layout, Vec3};

/// How many tasks one step yields at most.
const BATCH: usize = 256;

impl FlowSchema for SubchunkableApply {
    type Output = Json;

    fn descriptor() -> Descriptor {
        Descriptor::new("build_subchunkable_apply_flow", "1.0.0")
            .description(
                "Runs a function over a volume, chunk by chunk, with context around chunks and blending between them.",
            )
            .tags(&["volumetric"])
    }

    fn check(&self, _: &dyn Resolve) -> Vec<(String, Error)> {
        Prepared::new(self, When::Checking).err().map(|refusals| refusals.into_errors()).unwrap_or_default()
    }

    async fn expand(self, flow: Flow) -> Result<Json> {
        let prepared = Prepared::new(&self, When::Running)?;
        let work = Work::new(&self, &prepared)?;
        let begin = |destination: &Destination| {
            let path = &destination.description.path;
            writers::begin(path, &destination.scale, prepared.written(), &work.recipe)
        };
        let _writing = prepared.destination.as_ref().map(begin).transpose()?;
        let plan = Plan::of(&prepared, &self);
        flow.estimate(plan.estimate());
        if self.verbose {
            tracing::info!(plan = %serde_json::to_string(&plan)?, "subchunkable apply");
        }
        if let Some(destination) = &prepared.destination {
            flow.task(work.minor(CreateLayer { layer: destination.layer.absolute()? })).await?;
            flow.wait().await;
        }
        let handles = work.process(&flow, &prepared).await?;
        flow.wait().await;
        if let (Writing::Later(_), Some(reduction)) = (&prepared.writing, &work.reduction) {
            work.reduce(&flow, &prepared, reduction).await?;
            flow.wait().await;
            if let Some(temporaries) = &work.temporaries {
                flow.task(work.minor(CleanUp { temporaries: temporaries.clone() })).await?;
                flow.wait().await;
            }
        }
        let values = match handles.iter().map(Handle::value).collect::<Result<Vec<Json>>>() {
            Ok(values) => values,
            // In a plan nothing has a value, and all has been yielded.
            Err(error) if error.is_unknown_value() => return Ok(Json::Null),
            Err(error) => return Err(error),
        };
        let mut values: Vec<Json> = values.into_iter().filter(|value| !value.is_null()).collect();
        match values.len() {
            0 => Ok(Json::Null),
            1 => Ok(values.remove(0)),
            _ => Ok(prepared.operation.function.merge(&values)?),
        }
    }
}

inventory::submit! { otaman::Registration::Flow(otaman::FlowEntry::of::<SubchunkableApply>) }

/// What all tasks of a flow have in common, encoded once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Work {
    recipe: String,
    reduction: Option<String>,
    #[serde(skip)]
    temporaries: Option<Temporaries>,
    worker_type: Option<String>,
    reduction_worker_type: Option<String>,
    semaphores: Vec<String>,
}

impl Work {
    fn new(parameters: &SubchunkableApply, prepared: &Prepared) -> Result<Self> {
        let mut inputs = prepared.inputs.clone();
        for argument in inputs.values_mut() {
            argument.make_absolute()?;
        }
        let target = match &prepared.destination {
            None => None,
            Some(destination) => Some(Target {
                layer: destination.layer.absolute()?,
                data_type: destination.description.data_type,
                channels: destination.description.channels,
                temporaries: None,
            }),
        };
        // What it is called and what it holds while it runs changes no result.
        let operation =
            OperationSpec { fn_semaphores: None, operation_name: None, ..prepared.operation_spec.clone() };
        let mut recipe = Recipe {
            operation: operation.clone(),
            inputs,
            resolution: prepared.resolution,
            levels: prepared.levels.clone(),
            task_level: prepared.distributed - 1,
            cache_up_to_level: prepared.cache_up_to_level,
            target,
            memory: u64::try_from(task_bytes(prepared)).ok().filter(|bytes| *bytes > MUCH),
        };
        let mut work = Self {
            recipe: String::new(),
            reduction: None,
            temporaries: None,
            worker_type: parameters.op_worker_type.clone(),
            reduction_worker_type: parameters.reduction_worker_type.clone(),
            semaphores: prepared.operation.semaphores.clone(),
        };
        if let (Writing::Later(directory) | Writing::Never(directory), Some(target)) =
            (&prepared.writing, &mut recipe.target)
        {
            let mut reduction = Reduction {
                target: target.clone(),
                resolution: prepared.resolution,
                region: prepared.region,
                gap: prepared.gap,
                levels: prepared.levels.clone(),
            };
            let mut hash = blake3::Hasher::new();
            hash.update(serde_json::to_string(&(&*target, &prepared.inputs, &reduction))?.as_bytes());
            hash.update(serde_json::to_string(&operation)?.as_bytes());
            let key = hash.finalize().to_hex()[..32].to_owned();
            let temporaries = Temporaries { directory: absolute(directory)?, key };
            target.temporaries = Some(temporaries.clone());
            reduction.target.temporaries = Some(temporaries.clone());
            work.reduction = Some(serde_json::to_string(&reduction)?);
            work.temporaries = Some(temporaries);
        }
        work.recipe = serde_json::to_string(&recipe)?;
        Ok(work)
    }

    /// Yields the tasks that process chunks. Their handles, if they have values.
    async fn process(&self, flow: &Flow, prepared: &Prepared) -> Result<Vec<Handle<Json>>> {
        let has_values = prepared.destination.is_none();
        let mut handles = Vec::new();
        if prepared.distributed > 1 && matches!(prepared.writing, Writing::Later(_) | Writing::Never(_)) {
            let tiles = Tiles::new(prepared.region, &prepared.levels[0], prepared.gap)?;
            for chunk in tiles.grid().iter() {
                let name = ChunkName { level: 0, start: chunk.start };
                flow.flow(DistributedChunk { work: self.clone(), chunk: name }).await?;
            }
            return Ok(handles);
        }
        let total = Plan::process_tasks(prepared);
        flow.expect("volumetric.process".parse()?, total);
        let mut chunks = starts(prepared)?;
        loop {
            let calls: Vec<_> = std::iter::from_fn(|| {
                let chunks: Vec<Vec3> = chunks.by_ref().take(prepared.stack).collect();
                (!chunks.is_empty()).then(|| self.processing(chunks))
            })
            .take(BATCH)
            .collect();
            if calls.is_empty() {
                return Ok(handles);
            }
            let yielded = flow.tasks(calls).await?;
            if has_values {
                handles.extend(yielded);
            }
        }
    }

    /// Yields the tasks that write boxes of the layer, which together are all that is processed. Boxes are made of whole
    /// storage chunks, so that no two tasks write into one.
    async fn reduce(&self, flow: &Flow, prepared: &Prepared, reduction: &str) -> Result<()> {
        let tiles = Tiles::new(prepared.region, &prepared.levels[0], prepared.gap)?;
        let boxes = boxes(prepared)?;
        flow.expect("volumetric.reduce".parse()?, boxes.len());
        let mut boxes = boxes.iter().filter(|bounds| tiles.meeting(bounds).next().is_some());
        loop {
            let calls: Vec<_> = boxes
                .by_ref()
                .take(BATCH)
                .map(|bounds| self.reducing(reduction, Some(bounds), None))
                .collect();
            if calls.is_empty() {
                return Ok(());
            }
            flow.tasks(calls).await?;
        }
    }

    fn processing(&self, chunks: Vec<Vec3>) -> Call<ProcessChunks> {
        let mut call = ProcessChunks { recipe: self.recipe.clone(), chunks }.call();
        if !self.semaphores.is_empty() {
            call = call.semaphores(self.semaphores.iter().cloned());
        }
        if let Some(worker_type) = &self.worker_type {
            call = call.worker_type(worker_type.clone());
        }
        call
    }

    fn reducing(
        &self,
        reduction: &str,
        bounds: Option<Bounds>,
        chunk: Option<ChunkName>,
    ) -> Call<ReduceChunks> {
        self.minor(ReduceChunks { reduction: reduction.to_owned(), bounds, chunk })
    }

    /// A task for the workers that put results together, or else for those that process chunks, so that no third
    /// type is needed.
    fn minor<T: Operation>(&self, operation: T) -> Call<T> {
        let call = operation.call();
        match self.reduction_worker_type.as_ref().or(self.worker_type.as_ref()) {
            Some(worker_type) => call.worker_type(worker_type.clone()),
            None => call,
        }
    }
}

/// A chunk whose own chunks are tasks.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct DistributedChunk {
    work: Work,
    chunk: ChunkName,
}

impl FlowSchema for DistributedChunk {
    type Output = ();

    fn descriptor() -> Descriptor {
        Descriptor::new("volumetric.chunk", "1.0.0").description("Processes a chunk by tasks for its parts.")
    }

    async fn expand(self, flow: Flow) -> Result<()> {
        let Self { work, chunk } = self;
        let recipe: Recipe = serde_json::from_str(&work.recipe)?;
        let level = recipe.levels[chunk.level];
        let bounds = Bounds::at(chunk.start, level.size).padded(level.blend);
        let below = chunk.level + 1;
        let tiles = Tiles::of_level(&recipe.levels, below, bounds)?;
        let mut starts = tiles
            .grid()
            .iter()
            .filter(move |part| part.padded(recipe.levels[below].blend).intersects(&bounds))
            .map(|part| part.start);
        if below == recipe.task_level {
            loop {
                let calls: Vec<_> =
                    starts.by_ref().take(BATCH).map(|start| work.processing(vec![start])).collect();
                if calls.is_empty() {
                    break;
                }
                flow.tasks(calls).await?;
            }
        } else {
            for start in starts {
                let chunk = ChunkName { level: below, start };
                flow.flow(Self { work: work.clone(), chunk }).await?;
            }
        }
        flow.wait().await;
        if let Some(reduction) = &work.reduction {
            flow.task(work.reducing(reduction, None, Some(chunk))).await?;
        }
        Ok(())
    }
}

/// The first voxels of all chunks that are tasks, one after another.
pub(crate) fn starts(prepared: &Prepared) -> Result<Box<dyn Iterator<Item = Vec3> + Send>> {
    let grid = *Tiles::new(prepared.region, &prepared.levels[0], prepared.gap)?.grid();
    let mut chunks: Box<dyn Iterator<Item = Bounds> + Send> = Box::new(grid.iter());
    for level in &prepared.levels[1..prepared.distributed] {
        let layout = Layout::tiled(level.size, Fit::Expand);
        chunks = Box::new(
            chunks.flat_map(move |chunk| Grid::new(chunk, layout).into_iter().flat_map(|grid| grid.iter())),
        );
    }
    Ok(Box::new(chunks.map(|chunk| chunk.start)))
}

/// The boxes that reductions write.
pub(crate) fn boxes(prepared: &Prepared) -> Result<Grid> {
    let written = prepared.written();
    let Some(destination) = &prepared.destination else {
        return Ok(Grid::new(written, Layout::tiled(Vec3::ONE, Fit::Exact))?);
    };
    if written.size().all(prepared.most, |size, most| size <= most) {
        // One task writes all, so storage chunks do not matter.
        return Ok(Grid::new(written, Layout::tiled(written.size().max(Vec3::ONE), Fit::Exact))?);
    }
    let scale = &destination.scale;
    let layout = Layout::tiled(scale.chunk, Fit::Exact).from_offset(scale.offset);
    Ok(Grid::of_superchunks(written, layout, prepared.most)?)
}

/// A directory by a path that means the same in every process of this machine.
fn absolute(directory: &str) -> Result<String> {
    if directory.contains("://") || directory.starts_with('~') {
        return Ok(directory.to_owned());
    }
    Ok(std::path::absolute(directory)?.to_string_lossy().into_owned())
}
