//! A slice of an array as a picture.

use std::fmt;
use std::str::FromStr;

use png::{BitDepth, ColorType};

use crate::array::{Array, DataType, Element, Elements, with_elements};
use crate::geometry::Vec3;

/// What is shown of an array, and how.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slice {
    /// Across which axis it is cut.
    pub axis: Axis,
    /// Where, counted from the array's first voxel.
    pub index: i64,
    /// One channel alone; by default the only one, or three as red, green and blue.
    pub channel: Option<usize>,
    /// How values become brightness.
    pub shading: Shading,
}

/// How values become brightness.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shading {
    /// `uint8` and `uint16` as they are, other types from their smallest to their largest value in the slice.
    Natural,
    /// From black to white.
    Contrast {
        /// What is black.
        black: f64,
        /// What is white.
        white: f64,
    },
    /// Each whole number has a colour, always the same; 0 is black.
    Labels,
}

/// An axis to cut across.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Axis {
    /// Pictures of y and z.
    X,
    /// Pictures of x and z.
    Y,
    /// Pictures of x and y.
    Z,
}

impl Axis {
    const fn index(self) -> usize {
        match self {
            Self::X => 0,
            Self::Y => 1,
            Self::Z => 2,
        }
    }

    /// The axes of width and height.
    const fn others(self) -> [usize; 2] {
        match self {
            Self::X => [1, 2],
            Self::Y => [0, 2],
            Self::Z => [0, 1],
        }
    }
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(["x", "y", "z"][self.index()])
    }
}

impl FromStr for Axis {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "x" => Ok(Self::X),
            "y" => Ok(Self::Y),
            "z" => Ok(Self::Z),
            _ => Err(Error::Axis(text.into())),
        }
    }
}

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No axis.
    #[error("{0:?} is no axis; there are x, y and z")]
    Axis(String),
    /// Beyond the array.
    #[error("there is no slice {index} across {axis}; there are {count}, the first is 0")]
    Index {
        /// The index.
        index: i64,
        /// Across which axis.
        axis: Axis,
        /// How many slices there are.
        count: i64,
    },
    /// A slice without voxels, or with more than a picture can have.
    #[error("a slice of {width} by {height} voxels is no picture")]
    Size {
        /// Voxels side by side.
        width: i64,
        /// Voxels above one another.
        height: i64,
    },
    /// A channel that there is not.
    #[error("there is no channel {channel}; there are {channels}, the first is 0")]
    Channel {
        /// The channel.
        channel: usize,
        /// How many there are.
        channels: usize,
    },
    /// Channels that are no colours.
    #[error("{0} channels are no picture, only 1 or 3 are; choose one of them")]
    Channels(usize),
    /// White that is not brighter than black.
    #[error(
        "contrast from {black} to {white} shows nothing; the first is black, the second, larger one white"
    )]
    Contrast {
        /// What is black.
        black: f64,
        /// What is white.
        white: f64,
    },
    /// Labels with fractions or several channels.
    #[error("labels are whole numbers of one channel, not {channels} × {data_type}")]
    Labels {
        /// How many channels there are.
        channels: usize,
        /// Of what type.
        data_type: DataType,
    },
    /// The picture cannot be encoded.
    #[error("the picture cannot be encoded")]
    Encoding(#[from] png::EncodingError),
}

impl Slice {
    /// Across z, shown naturally.
    pub fn across_z(index: i64) -> Self {
        Self { axis: Axis::Z, index, channel: None, shading: Shading::Natural }
    }

    /// The slice as a PNG: grey or, of three channels and of labels, in colours. The first voxel is at the top left.
    ///
    /// ```
    /// use volumetric::array::{Array, DataType, Shape};
    /// use volumetric::geometry::Vec3;
    /// use volumetric::picture::Slice;
    ///
    /// let array = Array::generate(DataType::Uint8, Shape::new(1, Vec3::new(4, 3, 2)), |_, voxel| voxel[0] as f64 * 60.0);
    /// let png = Slice::across_z(1).encode(&array)?;
    /// assert!(png.starts_with(b"\x89PNG"));
    /// # Ok::<(), volumetric::picture::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the array has no such slice, or it cannot be shown so.
    pub fn encode(&self, array: &Array) -> Result<Vec<u8>, Error> {
        let size = array.shape().size;
        let count = size[self.axis.index()];
        if !(0..count).contains(&self.index) {
            return Err(Error::Index { index: self.index, axis: self.axis, count });
        }
        let [width, height] = self.axis.others().map(|axis| size[axis]);
        let lengths = [width, height].map(|length| u32::try_from(length).ok().filter(|length| *length > 0));
        let [Some(png_width), Some(png_height)] = lengths else { return Err(Error::Size { width, height }) };
        let (color, depth, data) = self.data(array, self.channels(array)?)?;
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, png_width, png_height);
        encoder.set_color(color);
        encoder.set_depth(depth);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&data)?;
        writer.finish()?;
        Ok(bytes)
    }

    fn channels(&self, array: &Array) -> Result<Vec<usize>, Error> {
        let channels = array.shape().channels;
        match self.channel {
            Some(channel) if channel < channels => Ok(vec![channel]),
            Some(channel) => Err(Error::Channel { channel, channels }),
            None if channels == 1 || channels == 3 => Ok((0..channels).collect()),
            None => Err(Error::Channels(channels)),
        }
    }

    fn data(&self, array: &Array, channels: Vec<usize>) -> Result<(ColorType, BitDepth, Vec<u8>), Error> {
        let data_type = array.data_type();
        let places = self.places(array, &channels);
        let color = if channels.len() == 3 { ColorType::Rgb } else { ColorType::Grayscale };
        let [black, white] = match (self.shading, array.elements()) {
            (Shading::Labels, _) if channels.len() != 1 || data_type.is_float() => {
                return Err(Error::Labels { channels: channels.len(), data_type });
            }
            (Shading::Labels, elements) => {
                let data = with_elements!(elements, values => places.flat_map(|place| colour(values[place])).collect());
                return Ok((ColorType::Rgb, BitDepth::Eight, data));
            }
            (Shading::Natural, Elements::Uint8(values)) => {
                return Ok((color, BitDepth::Eight, places.map(|place| values[place]).collect()));
            }
            (Shading::Natural, Elements::Uint16(values)) => {
                let data = places.flat_map(|place| values[place].to_be_bytes()).collect();
                return Ok((color, BitDepth::Sixteen, data));
            }
            (Shading::Contrast { black, white }, _) if !(black < white && (white - black).is_finite()) => {
                return Err(Error::Contrast { black, white });
            }
            (Shading::Contrast { black, white }, _) => [black, white],
            (Shading::Natural, elements) => {
                let places = self.places(array, &channels);
                with_elements!(elements, values => ends(places.map(|place| values[place].to_f64())))
            }
        };
        let shade = |value: f64| u8::from_f64((value - black) / (white - black) * 255.0);
        let data = with_elements!(array.elements(), values => {
            places.map(|place| shade(values[place].to_f64())).collect()
        });
        Ok((color, BitDepth::Eight, data))
    }

    /// Where the values of the picture stand in the array, row by row, with the colours of a voxel side by side.
    fn places<'a>(&self, array: &'a Array, channels: &'a [usize]) -> impl Iterator<Item = usize> + 'a {
        let (axis, index) = (self.axis.index(), self.index);
        let [across, down] = self.axis.others();
        let size = array.shape().size;
        let voxels = (0..size[down]).flat_map(move |row| (0..size[across]).map(move |column| (row, column)));
        voxels.flat_map(move |(row, column)| {
            channels.iter().map(move |channel| {
                let mut voxel = Vec3::ZERO;
                (voxel[axis], voxel[across], voxel[down]) = (index, column, row);
                array.index(*channel, voxel)
            })
        })
    }
}

/// The smallest and the largest finite value, never equal.
fn ends(values: impl Iterator<Item = f64>) -> [f64; 2] {
    let finite = values.filter(|value| value.is_finite());
    let [least, most] = finite
        .fold([f64::INFINITY, f64::NEG_INFINITY], |[least, most], value| [least.min(value), most.max(value)]);
    if least < most && (most - least).is_finite() {
        [least, most]
    } else {
        [least.min(0.0), least.min(0.0) + 1.0]
    }
}

/// A label's colour: bright, and far from those of its neighbours in number.
fn colour<T: Element>(label: T) -> [u8; 3] {
    if label == T::default() {
        return [0; 3];
    }
    let mut wide = [0; 8];
    let bytes = bytemuck::bytes_of(&label);
    wide[..bytes.len()].copy_from_slice(bytes);
    // SplitMix64: one bit more in the label changes half of the bits here.
    let mut mixed = u64::from_le_bytes(wide).wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    let [hue, _, _, saturation, _, brightness, ..] = (mixed ^ (mixed >> 31)).to_le_bytes().map(f64::from);
    let (hue, saturation, brightness) =
        (hue / 256.0 * 6.0, 0.5 + saturation / 512.0, 150.0 + brightness / 256.0 * 105.0);
    [5.0, 3.0, 1.0].map(|offset: f64| {
        let place = (offset + hue) % 6.0;
        let part = place.min(4.0 - place).clamp(0.0, 1.0);
        u8::from_f64(brightness * (1.0 - saturation * part))
    })
}
