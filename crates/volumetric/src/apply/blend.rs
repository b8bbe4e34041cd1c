//! Putting results of chunks together in memory: side by side, by weights, or by the largest value.

use std::cmp::Ordering;

use crate::apply::error::Error;
use crate::apply::recipe::Level;
use crate::array::{Array, DataType, Element, Shape, with_elements};
use crate::blending::{BlendMode, weights};
use crate::geometry::{Bounds, Vec3};

/// A box that is being filled with results of chunks.
pub(crate) struct Blend {
    bounds: Bounds,
    /// All chunks together; where a chunk touches its edge there is no neighbour to blend with.
    region: Bounds,
    pad: Vec3,
    mode: BlendMode,
    state: State,
}

enum State {
    /// Chunks do not overlap.
    Plain(Array),
    /// Sums of weighted values; exact for all integers that a float of 64 bits holds.
    Weighted { sums: Vec<f64>, data_type: DataType, shape: Shape },
    /// The largest value so far, and whether there is one.
    Largest { array: Array, is_set: Vec<bool> },
}

impl Blend {
    /// Nothing yet. `region` is all that the chunks cover, the pads of the outermost included.
    ///
    /// # Errors
    /// If values of this type cannot be blended so.
    pub(crate) fn new(
        level: &Level,
        bounds: Bounds,
        region: Bounds,
        data_type: DataType,
        channels: usize,
    ) -> Result<Self, Error> {
        let shape = Shape::new(channels, bounds.size());
        let state = match level.mode {
            _ if level.blend == Vec3::ZERO => State::Plain(Array::zeros(data_type, shape)),
            BlendMode::Linear | BlendMode::Quadratic | BlendMode::Bump => {
                if !is_exact(data_type) {
                    return Err(Error::TooWide(data_type));
                }
                State::Weighted { sums: vec![0.0; shape.count()], data_type, shape }
            }
            BlendMode::Max | BlendMode::Defer => {
                State::Largest { array: Array::zeros(data_type, shape), is_set: vec![false; shape.count()] }
            }
        };
        Ok(Self { bounds, region, pad: level.blend, mode: level.mode, state })
    }

    /// Adds a piece of the result of a chunk. `chunk` is the whole of it with its pads, `piece` what is given.
    ///
    /// # Errors
    /// If the array is not as large as the piece.
    pub(crate) fn add(&mut self, array: &Array, piece: Bounds, chunk: Bounds) -> Result<(), Error> {
        if array.shape().size != piece.size() {
            return Err(Error::Size { chunk, found: array.shape().size });
        }
        let common = piece.intersection(&self.bounds);
        if common.is_empty() {
            return Ok(());
        }
        let (from, at) = (common.translated(-piece.start), common.start - self.bounds.start);
        match &mut self.state {
            State::Plain(result) => result.paste(array, from, at),
            State::Weighted { sums, shape, .. } => {
                let factors: [Vec<f64>; 3] = std::array::from_fn(|axis| {
                    let (start, stop) = (chunk.start[axis], chunk.stop[axis]);
                    let aligned = (start == self.region.start[axis], stop == self.region.stop[axis]);
                    let all = weights(self.mode, self.pad[axis], stop - start, aligned.0, aligned.1);
                    let skipped = usize::try_from(common.start[axis] - start).expect("is inside the chunk");
                    let length = usize::try_from(common.size()[axis]).expect("a chunk fits memory");
                    all[skipped..skipped + length].to_vec()
                });
                with_elements!(array.elements(), values => {
                    rows(array.shape(), from, *shape, at, |source, target, y, z| {
                        let share = factors[1][y] * factors[2][z];
                        let places = sums[target].iter_mut().zip(&values[source]).zip(&factors[0]);
                        for ((sum, value), weight) in places {
                            *sum += value.to_f64() * (weight * share);
                        }
                    });
                });
            }
            State::Largest { array: result, is_set } => {
                let shape = result.shape();
                with_elements!(array.elements(), values => {
                    largest(values, array.shape(), from, result, is_set, shape, at);
                });
            }
        }
        Ok(())
    }

    /// What has come of it.
    pub(crate) fn finish(self) -> Array {
        match self.state {
            State::Plain(array) | State::Largest { array, .. } => array,
            State::Weighted { sums, data_type, shape } => {
                fn fill<T: Element>(places: &mut [T], sums: &[f64]) {
                    for (place, sum) in places.iter_mut().zip(sums) {
                        *place = T::from_f64(*sum);
                    }
                }
                let mut array = Array::zeros(data_type, shape);
                with_elements!(array.elements_mut(), places => fill(places, &sums));
                array
            }
        }
    }
}

/// Whether a float of 64 bits holds all values of a type.
pub(crate) fn is_exact(data_type: DataType) -> bool {
    !matches!(data_type, DataType::Uint64 | DataType::Int64)
}

fn largest<T: Element>(
    values: &[T],
    from_shape: Shape,
    from: Bounds,
    result: &mut Array,
    is_set: &mut [bool],
    shape: Shape,
    at: Vec3,
) {
    let Some(places) = T::slice_mut(result.elements_mut()) else { return };
    rows(from_shape, from, shape, at, |source, target, _, _| {
        let places = places[target.clone()].iter_mut().zip(&mut is_set[target]).zip(&values[source]);
        for ((place, is_set), value) in places {
            // What is not a number cannot be compared, and stays: it is the result of something that went wrong.
            let is_number = place.partial_cmp(&place).is_some();
            let is_larger = !matches!(value.partial_cmp(place), Some(Ordering::Less | Ordering::Equal));
            if !*is_set || is_number && is_larger {
                *place = *value;
                *is_set = true;
            }
        }
    });
}

/// Goes over the rows of a box that two arrays have in common: `from` in the first one's voxels, at `at` in the
/// second's. Calls with the places of the row in both, and its y and z in the box.
fn rows(
    source: Shape,
    from: Bounds,
    target: Shape,
    at: Vec3,
    mut row: impl FnMut(std::ops::Range<usize>, std::ops::Range<usize>, usize, usize),
) {
    let [channels, width, height, depth] = Shape::new(source.channels, from.size()).extents();
    let index = |shape: Shape, start: Vec3, channel: usize, y: usize, z: usize| {
        let [_, nx, ny, nz] = shape.extents();
        let [x0, y0, z0] = Shape::new(1, start).extents()[1..] else { unreachable!("three axes") };
        x0 + nx * (y0 + y + ny * (z0 + z + nz * channel))
    };
    for channel in 0..channels {
        for z in 0..depth {
            for y in 0..height {
                let (first, second) =
                    (index(source, from.start, channel, y, z), index(target, at, channel, y, z));
                row(first..first + width, second..second + width, y, z);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Elements;

    fn along_x(start: i64, stop: i64) -> Bounds {
        Bounds::new(Vec3::new(start, 0, 0), Vec3::new(stop, 1, 1))
    }

    fn level(mode: BlendMode, blend: i64) -> Level {
        Level { size: Vec3::new(4, 1, 1), crop: Vec3::ZERO, blend: Vec3::new(blend, 0, 0), mode }
    }

    fn two(mode: BlendMode, first: Elements, second: Elements) -> Elements {
        let shape = Shape::new(1, Vec3::new(6, 1, 1));
        let data_type = first.data_type();
        let mut blend = Blend::new(&level(mode, 1), along_x(0, 8), along_x(-1, 9), data_type, 1).unwrap();
        blend.add(&Array::new(shape, first), along_x(-1, 5), along_x(-1, 5)).unwrap();
        blend.add(&Array::new(shape, second), along_x(3, 9), along_x(3, 9)).unwrap();
        blend.finish().into_elements()
    }

    #[test]
    fn the_largest_of_negative_values_is_negative() {
        let result = two(BlendMode::Max, Elements::Int16(vec![-5; 6]), Elements::Int16(vec![-7; 6]));
        assert_eq!(result, Elements::Int16(vec![-5, -5, -5, -5, -5, -7, -7, -7]));
    }

    #[test]
    fn weighted_values_are_rounded_to_the_nearest_even_integer() {
        let result = two(BlendMode::Linear, Elements::Uint8(vec![100; 6]), Elements::Uint8(vec![202; 6]));
        assert_eq!(result, Elements::Uint8(vec![100, 100, 100, 134, 168, 202, 202, 202]));
    }

    #[test]
    fn labels_beyond_sixteen_million_survive_weights() {
        let label = 16_777_219;
        let result =
            two(BlendMode::Quadratic, Elements::Uint32(vec![label; 6]), Elements::Uint32(vec![label; 6]));
        assert_eq!(result, Elements::Uint32(vec![label; 8]));
        let most = i32::MIN + 1;
        let result = two(BlendMode::Bump, Elements::Int32(vec![most; 6]), Elements::Int32(vec![most; 6]));
        assert_eq!(result, Elements::Int32(vec![most; 8]));
    }

    #[test]
    fn integers_of_sixty_four_bits_are_not_weighted() {
        let refused =
            Blend::new(&level(BlendMode::Linear, 1), along_x(0, 8), along_x(-1, 9), DataType::Uint64, 1);
        assert_eq!(refused.err().unwrap().to_string(), "uint64 cannot be blended by weights");
        let large = u64::MAX - 1;
        let result =
            two(BlendMode::Max, Elements::Uint64(vec![large; 6]), Elements::Uint64(vec![large - 1; 6]));
        assert_eq!(result, Elements::Uint64([vec![large; 5], vec![large - 1; 3]].concat()));
    }

    #[test]
    fn what_is_not_a_number_is_not_hidden_by_a_larger_value() {
        let mut first = vec![1.0_f32; 6];
        first[5] = f32::NAN;
        let Elements::Float32(result) =
            two(BlendMode::Max, Elements::Float32(first), Elements::Float32(vec![9.0; 6]))
        else {
            panic!("floats stay floats");
        };
        assert!(result[4].is_nan() && result[5] == 9.0, "{result:?}");
    }
}
