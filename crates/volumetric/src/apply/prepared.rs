//! From parameters to what is done: boxes grown, sizes rounded, everything checked.

use std::collections::BTreeMap;

use crate::apply::argument::Argument;
use crate::apply::checks;
use crate::apply::conflict;
use crate::apply::fit;
use crate::apply::parameters::SubchunkableApply;
use crate::apply::plan;
use crate::apply::recipe::Level;
use crate::apply::refusal::{Refusal, Refusals};
use crate::array::Shape;
use crate::blending::BlendMode;
use crate::function::{Input, Operation, OperationSpec, Output};
use crate::geometry::{Bounds, Region, Resolution, Vec3};
use crate::layer::storage::is_same_place;
use crate::layer::{self, Description, LayerSpec, Scale};

/// Parameters that were found sound, and what follows of them.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    /// What is done with each of the smallest chunks, as it was given.
    pub(crate) operation_spec: OperationSpec,
    /// The same, built, with all context.
    pub(crate) operation: Operation,
    pub(crate) inputs: BTreeMap<String, Argument>,
    /// What is known of the layers among them.
    pub(crate) sources: Vec<(String, Description)>,
    pub(crate) resolution: Resolution,
    pub(crate) destination: Option<Destination>,
    /// All that is processed, grown as the parameters say.
    pub(crate) region: Bounds,
    pub(crate) gap: Vec3,
    /// Largest chunks first.
    pub(crate) levels: Vec<Level>,
    /// How many of them are made of tasks.
    pub(crate) distributed: usize,
    pub(crate) cache_up_to_level: usize,
    pub(crate) stack: usize,
    pub(crate) most: Vec3,
    pub(crate) writing: Writing,
}

/// The layer to write to.
#[derive(Debug, Clone)]
pub(crate) struct Destination {
    pub(crate) layer: LayerSpec,
    pub(crate) description: Description,
    pub(crate) scale: Scale,
}

/// How results get to the layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Writing {
    /// There is none.
    Nowhere,
    /// Each task writes its chunk.
    AtOnce,
    /// Each task writes its chunk into a directory; others put them together.
    Later(String),
    /// They stay in the directory.
    Never(String),
}

/// What of an unknown layer is to be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// Before anything runs: an earlier stage may make layers that are read.
    Checking,
    /// Now they must be there.
    Running,
}

/// 1 TiB: no task is begun that would hold more at once.
const MOST_BYTES: u128 = 1 << 40;

impl Prepared {
    /// What parameters come to.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub(crate) fn new(parameters: &SubchunkableApply, when: When) -> Result<Self, Refusals> {
        let mut refusals = Refusals::default();
        let levels = checks::levels(parameters, &mut refusals);
        checks::rules(parameters, levels.as_deref(), &mut refusals);
        let operation = operation(parameters, &mut refusals);
        let destination = destination(parameters, &mut refusals);
        let sources = sources(parameters, operation.as_ref().map(|(_, built)| built), when, &mut refusals);
        if let (Some((_, built)), Some(sources)) = (&operation, &sources) {
            result_type(parameters, built, sources, destination.as_ref(), &mut refusals);
        }
        let region = region(parameters, destination.as_ref(), &mut refusals);
        let (Some(levels), Some(region)) = (levels, region) else { return Err(refusals) };
        if let Some(destination) = &destination {
            weights(&levels, destination, &mut refusals);
        }
        // What follows would only repeat in other words what is wrong already.
        if !refusals.is_empty() {
            return Err(refusals);
        }
        let fitted = fit::fit(parameters, levels, region, destination.as_ref(), &mut refusals);
        let (Some((levels, region)), Some((operation_spec, built)), Some(sources)) =
            (fitted, operation, sources)
        else {
            return Err(refusals);
        };
        let last = levels[levels.len() - 1].crop;
        let count = levels.len();
        let prepared = Self {
            operation_spec,
            operation: built.with_added_crop_pad(last),
            inputs: parameters.op_kwargs.clone(),
            sources,
            resolution: parameters.dst_resolution,
            destination,
            region,
            gap: parameters.processing_gap,
            distributed: (parameters.distributed_levels as usize).clamp(1, count),
            cache_up_to_level: parameters.allow_cache_up_to_level.map_or(count - 1, |level| level as usize),
            stack: parameters.task_stack_size.map_or(1, |stack| usize::try_from(stack).unwrap_or(1)),
            most: parameters.max_reduction_chunk_size.unwrap_or(levels[0].size),
            writing: Writing::Nowhere,
            levels,
        };
        prepared.judged(parameters, refusals)
    }

    /// The same with the way in which results are written.
    fn judged(mut self, parameters: &SubchunkableApply, mut refusals: Refusals) -> Result<Self, Refusals> {
        self.whole_inputs(&mut refusals);
        let bytes = plan::task_bytes(&self);
        refusals.add_if(bytes > MOST_BYTES, "/processing_chunk_sizes", || Refusal::Memory { bytes });
        let directory = parameters.level_intermediaries_dirs.as_ref().and_then(|all| all.first()?.clone());
        let in_place = self.in_place();
        let conflict = conflict::between_tasks(&self);
        let blended = self.levels[..self.distributed].iter().any(|level| level.blend != Vec3::ZERO)
            || self.levels[..self.distributed - 1].iter().any(|level| level.crop != Vec3::ZERO);
        self.writing = match (&self.destination, directory) {
            (None, _) => Writing::Nowhere,
            (Some(_), Some(directory)) if self.levels[0].mode == BlendMode::Defer => {
                Writing::Never(directory)
            }
            (Some(_), Some(directory)) if blended || in_place.is_some() || conflict.is_some() => {
                Writing::Later(directory)
            }
            (Some(_), _) => {
                if let Some(name) = in_place {
                    refusals.add(format!("/op_kwargs/{}", escaped(&name)), Refusal::InPlace { name });
                }
                if let Some(conflict) = conflict {
                    refusals.add("/processing_chunk_sizes/0", conflict);
                }
                Writing::AtOnce
            }
        };
        if self.distributed > 1 && matches!(self.writing, Writing::Later(_) | Writing::Never(_)) {
            // Chunks of different larger ones do not go into one task.
            self.stack = 1;
        }
        if refusals.is_empty() { Ok(self) } else { Err(refusals) }
    }

    /// An input that is the layer that is written to, at the same resolution.
    fn in_place(&self) -> Option<String> {
        let destination = self.destination.as_ref()?;
        let input = self.operation.input_resolution(self.resolution).ok()?;
        let same = self
            .sources
            .iter()
            .find(|(_, source)| is_same_place(&source.path, &destination.description.path))?;
        (input == self.resolution).then(|| same.0.clone())
    }

    /// Whether chunks and their context are whole voxels of what is read.
    fn whole_inputs(&self, refusals: &mut Refusals) {
        if self.sources.is_empty() {
            return;
        }
        let (mut start, last) = (self.region.start, self.levels.len() - 1);
        for (index, level) in self.levels.iter().enumerate() {
            let above = if index == 0 { Vec3::ZERO } else { self.levels[index - 1].crop };
            start = start - above - level.blend;
        }
        let size = self.levels[last].size;
        let padded = size + self.levels[last].blend * 2;
        for start in [start, start + size] {
            if let Err(error) = self.operation.input_bounds(Bounds::at(start, padded), self.resolution) {
                refusals.add(
                    format!("/processing_chunk_sizes/{last}"),
                    Refusal::Function(format!("chunks of {padded} beginning at {start}: {error}")),
                );
                return;
            }
        }
    }

    /// The part of the region that there is anything to write to.
    pub(crate) fn written(&self) -> Bounds {
        match &self.destination {
            Some(destination) => self.region.intersection(&destination.scale.bounds),
            None => Bounds::at(self.region.start, Vec3::ZERO),
        }
    }
}

pub(crate) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn operation(p: &SubchunkableApply, refusals: &mut Refusals) -> Option<(OperationSpec, Operation)> {
    let (spec, pointer) = match (&p.function, &p.op) {
        (Some(function), None) => (OperationSpec::of(function.clone(), p.fn_semaphores.clone()), "/fn"),
        (None, Some(operation)) => (operation.clone(), "/op"),
        (Some(_), Some(_)) | (None, None) => return None,
    };
    let built = match spec.build() {
        Ok(built) => built,
        Err(error) => {
            let place = if pointer == "/op" { String::new() } else { error.place() };
            refusals.add(format!("{pointer}{place}"), Refusal::Function(chain(&error)));
            return None;
        }
    };
    let mut sound = true;
    if let Err(error) = built.function.check_inputs(p.op_kwargs.keys().map(String::as_str)) {
        refusals.add("/op_kwargs", Refusal::Function(chain(&error)));
        sound = false;
    }
    for (name, argument) in &p.op_kwargs {
        if let Argument::Value(value) = argument
            && let Err(error) = Input::try_from(value)
        {
            refusals.add(format!("/op_kwargs/{}", escaped(name)), Refusal::Function(chain(&error)));
            sound = false;
        }
    }
    if let Err(error) = built.input_resolution(p.dst_resolution) {
        refusals.add(pointer, Refusal::Function(chain(&error)));
        sound = false;
    }
    sound.then_some((spec, built))
}

fn destination(p: &SubchunkableApply, refusals: &mut Refusals) -> Option<Destination> {
    let layer = p.dst.as_ref()?;
    let description = match layer.absolute().and_then(|layer| layer.describe()) {
        Ok(description) => description,
        Err(error) => {
            refusals.add("/dst", Refusal::Layer(chain(&error)));
            return None;
        }
    };
    let scale = match description.scale(p.dst_resolution) {
        Ok(scale) => scale,
        Err(error) => {
            refusals.add("/dst_resolution", Refusal::Scale(error.to_string()));
            return None;
        }
    };
    if let Some(size) = p.max_reduction_chunk_size {
        let least = scale.chunk;
        refusals.add_if(!size.all(least, |size, least| size >= least), "/max_reduction_chunk_size", || {
            Refusal::SmallReduction { size, what: "the size of dst's storage chunks", least }
        });
    }
    let scale = scale.clone();
    Some(Destination { layer: layer.clone(), description, scale })
}

/// What is known of the layers that are read; `None` if something is wrong with them.
fn sources(
    p: &SubchunkableApply,
    operation: Option<&Operation>,
    when: When,
    refusals: &mut Refusals,
) -> Option<Vec<(String, Description)>> {
    let mut found = Vec::new();
    let mut sound = true;
    for (name, argument) in &p.op_kwargs {
        let Argument::Layer(layer) = argument else { continue };
        let pointer = format!("/op_kwargs/{}", escaped(name));
        let described = layer.absolute().and_then(|layer| layer.describe());
        let description = match described.map_err(layer::Error::of_source) {
            Ok(description) => description,
            // An earlier stage of the spec may make it.
            Err(error) if when == When::Checking && error.is_missing() => {
                tracing::warn!(
                    "$.op_kwargs.{name}: {error}; the flow cannot run unless an earlier one makes it"
                );
                continue;
            }
            Err(error) => {
                refusals.add(pointer, Refusal::Layer(chain(&error)));
                sound = false;
                continue;
            }
        };
        let input = operation.and_then(|operation| operation.input_resolution(p.dst_resolution).ok());
        if let Some(Err(error)) = input.map(|input| description.scale(input)) {
            refusals.add(pointer, Refusal::Scale(error.to_string()));
            sound = false;
        }
        found.push((name.clone(), description));
    }
    sound.then_some(found)
}

/// Calls the function with one voxel of each layer, to see what it gives.
fn result_type(
    p: &SubchunkableApply,
    operation: &Operation,
    sources: &[(String, Description)],
    destination: Option<&Destination>,
    refusals: &mut Refusals,
) {
    let sample = |(name, argument): (&String, &Argument)| {
        let input = match argument {
            Argument::Value(value) => Input::try_from(value).ok()?,
            Argument::Layer(_) => {
                let (_, source) = sources.iter().find(|(known, _)| known == name)?;
                Input::sample(source.data_type, source.channels)
            }
        };
        Some((name.clone(), input))
    };
    // A layer that is not there yet has no type.
    let Some(samples) = p.op_kwargs.iter().map(sample).collect::<Option<Vec<_>>>() else { return };
    let pointer = if p.op.is_some() { "/op" } else { "/fn" };
    match (operation.function.evaluate(&samples), destination) {
        (Err(error), _) => refusals.add(pointer, Refusal::Function(chain(&error))),
        (Ok(Output::Value(_)), Some(_)) => refusals.add(pointer, Refusal::Values),
        (Ok(Output::Array(array)), Some(destination)) => {
            let (found, channels) = (array.shape().channels, destination.description.channels);
            // Write processors may make other channels of them.
            refusals.add_if(found != channels && !destination.layer.has_write_procs(), pointer, || {
                Refusal::Channels { found, channels }
            });
        }
        (Ok(number @ (Output::Integer(_) | Output::Number(_))), Some(destination)) => {
            let Description { data_type, channels, .. } = destination.description;
            let shape = Shape::new(channels, Vec3::ONE);
            if let Err(error) = number.into_array(operation.function.name(), data_type, shape) {
                refusals.add(pointer, Refusal::Function(chain(&error)));
            }
        }
        (Ok(_), _) => {}
    }
}

fn region(
    p: &SubchunkableApply,
    destination: Option<&Destination>,
    refusals: &mut Refusals,
) -> Option<Region> {
    let region = match (p.auto_bbox, p.bbox, p.start_coord, p.end_coord, p.coord_resolution) {
        (true, None, None, None, None) => {
            let scale = &destination?.scale;
            Region::of(scale.bounds, scale.resolution)
        }
        (false, Some(bbox), None, None, None) => bbox.0,
        (false, None, Some(start), Some(end), Some(resolution)) => {
            match crate::geometry::from_coordinates(start, end, resolution) {
                Ok(region) => region,
                Err(error) => {
                    refusals.add("/end_coord", Refusal::Geometry(error));
                    return None;
                }
            }
        }
        // Told by the rules.
        _ => return None,
    };
    if region.expanded(p.dst_resolution).is_empty() {
        let pointer = if p.auto_bbox {
            "/auto_bbox"
        } else if p.bbox.is_some() {
            "/bbox"
        } else {
            "/end_coord"
        };
        refusals.add(pointer, Refusal::EmptyBox(region));
        return None;
    }
    Some(region)
}

fn weights(levels: &[Level], destination: &Destination, refusals: &mut Refusals) {
    let data_type = destination.description.data_type;
    if crate::apply::blend::is_exact(data_type) {
        return;
    }
    let weighted = levels.iter().find(|level| level.mode.is_weighted() && level.blend != Vec3::ZERO);
    if let Some(level) = weighted {
        let pointer = "/processing_blend_modes";
        refusals.add(pointer, Refusal::WideIntegers { mode: level.mode, data_type });
    }
}

/// An error with all that caused it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut current = error.source();
    while let Some(source) = current {
        // Some errors say what their source says.
        let next = source.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        current = source.source();
    }
    text
}
