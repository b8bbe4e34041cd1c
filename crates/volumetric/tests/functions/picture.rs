//! Slices as pictures, decoded again.

use volumetric::array::{Array, DataType, Shape};
use volumetric::geometry::Vec3;
use volumetric::picture::{Axis, Shading, Slice};

use crate::world::row;

struct Picture {
    size: (u32, u32),
    color: png::ColorType,
    depth: png::BitDepth,
    data: Vec<u8>,
}

fn decode(bytes: &[u8]) -> Picture {
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
    let mut data = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut data).unwrap();
    data.truncate(info.buffer_size());
    Picture { size: (info.width, info.height), color: info.color_type, depth: info.bit_depth, data }
}

fn slice(axis: Axis, index: i64, shading: Shading) -> Slice {
    Slice { axis, index, channel: None, shading }
}

fn volume(data_type: DataType, channels: usize) -> Array {
    Array::generate(data_type, Shape::new(channels, Vec3::new(4, 3, 2)), |channel, voxel| {
        (channel as i64 * 100 + voxel[0] + 10 * voxel[1] + 50 * voxel[2]) as f64
    })
}

#[test]
fn slices_are_cut_across_each_axis() {
    let array = volume(DataType::Uint8, 1);
    for (axis, index, size, expected) in [
        (Axis::Z, 1, (4, 3), vec![50, 51, 52, 53, 60, 61, 62, 63, 70, 71, 72, 73]),
        (Axis::Y, 2, (4, 2), vec![20, 21, 22, 23, 70, 71, 72, 73]),
        (Axis::X, 3, (3, 2), vec![3, 13, 23, 53, 63, 73]),
    ] {
        let picture = decode(&slice(axis, index, Shading::Natural).encode(&array).unwrap());
        assert_eq!((picture.size, picture.data), (size, expected), "{axis}");
        assert_eq!((picture.color, picture.depth), (png::ColorType::Grayscale, png::BitDepth::Eight));
        assert_eq!(axis.to_string().parse::<Axis>().unwrap(), axis);
    }
}

#[test]
fn wide_values_keep_their_digits_and_others_are_stretched() {
    let picture = decode(&Slice::across_z(0).encode(&row(&[0_u16, 258, 65535])).unwrap());
    assert_eq!((picture.depth, picture.data), (png::BitDepth::Sixteen, vec![0, 0, 1, 2, 255, 255]));
    let picture = decode(&Slice::across_z(0).encode(&row(&[-1.0_f32, 0.0, 1.0, f32::NAN])).unwrap());
    assert_eq!((picture.depth, picture.data), (png::BitDepth::Eight, vec![0, 128, 255, 0]));
    let picture = decode(&Slice::across_z(0).encode(&row(&[7_i32, 7])).unwrap());
    assert_eq!(picture.data.len(), 2);
    let contrast = slice(Axis::Z, 0, Shading::Contrast { black: 10.0, white: 20.0 });
    let picture = decode(&contrast.encode(&row(&[5_u8, 10, 15, 20, 25])).unwrap());
    assert_eq!(picture.data, [0, 0, 128, 255, 255]);
}

#[test]
fn three_channels_are_colours_and_one_may_be_chosen() {
    let array = volume(DataType::Uint8, 3);
    let picture = decode(&Slice::across_z(0).encode(&array).unwrap());
    assert_eq!(picture.color, png::ColorType::Rgb);
    assert_eq!(picture.data[..6], [0, 100, 200, 1, 101, 201]);
    let green = Slice { channel: Some(1), ..Slice::across_z(0) };
    assert_eq!(decode(&green.encode(&array).unwrap()).data[..4], [100, 101, 102, 103]);
}

#[test]
fn labels_have_colours_of_their_own() {
    let labels = row(&[0_u64, 1, 2, 1, (1 << 60) + 1, 1 << 60]);
    let picture = decode(&slice(Axis::Z, 0, Shading::Labels).encode(&labels).unwrap());
    let colours: Vec<&[u8]> = picture.data.chunks(3).collect();
    assert_eq!(colours[0], [0, 0, 0]);
    assert_eq!(colours[1], colours[3]);
    assert_ne!(colours[1], colours[2]);
    assert_ne!(colours[4], colours[5]);
    // Another type, another run: the same colours.
    let picture = decode(&slice(Axis::Z, 0, Shading::Labels).encode(&row(&[1_u8, 2])).unwrap());
    assert_eq!(picture.data, [colours[1], colours[2]].concat());
    let bright = picture.data.chunks(3).all(|colour| colour.iter().max().unwrap() >= &150);
    assert!(bright, "{:?}", picture.data);
}

#[test]
fn what_is_no_picture_is_refused() {
    let array = volume(DataType::Uint8, 1);
    let labels = Shading::Labels;
    for (array, slice, message) in [
        (&array, Slice::across_z(2), "there is no slice 2 across z; there are 2, the first is 0"),
        (&array, slice(Axis::X, -1, labels), "there is no slice -1 across x; there are 4, the first is 0"),
        (
            &volume(DataType::Uint8, 2),
            Slice::across_z(0),
            "2 channels are no picture, only 1 or 3 are; choose one of them",
        ),
        (
            &array,
            Slice { channel: Some(1), ..Slice::across_z(0) },
            "there is no channel 1; there are 1, the first is 0",
        ),
        (
            &volume(DataType::Float32, 1),
            slice(Axis::Z, 0, labels),
            "labels are whole numbers of one channel, not 1 × float32",
        ),
        (
            &array,
            slice(Axis::Z, 0, Shading::Contrast { black: 2.0, white: 1.0 }),
            "contrast from 2 to 1 shows nothing; the first is black, the second, larger one white",
        ),
        (
            &Array::zeros(DataType::Uint8, Shape::new(1, Vec3::new(0, 2, 2))),
            Slice::across_z(0),
            "a slice of 0 by 2 voxels is no picture",
        ),
    ] {
        assert_eq!(slice.encode(array).unwrap_err().to_string(), message);
    }
    assert_eq!("w".parse::<Axis>().unwrap_err().to_string(), "\"w\" is no axis; there are x, y and z");
}
