//! Servers with TLS are reached with our authority, and with nothing else.

use std::process::{Command, Stdio};

use tests::servers::{Certificates, RabbitMq, Redis};

/// Whether `openssl` can shake hands with a server that it knows by this authority.
fn is_trusted(address: std::net::SocketAddr, certificates: &Certificates, authority: &Certificates) -> bool {
    let (certificate, key) = certificates.client();
    let mut command = Command::new("openssl");
    command.args(["s_client", "-brief", "-verify_return_error", "-verify_ip", "127.0.0.1"]);
    command.arg("-connect").arg(address.to_string()).arg("-CAfile").arg(authority.ca());
    command.arg("-cert").arg(certificate).arg("-key").arg(key);
    command.stdin(Stdio::null()).output().unwrap().status.success()
}

#[test]
fn redis_with_tls_serves_those_who_know_its_authority() {
    let ours = Certificates::new();
    let redis = Redis::options().with_client_certificates(&ours).start();
    assert!(redis.url().starts_with("rediss://"));
    assert_eq!(redis.cli(&["SET", "key", "value"]), "OK");
    assert!(is_trusted(redis.address(), &ours, &ours));
    assert!(!is_trusted(redis.address(), &ours, Certificates::shared()));
}

#[test]
fn rabbitmq_with_tls_serves_those_who_know_its_authority() {
    let ours = Certificates::new();
    let rabbitmq = RabbitMq::options().with_tls(&ours).line("heartbeat = 2").start();
    assert!(rabbitmq.url().starts_with("amqps://"));
    assert!(is_trusted(rabbitmq.address(), &ours, &ours));
    assert!(!is_trusted(rabbitmq.address(), &ours, Certificates::shared()));
    assert!(rabbitmq.ctl(&["environment"]).contains("{heartbeat,2}"));
}
