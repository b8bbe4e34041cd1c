//! The value that was never written.

use crate::array::{Array, DataType, Shape};
use crate::geometry::Vec3;

/// The value of what was never written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fill {
    bytes: [u8; 8],
    width: usize,
}

impl Fill {
    /// The value that is made of these bytes, at most 8.
    pub(crate) fn of_bytes(value: &[u8]) -> Self {
        let mut bytes = [0; 8];
        bytes[..value.len()].copy_from_slice(value);
        Self { bytes, width: value.len() }
    }

    /// The value of a type that is nearest to a number.
    pub(crate) fn nearest(data_type: DataType, value: f64) -> Self {
        Self::of_bytes(Array::filled(data_type, Shape::new(1, Vec3::ONE), value).elements().bytes())
    }

    /// As a number; large whole ones lose their last digits.
    pub(crate) fn to_f64(self, data_type: DataType) -> f64 {
        let mut value = Array::zeros(data_type, Shape::new(1, Vec3::ONE));
        value.elements_mut().bytes_mut().copy_from_slice(&self.bytes[..self.width]);
        value.get(0, Vec3::ZERO)
    }

    /// Bytes of one value.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.bytes == [0; 8]
    }

    /// So many bytes of it.
    pub(crate) fn repeated(&self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        if !self.is_zero() {
            for value in bytes.chunks_exact_mut(self.width) {
                value.copy_from_slice(&self.bytes[..self.width]);
            }
        }
        bytes
    }

    /// Whether there is nothing else.
    pub(crate) fn is_all_of(&self, bytes: &[u8]) -> bool {
        if self.is_zero() {
            // A block at a time, so that the machine compares many bytes at once and yet stops early.
            return bytes.chunks(4096).all(|block| block.iter().fold(0, |all, byte| all | byte) == 0);
        }
        bytes.chunks_exact(self.width).all(|value| value == &self.bytes[..self.width])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_filled_is_known_again() {
        for (data_type, value) in [
            (DataType::Uint8, 0.0),
            (DataType::Uint8, 7.0),
            (DataType::Int32, -5.0),
            (DataType::Float64, 0.5),
        ] {
            let fill = Fill::nearest(data_type, value);
            assert_eq!(fill.to_f64(data_type).to_bits(), value.to_bits());
            let mut bytes = fill.repeated(10_000 * data_type.size());
            assert!(fill.is_all_of(&bytes));
            *bytes.last_mut().unwrap() ^= 1;
            assert!(!fill.is_all_of(&bytes));
        }
    }
}
