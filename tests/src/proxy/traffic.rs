//! What a proxy may do with bytes.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

impl Direction {
    /// Both of them.
    pub const BOTH: [Self; 2] = [Self::ToServer, Self::ToClient];
}

/// What happens to bytes that go one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// They are passed on at once.
    Forward,
    /// They are passed on in order, each piece a random time of this range after it came.
    Delay(RangeInclusive<Duration>),
    /// They are kept, and passed on once that is over: a partition that TCP survives.
    Hold,
    /// They vanish, and so does what comes later on the same connections, which are reset once that
    /// is over: a partition after which one side has forgotten them.
    Drop,
}
