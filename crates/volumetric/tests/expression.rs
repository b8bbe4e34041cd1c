//! The expression language: what it understands, what it refuses and how, and that blocks give what single voxels do.

#[path = "expression/messages.rs"]
mod messages;
#[path = "expression/naive.rs"]
mod naive;
#[path = "expression/random.rs"]
mod random;
#[path = "expression/values.rs"]
mod values;
