//! A worker with these operations.
use rough as _;

fn main() -> std::process::ExitCode {
    worker::main(otaman::Resources::new())
}
