//! The stock worker, with the stock operations.

use std::process::ExitCode;

fn main() -> ExitCode {
    worker::main(otaman::Resources::new())
}
