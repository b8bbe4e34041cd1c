//! Volumes that other programs have written.
//!
//! Made once by CloudVolume 12.15.2, zarr-python 3.1.6 and TensorStore 0.1.86, in this directory, by
//! ```python
//! import numpy, zarr, numcodecs, tensorstore
//! from cloudvolume import CloudVolume
//! x, y, z, c = numpy.meshgrid(range(5), range(4), range(3), range(2), indexing='ij')
//! v = ((x * 3 + y * 17 + z * 41 + c * 61) % 127).astype('uint16')
//! info = CloudVolume.create_new_info(
//!     2, 'image', 'uint16', 'raw', [4, 4, 40], [0, 0, 0], [5, 4, 3], chunk_size=[4, 4, 2])
//! cv = CloudVolume('file://golden/precomputed', info=info, compress='gzip')
//! cv.commit_info(); cv[:] = v
//! tensorstore.open({
//!     'driver': 'neuroglancer_precomputed', 'kvstore': {'driver': 'file', 'path': 'golden/sharded'}, 'create': True,
//!     'multiscale_metadata': {'data_type': 'uint16', 'num_channels': 2, 'type': 'image'},
//!     'scale_metadata': {
//!         'size': [5, 4, 3], 'encoding': 'raw', 'resolution': [4, 4, 40], 'chunk_size': [2, 2, 2], 'sharding': {
//!             '@type': 'neuroglancer_uint64_sharded_v1', 'preshift_bits': 1, 'hash': 'murmurhash3_x86_128',
//!             'minishard_bits': 1, 'shard_bits': 1, 'minishard_index_encoding': 'gzip', 'data_encoding': 'gzip'}}
//! }).result().write(v).result()
//! zarr.create_array('golden/zarr2', shape=(2, 3, 4, 5), chunks=(1, 2, 2, 4), dtype='>u2', zarr_format=2, order='F',
//!     compressors=numcodecs.Blosc('lz4'), fill_value=9)[:] = v.transpose(3, 2, 1, 0)
//! zarr.create_array('golden/zarr3', shape=(2, 3, 4, 5), chunks=(1, 2, 2, 2), shards=(2, 4, 4, 4), dtype='uint16',
//!     compressors=zarr.codecs.ZstdCodec(level=3, checksum=True), fill_value=9)[:] = v.transpose(3, 2, 1, 0)
//! ```

use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};
use volumetric::array::DataType;
use volumetric::geometry::Vec3;

use crate::support::{assert_says, bounds, open, resolution, values};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/layers/golden").join(name)
}

fn layers() -> [Json; 4] {
    [
        json!({"@type": "build_cv_layer", "path": path("precomputed")}),
        json!({"@type": "build_cv_layer", "path": path("sharded")}),
        json!({"@type": "build_zarr_layer", "path": path("zarr2"), "resolution": [4, 4, 40]}),
        json!({"@type": "build_zarr_layer", "path": path("zarr3"), "resolution": [4, 4, 40]}),
    ]
}

#[test]
fn volumes_of_other_programs_are_read() {
    let nanometres = resolution([4.0, 4.0, 40.0]);
    for json in layers() {
        for layer in [open(json.clone()), open(json.clone()).cached()] {
            for place in [bounds([0, 0, 0], [5, 4, 3]), bounds([1, 2, 0], [5, 3, 2])] {
                assert_eq!(
                    layer.read(nanometres, place).unwrap(),
                    values(DataType::Uint16, 2, place),
                    "{json}"
                );
            }
        }
    }
}

#[test]
fn shards_of_neuroglancer_are_not_written() {
    let layer = open(json!({"@type": "build_cv_layer", "path": path("sharded")}));
    let place = bounds([0, 0, 0], [2, 2, 2]);
    let error = layer
        .write(resolution([4.0, 4.0, 40.0]), Vec3::ZERO, values(DataType::Uint16, 2, place))
        .unwrap_err();
    assert_says(error, "shards are only read");
}
