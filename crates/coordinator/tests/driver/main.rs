//! The driver between a broker and a store that do what a test says.

mod commands;
mod resumption;
mod world;
