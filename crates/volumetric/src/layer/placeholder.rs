//! Stand-ins for types that other modules will bring: functions on arrays and regions as specs write them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::array::Array;
use crate::geometry::Region;
use crate::layer::Error;

/// A function on arrays as specs write it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-otaman" = "value"))]
pub struct FunctionSpec(Json);

/// A function on arrays.
#[derive(Debug, Clone)]
pub struct Function(FunctionSpec);

impl FunctionSpec {
    /// The function, checked.
    ///
    /// # Errors
    /// If there is no such function.
    pub fn build(&self) -> Result<Function, Error> {
        Ok(Function(self.clone()))
    }
}

impl Function {
    /// The function of an array.
    ///
    /// # Errors
    /// If it cannot be applied.
    pub fn apply(&self, _: Array) -> Result<Array, Error> {
        Err(Error::Parameter {
            parameter: "read_procs or write_procs",
            reason: format!("{} is not known", self.0.0),
        })
    }
}

/// A box in space as specs write it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "@type", deny_unknown_fields)]
#[schemars(extend("x-otaman" = "value"))]
pub enum RegionSpec {
    /// From one corner to the other, in voxels of a resolution.
    #[serde(rename = "BBox3D.from_coords")]
    FromCoords {
        /// Where it begins.
        start_coord: [f64; 3],
        /// Where it ends.
        end_coord: [f64; 3],
        /// How large the voxels are, in nm.
        resolution: [f64; 3],
    },
}

impl RegionSpec {
    /// The box.
    ///
    /// # Errors
    /// If it is not made of whole femtometres or inverted.
    pub fn region(&self) -> Result<Region, crate::geometry::Error> {
        let Self::FromCoords { start_coord, end_coord, resolution } = self;
        let scaled = |corner: &[f64; 3]| std::array::from_fn(|axis| corner[axis] * resolution[axis]);
        Region::from_nanometres(scaled(start_coord), scaled(end_coord))
    }
}
