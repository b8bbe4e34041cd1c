//! What users do, with real processes.

mod architecture;
mod bundles;
mod causes;
mod commands;
#[cfg(feature = "live")]
mod distributed;
mod examples;
mod interrupts;
mod isolation;
mod resume;
