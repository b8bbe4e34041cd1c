//! TLS with an authority of our own.

use std::time::{Duration, Instant};

use backends::redis::{Config, Error, Redis, cmd};
use backends::tls::TlsFiles;
use tests::servers::{self, Certificates};

use crate::making::{add_all, config};

fn trusting(url: &str, identity: bool) -> Config {
    let certificates = Certificates::shared();
    let identity = identity.then(|| certificates.client());
    Config { tls: TlsFiles { ca: Some(certificates.ca()), identity }, ..config(url) }
}

#[tokio::test]
async fn a_server_of_a_trusted_authority_is_spoken_to() {
    let options = servers::Redis::options().with_tls(Certificates::shared());
    let server = options.line("appendfsync always").start();
    let redis = Redis::connect(trusting(&server.url(), false)).await.unwrap();
    assert_eq!(add_all(&redis, "set", 0..500).await, 500);
    server.restart();
    assert_eq!(add_all(&redis, "set", 0..600).await, 600);
}

#[tokio::test]
async fn an_unknown_authority_is_refused_at_once() {
    let server = servers::Redis::options().with_tls(Certificates::shared()).start();
    let begun = Instant::now();
    let error = Redis::connect(config(&server.url())).await.unwrap_err();
    assert!(matches!(error, Error::Untrusted { .. }) && !error.is_transient(), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_server_that_asks_for_our_certificate_gets_it() {
    let server = servers::Redis::options().with_client_certificates(Certificates::shared()).start();
    let redis = Redis::connect(trusting(&server.url(), true)).await.unwrap();
    redis.run::<()>(&cmd("PING")).await.unwrap();
    let patience = Duration::from_secs(2);
    let error = Redis::connect(Config { patience, ..trusting(&server.url(), false) }).await.unwrap_err();
    assert!(matches!(error, Error::Untrusted { .. } | Error::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn files_that_are_missing_or_no_certificates_are_named() {
    let server = servers::Redis::options().with_tls(Certificates::shared()).start();
    let missing = TlsFiles { ca: Some("/nowhere/ca.pem".into()), identity: None };
    let error = Redis::connect(Config { tls: missing, ..config(&server.url()) }).await.unwrap_err();
    assert!(matches!(error, Error::Tls { .. }), "{error:?}");
    let (_, key) = Certificates::shared().client();
    let swapped = TlsFiles { ca: None, identity: Some((key.clone(), key)) };
    let error = Redis::connect(Config { tls: swapped, ..config(&server.url()) }).await.unwrap_err();
    assert!(matches!(error, Error::Settings { .. } | Error::Untrusted { .. }), "{error:?}");
}

#[tokio::test]
async fn sides_that_do_not_agree_on_tls_are_told_the_cure() {
    let patience = Duration::from_secs(1);
    let plain = servers::Redis::shared();
    let config = trusting(&plain.url().replace("redis://", "rediss://"), false);
    let error = Redis::connect(Config { patience, ..config }).await.unwrap_err();
    assert!(error.to_string().contains("both sides use TLS or neither"), "{error}");
    let server = servers::Redis::options().with_tls(Certificates::shared()).start();
    let config = trusting(&server.url().replace("rediss://", "redis://"), false);
    let error = Redis::connect(Config { patience, ..config }).await.unwrap_err();
    assert!(error.to_string().contains("both sides use TLS or neither"), "{error}");
}
