//! Decodes Neuroglancer's compressed segmentations: blocks, each with a table of its labels and indices into it.

/// The labels, x fastest, then y, z, channels; nothing if the bytes are no such segmentation.
pub(super) fn decode(
    bytes: &[u8],
    size: [usize; 3],
    block: [usize; 3],
    channels: usize,
    width: usize,
) -> Option<Vec<u8>> {
    let voxels = size.iter().product::<usize>();
    let mut values = vec![0; voxels * channels * width];
    for (channel, values) in values.chunks_exact_mut((voxels * width).max(1)).enumerate() {
        // Offsets count words of 32 bits.
        let start = usize::try_from(word(bytes, channel)?).ok()?;
        decode_channel(bytes.get(start * 4..)?, size, block, width, values)?;
    }
    Some(values)
}

fn word(bytes: &[u8], index: usize) -> Option<u32> {
    let start = index.checked_mul(4)?;
    Some(u32::from_le_bytes(bytes.get(start..start.checked_add(4)?)?.try_into().ok()?))
}

fn decode_channel(
    bytes: &[u8],
    size: [usize; 3],
    block: [usize; 3],
    width: usize,
    values: &mut [u8],
) -> Option<()> {
    let blocks: [usize; 3] = std::array::from_fn(|axis| size[axis].div_ceil(block[axis]));
    for number in 0..blocks.iter().product::<usize>() {
        let at = [number % blocks[0], number / blocks[0] % blocks[1], number / blocks[0] / blocks[1]];
        let first: [usize; 3] = std::array::from_fn(|axis| at[axis] * block[axis]);
        let last: [usize; 3] = std::array::from_fn(|axis| (first[axis] + block[axis]).min(size[axis]));
        // 24 bits of the table's offset, then 8 of how many bits an index has; then the indices' offset.
        let header = word(bytes, number * 2)?;
        let (table, bits) = (header & 0x00ff_ffff, header >> 24);
        let indices = usize::try_from(word(bytes, number * 2 + 1)?).ok()?;
        if !matches!(bits, 0 | 1 | 2 | 4 | 8 | 16 | 32) {
            return None;
        }
        let table = bytes.get(usize::try_from(table).ok()? * 4..)?;
        let bits = bits as usize;
        for z in first[2]..last[2] {
            for y in first[1]..last[1] {
                let row = (z * size[1] + y) * size[0];
                for x in first[0]..last[0] {
                    let index = if bits == 0 {
                        0
                    } else {
                        let place = (x - first[0]) + block[0] * ((y - first[1]) + block[1] * (z - first[2]));
                        let bit = place * bits;
                        let word = word(bytes, indices + bit / 32)?;
                        let mask = u32::MAX >> (32 - bits);
                        usize::try_from(word >> (bit % 32) & mask).ok()?
                    };
                    let label = table.get(index * width..(index + 1) * width)?;
                    values[(row + x) * width..(row + x + 1) * width].copy_from_slice(label);
                }
            }
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_decoded_by_their_own_tables() {
        // 3 × 1 × 1 labels of 64 bits in blocks of 2 × 1 × 1: the first has 7 and 9 by indices of one bit, the second
        // has 5 by none. Words: the channel's offset; two headers; indices of the first block; its table; the other.
        let words: [u32; 12] = [1, 5 | 1 << 24, 4, 9, 0, 0b10, 7, 0, 9, 0, 5, 0];
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let labels = decode(&bytes, [3, 1, 1], [2, 1, 1], 1, 8).unwrap();
        let expected: Vec<u8> = [7_u64, 9, 5].iter().flat_map(|label| label.to_le_bytes()).collect();
        assert_eq!(labels, expected);
        for length in 0..bytes.len() {
            assert_eq!(decode(&bytes[..length], [3, 1, 1], [2, 1, 1], 1, 8), None, "{length}");
        }
    }
}
