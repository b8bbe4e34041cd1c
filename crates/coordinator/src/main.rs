//! The stock coordinator, with the stock operations and an embedded worker.

use std::process::ExitCode;

fn main() -> ExitCode {
    coordinator::main(worker::embedded(otaman::Resources::new()))
}
