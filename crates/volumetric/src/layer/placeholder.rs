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

/// What a function of one array makes of it.
pub(crate) fn apply(function: &Function, _: Array) -> Result<Array, Error> {
    let reason = format!("{} is not known", function.0.0);
    Err(Error::Parameter { parameter: "read_procs or write_procs", reason })
}

/// A box in space as specs write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegionSpec(pub Region);

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(rename = "@type")]
    kind: String,
    start_coord: [f64; 3],
    end_coord: [f64; 3],
    #[serde(default = "nanometre")]
    resolution: [f64; 3],
}

fn nanometre() -> [f64; 3] {
    [1.0; 3]
}

impl<'de> Deserialize<'de> for RegionSpec {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Written { start_coord, end_coord, resolution, .. } = Written::deserialize(deserializer)?;
        let scaled = |corner: [f64; 3]| std::array::from_fn(|axis| corner[axis] * resolution[axis]);
        Region::from_nanometres(scaled(start_coord), scaled(end_coord))
            .map(Self)
            .map_err(serde::de::Error::custom)
    }
}

impl Serialize for RegionSpec {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let nanometre = crate::geometry::Resolution::from_femtometres([1; 3]);
        let bounds = self.0.expanded(nanometre);
        #[expect(clippy::cast_precision_loss, reason = "a stand-in")]
        let scaled = |corner: crate::geometry::Vec3| corner.0.map(|place| place as f64 / 1e6);
        let kind = "BBox3D.from_coords".to_owned();
        let (start_coord, end_coord) = (scaled(bounds.start), scaled(bounds.stop));
        Written { kind, start_coord, end_coord, resolution: [1.0; 3] }.serialize(serializer)
    }
}

impl JsonSchema for RegionSpec {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "BBox3D".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let mut schema = Written::json_schema(generator);
        schema.insert("x-otaman".into(), "value".into());
        schema
    }
}
