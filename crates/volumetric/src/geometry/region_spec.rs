//! A box in space as specs write it: `{"@type": "BBox3D.from_coords", "start_coord", "end_coord", "resolution"}`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::geometry::resolution::{to_femtometres, to_nanometres};
use crate::geometry::{Error, Region, Resolution};

/// The name of the type in specs.
const TYPE: &str = "BBox3D.from_coords";

/// A box in space as specs write it. It is the box that counts: however it was written, it is serialised in one form, so
/// that ids do not depend on the resolution that somebody gave coordinates in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegionSpec(pub Region);

/// What it is written as.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "version and mode are accepted and mean nothing")]
struct Written {
    #[serde(rename = "@type")]
    kind: String,
    #[serde(rename = "@version", default, skip_serializing)]
    version: Option<String>,
    #[serde(rename = "@mode", default, skip_serializing)]
    mode: Option<String>,
    start_coord: [f64; 3],
    end_coord: [f64; 3],
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resolution: Option<Resolution>,
    #[serde(default, skip_serializing)]
    unit: Option<String>,
}

/// A box from coordinates in voxels of some size.
///
/// # Errors
/// If it ends before it begins, or a corner is not on a whole femtometre.
pub fn from_coordinates(start: [f64; 3], stop: [f64; 3], resolution: Resolution) -> Result<Region, Error> {
    let nanometres = |place: [f64; 3]| {
        let mut corner = [0_i64; 3];
        for axis in 0..3 {
            let voxel = resolution.femtometres()[axis];
            // Whole coordinates, which nearly all are, are multiplied as whole numbers.
            corner[axis] = match to_femtometres(place[axis]).ok().filter(|_| place[axis].fract() == 0.0) {
                #[expect(clippy::cast_possible_truncation, reason = "it is whole and has just been checked")]
                Some(_) => (place[axis] as i64).checked_mul(voxel).ok_or(Error::Length(place[axis]))?,
                None => to_femtometres(place[axis] * to_nanometres(voxel))?,
            };
        }
        Ok(corner)
    };
    Region::from_femtometres(nanometres(start)?, nanometres(stop)?)
}

impl<'de> Deserialize<'de> for RegionSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Written::deserialize(deserializer)?;
        if written.kind != TYPE {
            return Err(D::Error::custom(format!(
                "a box is of \"@type\": \"{TYPE}\", not {:?}",
                written.kind
            )));
        }
        if let Some(unit) = written.unit.filter(|unit| unit != "nm") {
            return Err(D::Error::custom(format!("lengths are in nm, not in {unit:?}")));
        }
        let nanometre = || Resolution::from_femtometres([1_000_000; 3]);
        let resolution = written.resolution.unwrap_or_else(nanometre);
        from_coordinates(written.start_coord, written.end_coord, resolution)
            .map(Self)
            .map_err(D::Error::custom)
    }
}

impl Serialize for RegionSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (start_coord, end_coord) = self.0.nanometres();
        let written = Written {
            kind: TYPE.to_owned(),
            version: None,
            mode: None,
            start_coord,
            end_coord,
            resolution: None,
            unit: None,
        };
        written.serialize(serializer)
    }
}

impl JsonSchema for RegionSpec {
    fn schema_name() -> Cow<'static, str> {
        "BBox3D".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let corner = |description: &str| {
            serde_json::json!({
                "type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3, "description": description
            })
        };
        let mut resolution = generator.subschema_for::<Resolution>().to_value();
        if let Some(resolution) = resolution.as_object_mut() {
            resolution.insert(
                "description".into(),
                "the size of the voxels that the coordinates count, in nm".into(),
            );
        }
        json_schema!({
            "type": "object",
            "description": "a box in space",
            "x-otaman": "value",
            "properties": {
                "@type": {"const": TYPE},
                "@version": {"type": "string"},
                "@mode": {"const": "regular"},
                "start_coord": corner("its first corner, in voxels"),
                "end_coord": corner("the corner behind its last one, in voxels"),
                "resolution": resolution,
                "unit": {"const": "nm"}
            },
            "required": ["@type", "start_coord", "end_coord"],
            "additionalProperties": false
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::geometry::{Bounds, Vec3};

    fn read(spec: serde_json::Value) -> Result<Region, String> {
        serde_json::from_value::<RegionSpec>(spec).map(|spec| spec.0).map_err(|error| error.to_string())
    }

    #[test]
    fn coordinates_count_voxels_of_the_resolution_or_nanometres() {
        let spec = json!({"@type": "BBox3D.from_coords", "@version": "0.4", "start_coord": [1024, 0, 3],
            "end_coord": [2048, 10, 5], "resolution": [4.3, 4, 40]});
        let resolution = Resolution::from_nanometres([4.3, 4.0, 40.0]).unwrap();
        let expected = Bounds::new(Vec3::new(1024, 0, 3), Vec3::new(2048, 10, 5));
        assert_eq!(read(spec).unwrap().bounds(resolution), Ok(expected));
        let plain =
            json!({"@type": "BBox3D.from_coords", "start_coord": [0.5, 0, 0], "end_coord": [2, 10, 5]});
        assert_eq!(read(plain).unwrap().to_string(), "[0.5, 0, 0] to [2, 10, 5] nm");
    }

    #[test]
    fn equal_boxes_are_written_alike() {
        let coarse = json!({"@type": "BBox3D.from_coords", "start_coord": [1, 1, 1], "end_coord": [2, 2, 2],
            "resolution": [8, 8, 40]});
        let fine = json!({"@type": "BBox3D.from_coords", "start_coord": [2, 2, 1], "end_coord": [4, 4, 2],
            "resolution": [4, 4, 40]});
        let written = |spec| serde_json::to_value(RegionSpec(read(spec).unwrap())).unwrap();
        assert_eq!(written(coarse.clone()), written(fine));
        assert_eq!(read(written(coarse.clone())), read(coarse));
    }

    #[test]
    fn other_types_units_and_inverted_boxes_are_refused() {
        let spec = |kind: &str, unit: &str| {
            read(json!({"@type": kind, "start_coord": [5, 0, 0], "end_coord": [2, 1, 1], "unit": unit}))
                .unwrap_err()
        };
        assert!(spec("BBox3D.from_slices", "nm").contains("BBox3D.from_coords"));
        assert!(spec("BBox3D.from_coords", "um").contains("in nm, not in \"um\""));
        assert!(spec("BBox3D.from_coords", "nm").contains("a box cannot end before it begins"));
    }
}
