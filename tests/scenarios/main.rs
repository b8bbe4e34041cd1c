//! What users do, with real processes.

mod architecture;
mod bundles;
mod causes;
mod commands;
#[cfg(feature = "live")]
mod distributed;
mod examples;
mod full_disk;
mod interrupts;
mod isolation;
mod kernel;
mod leftovers;
mod removal;
mod resume;
