//! A coordinator with these operations.
use rough as _;

fn main() -> std::process::ExitCode {
    coordinator::main(worker::embedded(otaman::Resources::new()))
}
