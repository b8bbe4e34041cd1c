//! How the values of a precomputed chunk are encoded.

use bytes::Bytes;

use crate::geometry::Vec3;
use crate::layer::precomputed::segmentation;

/// How the values of a chunk are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// As they are, x fastest, then y, z, channels.
    Raw,
    /// Blocks of few different labels each; only read.
    CompressedSegmentation {
        /// The size of a block.
        block: Vec3,
    },
}

impl Encoding {
    /// By its name in an `info`, or why it cannot be used.
    pub(super) fn of(name: &str, block: Option<Vec3>, width: usize) -> Result<Self, String> {
        match name {
            "raw" => Ok(Self::Raw),
            "compressed_segmentation" => {
                let block = block.ok_or("compressed_segmentation_block_size is missing")?;
                if !block.all(Vec3::ZERO, |size, zero| size > zero && size <= 1024) {
                    return Err(format!("compressed_segmentation_block_size cannot be {block}"));
                }
                if !matches!(width, 4 | 8) {
                    return Err("compressed_segmentation is for uint32 and uint64 alone".into());
                }
                Ok(Self::CompressedSegmentation { block })
            }
            "jpeg" | "png" | "jxl" | "compresso" | "crackle" | "fpzip" | "zfpc" | "kempressed" => {
                Err(format!(
                    "its chunks are encoded as {name}, which is not built in; have them as \"raw\" (CloudVolume can \
                 rewrite a layer)"
                ))
            }
            other => Err(format!("there is no encoding {other:?}; write \"raw\"")),
        }
    }

    pub(super) fn why_not_written(self) -> Option<String> {
        match self {
            Self::Raw => None,
            Self::CompressedSegmentation { .. } => Some(
                "chunks are not encoded as compressed_segmentation; make a layer with info_encoding \"raw\""
                    .into(),
            ),
        }
    }

    /// How many bytes a chunk can have at most, of values of so many bytes.
    pub(super) fn most_bytes(self, values: usize) -> usize {
        match self {
            Self::Raw => values,
            // A table with one entry for each value, as many indices, and headers.
            Self::CompressedSegmentation { .. } => values * 3 + (1 << 16),
        }
    }

    /// The values, or why there are none.
    pub(super) fn decode(
        self,
        bytes: Bytes,
        size: Vec3,
        channels: usize,
        width: usize,
    ) -> Result<Bytes, String> {
        let [x, y, z] = size.0.map(|length| usize::try_from(length).unwrap_or_default());
        let expected = x * y * z * channels * width;
        match self {
            Self::Raw if bytes.len() == expected => Ok(bytes),
            Self::Raw => Err(format!("it has {} bytes instead of {expected}", bytes.len())),
            Self::CompressedSegmentation { block } => {
                let block = block.0.map(|length| usize::try_from(length).unwrap_or_default());
                segmentation::decode(&bytes, [x, y, z], block, channels, width)
                    .map(Bytes::from)
                    .ok_or_else(|| "it is no compressed segmentation of its size".to_owned())
            }
        }
    }
}
