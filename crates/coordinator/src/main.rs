//! The stock coordinator, with the stock operations, those over volumes, and an embedded worker.

use std::process::ExitCode;

#[cfg(feature = "volumes")]
mod functions;
#[cfg(feature = "volumes")]
mod view;

fn main() -> ExitCode {
    let extras = vec![
        #[cfg(feature = "volumes")]
        functions::extra(),
        #[cfg(feature = "volumes")]
        view::extra(),
    ];
    coordinator::main_with(worker::embedded(otaman::Resources::new()), extras)
}
