//! Layers: volumes in storage.

mod chunks;
mod error;
mod handle;
mod json;
mod precomputed;
mod settings;
mod spec;
pub mod storage;
mod versions;
mod volume;
mod written;
mod zarr;

pub use error::Error;
pub use handle::Layer;
pub use precomputed::{AddMode, AddedScale, OnExists, PrecomputedSpec};
pub(crate) use spec::absent;
pub use spec::{Description, LayerSpec};
pub use versions::Version;
pub use volume::{Scale, Unusable, Volume};
pub use written::Written;
pub use zarr::ZarrSpec;
