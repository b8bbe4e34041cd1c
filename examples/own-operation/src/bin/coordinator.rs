//! The coordinator with our operation and flow.
use own_operation as _;

fn main() -> std::process::ExitCode {
    coordinator::main(worker::embedded(otaman::Resources::new()))
}
