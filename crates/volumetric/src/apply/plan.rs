//! What a flow over a volume will do, by arithmetic: how many chunks and tasks, how many bytes.

use bytesize::ByteSize;
use otaman::Estimate;
use serde::Serialize;

use crate::apply::flow;
use crate::apply::parameters::SubchunkableApply;
use crate::apply::prepared::{Prepared, When, Writing};
use crate::apply::refusal::Refusals;
use crate::apply::tiles::Tiles;
use crate::geometry::{Bounds, Vec3};

/// What a flow over a volume will do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// All that is processed, in voxels of the result, after it was grown as the parameters say.
    pub region: Bounds,
    /// The levels, largest chunks first.
    pub levels: Vec<PlannedLevel>,
    /// The tasks, by operation.
    pub tasks: Vec<PlannedTasks>,
    /// Bytes of values that are read of layers.
    pub bytes_read: u64,
    /// Bytes of values that are written to the layer.
    pub bytes_written: u64,
    /// Bytes of results that wait to be put together.
    pub temporary_bytes: u64,
    /// Bytes of values that a task that processes a chunk holds at once, about: its result, and what one of the smallest
    /// chunks is computed of.
    pub task_bytes: u64,
}

/// One level of chunks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedLevel {
    /// The size of a chunk, after it was rounded or shrunk as the parameters say.
    pub chunk_size: Vec3,
    /// Context on each side.
    pub crop_pad: Vec3,
    /// How far it reaches into each neighbour.
    pub blend_pad: Vec3,
    /// How many there are in all.
    pub chunks: u64,
    /// Whether each is a task or made of tasks.
    pub is_distributed: bool,
}

/// Tasks of one operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedTasks {
    /// The operation.
    pub operation: &'static str,
    /// Which workers run them.
    pub worker_type: String,
    /// How many there are.
    pub tasks: u64,
}

/// Spans of chunks along one axis.
type Spans = Vec<(i64, i64)>;

impl SubchunkableApply {
    /// What the flow will do. Layers are looked at, nothing is written.
    ///
    /// # Errors
    /// All that is wrong with the parameters; among them that two tasks would write one storage chunk at once.
    pub fn plan(&self) -> Result<Plan, Refusals> {
        Ok(Plan::of(&Prepared::new(self, When::Running)?, self))
    }
}

impl Plan {
    /// As flows say it to `coordinator plan`, which counts tasks itself.
    pub(crate) fn estimate(&self) -> Estimate {
        let level = |(number, level): (usize, &PlannedLevel)| {
            format!("level {number}: {} chunks of {}", level.chunks, level.chunk_size)
        };
        let memory = format!("a task holds about {} in memory", ByteSize(self.task_bytes));
        Estimate {
            read_bytes: self.bytes_read,
            written_bytes: self.bytes_written,
            temporary_bytes: self.temporary_bytes,
            remarks: self.levels.iter().enumerate().map(level).chain([memory]).collect(),
        }
    }

    pub(crate) fn of(prepared: &Prepared, parameters: &SubchunkableApply) -> Self {
        let all = Chunks::of(prepared);
        let level = |(index, level): (usize, &crate::apply::recipe::Level)| PlannedLevel {
            chunk_size: level.size,
            crop_pad: level.crop,
            blend_pad: level.blend,
            chunks: all.count(index),
            is_distributed: index < prepared.distributed,
        };
        Self {
            region: prepared.region,
            levels: prepared.levels.iter().enumerate().map(level).collect(),
            tasks: tasks(prepared, parameters, &all),
            bytes_read: bytes_read(prepared, &all),
            bytes_written: bytes_written(prepared, &all),
            temporary_bytes: temporary_bytes(prepared, &all),
            task_bytes: u64::try_from(task_bytes(prepared)).unwrap_or(u64::MAX),
        }
    }

    /// How many tasks process chunks.
    pub(crate) fn process_tasks(prepared: &Prepared) -> u64 {
        Chunks::of(prepared).count(prepared.distributed - 1).div_ceil(prepared.stack as u64)
    }
}

/// The chunks of every level along each axis, pads included.
struct Chunks(Vec<[Spans; 3]>);

impl Chunks {
    fn of(prepared: &Prepared) -> Self {
        let mut levels: Vec<[Spans; 3]> = Vec::new();
        for (index, level) in prepared.levels.iter().enumerate() {
            let spans = std::array::from_fn(|axis| match levels.last() {
                None => tiles(
                    (prepared.region.start[axis], prepared.region.stop[axis]),
                    level.size[axis],
                    prepared.gap[axis],
                    level.blend[axis],
                )
                .collect(),
                Some(above) => {
                    let crop = prepared.levels[index - 1].crop[axis];
                    let cut = |(start, stop): &(i64, i64)| {
                        let within = (*start, *stop);
                        let padded = (start - crop, stop + crop);
                        tiles(padded, level.size[axis], 0, level.blend[axis])
                            .filter(move |span| span.0 < within.1 && span.1 > within.0)
                            .collect::<Vec<_>>()
                    };
                    above[axis].iter().flat_map(cut).collect()
                }
            });
            levels.push(spans);
        }
        Self(levels)
    }

    fn count(&self, level: usize) -> u64 {
        self.0[level].iter().map(|spans| spans.len() as u64).product()
    }

    /// The voxels of all chunks of a level, each changed and cut off at a box.
    fn voxels(
        &self,
        level: usize,
        change: impl Fn(usize, (i64, i64)) -> (i64, i64),
        within: Option<&Bounds>,
    ) -> u64 {
        let along = |axis: usize| -> u64 {
            let length = |span: &(i64, i64)| {
                let (start, stop) = change(axis, *span);
                let (least, most) =
                    within.map_or((i64::MIN, i64::MAX), |within| (within.start[axis], within.stop[axis]));
                (stop.min(most) - start.max(least)).max(0).unsigned_abs()
            };
            self.0[level][axis].iter().map(length).sum()
        };
        along(0).saturating_mul(along(1)).saturating_mul(along(2))
    }
}

fn tiles(span: (i64, i64), size: i64, gap: i64, pad: i64) -> impl Iterator<Item = (i64, i64)> {
    let (start, stop) = span;
    let count = (stop - start + gap) / (size + gap);
    (0..count).map(move |index| {
        let start = start + index * (size + gap);
        (start - pad, start + size + pad)
    })
}

fn tasks(prepared: &Prepared, parameters: &SubchunkableApply, all: &Chunks) -> Vec<PlannedTasks> {
    let process = parameters.op_worker_type.clone().unwrap_or_else(|| "cpu".into());
    let minor = parameters.reduction_worker_type.clone().unwrap_or_else(|| process.clone());
    let mut tasks = Vec::new();
    let mut add = |operation, worker_type: &String, count| {
        if count > 0 {
            tasks.push(PlannedTasks { operation, worker_type: worker_type.clone(), tasks: count });
        }
    };
    add("volumetric.create", &minor, u64::from(prepared.destination.is_some()));
    let process_tasks = all.count(prepared.distributed - 1).div_ceil(prepared.stack as u64);
    add("volumetric.process", &process, process_tasks);
    let waits = matches!(prepared.writing, Writing::Later(_) | Writing::Never(_));
    let larger: u64 =
        if waits { (0..prepared.distributed - 1).map(|level| all.count(level)).sum() } else { 0 };
    let last = matches!(prepared.writing, Writing::Later(_));
    let boxes = if last { written_boxes(prepared) } else { 0 };
    add("volumetric.reduce", &minor, larger + boxes);
    add("volumetric.clean", &minor, u64::from(last));
    tasks
}

/// How many boxes are written; those that lie between chunks are not.
fn written_boxes(prepared: &Prepared) -> u64 {
    let (Ok(boxes), Ok(chunks)) =
        (flow::boxes(prepared), Tiles::new(prepared.region, &prepared.levels[0], prepared.gap))
    else {
        return 0;
    };
    if prepared.gap == Vec3::ZERO {
        return boxes.len();
    }
    let along = |axis: usize| {
        let chunks: Spans = chunks.grid().lengths(axis).collect();
        let meets = |span: &(i64, i64)| {
            let next = chunks.partition_point(|chunk| chunk.1 <= span.0);
            chunks.get(next).is_some_and(|chunk| chunk.0 < span.1)
        };
        boxes.lengths(axis).filter(meets).count() as u64
    };
    along(0) * along(1) * along(2)
}

fn bytes_read(prepared: &Prepared, all: &Chunks) -> u64 {
    let Ok(resolution) = prepared.operation.input_resolution(prepared.resolution) else { return 0 };
    let (from, to) = (prepared.resolution.femtometres(), resolution.femtometres());
    let pad = prepared.operation.crop_pad();
    // With a cache each task reads what it needs once, otherwise each of the smallest chunks does.
    let last = prepared.levels.len() - 1;
    let level = if prepared.cache_up_to_level == 0 { last } else { prepared.distributed - 1 };
    let mut around = pad;
    for index in level..last {
        around = around + prepared.levels[index].crop + prepared.levels[index + 1].blend;
    }
    let change = |axis: usize, (start, stop): (i64, i64)| {
        let scaled = |place: i64| {
            let place = i128::from(place) * i128::from(from[axis]) / i128::from(to[axis]);
            i64::try_from(place).unwrap_or(i64::MAX)
        };
        (scaled(start - around[axis]), scaled(stop + around[axis]))
    };
    let of_source = |(_, source): &(String, crate::layer::Description)| {
        let within = source.scales.iter().find(|scale| scale.resolution == resolution);
        let voxels = all.voxels(level, change, within.map(|scale| &scale.bounds));
        voxels.saturating_mul((source.channels * source.data_type.size()) as u64)
    };
    prepared.sources.iter().map(of_source).sum()
}

/// What a task holds at once, about.
pub(crate) fn task_bytes(prepared: &Prepared) -> u128 {
    let voxels =
        |size: Vec3| size.0.iter().fold(1, |all: u128, length| all.saturating_mul((*length).max(0) as u128));
    let (task, smallest) =
        (&prepared.levels[prepared.distributed - 1], &prepared.levels[prepared.levels.len() - 1]);
    let result = voxels(task.size + task.blend * 2).saturating_mul(u128::from(voxel_bytes(prepared)));
    let padded = Bounds::at(Vec3::ZERO, smallest.size).padded(smallest.blend);
    let Ok(read) = prepared.operation.input_bounds(padded, prepared.resolution) else { return result };
    let bytes = |source: &crate::layer::Description| (source.channels * source.data_type.size()) as u128;
    let function = &prepared.operation.function;
    let sources = prepared.sources.iter().map(|(_, source)| {
        let scratch = u128::from(function.scratch_bytes(source.data_type));
        voxels(read.size()).saturating_mul(bytes(source) + scratch)
    });
    sources.fold(result, u128::saturating_add)
}

fn voxel_bytes(prepared: &Prepared) -> u64 {
    let bytes = |destination: &crate::apply::prepared::Destination| {
        destination.description.channels * destination.description.data_type.size()
    };
    prepared.destination.as_ref().map_or(0, bytes) as u64
}

fn bytes_written(prepared: &Prepared, all: &Chunks) -> u64 {
    let written = prepared.written();
    match prepared.writing {
        Writing::Nowhere | Writing::Never(_) => 0,
        Writing::AtOnce | Writing::Later(_) => {
            let pad = prepared.levels[0].blend;
            let core = |axis: usize, (start, stop): (i64, i64)| (start + pad[axis], stop - pad[axis]);
            all.voxels(0, core, Some(&written)).saturating_mul(voxel_bytes(prepared))
        }
    }
}

fn temporary_bytes(prepared: &Prepared, all: &Chunks) -> u64 {
    match prepared.writing {
        Writing::Nowhere | Writing::AtOnce => 0,
        Writing::Never(_) | Writing::Later(_) => {
            let voxels = (0..prepared.distributed).map(|level| all.voxels(level, |_, span| span, None));
            voxels.sum::<u64>().saturating_mul(voxel_bytes(prepared))
        }
    }
}
