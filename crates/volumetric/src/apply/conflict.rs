//! Two tasks that would write one storage chunk at once: found by arithmetic, before anything runs.

use crate::apply::prepared::Prepared;
use crate::apply::recipe::Level;
use crate::apply::refusal::Refusal;
use crate::geometry::{Bounds, Vec3};
use crate::layer::Scale;

/// The spans of chunks along one axis, in their order.
type Spans = Vec<(i64, i64)>;

/// A conflict between tasks that each write a chunk of the last distributed level to the layer.
pub(crate) fn between_tasks(prepared: &Prepared) -> Option<Refusal> {
    let scale = &prepared.destination.as_ref()?.scale;
    let levels = &prepared.levels[..prepared.distributed];
    let spans: [Spans; 3] =
        std::array::from_fn(|axis| spans(prepared.region, prepared.gap, levels, axis, scale));
    // Chunks that conflict touch a storage chunk in common along every axis. Those that differ along several axes then
    // touch one with a neighbour along one axis alone, so it is enough to look at these.
    for axis in 0..3 {
        let Some((first, second)) = shared(&spans[axis], scale, axis) else { continue };
        let other = |axis: usize| spans[axis].first().copied();
        let chunk = |span: (i64, i64)| -> Option<Bounds> {
            let mut bounds = Bounds::new(Vec3::ZERO, Vec3::ZERO);
            for along in 0..3 {
                (bounds.start[along], bounds.stop[along]) = if along == axis { span } else { other(along)? };
            }
            Some(bounds)
        };
        let (first, second) = (chunk(first)?, chunk(second)?);
        return Some(Refusal::Conflict {
            chunk: Box::new(scale.chunks(Bounds::at(second.start, Vec3::ONE))),
            cure: cure(prepared, scale, axis),
            first: Box::new(first),
            second: Box::new(second),
        });
    }
    None
}

/// The spans of the chunks of the last of these levels, cut off at the layer. Only as many of them are looked at as it
/// takes until they lie to storage chunks as the first ones do.
fn spans(region: Bounds, gap: Vec3, levels: &[Level], axis: usize, scale: &Scale) -> Spans {
    let within = (scale.bounds.start[axis], scale.bounds.stop[axis]);
    let mut spans = vec![(region.start[axis], region.stop[axis])];
    for (index, level) in levels.iter().enumerate() {
        let size = level.size[axis];
        let step = if index == 0 { size + gap[axis] } else { size };
        let most = scale.chunk[axis] + 2;
        spans = spans
            .into_iter()
            .flat_map(|(start, stop)| {
                let count = (stop - start + step - size).max(0) / step;
                let near = (0..count.min(most)).chain(count.saturating_sub(2).max(most)..count);
                near.map(move |index| (start + index * step, start + index * step + size))
            })
            .collect();
    }
    let cut = spans.into_iter().map(|(start, stop)| (start.max(within.0), stop.min(within.1)));
    cut.filter(|(start, stop)| start < stop).collect()
}

/// Two neighbours that touch one storage chunk.
fn shared(spans: &Spans, scale: &Scale, axis: usize) -> Option<((i64, i64), (i64, i64))> {
    let index = |place: i64| (place - scale.offset[axis]).div_euclid(scale.chunk[axis]);
    let pairs = spans.windows(2).map(|pair| (pair[0], pair[1]));
    pairs.into_iter().find(|(first, second)| index(first.1 - 1) == index(second.0))
}

fn cure(prepared: &Prepared, scale: &Scale, axis: usize) -> String {
    let name = ['x', 'y', 'z'][axis];
    let (size, chunk) = (prepared.levels[prepared.distributed - 1].size[axis], scale.chunk[axis]);
    let gap = prepared.gap[axis];
    let mut cures = Vec::new();
    if (size + gap) % chunk != 0 {
        let multiple = (size + gap + chunk - 1) / chunk * chunk - gap;
        cures.push(format!(
            "make chunks {multiple} long along {name}, so that they begin with storage chunks of {chunk}"
        ));
    } else if (prepared.region.start[axis] - scale.offset[axis]) % chunk != 0 {
        cures.push("set expand_bbox_backend to true, so that the box begins with a storage chunk".to_owned());
    }
    cures.push("or set skip_intermediaries to false and name level_intermediaries_dirs".to_owned());
    cures.join(", ")
}
