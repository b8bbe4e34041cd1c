//! A worker at an embedded broker.

mod attempts;
mod slots;
mod support;
