//! One connection through the proxy: for each way a thread that reads and one that writes.
//!
//! Two threads, so that a delay holds nothing up but what is delayed.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_linger;

use super::rules::Rules;
use super::traffic::{Direction, Traffic};

/// How soon a thread that waits for bytes sees that the connection was cut.
const TICK: Duration = Duration::from_millis(20);
const PIECE: usize = 16 * 1024;
/// Pieces on their way; the sender is held up beyond that.
const PIECES: usize = 64;

/// The two sockets, and what has happened to them.
#[derive(Debug)]
pub(super) struct Link {
    client: TcpStream,
    server: TcpStream,
    is_cut: AtomicBool,
    has_lost: AtomicBool,
    to_server: Way,
    to_client: Way,
}

/// One way of a connection.
#[derive(Debug, Default)]
struct Way {
    /// The receiver is to be told that the sender has ended.
    is_to_close: AtomicBool,
}

/// What a reader hands to its writer.
enum Item {
    Bytes(Vec<u8>),
    End,
    Reset,
}

impl Link {
    /// Passes on what goes either way, in threads of its own, by the rules.
    pub(super) fn start(
        client: TcpStream,
        server: TcpStream,
        rules: &Arc<Rules>,
    ) -> std::io::Result<Arc<Self>> {
        for socket in [&client, &server] {
            socket.set_nodelay(true)?;
            socket.set_read_timeout(Some(TICK))?;
            socket.set_write_timeout(Some(TICK))?;
        }
        let (to_server, to_client) = Default::default();
        let (is_cut, has_lost) = Default::default();
        let link = Arc::new(Self { client, server, is_cut, has_lost, to_server, to_client });
        for direction in Direction::BOTH {
            let (items, coming) = sync_channel(PIECES);
            let (reading, writing) = (link.clone(), link.clone());
            let (now, later) = (rules.clone(), rules.clone());
            thread::spawn(move || reading.read(direction, &now, &items));
            thread::spawn(move || writing.write(direction, &later, &coming));
        }
        Ok(link)
    }

    /// Resets both sides as soon as the threads have seen it.
    pub(super) fn cut(&self) {
        self.is_cut.store(true, SeqCst);
    }

    /// Tells the receiver of this direction that no more will come.
    pub(super) fn close(&self, direction: Direction) {
        self.way(direction).is_to_close.store(true, SeqCst);
    }

    fn read(&self, direction: Direction, rules: &Rules, items: &SyncSender<(Instant, Item)>) {
        let mut source = match direction {
            Direction::ToServer => &self.client,
            Direction::ToClient => &self.server,
        };
        let mut buffer = vec![0; PIECE];
        let mut due = Instant::now();
        while !self.is_cut() {
            let item = match source.read(&mut buffer) {
                Ok(0) => Item::End,
                Ok(count) => Item::Bytes(buffer[..count].to_vec()),
                Err(error) if is_pause(error.kind()) => continue,
                Err(_) => Item::Reset,
            };
            // In order, whatever the delays are.
            due = due.max(Instant::now() + rules.delay(direction));
            let is_last = !matches!(item, Item::Bytes(_));
            // The writer has gone if the connection is cut.
            if items.send((due, item)).is_err() || is_last {
                return;
            }
        }
    }

    fn write(&self, direction: Direction, rules: &Rules, items: &Receiver<(Instant, Item)>) {
        let target = match direction {
            Direction::ToServer => &self.server,
            Direction::ToClient => &self.client,
        };
        let mut has_closed = false;
        while !self.is_cut() {
            if self.has_lost() && !rules.is_dropping() {
                // With a gap in its bytes it is of no use to anybody.
                self.cut();
            }
            if self.way(direction).is_to_close.load(SeqCst) && !has_closed {
                has_closed = true;
                // The receiver may be gone already.
                let _ = target.shutdown(Shutdown::Write);
            }
            let (due, item) = match items.recv_timeout(TICK) {
                Ok(next) => next,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let is_passed = rules.wait(direction, due, || self.is_cut()) != Traffic::Drop;
            if !is_passed || self.has_lost() {
                self.has_lost.store(true, SeqCst);
                continue;
            }
            match item {
                Item::Bytes(bytes) if !has_closed => self.pass(&bytes, target),
                // After the end, as the sender's kernel would see it, there is nobody to take it.
                Item::Bytes(_) => {}
                Item::End => {
                    let _ = target.shutdown(Shutdown::Write);
                }
                Item::Reset => self.cut(),
            }
        }
    }

    fn pass(&self, mut bytes: &[u8], mut target: &TcpStream) {
        while !bytes.is_empty() && !self.is_cut() {
            match target.write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if is_pause(error.kind()) => {}
                Err(_) => self.cut(),
            }
        }
    }

    /// Whether something that was sent has vanished.
    fn has_lost(&self) -> bool {
        self.has_lost.load(SeqCst)
    }

    fn is_cut(&self) -> bool {
        self.is_cut.load(SeqCst)
    }

    fn way(&self, direction: Direction) -> &Way {
        match direction {
            Direction::ToServer => &self.to_server,
            Direction::ToClient => &self.to_client,
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if self.is_cut() || self.has_lost() {
            for socket in [&self.client, &self.server] {
                // Closed without lingering, a socket resets the connection.
                let _ = set_socket_linger(socket, Some(Duration::ZERO));
            }
        }
    }
}

fn is_pause(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
