//! What users do, with real processes.

mod architecture;
mod commands;
mod examples;
mod interrupts;
mod resume;
