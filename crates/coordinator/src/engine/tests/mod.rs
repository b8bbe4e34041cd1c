//! The engine against scripted flows: traces, failure policies, and random worlds.

mod failures;
mod random;
mod script;
mod traces;
mod world;
