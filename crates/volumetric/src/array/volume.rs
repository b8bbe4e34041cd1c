//! A piece of a volume in memory.

use crate::array::{DataType, Element, Elements, Placed, Shape, copy_box, with_elements};
use crate::geometry::{Bounds, Vec3};

/// A piece of a volume in memory: values of one type, x fastest, then y, z, channels.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    shape: Shape,
    elements: Elements,
}

impl Array {
    /// Of values in their order.
    ///
    /// # Panics
    /// If there are more or fewer than the shape has places.
    pub fn new(shape: Shape, elements: Elements) -> Self {
        assert_eq!(elements.len(), shape.count(), "as many values as the shape {shape} has places");
        Self { shape, elements }
    }

    /// Of zeros.
    pub fn zeros(data_type: DataType, shape: Shape) -> Self {
        Self { shape, elements: Elements::zeros(data_type, shape.count()) }
    }

    /// Of one value all over, rounded to the type.
    pub fn filled(data_type: DataType, shape: Shape, value: f64) -> Self {
        fn fill<T: Element>(values: &mut [T], value: f64) {
            values.fill(T::from_f64(value));
        }
        let mut array = Self::zeros(data_type, shape);
        with_elements!(&mut array.elements, values => fill(values, value));
        array
    }

    /// Of a function of channel and voxel, rounded to the type.
    pub fn generate(data_type: DataType, shape: Shape, mut value: impl FnMut(usize, Vec3) -> f64) -> Self {
        fn fill<T: Element>(values: &mut [T], shape: Shape, value: &mut impl FnMut(usize, Vec3) -> f64) {
            let [channels, ..] = shape.extents();
            let mut places = values.iter_mut();
            for channel in 0..channels {
                for z in 0..shape.size[2] {
                    for y in 0..shape.size[1] {
                        for x in 0..shape.size[0] {
                            if let Some(place) = places.next() {
                                *place = T::from_f64(value(channel, Vec3::new(x, y, z)));
                            }
                        }
                    }
                }
            }
        }
        let mut array = Self::zeros(data_type, shape);
        with_elements!(&mut array.elements, values => fill(values, shape, &mut value));
        array
    }

    /// How many values it has along each axis.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Of what type its values are.
    pub fn data_type(&self) -> DataType {
        self.elements.data_type()
    }

    /// Its values in their order.
    pub fn elements(&self) -> &Elements {
        &self.elements
    }

    /// Its values in their order, to be changed; their type and number stay.
    pub fn elements_mut(&mut self) -> &mut Elements {
        &mut self.elements
    }

    /// Its values alone.
    pub fn into_elements(self) -> Elements {
        self.elements
    }

    /// Where in the row a value stands.
    pub fn index(&self, channel: usize, voxel: Vec3) -> usize {
        let [_, nx, ny, nz] = self.shape.extents();
        #[expect(
            clippy::cast_sign_loss,
            clippy::cast_possible_truncation,
            reason = "voxels of an array are not negative"
        )]
        let [x, y, z] = voxel.0.map(|place| place as usize);
        x + nx * (y + ny * (z + nz * channel))
    }

    /// One value as a float.
    pub fn get(&self, channel: usize, voxel: Vec3) -> f64 {
        let index = self.index(channel, voxel);
        with_elements!(&self.elements, values => values[index].to_f64())
    }

    /// The same values converted to another type: rounded half to even, cut at the ends of its range.
    #[must_use]
    pub fn converted(&self, data_type: DataType) -> Self {
        fn convert<T: Element, U: Element>(from: &[T], to: &mut [U]) {
            for (from, to) in from.iter().zip(to) {
                *to = U::from_f64(from.to_f64());
            }
        }
        if data_type == self.data_type() {
            return self.clone();
        }
        let mut array = Self::zeros(data_type, self.shape);
        with_elements!(&self.elements, from => with_elements!(&mut array.elements, to => convert(from, to)));
        array
    }

    /// A part of it. `bounds` are relative to its first voxel.
    ///
    /// # Panics
    /// If the part is not inside.
    #[must_use]
    pub fn part(&self, bounds: Bounds) -> Self {
        let mut part = Self::zeros(self.data_type(), Shape::new(self.shape.channels, bounds.size()));
        part.paste(self, bounds, Vec3::ZERO);
        part
    }

    /// Copies a part of another array of the same type and number of channels to `at`.
    ///
    /// # Panics
    /// If types or channels differ, or a part is not inside its array.
    pub fn paste(&mut self, from: &Self, bounds: Bounds, at: Vec3) {
        let inside = |shape: Shape, bounds: &Bounds| Bounds::at(Vec3::ZERO, shape.size).contains(bounds);
        assert!(inside(from.shape, &bounds), "{bounds} is inside {}", from.shape);
        assert!(
            inside(self.shape, &Bounds::at(at, bounds.size())),
            "{bounds} at {at} is inside {}",
            self.shape
        );
        assert_eq!(self.data_type(), from.data_type(), "only equal types are copied");
        assert_eq!(self.shape.channels, from.shape.channels, "only equal numbers of channels are copied");
        let (channels, width) = (self.shape.channels, self.data_type().size());
        let to = Bounds::at(bounds.start - at, self.shape.size);
        let from_bounds = Bounds::at(Vec3::ZERO, from.shape.size);
        copy_box(
            Placed { bytes: from.elements.bytes(), bounds: from_bounds },
            Placed { bytes: self.elements.bytes_mut(), bounds: to },
            bounds,
            channels,
            width,
        );
    }
}
