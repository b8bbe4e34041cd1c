//! A cluster of three masters.

use std::sync::Arc;
use std::time::Duration;

use backends::conformance::{self, StoreFixture};
use backends::redis::{Config, Error, Redis, Script, cmd};
use tests::{servers, until};

use crate::making::{add_all, config};
use crate::store::Fixture;

struct Cluster {
    servers: Vec<servers::Redis>,
}

impl Cluster {
    fn start() -> Self {
        let server = || {
            let options = servers::Redis::options().with_password("hunter2");
            options.line("appendfsync always\ncluster-enabled yes\ncluster-node-timeout 1000").start()
        };
        let cluster = Self { servers: vec![server(), server(), server()] };
        let addresses: Vec<_> = cluster.servers.iter().map(|server| server.address().to_string()).collect();
        let mut arguments = vec!["--cluster", "create"];
        arguments.extend(addresses.iter().map(String::as_str));
        arguments.push("--cluster-yes");
        cluster.servers[0].cli(&arguments);
        for server in &cluster.servers {
            until("the cluster is well", || {
                server.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok").then_some(())
            });
        }
        cluster
    }

    fn url(&self) -> String {
        let hosts: Vec<_> = self.servers.iter().map(|server| server.address().to_string()).collect();
        format!("redis+cluster://:hunter2@{}", hosts.join(","))
    }

    fn config(&self) -> Config {
        config(&self.url())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_reach_the_server_of_their_key() {
    let cluster = Cluster::start();
    let redis = Redis::connect(cluster.config()).await.unwrap();
    for key in 0..30 {
        assert_eq!(add_all(&redis, &format!("{{{key}}}:set"), 0..20).await, 20);
    }
    let sizes: Vec<u32> =
        cluster.servers.iter().map(|server| server.cli(&["DBSIZE"]).parse().unwrap()).collect();
    assert_eq!(sizes.iter().sum::<u32>(), 30);
    assert!(sizes.iter().all(|size| *size > 0), "{sizes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_go_on_over_restarts_and_moved_slots() {
    let cluster = Cluster::start();
    let redis = Redis::connect(cluster.config()).await.unwrap();
    for (round, server) in cluster.servers.iter().enumerate() {
        server.restart();
        for key in 0..10 {
            let (key, first) = (format!("{{{key}}}:set"), round as u32 * 10);
            assert_eq!(add_all(&redis, &key, first..first + 10).await, first + 10);
        }
    }
    let [from, to] = [0, 1].map(|at: usize| cluster.servers[at].cli(&["CLUSTER", "MYID"]));
    let address = cluster.servers[0].address().to_string();
    let arguments =
        ["--cluster", "reshard", &address, "--cluster-from", &from, "--cluster-to", &to, "--cluster-slots"];
    cluster.servers[0].cli(&[&arguments[..], &["2000", "--cluster-yes"]].concat());
    for key in 0..10 {
        assert_eq!(add_all(&redis, &format!("{{{key}}}:set"), 30..40).await, 40);
    }
}

#[tokio::test]
async fn a_wrong_use_of_a_cluster_is_refused() {
    let cluster = Cluster::start();
    let redis = Redis::connect(cluster.config()).await.unwrap();
    let alone = format!("redis://:hunter2@{}", cluster.servers[0].address());
    let error = Redis::connect(config(&alone)).await.unwrap_err();
    assert!(error.to_string().contains("redis+cluster://"), "{error}");
    let script = Script::new("both", "return redis.call('MGET', KEYS[1], KEYS[2])");
    let error = redis.call::<()>(&script, &["a", "b"], &[""; 0]).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    let once = redis.with_patience(Duration::from_secs(1));
    once.run::<()>(cmd("SET").arg("key").arg(1)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_remembers_as_promised() {
    let cluster = Cluster::start();
    let fixture = Fixture(cluster.url());
    conformance::run::<dyn StoreFixture>(Arc::new(fixture), conformance::RECORDS).await;
}
