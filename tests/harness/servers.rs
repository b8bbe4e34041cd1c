//! Private servers live, die and come back with their data.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use tests::servers::{RabbitMq, Redis};
use tests::until;

/// Sends what a new client sends; gives the first byte of the answer, if one comes in time.
fn greet(address: SocketAddr, limit: Duration) -> Option<u8> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(limit)).unwrap();
    stream.write_all(b"AMQP\0\0\x09\x01").ok()?;
    let mut first = [0];
    stream.read_exact(&mut first).ok()?;
    Some(first[0])
}

const SOON: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(20);

#[test]
fn rabbitmq_killed_is_gone_and_comes_back_with_its_data() {
    let rabbitmq = RabbitMq::start();
    assert_eq!(greet(rabbitmq.address(), LONG), Some(1));
    rabbitmq.ctl(&["add_vhost", "kept"]);
    rabbitmq.kill();
    assert!(!rabbitmq.is_running());
    assert!(TcpStream::connect(rabbitmq.address()).is_err());
    rabbitmq.restart();
    assert_eq!(greet(rabbitmq.address(), LONG), Some(1));
    assert!(rabbitmq.ctl(&["list_vhosts"]).contains("kept"));
}

#[test]
fn rabbitmq_frozen_is_silent_until_thawed() {
    let rabbitmq = RabbitMq::start();
    rabbitmq.freeze();
    assert_eq!(greet(rabbitmq.address(), SOON), None);
    assert!(rabbitmq.is_running());
    rabbitmq.thaw();
    assert_eq!(greet(rabbitmq.address(), LONG), Some(1));
}

#[test]
fn redis_killed_is_gone_and_comes_back_with_its_data() {
    let redis = Redis::start();
    redis.cli(&["SET", "key", "kept"]);
    redis.kill();
    assert!(TcpStream::connect(redis.address()).is_err());
    redis.restart();
    assert_eq!(redis.cli(&["GET", "key"]), "kept");
}

#[test]
fn redis_without_its_file_comes_back_empty() {
    let redis = Redis::options().without_append_only_file().start();
    redis.cli(&["SET", "key", "lost"]);
    redis.restart();
    assert_eq!(redis.cli(&["GET", "key"]), "");
}

#[test]
fn redis_frozen_is_silent_until_thawed() {
    let redis = Redis::start();
    redis.freeze();
    let mut stream = TcpStream::connect(redis.address()).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.write_all(b"PING\r\n").unwrap();
    assert!(stream.read(&mut [0; 16]).is_err());
    redis.thaw();
    stream.set_read_timeout(Some(LONG)).unwrap();
    let mut answer = [0; 7];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"-NOAUTH");
}

#[test]
fn a_rolled_back_redis_has_lost_what_came_after_the_snapshot() {
    for options in [Redis::options(), Redis::options().without_append_only_file()] {
        let redis = options.start();
        redis.cli(&["SET", "before", "1"]);
        let snapshot = redis.snapshot();
        redis.cli(&["SET", "after", "1"]);
        redis.roll_back(&snapshot);
        assert_eq!(redis.cli(&["KEYS", "*"]), "before");
        redis.wipe();
        assert_eq!(redis.cli(&["DBSIZE"]), "0");
    }
}

#[test]
fn several_of_each_run_at_once() {
    let (one, other) = (Redis::start(), Redis::start());
    one.cli(&["SET", "key", "one"]);
    assert_eq!(other.cli(&["GET", "key"]), "");
    let brokers = std::thread::scope(|scope| {
        let starts = [(); 2].map(|()| scope.spawn(RabbitMq::start));
        starts.map(|start| start.join().unwrap())
    });
    until("both to serve", || {
        brokers.iter().all(|broker| greet(broker.address(), LONG) == Some(1)).then_some(())
    });
    assert_ne!(brokers[0].address(), brokers[1].address());
}

#[test]
fn what_is_set_for_a_server_counts() {
    let rabbitmq = RabbitMq::options()
        .line("vm_memory_high_watermark.absolute = 100MB")
        .advanced("[{rabbit, [{consumer_timeout, 60000}]}].")
        .start();
    let environment = rabbitmq.ctl(&["environment"]);
    assert!(environment.contains("{consumer_timeout,60000}"), "{environment}");
    assert!(environment.contains("{vm_memory_high_watermark,{absolute,\"100MB\"}}"), "{environment}");
    let redis = Redis::options().without_password().line("maxmemory 20mb").start();
    assert_eq!(redis.cli(&["CONFIG", "GET", "maxmemory"]), "maxmemory\n20971520");
    assert!(!redis.url().contains('@'));
}

#[test]
fn a_sentinel_watches_a_master() {
    let master = Redis::start();
    let port = master.address().port();
    let sentinel = Redis::options()
        .as_sentinel()
        .line(&format!("sentinel monitor watched 127.0.0.1 {port} 1"))
        .line(&format!("sentinel auth-pass watched {}", master.password().unwrap()))
        .start();
    until("the master to be known", || {
        let known = sentinel.cli(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "watched"]);
        (known == format!("127.0.0.1\n{port}")).then_some(())
    });
}

#[test]
#[should_panic(expected = "redis ended while it started")]
fn a_server_that_cannot_start_says_why() {
    Redis::options().line("no-such-setting 1").start();
}
