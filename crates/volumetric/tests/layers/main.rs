//! Layers as users meet them: specs in, volumes in files and on servers out.

mod atomic;
mod describing;
mod golden;
mod http;
mod oracle;
mod precomputed;
mod processors;
mod s3;
mod storing;
mod support;
mod zarr;
