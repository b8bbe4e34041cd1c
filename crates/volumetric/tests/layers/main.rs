//! Layers as users meet them: specs in, volumes in files and on servers out.

mod atomic;
mod buckets;
mod describing;
mod golden;
mod http;
mod oracle;
mod precomputed;
mod processors;
mod storing;
mod support;
mod zarr;
