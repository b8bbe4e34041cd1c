//! The embedded backend: the conformance suite, and what is its own.

mod broker;
mod crash;
mod files;
