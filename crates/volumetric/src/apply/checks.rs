//! Rules about parameters alone, which need no layer to be looked at.

use otaman::{SemaphoreName, WorkerType};

use crate::apply::parameters::SubchunkableApply;
use crate::apply::per_level::PerLevel;
use crate::apply::recipe::Level;
use crate::apply::refusal::{Refusal, Refusals};
use crate::blending::BlendMode;
use crate::geometry::Vec3;

/// The levels that parameters describe, before anything is rounded or shrunk; `None` if they describe none.
pub(crate) fn levels(parameters: &SubchunkableApply, refusals: &mut Refusals) -> Option<Vec<Level>> {
    let sizes = &parameters.processing_chunk_sizes;
    if sizes.is_empty() {
        refusals.add("/processing_chunk_sizes", Refusal::NoLevels);
        return None;
    }
    let mut sound = true;
    for (index, size) in sizes.iter().enumerate() {
        if size.0.iter().any(|length| *length <= 0) {
            let refusal = Refusal::Range { parameter: "a chunk size", value: *size, wanted: "1 or more" };
            refusals.add(format!("/processing_chunk_sizes/{index}"), refusal);
            sound = false;
        }
    }
    let crops = pads(&parameters.processing_crop_pads, "processing_crop_pads", sizes.len(), refusals);
    let blends = pads(&parameters.processing_blend_pads, "processing_blend_pads", sizes.len(), refusals);
    let modes = &parameters.processing_blend_modes;
    let modes = entries(modes, "processing_blend_modes", sizes.len(), refusals);
    let (crops, blends, modes) = (crops?, blends?, modes?);
    let levels = sizes.iter().zip(crops).zip(blends).zip(modes);
    let level =
        |(((size, crop), blend), mode): (((&Vec3, _), _), _)| Level { size: *size, crop, blend, mode };
    sound.then(|| levels.map(level).collect())
}

fn pads(
    pads: &PerLevel<Vec3>,
    parameter: &'static str,
    levels: usize,
    refusals: &mut Refusals,
) -> Option<Vec<Vec3>> {
    let each = entries(pads, parameter, levels, refusals)?;
    match each.iter().position(|pad| pad.0.iter().any(|length| *length < 0)) {
        None => Some(each),
        Some(index) => {
            let refusal = Refusal::Range { parameter: "a pad", value: each[index], wanted: "0 or more" };
            refusals.add(place(pads, parameter, index), refusal);
            None
        }
    }
}

fn entries<T: Copy>(
    values: &PerLevel<T>,
    parameter: &'static str,
    levels: usize,
    refusals: &mut Refusals,
) -> Option<Vec<T>> {
    let each = values.for_levels(levels);
    if let (None, Some(found)) = (&each, values.count()) {
        refusals.add(format!("/{parameter}"), Refusal::Levels { parameter, found, levels });
    }
    each
}

/// Where the value for a level stands.
fn place<T>(values: &PerLevel<T>, parameter: &str, level: usize) -> String {
    match values {
        PerLevel::All(_) => format!("/{parameter}"),
        PerLevel::Each(_) => format!("/{parameter}/{level}"),
    }
}

/// Rules between parameters.
pub(crate) fn rules(parameters: &SubchunkableApply, levels: Option<&[Level]>, refusals: &mut Refusals) {
    let p = parameters;
    refusals.add_if(p.dst_tighten_bounds, "/dst_tighten_bounds", || Refusal::TightenBounds);
    refusals.add_if(!p.op_args.is_empty(), "/op_args", || Refusal::PositionalArguments);
    if p.dst.is_none() {
        without_destination(p, refusals);
    }
    region(p, refusals);
    refusals.add_if(p.function.is_some() && p.op.is_some(), "/op", || Refusal::TwoFunctions);
    refusals.add_if(p.op.is_some() && p.fn_semaphores.is_some(), "/fn_semaphores", || {
        Refusal::SemaphoresOfOperation
    });
    refusals.add_if(p.function.is_none() && p.op.is_none(), "", || Refusal::NoFunction);
    refusals.add_if(p.generate_ng_link && !p.verbose, "/generate_ng_link", || Refusal::LinkWithoutSummary);
    if let Some(stack) = p.task_stack_size.filter(|stack| *stack < 1) {
        refusals.add("/task_stack_size", Refusal::Stack(stack));
    }
    let count = p.processing_chunk_sizes.len();
    if !p.processing_chunk_sizes.is_empty()
        && (p.distributed_levels == 0 || p.distributed_levels as usize > count)
    {
        let refusal = Refusal::DistributedLevels { found: p.distributed_levels, levels: count };
        refusals.add("/distributed_levels", refusal);
    }
    worker_type("op_worker_type", p.op_worker_type.as_deref(), refusals);
    worker_type("reduction_worker_type", p.reduction_worker_type.as_deref(), refusals);
    semaphores(p.fn_semaphores.as_deref().unwrap_or_default(), refusals);
    grown(p, refusals);
    gap(p, levels, refusals);
    let Some(levels) = levels else { return };
    deferred(p, levels, refusals);
    intermediaries(p, levels, refusals);
    for (index, level) in levels.iter().enumerate() {
        let wide = !(level.blend * 2).all(level.size, |pads, size| pads <= size);
        refusals.add_if(wide, place(&p.processing_blend_pads, "processing_blend_pads", index), || {
            Refusal::WidePad { pad: level.blend, level: index + 1, size: level.size }
        });
    }
    if let (Some(size), Some(_)) = (p.max_reduction_chunk_size, &p.dst) {
        let least = levels[0].size;
        refusals.add_if(!size.all(least, |size, least| size >= least), "/max_reduction_chunk_size", || {
            Refusal::SmallReduction { size, what: "the largest processing chunk size", least }
        });
    }
}

fn without_destination(p: &SubchunkableApply, refusals: &mut Refusals) {
    let cases = [
        (
            !p.skip_intermediaries,
            "skip_intermediaries: false",
            "set skip_intermediaries to true",
            "/skip_intermediaries",
        ),
        (p.expand_bbox_backend, "expand_bbox_backend", "leave it out", "/expand_bbox_backend"),
        (
            p.max_reduction_chunk_size.is_some(),
            "max_reduction_chunk_size",
            "leave it out",
            "/max_reduction_chunk_size",
        ),
        (p.auto_bbox, "auto_bbox", "give the box itself", "/auto_bbox"),
    ];
    for (holds, parameter, cure, pointer) in cases {
        refusals.add_if(holds, pointer, || Refusal::WithoutDestination { parameter, cure });
    }
}

fn region(p: &SubchunkableApply, refusals: &mut Refusals) {
    let corners = [
        ("start_coord", p.start_coord.is_some()),
        ("end_coord", p.end_coord.is_some()),
        ("coord_resolution", p.coord_resolution.is_some()),
    ];
    let first = match (p.auto_bbox, &p.bbox) {
        (true, _) => Some("auto_bbox"),
        (false, Some(_)) => Some("bbox"),
        (false, None) => None,
    };
    if p.auto_bbox && p.bbox.is_some() {
        refusals.add("/bbox", Refusal::BoxTwice { first: "auto_bbox", second: "bbox" });
    }
    match first {
        Some(first) => {
            for (second, _) in corners.into_iter().filter(|(_, is_given)| *is_given) {
                refusals.add(format!("/{second}"), Refusal::BoxTwice { first, second });
            }
        }
        None => {
            let missing = corners.into_iter().filter(|(_, is_given)| !is_given);
            let missing: Vec<&str> = missing.map(|(name, _)| name).collect();
            refusals.add_if(!missing.is_empty(), "", || Refusal::NoBox { missing: missing.join(", ") });
        }
    }
}

/// How the box and the chunks are fitted to each other.
fn grown(p: &SubchunkableApply, refusals: &mut Refusals) {
    let rules = [
        (
            p.auto_divisibility && p.shrink_processing_chunk,
            "auto_divisibility",
            "shrink_processing_chunk",
            "one rounds sizes of chunks, the other takes them from the box; choose one",
        ),
        (
            p.auto_divisibility && !p.expand_bbox_processing,
            "auto_divisibility",
            "expand_bbox_processing: false",
            "rounded chunks fill no box that was not made for them; set expand_bbox_processing to true",
        ),
        (
            p.auto_divisibility && p.expand_bbox_backend,
            "auto_divisibility",
            "expand_bbox_backend",
            "a box cannot be full of both rounded chunks and storage chunks; leave one out",
        ),
        (
            p.shrink_processing_chunk && p.expand_bbox_processing,
            "shrink_processing_chunk",
            "expand_bbox_processing",
            "either chunks become as small as the box or the box as large as chunks; set expand_bbox_processing to false",
        ),
    ];
    for (holds, first, second, why) in rules {
        refusals.add_if(holds, format!("/{first}"), || Refusal::Together { first, second, why });
    }
}

fn gap(p: &SubchunkableApply, levels: Option<&[Level]>, refusals: &mut Refusals) {
    let gap = p.processing_gap;
    if gap == Vec3::ZERO {
        return;
    }
    if gap.0.iter().any(|length| *length < 0) {
        let refusal = Refusal::Range { parameter: "processing_gap", value: gap, wanted: "0 or more" };
        refusals.add("/processing_gap", refusal);
    } else if gap.0.iter().any(|length| length % 2 != 0) {
        refusals.add("/processing_gap", Refusal::OddGap(gap));
    }
    let blended = levels.is_some_and(|levels| levels[0].blend != Vec3::ZERO);
    let others = [
        (
            blended,
            "blend pads of the first level",
            "chunks with space between them do not overlap; set the pads to [0, 0, 0]",
        ),
        (
            p.auto_divisibility,
            "auto_divisibility",
            "sizes that were rounded move all chunks behind a gap; write out sizes that divide",
        ),
        (
            p.shrink_processing_chunk,
            "shrink_processing_chunk",
            "a chunk as large as the box leaves no room for a gap; leave one out",
        ),
        (
            p.expand_bbox_backend,
            "expand_bbox_backend",
            "a box of storage chunks does not end with a chunk; leave one out",
        ),
        (
            p.expand_bbox_resolution,
            "expand_bbox_resolution",
            "the box would begin elsewhere, and so would all gaps; write out a box of whole voxels",
        ),
    ];
    for (holds, second, why) in others {
        refusals.add_if(holds, "/processing_gap", || Refusal::Together {
            first: "processing_gap",
            second,
            why,
        });
    }
}

fn deferred(p: &SubchunkableApply, levels: &[Level], refusals: &mut Refusals) {
    let Some(index) = levels.iter().position(|level| level.mode == BlendMode::Defer) else { return };
    let pointer = |index| place(&p.processing_blend_modes, "processing_blend_modes", index);
    refusals.add_if(p.dst.is_none(), pointer(index), || Refusal::DeferWithout {
        why: "which have the type of dst, and dst is null; name a layer",
    });
    refusals.add_if(p.skip_intermediaries, pointer(index), || Refusal::DeferWithout {
        why: "and skip_intermediaries leaves none; set it to false",
    });
    let below = levels.iter().skip(1).position(|level| level.mode == BlendMode::Defer);
    if let Some(below) = below {
        let level = below + 2;
        refusals.add(pointer(level - 1), Refusal::DeferBelowTop { level, levels: levels.len() });
    }
}

fn intermediaries(p: &SubchunkableApply, levels: &[Level], refusals: &mut Refusals) {
    if p.skip_intermediaries {
        refusals.add_if(p.reduction_worker_type.is_some(), "/reduction_worker_type", || Refusal::Skipping {
            parameter: "reduction_worker_type",
            why: "nothing is put together; leave it out",
        });
        refusals.add_if(p.level_intermediaries_dirs.is_some(), "/level_intermediaries_dirs", || {
            Refusal::Skipping {
                parameter: "level_intermediaries_dirs",
                why: "there are no intermediaries; leave one of them out",
            }
        });
        for (index, level) in levels.iter().enumerate() {
            let (crop, blend) = (level.crop, level.blend);
            let refusal = |parameter, pad| Refusal::SkippingPads { parameter, level: index + 1, pad };
            refusals.add_if(
                blend != Vec3::ZERO,
                place(&p.processing_blend_pads, "processing_blend_pads", index),
                || refusal("processing_blend_pads", blend),
            );
            refusals.add_if(
                crop != Vec3::ZERO && index + 1 < levels.len(),
                place(&p.processing_crop_pads, "processing_crop_pads", index),
                || refusal("processing_crop_pads", crop),
            );
        }
        return;
    }
    match &p.level_intermediaries_dirs {
        None => refusals.add_if(p.dst.is_some(), "", || Refusal::NoDirectories),
        Some(directories) if directories.len() != levels.len() => {
            let parameter = "level_intermediaries_dirs";
            let refusal = Refusal::Levels { parameter, found: directories.len(), levels: levels.len() };
            refusals.add("/level_intermediaries_dirs", refusal);
        }
        Some(directories) => {
            let count = (p.distributed_levels as usize).min(directories.len());
            for (index, directory) in directories[..count].iter().enumerate() {
                let pointer = format!("/level_intermediaries_dirs/{index}");
                match directory {
                    None => refusals.add(pointer, Refusal::NoDirectory { level: index + 1 }),
                    Some(directory) => {
                        if let Err(error) = crate::layer::storage::Storage::open(directory) {
                            refusals.add(pointer, Refusal::Directory(error.to_string()));
                        }
                    }
                }
            }
        }
    }
}

fn worker_type(parameter: &'static str, name: Option<&str>, refusals: &mut Refusals) {
    if let Some(Err(reason)) = name.map(str::parse::<WorkerType>) {
        let reason = reason.to_string();
        refusals.add(format!("/{parameter}"), Refusal::Name { parameter, reason });
    }
}

fn semaphores(names: &[String], refusals: &mut Refusals) {
    for (index, name) in names.iter().enumerate() {
        if let Err(reason) = name.parse::<SemaphoreName>() {
            let (parameter, reason) = ("fn_semaphores", reason.to_string());
            refusals.add(format!("/fn_semaphores/{index}"), Refusal::Name { parameter, reason });
        }
    }
}
