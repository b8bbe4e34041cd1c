//! Making one box of a coarser scale.

use otaman::{Context, Result, operation};
use serde_json::json;

use crate::array::{Array, Shape};
use crate::function::FunctionSpec;
use crate::geometry::{Bounds, Resolution, Vec3};
use crate::layer::LayerSpec;
use crate::pyramid::flow::Method;

/// Writes a box of a coarser scale, or a copy if all factors are 1. At the edges of a volume, where a coarse voxel is only
/// partly inside, it is made of what there is.
#[operation(name = "volumetric.downsample", version = "1.0.0", tags("volumes"))]
pub fn downsample(
    context: &Context,
    /// The layer to read.
    src: LayerSpec,
    /// The scale to read.
    src_resolution: Resolution,
    /// The layer to write.
    dst: LayerSpec,
    /// The scale to write.
    dst_resolution: Resolution,
    /// How many voxels become one along each axis.
    factor: Vec3,
    /// How one value is made of several.
    method: Method,
    /// First voxel of the box, at the scale to write.
    start: Vec3,
    /// Size of the box.
    size: Vec3,
) -> Result<()> {
    let (source, target) = (src.open()?, dst.open()?);
    let wanted = Bounds::new(start * factor, (start + size) * factor);
    let there = wanted.intersection(&source.volume().scale(src_resolution)?.bounds);
    if there.is_empty() {
        return Ok(());
    }
    let mut piece = source.read(src_resolution, there)?;
    if there != wanted {
        piece = continued(&piece, there, wanted);
    }
    if factor != Vec3::ONE {
        let function: FunctionSpec =
            serde_json::from_value(json!({"@type": "downsample", "factor": factor, "method": method}))?;
        piece = function.build()?.apply(piece)?;
    }
    let piece = target.process_for_write(piece)?;
    let written = target.write_processed(dst_resolution, start, &piece)?;
    // Others need the memory while this waits.
    drop(piece);
    context.waiting(|| written.sync())?;
    Ok(())
}

/// An array of a larger box, in which the values at the edges go on outwards. Since whole blocks are averaged and blocks at
/// edges are continued evenly for any factor of 2, that equals averaging what there is.
fn continued(array: &Array, there: Bounds, wanted: Bounds) -> Array {
    let width = array.data_type().size();
    let mut result = Array::zeros(array.data_type(), Shape::new(array.shape().channels, wanted.size()));
    let inside =
        |place: i64, axis: usize| place.clamp(there.start[axis], there.stop[axis] - 1) - there.start[axis];
    let (before, after) = (there.start[0] - wanted.start[0], wanted.stop[0] - there.stop[0]);
    let bytes = |voxels: i64| usize::try_from(voxels).unwrap_or_default() * width;
    for channel in 0..array.shape().channels {
        for z in wanted.start[2]..wanted.stop[2] {
            for y in wanted.start[1]..wanted.stop[1] {
                let from = array.index(channel, Vec3::new(0, inside(y, 1), inside(z, 2))) * width;
                let to =
                    result.index(channel, Vec3::new(0, y - wanted.start[1], z - wanted.start[2])) * width;
                let row = &array.elements().bytes()[from..from + bytes(there.size()[0])];
                let target = &mut result.elements_mut().bytes_mut()[to..to + bytes(wanted.size()[0])];
                target[bytes(before)..bytes(before) + row.len()].copy_from_slice(row);
                for edge in target[..bytes(before)].chunks_exact_mut(width) {
                    edge.copy_from_slice(&row[..width]);
                }
                let end = target.len() - bytes(after);
                for edge in target[end..].chunks_exact_mut(width) {
                    edge.copy_from_slice(&row[row.len() - width..]);
                }
            }
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::DataType;

    #[test]
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn edges_go_on_outwards() {
        let there = Bounds::new(Vec3::new(1, 0, 0), Vec3::new(4, 2, 2));
        let wanted = Bounds::new(Vec3::new(0, 0, -1), Vec3::new(6, 4, 2));
        let value = |channel: usize, voxel: Vec3| {
            (voxel[0] + 10 * voxel[1] + 100 * voxel[2]) as f64 + 1000.0 * channel as f64
        };
        let array = Array::generate(DataType::Uint16, Shape::new(2, there.size()), |c, voxel| {
            value(c, voxel + there.start)
        });
        let result = continued(&array, there, wanted);
        for channel in 0..2 {
            for number in 0..wanted.volume() {
                let size = wanted.size();
                let voxel =
                    Vec3::new(number % size[0], number / size[0] % size[1], number / size[0] / size[1]);
                let nearest = (voxel + wanted.start).max(there.start).min(there.stop - Vec3::ONE);
                assert_eq!(result.get(channel, voxel), value(channel, nearest), "{channel} {voxel}");
            }
        }
    }
}
