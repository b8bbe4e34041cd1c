//! Array functions against brute force, and as specs name them.

#[path = "functions/blur.rs"]
mod blur;
#[path = "functions/downsample.rs"]
mod downsample;
#[path = "functions/formulas.rs"]
mod formulas;
#[path = "functions/operations.rs"]
mod operations;
#[path = "functions/picture.rs"]
mod picture;
#[path = "functions/specs.rs"]
mod specs;
#[path = "functions/statistics.rs"]
mod statistics;
#[path = "functions/world.rs"]
mod world;
