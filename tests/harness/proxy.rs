//! The proxy passes bytes on, and disturbs them as it is told.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use tests::{Direction, Proxy, Traffic, until};

const SOON: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(20);

/// A server that sends back what it gets until the client has ended, and then says `bye`.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(count) = stream.read(&mut buffer)
                    && count > 0
                {
                    stream.write_all(&buffer[..count]).unwrap();
                }
                let _ = stream.write_all(b"bye");
            });
        }
    });
    address
}

fn connect(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.address()).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Sends four bytes and waits for them to come back.
fn round_trip(stream: &mut TcpStream) -> std::io::Result<[u8; 4]> {
    stream.write_all(b"ping")?;
    let mut answer = [0; 4];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

#[track_caller]
fn assert_silent(stream: &mut TcpStream) {
    stream.set_read_timeout(Some(SOON)).unwrap();
    let kind = stream.read(&mut [0; 1]).unwrap_err().kind();
    assert!(matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{kind}");
    stream.set_read_timeout(Some(LONG)).unwrap();
}

#[test]
fn everything_is_passed_on_in_order() {
    let proxy = Proxy::start(echo());
    let mut stream = connect(&proxy);
    let sent: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    let mut writing = stream.try_clone().unwrap();
    let given = sent.clone();
    let writer = thread::spawn(move || {
        writing.write_all(&given).unwrap();
        writing.shutdown(Shutdown::Write).unwrap();
    });
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap();
    writer.join().unwrap();
    assert!(received.strip_suffix(b"bye") == Some(&sent));
    until("the ended connection to be forgotten", || (proxy.connections() == 0).then_some(()));
}

#[test]
fn delayed_bytes_take_their_time_both_ways() {
    let proxy = Proxy::seeded(echo(), 7);
    let mut stream = connect(&proxy);
    round_trip(&mut stream).unwrap();
    let delay = Duration::from_millis(60);
    proxy.delay(delay..=delay * 2);
    let started = Instant::now();
    assert_eq!(&round_trip(&mut stream).unwrap(), b"ping");
    assert!(started.elapsed() >= delay * 2, "{:?}", started.elapsed());
    proxy.heal();
    assert_eq!(&round_trip(&mut stream).unwrap(), b"ping");
}

#[test]
fn a_delay_does_not_slow_down_the_flow_of_many_pieces() {
    let proxy = Proxy::start(echo());
    let delay = Duration::from_millis(200);
    proxy.set(Direction::ToServer, Traffic::Delay(delay..=delay));
    let mut stream = connect(&proxy);
    let started = Instant::now();
    for _ in 0..50 {
        stream.write_all(b"ping").unwrap();
        // Each is its own piece on its way.
        thread::yield_now();
    }
    stream.read_exact(&mut [0; 200]).unwrap();
    assert!(started.elapsed() >= delay);
    assert!(started.elapsed() < delay * 25, "{:?}", started.elapsed());
}

#[test]
fn held_bytes_come_after_all() {
    let proxy = Proxy::start(echo());
    let mut stream = connect(&proxy);
    round_trip(&mut stream).unwrap();
    proxy.hold();
    stream.write_all(b"late").unwrap();
    assert_silent(&mut stream);
    proxy.heal();
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"late");
}

#[test]
fn dropped_bytes_never_come_and_their_connection_is_reset_when_healed() {
    let proxy = Proxy::start(echo());
    let (mut hurt, mut spared) = (connect(&proxy), connect(&proxy));
    round_trip(&mut hurt).unwrap();
    round_trip(&mut spared).unwrap();
    proxy.drop_all();
    hurt.write_all(b"lost").unwrap();
    assert_silent(&mut hurt);
    proxy.heal();
    let kind = hurt.read(&mut [0; 1]).unwrap_err().kind();
    assert_eq!(kind, ErrorKind::ConnectionReset);
    assert_eq!(&round_trip(&mut spared).unwrap(), b"ping");
    assert_eq!(proxy.connections(), 1);
}

#[test]
fn one_direction_can_vanish_alone() {
    let proxy = Proxy::start(echo());
    let mut stream = connect(&proxy);
    round_trip(&mut stream).unwrap();
    proxy.set(Direction::ToClient, Traffic::Drop);
    assert!(stream.write_all(b"ping").is_ok());
    assert_silent(&mut stream);
}

#[test]
fn a_half_closed_connection_goes_on_the_other_way() {
    let proxy = Proxy::start(echo());
    let mut stream = connect(&proxy);
    round_trip(&mut stream).unwrap();
    proxy.half_close(Direction::ToServer);
    // The server saw the end, and its answer still comes.
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"bye");
}

#[test]
fn cut_connections_are_reset_and_new_ones_work() {
    let proxy = Proxy::start(echo());
    let mut streams = [connect(&proxy), connect(&proxy)];
    for stream in &mut streams {
        round_trip(stream).unwrap();
    }
    assert_eq!(proxy.cut(), 2);
    for stream in &mut streams {
        assert_eq!(stream.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
    assert_eq!(&round_trip(&mut connect(&proxy)).unwrap(), b"ping");
}

#[test]
fn a_server_that_is_away_ends_the_connection() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let proxy = Proxy::start(address);
    assert!(round_trip(&mut connect(&proxy)).is_err());
}

#[test]
fn a_dropped_proxy_is_gone_with_its_connections() {
    let proxy = Proxy::start(echo());
    let mut stream = connect(&proxy);
    round_trip(&mut stream).unwrap();
    let address = proxy.address();
    drop(proxy);
    assert!(stream.read(&mut [0; 1]).is_err());
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_servers_url_is_made_to_go_through_the_proxy() {
    let server = echo();
    let proxy = Proxy::start(server);
    let url = proxy.url(&format!("amqp://user:word@{server}/%2f"));
    assert_eq!(url, format!("amqp://user:word@{}/%2f", proxy.address()));
}
