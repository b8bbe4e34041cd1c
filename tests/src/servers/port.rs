//! Ports that nobody uses and nobody is given by chance.

use std::collections::HashSet;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Mutex;

use rand::RngExt as _;

/// Below the range that systems take outgoing connections' ports from: a port of ours that is free
/// while its server restarts must not become one end of somebody's connection. So must its companion.
const RANGE: std::ops::Range<u16> = 10_000..22_000;
/// The members of a Redis cluster talk to each other so far above the port that they were given.
const COMPANION: u16 = 10_000;

/// A free port on loopback, given to nobody else in this process.
pub(crate) fn free_port() -> u16 {
    static GIVEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);
    let mut given = GIVEN.lock().expect("nothing panics while it is held");
    let given = given.get_or_insert_default();
    loop {
        // At random, since other test processes look for ports at the same time.
        let port = rand::rng().random_range(RANGE);
        let is_free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if is_free(port) && is_free(port + COMPANION) && given.insert(port) {
            return port;
        }
    }
}

/// A new password, the same in a URL as plain.
pub(crate) fn new_password() -> String {
    format!("secret{:032x}", rand::rng().random::<u128>())
}
