//! Fewer voxels: each block of some becomes one.

mod blocks;
mod extreme;
mod mean;
mod mode;
mod striding;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::array::{Array, Element, Elements, Shape, with_elements};
use crate::function::downsample::blocks::{Blocks, shrink};
use crate::function::downsample::extreme::Extreme;
use crate::function::downsample::mean::{Averaged, Mean};
use crate::function::downsample::mode::{Mode, Ordered};
use crate::function::downsample::striding::Striding;
use crate::function::{Arguments, ArrayFunction, Error, Output, Registration};
use crate::geometry::{Bounds, Vec3};

/// Makes one voxel of each block. Blocks begin at the first voxel of the array; those that are cut off by the end
/// of the array or of the layer are made of the voxels that are there.
#[derive(Debug, Deserialize, JsonSchema)]
struct Downsample {
    /// The size of a block along x, y and z.
    factor: Vec3,
    /// How one value is made of many.
    #[serde(default)]
    method: Method,
}

/// How one value is made of many.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Method {
    /// Their mean; of whole numbers rounded half to even.
    #[default]
    Mean,
    /// The most frequent one, of several such ones the smallest: for labels.
    Mode,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// The first.
    Striding,
}

impl ArrayFunction for Downsample {
    fn shrinks_by(&self) -> Vec3 {
        self.factor
    }

    fn check(&self) -> Result<(), Error> {
        let count = self.factor.0.iter().try_fold(1_i64, |count, factor| count.checked_mul(*factor));
        match self.factor.0.iter().all(|factor| *factor >= 1) && count.is_some_and(|count| count <= 1 << 15) {
            true => Ok(()),
            false => Err(Error::Parameter {
                function: "downsample".into(),
                name: "factor",
                value: self.factor.to_string(),
                wanted: "1 or more along each axis, and blocks of 32768 voxels at most",
            }),
        }
    }

    fn call(&self, arguments: &Arguments<'_>) -> Result<Output, Error> {
        let (source, inside) = (arguments.array("src")?, arguments.inside("src")?);
        Ok(downsampled(source, inside, self.factor, self.method).into())
    }
}

inventory::submit! { Registration::of::<Downsample>("downsample") }

fn downsampled(source: &Array, inside: Bounds, factor: Vec3, method: Method) -> Array {
    let blocks = Blocks { shape: source.shape(), inside, factor };
    let elements = source.elements();
    let shrunk = match method {
        Method::Mean => mean(elements, &blocks),
        Method::Mode => with_elements!(elements, values => mode(values, &blocks)),
        Method::Min => with_elements!(elements, values => extreme(values, &blocks, false)),
        Method::Max => with_elements!(elements, values => extreme(values, &blocks, true)),
        Method::Striding => with_elements!(elements, values => striding(values, &blocks)),
    };
    Array::new(Shape::new(source.shape().channels, blocks.result_size()), shrunk)
}

fn mean(elements: &Elements, blocks: &Blocks) -> Elements {
    fn run<T: Averaged<S>, S: Copy + Default>(values: &[T], blocks: &Blocks) -> Elements {
        T::wrap(shrink(values, blocks, Mean::<S>::new(blocks.factor)))
    }
    // The narrowest sum that holds a block: twice as many fit in a register.
    let is_small = blocks.factor.volume() <= 256;
    match elements {
        Elements::Uint8(values) if is_small => run::<_, u16>(values, blocks),
        Elements::Uint8(values) => run::<_, u32>(values, blocks),
        Elements::Int8(values) if is_small => run::<_, i16>(values, blocks),
        Elements::Int8(values) => run::<_, i32>(values, blocks),
        Elements::Uint16(values) => run::<_, u32>(values, blocks),
        Elements::Int16(values) => run::<_, i32>(values, blocks),
        Elements::Uint32(values) => run::<_, u64>(values, blocks),
        Elements::Int32(values) => run::<_, i64>(values, blocks),
        Elements::Uint64(values) => run::<_, u128>(values, blocks),
        Elements::Int64(values) => run::<_, i128>(values, blocks),
        Elements::Float32(values) => run::<_, f64>(values, blocks),
        Elements::Float64(values) => run::<_, f64>(values, blocks),
    }
}

fn mode<T: Ordered>(values: &[T], blocks: &Blocks) -> Elements {
    T::wrap(shrink(values, blocks, Mode::default()))
}

fn extreme<T: Element>(values: &[T], blocks: &Blocks, largest: bool) -> Elements {
    match largest {
        true => T::wrap(shrink(values, blocks, Extreme(|left: T, right: T| left > right))),
        false => T::wrap(shrink(values, blocks, Extreme(|left: T, right: T| left < right))),
    }
}

fn striding<T: Element>(values: &[T], blocks: &Blocks) -> Elements {
    T::wrap(shrink(values, blocks, Striding))
}
