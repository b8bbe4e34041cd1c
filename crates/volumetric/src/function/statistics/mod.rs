//! Count, smallest and largest value, mean, deviation and histogram of a volume, chunk by chunk.

mod exact;
mod histogram;
mod summary;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::array::DataType;
use crate::function::statistics::histogram::Bins;
use crate::function::statistics::summary::Summary;
use crate::function::{Arguments, ArrayFunction, Error, Output, Registration};

/// Gives a small value instead of an array: `count`, `min`, `max`, `mean`, `standard_deviation` and, if bins are
/// asked for, a `histogram`. Values of many chunks are merged without any rounding, so that neither their order nor
/// how they are grouped matters. Floats that are not finite are counted by themselves, as `not_finite`.
#[derive(Debug, Deserialize, JsonSchema)]
struct Statistics {
    /// How many bins a histogram has; 256 if only a range is given.
    bins: Option<u32>,
    /// From where to where the bins reach; by default over all values of `uint8` and `int8`. As in NumPy, a bin ends
    /// before the next begins, but the last one includes its end.
    range: Option<[f64; 2]>,
}

/// Most bins: the value of a chunk stays small.
const MAX_BINS: u32 = 4096;

impl Statistics {
    /// The bins for values of this type.
    fn bins(&self, data_type: DataType) -> Result<Option<Bins>, Error> {
        let range = match (self.bins, self.range, data_type) {
            (None, None, _) => return Ok(None),
            (_, Some(range), _) => range,
            (Some(_), None, DataType::Uint8) => [0.0, 256.0],
            (Some(_), None, DataType::Int8) => [-128.0, 128.0],
            (Some(_), None, _) => {
                return Err(Error::Parameter {
                    function: "statistics".into(),
                    name: "range",
                    value: "missing".into(),
                    wanted: "given for a histogram of values that are not uint8 or int8",
                });
            }
        };
        Ok(Some(Bins { range, count: self.bins.unwrap_or(256) }))
    }
}

impl ArrayFunction for Statistics {
    fn check(&self) -> Result<(), Error> {
        let wrong = |name, value, wanted| {
            Err(Error::Parameter { function: "statistics".into(), name, value, wanted })
        };
        match (self.bins, self.range) {
            (Some(bins), _) if bins == 0 || bins > MAX_BINS => {
                wrong("bins", bins.to_string(), "from 1 to 4096")
            }
            (_, Some([start, stop])) if !(start < stop && (stop - start).is_finite()) => {
                wrong("range", format!("{:?}", [start, stop]), "two rising numbers")
            }
            _ => Ok(()),
        }
    }

    fn call(&self, arguments: &Arguments<'_>) -> Result<Output, Error> {
        let (source, inside) = (arguments.array("src")?, arguments.inside("src")?);
        let bins = self.bins(source.data_type())?;
        Ok(Output::Value(Summary::of(source, inside, bins).to_json()))
    }

    fn merge(&self, function: &str, values: &[Json]) -> Result<Json, Error> {
        let mut all = Summary::default();
        for (index, value) in values.iter().enumerate() {
            let summary = Summary::deserialize(value).map_err(Into::into);
            let merged = summary.and_then(|summary| all.add(&summary).map_err(Into::into));
            merged.map_err(|reason| Error::Foreign { function: function.into(), index, reason })?;
        }
        Ok(all.to_json())
    }
}

inventory::submit! { Registration::of::<Statistics>("statistics") }
