//! Fitting the box and the sizes of chunks to each other.

use crate::apply::parameters::SubchunkableApply;
use crate::apply::prepared::Destination;
use crate::apply::recipe::Level;
use crate::apply::refusal::{Refusal, Refusals};
use crate::geometry::{Bounds, Region, Vec3, snap};

/// Sizes and the box, rounded and grown to each other in Mazepa's order.
pub(crate) fn fit(
    p: &SubchunkableApply,
    mut levels: Vec<Level>,
    mut region: Region,
    destination: Option<&Destination>,
    refusals: &mut Refusals,
) -> Option<(Vec<Level>, Bounds)> {
    if p.auto_divisibility {
        round(&mut levels);
        if let Some(index) = levels.iter().position(|level| level.size.0.iter().any(|length| *length <= 0)) {
            let refusal = Refusal::Range {
                parameter: "a chunk size after auto_divisibility",
                value: levels[index].size,
                wanted: "1 or more",
            };
            refusals.add(format!("/processing_chunk_sizes/{index}"), refusal);
            return None;
        }
    }
    if p.expand_bbox_resolution {
        region = snap::expanded_to(region, p.dst_resolution);
    }
    let Ok(mut bounds) = region.bounds(p.dst_resolution) else {
        let wanted_by = match (p.expand_bbox_processing, p.shrink_processing_chunk) {
            (true, _) => ", as expand_bbox_processing wants it",
            (_, true) => ", as shrink_processing_chunk wants it",
            (false, false) => "",
        };
        let pointer = if p.bbox.is_some() { "/bbox" } else { "/start_coord" };
        refusals.add(pointer, Refusal::NotWhole { region, resolution: p.dst_resolution, wanted_by });
        return None;
    };
    if let (true, Some(destination)) = (p.expand_bbox_backend, destination) {
        bounds = snap::expanded(bounds, destination.scale.chunk, destination.scale.offset);
    }
    if p.shrink_processing_chunk {
        let mut most = bounds.size();
        for level in &mut levels {
            level.size = level.size.min(most);
            most = level.size;
        }
    } else if p.expand_bbox_processing {
        bounds = snap::expanded_to_chunks(bounds, levels[0].size, p.processing_gap);
    }
    for (index, level) in levels.iter().enumerate() {
        let wide = !(level.blend * 2).all(level.size, |pads, size| pads <= size);
        refusals.add_if(wide, "/processing_blend_pads", || Refusal::WidePad {
            pad: level.blend,
            level: index + 1,
            size: level.size,
        });
    }
    divisible(p, &levels, bounds, refusals);
    if let Some(destination) = destination
        && !bounds.intersects(&destination.scale.bounds)
    {
        let (resolution, available) = (p.dst_resolution, destination.scale.bounds);
        let pointer = if p.bbox.is_some() { "/bbox" } else { "/start_coord" };
        refusals.add(pointer, Refusal::Elsewhere { bounds, resolution, available });
    }
    refusals.is_empty().then_some((levels, bounds))
}

/// Rounds the sizes of upper levels down until those below divide them.
fn round(levels: &mut [Level]) {
    for below in (1..levels.len()).rev() {
        let size = levels[below].size;
        let above = &mut levels[below - 1];
        let pads = (above.crop + above.blend) * 2;
        above.size = (above.size + pads).zip(size, |region, size| region / size.max(1) * size) - pads;
    }
}

fn divisible(p: &SubchunkableApply, levels: &[Level], bounds: Bounds, refusals: &mut Refusals) {
    for (index, level) in levels.iter().enumerate() {
        let (above, crop, blend, gap) = match index {
            0 => (bounds.size(), Vec3::ZERO, Vec3::ZERO, p.processing_gap),
            _ => (levels[index - 1].size, levels[index - 1].crop, levels[index - 1].blend, Vec3::ZERO),
        };
        for axis in 0..3 {
            let region = above[axis] + 2 * crop[axis] + 2 * blend[axis];
            let (filled, step) = (region + gap[axis], level.size[axis] + gap[axis]);
            if filled % step == 0 {
                continue;
            }
            #[expect(clippy::cast_precision_loss, reason = "for people")]
            let count = filled as f64 / step as f64;
            #[expect(clippy::cast_possible_truncation, reason = "is small")]
            let whole = (count.round() as i64).max(1);
            let fits = filled % whole == 0 && filled / whole > gap[axis];
            let advice = match (fits, index) {
                (true, _) => format!("a size of {} would do", filled / whole - gap[axis]),
                (false, 0) => "set expand_bbox_processing to true, or choose another box or size".into(),
                (false, _) => {
                    "no size near it would do; set auto_divisibility to true, or choose other sizes".into()
                }
            };
            refusals.add(
                format!("/processing_chunk_sizes/{index}"),
                Refusal::Divisibility {
                    level: index + 1,
                    axis: ['x', 'y', 'z'][axis],
                    above: above[axis],
                    crop: crop[axis],
                    blend: blend[axis],
                    gap: gap[axis],
                    size: level.size[axis],
                    count,
                    advice,
                },
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blending::BlendMode;
    use crate::geometry::Resolution;

    fn level(size: [i64; 3], crop: [i64; 3], blend: [i64; 3]) -> Level {
        Level { size: Vec3(size), crop: Vec3(crop), blend: Vec3(blend), mode: BlendMode::Quadratic }
    }

    #[test]
    fn upper_sizes_are_rounded_as_recorded_of_mazepa() {
        let mut levels =
            [level([820, 938, 1], [3, 5, 0], [7, 11, 0]), level([234, 192, 1], [0; 3], [13, 17, 0])];
        round(&mut levels);
        assert_eq!(levels.map(|level| level.size.0), [[682, 928, 1], [234, 192, 1]]);
        let mut levels =
            [level([1024, 1024, 1], [256, 256, 0], [0; 3]), level([512, 512, 1], [0; 3], [0; 3])];
        round(&mut levels);
        assert_eq!(levels.map(|level| level.size.0), [[1024, 1024, 1], [512, 512, 1]]);
        // As build_postpad_subchunkable_apply_flow has it.
        let mut levels =
            [level([806, 916, 1], [0; 3], [7, 11, 0]), level([214, 160, 1], [3, 5, 0], [7, 11, 0])];
        round(&mut levels);
        assert_eq!(levels.map(|level| level.size.0), [[628, 778, 1], [214, 160, 1]]);
    }

    #[test]
    fn chunks_shrink_to_the_box_from_the_top_down() {
        let resolution = Resolution::from_nanometres([1.0; 3]).unwrap();
        let parameters = SubchunkableApply {
            shrink_processing_chunk: true,
            expand_bbox_processing: false,
            ..SubchunkableApply::new(None, resolution, Vec::new())
        };
        let levels = vec![level([128, 128, 8], [0; 3], [0; 3]), level([64, 64, 8], [0; 3], [0; 3])];
        let region = Region::of(Bounds::at(Vec3::ZERO, Vec3::new(128, 64, 3)), resolution);
        let mut refusals = Refusals::default();
        let (levels, _) = fit(&parameters, levels, region, None, &mut refusals).unwrap();
        assert_eq!(levels.iter().map(|level| level.size.0).collect::<Vec<_>>(), [[128, 64, 3], [64, 64, 3]]);
        // As recorded, though these sizes do not divide: 100 over 64.
        let levels = vec![level([128, 128, 8], [0; 3], [0; 3]), level([64, 64, 8], [0; 3], [0; 3])];
        let region = Region::of(Bounds::at(Vec3::ZERO, Vec3::new(100, 50, 3)), resolution);
        assert!(fit(&parameters, levels, region, None, &mut refusals).is_none());
        assert!(
            refusals.to_string().contains("(100 + 2 · 0 crop + 2 · 0 blend + 0 gap) / (64 + 0 gap)"),
            "{refusals}"
        );
    }
}
