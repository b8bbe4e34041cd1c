//! Flows over volumes, from their parameters to what stands in the layer.

mod conflicts;
mod exact;
mod expansion;
mod lab;
mod mazepa_spec;
mod pyramids;
mod recorded;
mod refused;
mod repeated;
mod scenarios;
