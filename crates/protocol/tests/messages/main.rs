//! What is on the wire stays readable and is read with suspicion.

mod golden;
mod hostile;
mod ids;
mod samples;
