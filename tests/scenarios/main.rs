//! What users do, with real processes.

mod architecture;
mod causes;
mod commands;
#[cfg(feature = "live")]
mod distributed;
mod examples;
mod interrupts;
mod isolation;
mod resume;
