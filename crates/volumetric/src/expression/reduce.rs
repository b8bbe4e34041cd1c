//! One number of all voxels of an array.

use crate::expression::block::{BLOCK, Boxed, places};
use crate::expression::builtin::Builtin;
use crate::expression::number::Number;
use crate::expression::scalar::Scalar;
use crate::expression::typed::{Values, with_numbers};

/// How many voxels an array has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    pub(super) channels: usize,
    pub(super) voxels: usize,
}

/// One number of all voxels. None where there are no voxels and that makes no sense.
pub(super) fn reduce(builtin: Builtin, values: Values<'_>, extent: Extent) -> Option<Scalar> {
    let is_float = values.kind().is_float();
    match builtin {
        Builtin::Any | Builtin::All => {
            let wanted = builtin == Builtin::Any;
            let mut found = false;
            run(values.truths(), extent, |block| found |= block.contains(&wanted));
            Some(Scalar::Boolean(found == wanted))
        }
        Builtin::Sum | Builtin::Mean if is_float => {
            let mut total = 0.0;
            let values = values.cast(crate::expression::kind::Kind::Data(crate::array::DataType::Float64));
            if let Values::Float64(node) = values {
                run(node, extent, |block| total += block.iter().sum::<f64>());
            }
            Some(Scalar::Float(if builtin == Builtin::Mean { total / count(extent) } else { total }))
        }
        Builtin::Sum | Builtin::Mean => {
            let total: i128 = with_numbers!(values, node => sum(node, extent), booleans => {
                let mut total = 0;
                run(booleans, extent, |block| total += block.iter().map(|truth| i128::from(*truth)).sum::<i128>());
                total
            });
            #[expect(clippy::cast_precision_loss, reason = "the nearest float is wanted")]
            let mean = || total as f64 / count(extent);
            Some(if builtin == Builtin::Mean { Scalar::Float(mean()) } else { Scalar::Integer(total) })
        }
        Builtin::Min | Builtin::Max => with_numbers!(
            values,
            node => extreme(builtin, node, extent),
            booleans => {
                let all = builtin == Builtin::Min;
                let mut seen = None;
                run(booleans, extent, |block| {
                    let one = if all { block.iter().all(|truth| *truth) } else { block.iter().any(|truth| *truth) };
                    seen = Some(seen.map_or(one, |seen| if all { seen && one } else { seen || one }));
                });
                seen.map(Scalar::Boolean)
            }
        ),
        _ => None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "arrays have far fewer than 2^53 values")]
fn count(extent: Extent) -> f64 {
    (extent.channels * extent.voxels) as f64
}

fn run<T: Copy + Default>(mut node: Boxed<'_, T>, extent: Extent, mut see: impl FnMut(&[T])) {
    let mut room = Vec::new();
    room.resize(BLOCK, T::default());
    for place in places(extent.channels, extent.voxels) {
        match node.view(place) {
            Some(values) => see(values),
            None => {
                node.fill(place, &mut room[..place.length]);
                see(&room[..place.length]);
            }
        }
    }
}

fn sum<T: Number>(node: Boxed<'_, T>, extent: Extent) -> i128 {
    let mut total = 0;
    run(node, extent, |block| total += block.iter().map(|value| value.to_integer()).sum::<i128>());
    total
}

fn extreme<T: Number>(builtin: Builtin, node: Boxed<'_, T>, extent: Extent) -> Option<Scalar> {
    let better = if builtin == Builtin::Min { T::smaller } else { T::larger };
    let mut best: Option<T> = None;
    run(node, extent, |block| {
        for value in block {
            best = Some(best.map_or(*value, |best| better(best, *value)));
        }
    });
    best.map(|best| {
        if T::DATA_TYPE.is_float() {
            Scalar::Float(best.to_f64())
        } else {
            Scalar::Integer(best.to_integer())
        }
    })
}
