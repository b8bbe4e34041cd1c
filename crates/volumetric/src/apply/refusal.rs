//! What can be wrong with the parameters of a flow over a volume. All of it is said before anything runs.

use crate::array::DataType;
use crate::blending::BlendMode;
use crate::geometry::{Bounds, Region, Resolution, Vec3};

/// A reason not to run a flow, in the words of its parameters.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A parameter of older versions.
    #[error("dst_tighten_bounds is no longer there; set the bounds of dst by its info")]
    TightenBounds,
    /// Arguments by position.
    #[error("op_args must be empty; give what the function takes by name, in op_kwargs")]
    PositionalArguments,
    /// A parameter that means nothing without a layer to write to.
    #[error("{parameter} means nothing when dst is null; {cure}")]
    WithoutDestination {
        /// The parameter.
        parameter: &'static str,
        /// What to do.
        cure: &'static str,
    },
    /// The box is given in two ways.
    #[error("{first} is given, so {second} cannot be; leave one of them out")]
    BoxTwice {
        /// One way.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// The box is not given.
    #[error(
        "there is no box: give bbox, or start_coord, end_coord and coord_resolution, or set auto_bbox; missing: {missing}"
    )]
    NoBox {
        /// What is missing.
        missing: String,
    },
    /// A box that is none.
    #[error(transparent)]
    Geometry(#[from] crate::geometry::Error),
    /// The box has no voxel.
    #[error("the box {0} is empty")]
    EmptyBox(Region),
    /// Both `fn` and `op`.
    #[error("fn and op are both given; choose one")]
    TwoFunctions,
    /// Neither.
    #[error("neither fn nor op is given; one of them is needed")]
    NoFunction,
    /// `fn_semaphores` with `op`.
    #[error("fn_semaphores goes with fn; with op put them into the operation")]
    SemaphoresOfOperation,
    /// Something is wrong with the function.
    #[error("{0}")]
    Function(String),
    /// A link for a summary that is not there.
    #[error("generate_ng_link needs verbose; set verbose to true, or leave the link out")]
    LinkWithoutSummary,
    /// No level.
    #[error("processing_chunk_sizes is empty; name at least the size of one level of chunks")]
    NoLevels,
    /// A size that is none.
    #[error("{parameter} is {value}; it must be {wanted} along each axis")]
    Range {
        /// The parameter.
        parameter: &'static str,
        /// Its value.
        value: Vec3,
        /// What would do.
        wanted: &'static str,
    },
    /// More or fewer entries than levels.
    #[error(
        "{parameter} has {}, but processing_chunk_sizes names {}; give one for each level, or one for all",
        counted(*found, "entry", "entries"), counted(*levels, "level", "levels")
    )]
    Levels {
        /// The parameter.
        parameter: &'static str,
        /// How many it has.
        found: usize,
        /// How many there should be.
        levels: usize,
    },
    /// `defer` below the top.
    #[error(
        "the blend mode \"defer\" is only for the first level, but is set for level {level} of {levels}; name a mode for each level"
    )]
    DeferBelowTop {
        /// Which level, from 1.
        level: usize,
        /// How many there are.
        levels: usize,
    },
    /// `defer` with something that leaves no intermediaries.
    #[error("the blend mode \"defer\" leaves results in intermediaries, {why}")]
    DeferWithout {
        /// Why there are none.
        why: &'static str,
    },
    /// A reduction that is too small.
    #[error("max_reduction_chunk_size {size} must be at least {what}, {least}, along each axis")]
    SmallReduction {
        /// The size.
        size: Vec3,
        /// Than what.
        what: &'static str,
        /// How large that is.
        least: Vec3,
    },
    /// Something that does not go with `skip_intermediaries`.
    #[error("{parameter} does not go with skip_intermediaries: {why}")]
    Skipping {
        /// The parameter.
        parameter: &'static str,
        /// Why not, and the cure.
        why: &'static str,
    },
    /// Pads that need intermediaries.
    #[error(
        "{parameter} at level {level} is {pad}, but with skip_intermediaries it must be [0, 0, 0]; name level_intermediaries_dirs instead of skipping them"
    )]
    SkippingPads {
        /// The parameter.
        parameter: &'static str,
        /// Which level, from 1 for the largest chunks.
        level: usize,
        /// The pad.
        pad: Vec3,
    },
    /// Nowhere to keep intermediaries.
    #[error(
        "level_intermediaries_dirs is needed: name a directory that all workers share, or set skip_intermediaries"
    )]
    NoDirectories,
    /// Nowhere to keep the first level's intermediaries.
    #[error(
        "level {level} is made of tasks, so it needs a directory for its results; name one instead of null"
    )]
    NoDirectory {
        /// Which level, from 1.
        level: usize,
    },
    /// A directory that cannot be one.
    #[error("{0}")]
    Directory(String),
    /// Two parameters that do not go together.
    #[error("{first} and {second} do not go together: {why}")]
    Together {
        /// One.
        first: &'static str,
        /// The other.
        second: &'static str,
        /// Why not, and the cure.
        why: &'static str,
    },
    /// An odd gap.
    #[error("processing_gap {0} must be even along each axis")]
    OddGap(Vec3),
    /// A box that is not made of whole voxels.
    #[error(
        "the box {region} is not made of whole voxels of {resolution}{wanted_by}; set expand_bbox_resolution to true, or move its corners"
    )]
    NotWhole {
        /// The box.
        region: Region,
        /// The size of a voxel.
        resolution: Resolution,
        /// Which parameter asks for that.
        wanted_by: &'static str,
    },
    /// A level whose chunks do not fill the one above.
    #[error("{} do not fill {} along {axis}: ({above} + 2 · {crop} crop + 2 · {blend} blend + {gap} gap) / ({size} + {gap} gap) is {count:.3}, not whole; {advice}", chunks(*level), container(*level))]
    Divisibility {
        /// Which level, from 1.
        level: usize,
        /// Along which axis.
        axis: char,
        /// The size of what is to be filled.
        above: i64,
        /// Its crop pad.
        crop: i64,
        /// Its blend pad.
        blend: i64,
        /// The gap.
        gap: i64,
        /// The size of a chunk.
        size: i64,
        /// How many would fit.
        count: f64,
        /// A size that would do.
        advice: String,
    },
    /// A pad that is too large.
    #[error(
        "the blend pad {pad} of level {level} is more than half of its chunks, {size}; a voxel would be in more than two chunks along an axis"
    )]
    WidePad {
        /// The pad.
        pad: Vec3,
        /// Which level, from 1.
        level: usize,
        /// The size of its chunks.
        size: Vec3,
    },
    /// A stack of nothing.
    #[error("task_stack_size is {0}; it must be 1 or more")]
    Stack(i64),
    /// More distributed levels than levels.
    #[error(
        "distributed_levels is {found}; there are {levels} levels, and at least the first is made of tasks"
    )]
    DistributedLevels {
        /// How many.
        found: u32,
        /// How many there are.
        levels: usize,
    },
    /// Something is wrong with a layer.
    #[error("{0}")]
    Layer(String),
    /// A layer without the resolution that is wanted of it, or that cannot be used at it.
    #[error("{0}")]
    Scale(String),
    /// The box and the layer have nothing in common.
    #[error("the box {bounds} and dst, which at {resolution} is {available}, have no voxel in common")]
    Elsewhere {
        /// The box.
        bounds: Bounds,
        /// At which resolution.
        resolution: Resolution,
        /// Where the layer is.
        available: Bounds,
    },
    /// A type that weights would damage.
    #[error("weights of the blend mode \"{}\" would damage integers of {data_type}, which 64-bit floats do not hold exactly; use the mode \"max\", no blend pads, or a dst of another type", mode.name())]
    WideIntegers {
        /// The mode.
        mode: BlendMode,
        /// The type.
        data_type: DataType,
    },
    /// A function that gives something else than the layer holds.
    #[error("the function gives {found} channels, but dst has {channels}")]
    Channels {
        /// How many it gives.
        found: usize,
        /// How many the layer has.
        channels: usize,
    },
    /// A function that gives values where voxels are to be written.
    #[error("the function gives values, not voxels; set dst to null to get them as the flow's value")]
    Values,
    /// The layer is read and written at once.
    #[error(
        "{name:?} is dst itself at the same resolution, and chunks are written at once: one task would read what another has written, and a task that is tried again would process its own result; write to another layer, or name level_intermediaries_dirs without skip_intermediaries"
    )]
    InPlace {
        /// The input.
        name: String,
    },
    /// Chunks that no machine can hold.
    #[error(
        "a task would hold {} TiB in memory; make chunks or pads smaller, or add a level of smaller chunks",
        bytes >> 40
    )]
    Memory {
        /// What a task would hold at once.
        bytes: u128,
    },
    /// Two concurrent tasks would write one storage chunk.
    #[error(
        "the chunks {first} and {second} are processed by two tasks at once, and both would write the storage chunk {chunk} of dst; {cure}"
    )]
    Conflict {
        /// One chunk.
        first: Box<Bounds>,
        /// The other.
        second: Box<Bounds>,
        /// The storage chunk.
        chunk: Box<Bounds>,
        /// What to do.
        cure: String,
    },
    /// A name of a worker type or a semaphore that is none.
    #[error("{parameter}: {reason}")]
    Name {
        /// The parameter.
        parameter: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// Resolutions of which one is no multiple of the other.
    #[error(
        "{second} is not a whole number of times {first} along each axis, so voxels cannot be put together to it"
    )]
    NotMultiple {
        /// The finer one.
        first: Resolution,
        /// The coarser one.
        second: Resolution,
    },
    /// Resolutions that cannot be put in order.
    #[error(
        "{first} and {second} cannot be put in order: each must be at least the one before along each axis"
    )]
    Order {
        /// One.
        first: Resolution,
        /// The other.
        second: Resolution,
    },
}

fn counted(count: usize, one: &str, several: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {several}") }
}

fn chunks(level: usize) -> String {
    format!("chunks of level {level}")
}

fn container(level: usize) -> String {
    if level == 1 { "the box".into() } else { format!("a chunk of level {}", level - 1) }
}

/// All that is wrong, each with the JSON pointer of the parameter.
#[derive(Debug, Default)]
pub struct Refusals(Vec<(String, Refusal)>);

impl Refusals {
    /// One more.
    pub(crate) fn add(&mut self, pointer: impl Into<String>, refusal: Refusal) {
        self.0.push((pointer.into(), refusal));
    }

    /// One more if that is so.
    pub(crate) fn add_if(
        &mut self,
        holds: bool,
        pointer: impl Into<String>,
        refusal: impl FnOnce() -> Refusal,
    ) {
        if holds {
            self.add(pointer, refusal());
        }
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is wrong, one after another.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Refusal)> {
        self.0.iter().map(|(pointer, refusal)| (pointer.as_str(), refusal))
    }

    /// All of it for a flow that is checked.
    pub(crate) fn into_errors(self) -> Vec<(String, otaman::Error)> {
        self.0.into_iter().map(|(pointer, refusal)| (pointer, otaman::Error::permanent(refusal))).collect()
    }
}

impl std::fmt::Display for Refusals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, (pointer, refusal)) in self.0.iter().enumerate() {
            write!(f, "{}{pointer}: {refusal}", if index == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusals {}
