//! The stock worker, with the stock operations and those over volumes.

use std::process::ExitCode;

#[cfg(feature = "volumes")]
use volumetric as _;

fn main() -> ExitCode {
    worker::main(otaman::Resources::new())
}
