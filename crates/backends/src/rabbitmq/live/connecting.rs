//! Connecting: what is wrong is said, with the cure and without the password.

use std::net::TcpListener;
use std::time::Instant;

use ::tests::servers::Certificates;

use super::*;
use crate::rabbitmq::{Address, Error};
use crate::tls::TlsFiles;

const SECRET: &str = "hush-hush";

fn at(server: &RabbitMq, user: &str, vhost: &str) -> Config {
    let url = format!("amqp://{user}:{SECRET}@{}/{vhost}", server.address());
    Config::new(url.parse().unwrap(), "test")
}

/// The error, after a look for the password in all that can be shown of it.
async fn refused(config: Config) -> Error {
    assert!(!format!("{config:?}").contains(SECRET));
    let error = in_time(Rabbit::connect(config)).await.unwrap_err();
    let texts = [error.to_string(), format!("{error:?}"), crate::in_full(&error)];
    for text in texts {
        assert!(!text.contains(SECRET), "{text}");
    }
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_at_once() {
    let server = block_in_place(RabbitMq::shared);
    let begun = Instant::now();

    let error = refused(at(server, "otaman", "%2f")).await;

    assert!(matches!(error, Error::AccessRefused { .. }), "{error}");
    assert!(error.to_string().contains("check the user name and the password"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(10), "it took {:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_virtual_host_is_told_at_once() {
    let server = block_in_place(RabbitMq::shared);
    let (place, password) = (server.address(), server.password());
    let url = format!("amqp://otaman:{password}@{place}/nowhere");

    let error = refused(Config::new(url.parse().unwrap(), "test")).await;

    assert!(matches!(error, Error::VirtualHost { .. }), "{error}");
    assert!(error.to_string().contains(&format!("{place}/nowhere")), "{error}");
    assert!(!format!("{error:?} {error}").contains(password));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_told_after_the_limit() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let address: Address = format!("amqp://otaman:{SECRET}@{closed}").parse().unwrap();
    let limit = Duration::from_secs(1);

    let error = refused(Config { connect_timeout: limit, ..Config::new(address, "test") }).await;

    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains(&closed.to_string()), "{error}");
    assert!(error.is_transient());
}

#[tokio::test(flavor = "multi_thread")]
async fn someone_who_says_nothing_is_not_waited_for() {
    // Accepts by its backlog, and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address: Address = format!("amqp://{}", silent.local_addr().unwrap()).parse().unwrap();
    let begun = Instant::now();

    let limit = Duration::from_secs(1);
    let error = refused(Config { connect_timeout: limit, ..Config::new(address, "test") }).await;

    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(9), "it took {:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_needs_the_authority_and_the_certificate_that_the_broker_wants() {
    let certificates = Certificates::shared();
    let server = block_in_place(|| RabbitMq::options().with_client_certificates(certificates).start());
    let limit = Duration::from_secs(5);
    let config = Config { connect_timeout: limit, ..config(&server) };
    let ca = Some(certificates.ca());

    let error = refused(config.clone()).await;
    assert!(matches!(error, Error::Tls { .. }), "{error:?}");
    let without_certificate = TlsFiles { ca: ca.clone(), identity: None };
    let error = refused(Config { tls: without_certificate, ..config.clone() }).await;
    assert!(matches!(error, Error::Tls { .. } | Error::Unreachable { .. }), "{error:?}");

    let tls = TlsFiles { ca, identity: Some(certificates.client()) };
    let rabbit = Rabbit::connect(Config { tls, ..config }).await.unwrap();
    rabbit.publish(messages(&queue("over tls"), 0..10)).await.unwrap();
    until_ready(&rabbit, "over tls", 10).await;
    rabbit.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_not_there_is_named() {
    let tls = TlsFiles { ca: Some("/nowhere/ca.pem".into()), identity: None };
    let config = Config::new("amqps://localhost".parse().unwrap(), "test");

    let error = refused(Config { tls, ..config }).await;

    assert_eq!(error.to_string(), "cannot read /nowhere/ca.pem for TLS");
}
