//! Functions written in Rust, by name.

use std::sync::Arc;

use schemars::{JsonSchema, Schema, schema_for};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};

use crate::array::DataType;
use crate::function::{Arguments, Error, Output};
use crate::geometry::Vec3;

/// A function on arrays. Its fields are the parameters that a spec gives; what it reads of layers comes with each
/// call. An own one, linked into a program, is at once known to specs:
///
/// ```
/// use schemars::JsonSchema;
/// use serde::Deserialize;
/// use serde_json::json;
/// use volumetric::array::{Array, DataType, Elements, Shape};
/// use volumetric::function::{Arguments, ArrayFunction, Error, FunctionSpec, Output, Registration, inventory};
/// use volumetric::geometry::Vec3;
///
/// /// Turns dark into light.
/// #[derive(Deserialize, JsonSchema)]
/// struct Invert { white: u8 }
///
/// impl ArrayFunction for Invert {
///     fn call(&self, arguments: &Arguments<'_>) -> Result<Output, Error> {
///         let source = arguments.array("src")?.converted(DataType::Uint8);
///         let Elements::Uint8(values) = source.elements() else { unreachable!("was converted") };
///         let inverted = values.iter().map(|value| self.white.saturating_sub(*value)).collect();
///         Ok(Array::new(source.shape(), Elements::Uint8(inverted)).into())
///     }
/// }
///
/// inventory::submit! { Registration::of::<Invert>("invert") }
///
/// let spec: FunctionSpec = serde_json::from_value(json!({"@type": "invert", "white": 255}))?;
/// let source = Array::filled(DataType::Uint8, Shape::new(1, Vec3::ONE), 5.0);
/// let inverted = spec.build()?.call(&[("src".into(), source.into())])?;
/// assert_eq!(inverted.get(0, Vec3::ZERO), 250.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// (In a doc test the function stands inside `main`; `inventory::submit!` works there, too.)
pub trait ArrayFunction: Send + Sync + 'static {
    /// Names of the inputs that it needs.
    fn inputs(&self) -> Vec<String> {
        vec!["src".into()]
    }

    /// Names of further inputs that it takes.
    fn optional_inputs(&self) -> Vec<String> {
        Vec::new()
    }

    /// How many voxels around a place it looks at, on each side. The first and last that many voxels of its result
    /// are worth nothing, but where the layer itself ends.
    fn halo(&self) -> Vec3 {
        Vec3::ZERO
    }

    /// How many voxels along each axis become one.
    fn shrinks_by(&self) -> Vec3 {
        Vec3::ONE
    }

    /// How many bytes it takes besides its inputs and its result, for each voxel of an input of this type: by it
    /// `plan` tells how much memory a task takes.
    fn scratch_bytes(&self, source: DataType) -> u64 {
        let _ = source;
        0
    }

    /// What is wrong with its parameters beyond their types. Called once, when a spec is checked.
    ///
    /// # Errors
    /// If something is.
    fn check(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Calls it. May be called with samples of one voxel, of which only the type of the result counts.
    ///
    /// # Errors
    /// If it cannot handle such inputs.
    fn call(&self, arguments: &Arguments<'_>) -> Result<Output, Error>;

    /// Makes one value of those of many chunks. The order of the chunks must not matter.
    ///
    /// # Errors
    /// If it gives no values, or these are none of its.
    fn merge(&self, function: &str, values: &[Json]) -> Result<Json, Error> {
        let _ = values;
        Err(Error::NoMerge { function: function.into() })
    }
}

/// Makes a function of its parameters, or says which of them is wrong, and how.
type Build = fn(Map<String, Json>) -> Result<Arc<dyn ArrayFunction>, (String, serde_json::Error)>;

/// A function's entry. See [`ArrayFunction`].
pub struct Registration {
    name: &'static str,
    build: Build,
    schema: fn() -> Schema,
}

inventory::collect!(Registration);

impl Registration {
    /// Of a function whose fields are the parameters.
    pub const fn of<F: ArrayFunction + DeserializeOwned + JsonSchema>(name: &'static str) -> Self {
        Self { name, build: build::<F>, schema: || schema_for!(F) }
    }

    /// Its name in specs.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What parameters it takes.
    pub fn schema(&self) -> Schema {
        (self.schema)()
    }

    pub(crate) fn build(&self, parameters: Map<String, Json>) -> Result<Arc<dyn ArrayFunction>, Error> {
        let function = || self.name.to_owned();
        let schema = self.schema();
        let known = schema.get("properties").and_then(Json::as_object);
        let known: Vec<&str> = known.into_iter().flat_map(Map::keys).map(String::as_str).collect();
        if let Some(name) = parameters.keys().find(|name| !known.contains(&name.as_str())) {
            return Err(Error::UnknownParameter {
                function: function(),
                name: name.clone(),
                nearest: otaman::spec::nearest(name, known.iter().copied()).map(str::to_owned),
                known: otaman::spec::listed(&known, "and"),
            });
        }
        let built = (self.build)(parameters).map_err(|(place, reason)| Error::Malformed {
            function: function(),
            place,
            reason,
        })?;
        built.check()?;
        Ok(built)
    }
}

fn build<F: ArrayFunction + DeserializeOwned>(
    parameters: Map<String, Json>,
) -> Result<Arc<dyn ArrayFunction>, (String, serde_json::Error)> {
    match serde_path_to_error::deserialize::<_, F>(Json::Object(parameters)) {
        Ok(function) => Ok(Arc::new(function)),
        Err(error) => Err((pointer(error.path()), error.into_inner())),
    }
}

/// A place as a JSON pointer.
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => {
                pointer.push_str(&format!("/{}", key.replace('~', "~0").replace('/', "~1")))
            }
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

/// All functions that are linked into this program, by name.
pub fn registered() -> Vec<&'static Registration> {
    let mut all: Vec<_> = inventory::iter::<Registration>.into_iter().collect();
    all.sort_by_key(|registration| registration.name);
    all
}
