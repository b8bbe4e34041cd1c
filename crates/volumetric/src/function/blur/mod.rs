//! Gaussian blur.

mod passes;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::array::{Array, DataType, Element, Elements, Shape};
use crate::function::blur::passes::{Kernel, Real, blurred};
use crate::function::{Arguments, ArrayFunction, Error, Output, Registration};
use crate::geometry::{Bounds, Vec3};

/// Blurs with a bell of this width. It needs context around a chunk, and gets it. Where the layer ends, the weights
/// of what is there are stretched to a sum of 1; nothing is reflected or repeated. The result has the type of the
/// source; whole numbers are rounded half to even.
#[derive(Debug, Deserialize, JsonSchema)]
struct Blur {
    /// The standard deviation along each axis, in voxels; an axis of 0 is left alone.
    sigma: [f64; 3],
    /// At how many standard deviations the bell is cut off.
    #[serde(default = "four")]
    truncate: f64,
}

const fn four() -> f64 {
    4.0
}

/// Most voxels of context on a side; more is a mistake, or needs a coarser resolution.
const MAX_RADIUS: f64 = 10_000.0;

impl Blur {
    fn radius(&self, axis: usize) -> i64 {
        #[expect(clippy::cast_possible_truncation, reason = "was checked to be small")]
        let radius = (self.truncate * self.sigma[axis]).ceil() as i64;
        radius
    }

    fn wrong(name: &'static str, value: String, wanted: &'static str) -> Result<(), Error> {
        Err(Error::Parameter { function: "blur".into(), name, value, wanted })
    }
}

impl ArrayFunction for Blur {
    fn halo(&self) -> Vec3 {
        Vec3([0, 1, 2].map(|axis| self.radius(axis)))
    }

    fn scratch_bytes(&self, source: DataType) -> u64 {
        // Two volumes of floats; the sums are as wide as `call` makes them.
        2 * match source {
            DataType::Uint8 | DataType::Int8 | DataType::Float32 => 4,
            DataType::Uint16
            | DataType::Int16
            | DataType::Uint32
            | DataType::Int32
            | DataType::Uint64
            | DataType::Int64
            | DataType::Float64 => 8,
        }
    }

    fn check(&self) -> Result<(), Error> {
        if !(self.truncate > 0.0 && self.truncate.is_finite()) {
            return Self::wrong("truncate", self.truncate.to_string(), "above 0");
        }
        let is_good = |sigma: f64| sigma >= 0.0 && sigma * self.truncate <= MAX_RADIUS;
        match self.sigma.into_iter().all(is_good) {
            true => Ok(()),
            false => Self::wrong(
                "sigma",
                format!("{:?}", self.sigma),
                "0 or more along each axis, and at most 10000 voxels divided by `truncate`",
            ),
        }
    }

    fn call(&self, arguments: &Arguments<'_>) -> Result<Output, Error> {
        let (source, inside) = (arguments.array("src")?, arguments.inside("src")?);
        let shape = source.shape();
        // Single precision where 16 bits remain for the fraction of a value, and where the result has no more.
        let elements = match source.elements() {
            Elements::Uint8(values) => self.run::<_, f32>(values, shape, inside),
            Elements::Int8(values) => self.run::<_, f32>(values, shape, inside),
            Elements::Uint16(values) => self.run::<_, f64>(values, shape, inside),
            Elements::Int16(values) => self.run::<_, f64>(values, shape, inside),
            Elements::Float32(values) => self.run::<_, f32>(values, shape, inside),
            Elements::Uint32(values) => self.run::<_, f64>(values, shape, inside),
            Elements::Int32(values) => self.run::<_, f64>(values, shape, inside),
            Elements::Uint64(values) => self.run::<_, f64>(values, shape, inside),
            Elements::Int64(values) => self.run::<_, f64>(values, shape, inside),
            Elements::Float64(values) => self.run::<_, f64>(values, shape, inside),
        };
        Ok(Array::new(shape, elements).into())
    }
}

impl Blur {
    fn run<T: Element, R: Real>(&self, values: &[T], shape: Shape, inside: Bounds) -> Elements {
        let kernels = [0, 1, 2].map(|axis| Kernel::<R>::of(self.sigma[axis], self.radius(axis)));
        T::wrap(blurred(values, shape, inside, &kernels))
    }
}

inventory::submit! { Registration::of::<Blur>("blur") }
