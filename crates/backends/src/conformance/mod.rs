//! One suite for all backends: what the traits promise, as behaviours that can be run.
//!
//! A backend's tests give a fixture and run the groups:
//!
//! ```no_run
//! # use backends::conformance::{self, BrokerFixture};
//! # async fn run(fixture: std::sync::Arc<dyn BrokerFixture>) {
//! conformance::run(fixture, conformance::HANDING_OUT).await;
//! # }
//! ```

mod behaviour;
mod fixture;
mod handing_out;
mod losses;
mod making;
mod news;
mod records;
mod retries;

pub use behaviour::{Behaviour, run};
pub use fixture::{BrokerFixture, StoreFixture};
pub use handing_out::HANDING_OUT;
pub use losses::LOSSES;
pub use news::NEWS;
pub use records::RECORDS;
pub use retries::RETRIES;
