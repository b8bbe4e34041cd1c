//! The worker with our operation.
use own_operation as _;

fn main() -> std::process::ExitCode {
    worker::main(otaman::Resources::new())
}
