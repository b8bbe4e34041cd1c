//! The spec builder from outside: texts in, checked specs or problems out.

mod bad;
mod fixtures;
mod good;
mod mutations;
mod resolve;
mod schema;
mod speed;
mod stock;
mod variables;
