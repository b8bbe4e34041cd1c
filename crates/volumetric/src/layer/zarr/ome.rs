//! OME-Zarr: which arrays of a group are the scales of one image, how large their voxels are and where they begin.

use serde_json::{Map, Value as Json, json};

use crate::geometry::{Resolution, Vec3};
use crate::layer::zarr::axes::{Axes, Axis};

type Object = Map<String, Json>;

/// What an image's metadata say.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Image {
    pub(super) axes: Axes,
    pub(super) scales: Vec<ImageScale>,
}

/// One of its scales.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ImageScale {
    /// Where the array is, from the group.
    pub(super) path: String,
    pub(super) resolution: Resolution,
    /// Where its first voxel is, in its voxels; or what is wrong with that.
    pub(super) offset: Result<Vec3, String>,
}

/// The `multiscales` of a group's attributes, of format 0.5 or earlier.
pub(super) fn multiscales(attributes: &Object) -> Option<&Json> {
    let image = attributes.get("ome").and_then(|ome| ome.get("multiscales"));
    image.or_else(|| attributes.get("multiscales"))?.get(0)
}

impl Image {
    /// What `multiscales` say. `finest` is the finest resolution if that is known from elsewhere.
    pub(super) fn understand(multiscales: &Json, finest: Option<Resolution>) -> Result<Self, String> {
        let fields: Vec<&Json> =
            multiscales.get("axes").and_then(Json::as_array).ok_or("it has no axes")?.iter().collect();
        let names: String = fields
            .iter()
            .map(|axis| axis.get("name").unwrap_or(axis).as_str().unwrap_or("?"))
            .collect::<Vec<_>>()
            .concat();
        let axes: Axes = names.parse().map_err(|reason| format!("its axes cannot be used: {reason}"))?;
        let mut units = Vec::new();
        for (field, axis) in fields.iter().zip(&axes.0) {
            units.push(match (axis, field.get("unit").and_then(Json::as_str)) {
                (Axis::Space(_), Some(unit)) => Some(nanometres(unit)?),
                (Axis::Space(_), None) => None,
                (Axis::T | Axis::C, _) => Some(1.0),
            });
        }
        let datasets = multiscales.get("datasets").and_then(Json::as_array).ok_or("it has no datasets")?;
        let common = Transformation::read(multiscales, axes.0.len())?
            .unwrap_or_else(|| Transformation::none(axes.0.len()));
        let mut all = Vec::new();
        for dataset in datasets {
            let path = dataset.get("path").and_then(Json::as_str).ok_or("a dataset has no path")?;
            let own = Transformation::read(dataset, axes.0.len())?.ok_or_else(|| {
                format!("dataset {path:?} has no coordinateTransformations, so its resolution is not known")
            })?;
            all.push((path.to_owned(), own.then(&common)));
        }
        all.sort_by(|(_, one), (_, other)| one.volume(&axes).total_cmp(&other.volume(&axes)));
        let Some((_, first)) = all.first() else { return Err("it has no datasets".into()) };
        // How many nanometres a unit of each axis has.
        let scale_of = |transformation: &Transformation| axes.pick_space(&transformation.scale, 1.0);
        let factors: [f64; 3] = match finest {
            Some(finest) => {
                let (shall, is) = (finest.nanometres(), scale_of(first));
                std::array::from_fn(|axis| shall[axis] / is[axis])
            }
            None => {
                let units = axes.pick_space(&units, Some(1.0));
                if units.contains(&None) {
                    return Err(
                        "its axes have no unit; give \"resolution\", that of the finest scale in nm".into()
                    );
                }
                units.map(Option::unwrap_or_default)
            }
        };
        let lengths = |transformation: &Transformation| -> Result<Resolution, String> {
            let scale = scale_of(transformation);
            let lengths = std::array::from_fn(|axis| to_femtometre(scale[axis] * factors[axis]));
            Resolution::from_nanometres(lengths).map_err(|error| error.to_string())
        };
        let finest = lengths(first)?;
        let scales = all
            .iter()
            .map(|(path, transformation)| {
                let resolution = lengths(transformation)?;
                let translation = axes.pick_space(&transformation.translation, 0.0);
                let at = std::array::from_fn(|axis| translation[axis] * factors[axis]);
                Ok(ImageScale { path: path.clone(), resolution, offset: offset(at, resolution, finest) })
            })
            .collect::<Result<Vec<_>, String>>()?;
        Ok(Self { axes, scales })
    }

    /// As `multiscales` of a format's version.
    pub(super) fn write(&self, version: &str, name: &str) -> Json {
        let axes: Vec<Json> = self
            .axes
            .0
            .iter()
            .map(|axis| match axis {
                Axis::T => json!({"name": "t", "type": "time"}),
                Axis::C => json!({"name": "c", "type": "channel"}),
                Axis::Space(_) => json!({"name": axis.name(), "type": "space", "unit": "nanometer"}),
            })
            .collect();
        let finest = self.scales.first().map(|scale| scale.resolution);
        let datasets: Vec<Json> = self
            .scales
            .iter()
            .map(|scale| {
                let lengths = scale.resolution.nanometres();
                let finest = finest.unwrap_or(scale.resolution).nanometres();
                let offset = scale.offset.clone().unwrap_or_default();
                let size = self.axes.spread(|axis| match axis {
                    Axis::T | Axis::C => 1.0,
                    Axis::Space(axis) => lengths[axis],
                });
                // The place of a voxel is that of its centre; the finest scale's first voxel is where its corner is.
                #[expect(clippy::cast_precision_loss, reason = "files hold floats")]
                let at = self.axes.spread(|axis| match axis {
                    Axis::T | Axis::C => 0.0,
                    Axis::Space(axis) => {
                        offset[axis] as f64 * lengths[axis] + (lengths[axis] - finest[axis]) / 2.0
                    }
                });
                json!({"path": scale.path, "coordinateTransformations": [
                    {"type": "scale", "scale": size}, {"type": "translation", "translation": at}
                ]})
            })
            .collect();
        let mut image = Object::new();
        if version == "0.4" {
            image.insert("version".into(), version.into());
        }
        image.insert("name".into(), name.into());
        image.insert("axes".into(), axes.into());
        image.insert("datasets".into(), datasets.into());
        Json::Array(vec![image.into()])
    }
}

/// Where a scale's first voxel is, in its voxels. Some writers give the place of the voxel's corner; others, as the
/// format wants, that of its centre, so that coarser scales are moved by half of what their voxels are larger.
fn offset(at: [f64; 3], resolution: Resolution, finest: Resolution) -> Result<Vec3, String> {
    let (lengths, finest) = (resolution.nanometres(), finest.nanometres());
    let mut offset = Vec3::ZERO;
    for axis in 0..3 {
        let corner = at[axis] / lengths[axis];
        let centre = (at[axis] - (lengths[axis] - finest[axis]) / 2.0) / lengths[axis];
        let whole = [corner, centre].into_iter().find(|place| (place - place.round()).abs() < 1e-4);
        #[expect(clippy::cast_possible_truncation, reason = "casts of floats saturate")]
        match whole {
            Some(place) => offset[axis] = place.round() as i64,
            None => {
                return Err(format!(
                    "its translation of {} nm along {} is not made of whole voxels of {} nm",
                    at[axis],
                    ["x", "y", "z"][axis],
                    lengths[axis]
                ));
            }
        }
    }
    Ok(offset)
}

/// The nearest whole femtometre: products of floats miss it by a little.
fn to_femtometre(nanometres: f64) -> f64 {
    (nanometres * 1e6).round() / 1e6
}

/// Scale, then translation, for each axis.
#[derive(Debug, Clone)]
struct Transformation {
    scale: Vec<f64>,
    translation: Vec<f64>,
}

impl Transformation {
    fn none(rank: usize) -> Self {
        Self { scale: vec![1.0; rank], translation: vec![0.0; rank] }
    }

    /// The `coordinateTransformations` of an object, if it has any.
    fn read(object: &Json, rank: usize) -> Result<Option<Self>, String> {
        let Some(list) = object.get("coordinateTransformations").and_then(Json::as_array) else {
            return Ok(None);
        };
        let mut all = Self::none(rank);
        for step in list {
            let numbers = |name: &str| -> Result<Vec<f64>, String> {
                let numbers: Option<Vec<f64>> = step
                    .get(name)
                    .and_then(Json::as_array)
                    .map(|list| list.iter().filter_map(Json::as_f64).collect());
                numbers
                    .filter(|numbers| {
                        numbers.len() == rank && numbers.iter().all(|number| number.is_finite())
                    })
                    .ok_or_else(|| format!("a {name} is not a list of {rank} numbers: {step}"))
            };
            let mut next = Self::none(rank);
            match step.get("type").and_then(Json::as_str) {
                Some("identity") => {}
                Some("scale") => next.scale = numbers("scale")?,
                Some("translation") => next.translation = numbers("translation")?,
                _ => return Err(format!("its transformation cannot be used: {step}")),
            }
            all = all.then(&next);
        }
        if all.scale.iter().any(|scale| *scale <= 0.0) {
            return Err("a scale is not above 0".into());
        }
        Ok(Some(all))
    }

    fn then(&self, next: &Self) -> Self {
        let both = |one: &[f64], other: &[f64], make: fn(f64, f64) -> f64| {
            one.iter().zip(other).map(|(one, other)| make(*one, *other)).collect::<Vec<_>>()
        };
        let moved = both(&self.translation, &next.scale, |place, scale| place * scale);
        Self {
            scale: both(&self.scale, &next.scale, |one, other| one * other),
            translation: both(&moved, &next.translation, |one, other| one + other),
        }
    }

    fn volume(&self, axes: &Axes) -> f64 {
        axes.pick_space(&self.scale, 1.0).iter().product()
    }
}

/// How many nanometres a unit of the format has.
fn nanometres(unit: &str) -> Result<f64, String> {
    Ok(match unit {
        "angstrom" => 0.1,
        "nanometer" | "nm" => 1.0,
        "micrometer" | "micron" | "um" | "µm" => 1e3,
        "millimeter" | "mm" => 1e6,
        "centimeter" | "cm" => 1e7,
        "meter" | "m" => 1e9,
        "picometer" => 1e-3,
        "femtometer" => 1e-6,
        other => {
            return Err(format!(
                "its unit {other:?} is not known; give \"resolution\", that of the finest scale in nm"
            ));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolution(lengths: [f64; 3]) -> Resolution {
        Resolution::from_nanometres(lengths).unwrap()
    }

    #[test]
    fn what_is_written_is_read_again() {
        let scale = |path: &str, lengths, offset: [i64; 3]| ImageScale {
            path: path.into(),
            resolution: resolution(lengths),
            offset: Ok(Vec3(offset)),
        };
        let image = Image {
            axes: "czyx".parse().unwrap(),
            scales: vec![
                scale("0", [4.0, 4.0, 40.0], [16, -8, 0]),
                scale("1", [8.0, 8.0, 40.0], [8, -4, 0]),
                scale("2", [16.0, 16.0, 80.0], [4, -2, 1]),
            ],
        };
        let written = image.write("0.5", "a");
        assert_eq!(Image::understand(&written[0], None).unwrap(), image);
    }

    #[test]
    fn units_and_both_conventions_of_places_are_understood() {
        let image = |axes: Json, place: f64| {
            json!({"axes": axes, "coordinateTransformations": [{"type": "scale", "scale": [1.0, 2.0, 2.0]}], "datasets": [
                {"path": "a", "coordinateTransformations": [{"type": "scale", "scale": [0.04, 0.002, 0.002]}]},
                {"path": "b", "coordinateTransformations": [
                    {"type": "scale", "scale": [0.04, 0.004, 0.004]},
                    {"type": "translation", "translation": [0.0, place, place]}
                ]},
            ]})
        };
        let axis = |name| json!({"name": name, "type": "space", "unit": "micrometer"});
        let axes = json!([axis("z"), axis("y"), axis("x")]);
        for (place, offset) in [(0.0, 0), (0.001, 0), (0.008, 2), (0.009, 2)] {
            let read = Image::understand(&image(axes.clone(), place), None).unwrap();
            assert_eq!(read.scales[0].resolution, resolution([4.0, 4.0, 40.0]));
            assert_eq!(read.scales[1].resolution, resolution([8.0, 8.0, 40.0]));
            assert_eq!(read.scales[1].offset, Ok(Vec3::new(offset, offset, 0)), "{place}");
        }
        let read = Image::understand(&image(axes, 0.0013), None).unwrap();
        assert!(read.scales[1].offset.clone().unwrap_err().contains("whole voxels"));
        let read = Image::understand(&image(json!(["z", "y", "x"]), 0.0), None).unwrap_err();
        assert!(read.contains("no unit"), "{read}");
        let finest = resolution([10.0, 10.0, 50.0]);
        let read = Image::understand(&image(json!(["z", "y", "x"]), 0.0), Some(finest)).unwrap();
        assert_eq!(read.scales[1].resolution, resolution([20.0, 20.0, 50.0]));
    }

    #[test]
    fn images_that_cannot_be_used_are_refused_with_the_reason() {
        for (image, reason) in [
            (json!({}), "no axes"),
            (json!({"axes": ["q", "y", "x"]}), "axes cannot be used"),
            (json!({"axes": [{"name": "y", "unit": "parsec"}, {"name": "x"}], "datasets": []}), "parsec"),
            (json!({"axes": ["y", "x"], "datasets": [{"path": "0"}]}), "no coordinateTransformations"),
            (
                json!({"axes": ["y", "x"], "datasets": [{"path": "0", "coordinateTransformations": [{"type": "affine"}]}]}),
                "cannot be used",
            ),
        ] {
            let error = Image::understand(&image, None).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}
