//! The proxy itself: takes connections, and is told how to treat them.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::link::Link;
use super::rules::Rules;
use super::traffic::{Direction, Traffic};
use crate::wait::until;

/// A TCP proxy on loopback in threads of this process; all its connections end when dropped.
///
/// It passes everything on until told otherwise. The server may be away: a client is then reset.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    rules: Arc<Rules>,
    links: Mutex<Vec<Weak<Link>>>,
    is_over: AtomicBool,
}

impl Proxy {
    /// Starts one before this server.
    ///
    /// # Panics
    /// If there is no free port.
    pub fn start(server: SocketAddr) -> Self {
        Self::seeded(server, 0)
    }

    /// Starts one whose random delays follow from the seed.
    ///
    /// # Panics
    /// If there is no free port.
    pub fn seeded(server: SocketAddr, seed: u64) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let rules = Arc::new(Rules::new(seed));
        let shared =
            Arc::new(Shared { server, rules, links: Mutex::default(), is_over: AtomicBool::new(false) });
        let accepting = shared.clone();
        let acceptor = thread::spawn(move || accepting.accept(&listener));
        Self { shared, address, acceptor: Some(acceptor) }
    }

    /// Where clients find it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A URL of the server, made to go through the proxy.
    ///
    /// # Panics
    /// If the server's address is not in it.
    #[track_caller]
    pub fn url(&self, url: &str) -> String {
        let server = self.shared.server.to_string();
        assert!(url.contains(&server), "the URL is not one of {server}");
        url.replacen(&server, &self.address.to_string(), 1)
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.shared.links().len()
    }

    /// From now on, bytes of this direction are treated so.
    pub fn set(&self, direction: Direction, traffic: Traffic) {
        self.shared.rules.set(direction, traffic);
    }

    /// Bytes of both directions take a random time of this range.
    pub fn delay(&self, range: RangeInclusive<Duration>) {
        self.set_both(&Traffic::Delay(range));
    }

    /// Bytes of both directions are kept until healed.
    pub fn hold(&self) {
        self.set_both(&Traffic::Hold);
    }

    /// Bytes of both directions vanish until healed.
    pub fn drop_all(&self) {
        self.set_both(&Traffic::Drop);
    }

    /// All is well again; connections that have lost something are reset.
    pub fn heal(&self) {
        self.set_both(&Traffic::Forward);
    }

    /// Tells the receivers of this direction that no more will come; the other direction goes on.
    /// Connections to come are not concerned.
    pub fn half_close(&self, direction: Direction) {
        self.shared.links().iter().for_each(|link| link.close(direction));
    }

    /// Resets all connections; gives how many there were. New ones may come at once.
    pub fn cut(&self) -> usize {
        let links = self.shared.links();
        links.iter().for_each(|link| link.cut());
        let gone: Vec<Weak<Link>> = links.iter().map(Arc::downgrade).collect();
        drop(links);
        until("cut connections to be gone", || {
            gone.iter().all(|link| link.strong_count() == 0).then_some(())
        });
        gone.len()
    }

    fn set_both(&self, traffic: &Traffic) {
        for direction in Direction::BOTH {
            self.set(direction, traffic.clone());
        }
    }
}

impl Shared {
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming() {
            if self.is_over.load(Ordering::SeqCst) {
                return;
            }
            let Ok(client) = client else { continue };
            let shared = self.clone();
            // In a thread: a frozen server may not even accept.
            thread::spawn(move || {
                // Dropped without an answer, the client is closed, which is what we have to say.
                let Ok(server) = TcpStream::connect(shared.server) else { return };
                // Held from before anything passes, so that whoever has had an answer is in the list.
                let mut list = shared.list();
                if let Ok(link) = Link::start(client, server, &shared.rules) {
                    list.push(Arc::downgrade(&link));
                    if shared.is_over.load(Ordering::SeqCst) {
                        link.cut();
                    }
                }
            });
        }
    }

    /// Those that are still there.
    fn links(&self) -> Vec<Arc<Link>> {
        let mut list = self.list();
        list.retain(|link| link.strong_count() > 0);
        list.iter().filter_map(Weak::upgrade).collect()
    }

    fn list(&self) -> MutexGuard<'_, Vec<Weak<Link>>> {
        self.links.lock().expect("nothing panics while it is held")
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        // It waits for connections; this is the last one.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        for link in self.shared.links() {
            link.cut();
        }
    }
}
