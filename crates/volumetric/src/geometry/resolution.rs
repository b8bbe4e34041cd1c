//! How large a voxel is.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::geometry::Error;

/// Femtometres in a nanometre. With six decimals the lengths in use are whole numbers.
const FEMTOMETRES: f64 = 1e6;

/// How large a voxel is along x, y and z. Written in nanometres, `[4, 4, 40]`; kept in whole femtometres.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Resolution([i64; 3]);

impl Resolution {
    /// Of three lengths in nanometres.
    ///
    /// # Errors
    /// If one is not above zero, or has more than six decimals.
    pub fn from_nanometres(lengths: [f64; 3]) -> Result<Self, Error> {
        let mut femtometres = [0; 3];
        for (length, place) in lengths.into_iter().zip(&mut femtometres) {
            *place = to_femtometres(length)?;
            if *place <= 0 {
                return Err(Error::Resolution(length));
            }
        }
        Ok(Self(femtometres))
    }

    /// Of three lengths in femtometres, all above zero.
    ///
    /// # Panics
    /// If one is not.
    pub fn from_femtometres(lengths: [i64; 3]) -> Self {
        assert!(lengths.iter().all(|length| *length > 0), "a voxel has an extent");
        Self(lengths)
    }

    /// In femtometres.
    pub const fn femtometres(self) -> [i64; 3] {
        self.0
    }

    /// How much space a voxel takes, in cubic nanometres, rounded to the nearest float; in whole femtometres it would not
    /// fit any number.
    pub fn voxel_volume(self) -> f64 {
        self.nanometres().iter().product()
    }

    /// In nanometres, rounded to the nearest float.
    pub fn nanometres(self) -> [f64; 3] {
        self.0.map(to_nanometres)
    }
}

/// A length in nanometres as whole femtometres.
pub(crate) fn to_femtometres(nanometres: f64) -> Result<i64, Error> {
    let femtometres = nanometres * FEMTOMETRES;
    let whole = femtometres.round();
    // A float near a whole number of femtometres is meant to be that number.
    let close = (femtometres - whole).abs() <= 1e-3_f64.max(whole.abs() * 1e-15);
    if !close || whole.abs() > 9.2e18 {
        return Err(Error::Length(nanometres));
    }
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and fits")]
    Ok(whole as i64)
}

#[expect(clippy::cast_precision_loss, reason = "for people and for files that hold floats")]
pub(crate) fn to_nanometres(femtometres: i64) -> f64 {
    femtometres as f64 / FEMTOMETRES
}

impl fmt::Display for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [x, y, z] = self.nanometres();
        write!(f, "{x} × {y} × {z} nm")
    }
}

impl Serialize for Resolution {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.nanometres().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Resolution {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_nanometres(Deserialize::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Resolution {
    fn schema_name() -> Cow<'static, str> {
        "Resolution".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "array", "minItems": 3, "maxItems": 3,
            "items": {"type": "number", "exclusiveMinimum": 0},
            "description": "the size of a voxel along x, y and z in nm"
        })
    }
}
