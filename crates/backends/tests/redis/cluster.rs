//! A cluster of three masters.

use std::sync::Arc;
use std::time::Duration;

use backends::conformance::{self, StoreFixture};
use backends::lease::Arbiter;
use backends::redis::{Config, Error, Redis, Script, cmd};
use protocol::ExecutionId;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_of_an_execution_is_erased_and_nothing_of_others() {
    const COUNT: u32 = 3_000;
    let cluster = Cluster::start();
    let redis = Redis::connect(cluster.config()).await.unwrap();
    let arbiter = Arbiter::new(redis.clone(), "otaman");
    let (one, other): (ExecutionId, ExecutionId) = ("a".parse().unwrap(), "a-b".parse().unwrap());
    // A record of a leased task: the erased one is free, without a past.
    let record = [&b"r"[..], &[7; 16], &1_u32.to_be_bytes(), &[0; 17]].concat();
    for execution in ["a", "a-b"] {
        for number in 0..COUNT {
            for (kind, bytes) in [("t", &record[..]), ("p", b"progress"), ("kept", b"a file")] {
                let key = format!("{{otaman}}:{kind}:{execution}:{number}:a:");
                redis.run::<()>(cmd("SET").arg(key).arg(bytes)).await.unwrap();
            }
        }
    }
    arbiter.erase(&one, &["{otaman}:kept:a:".to_owned()]).await.unwrap();
    arbiter.erase(&"nobody".parse().unwrap(), &[]).await.unwrap();
    for number in 0..COUNT {
        let of = |kind: &str, execution: &dyn std::fmt::Display| {
            format!("{{otaman}}:{kind}:{execution}:{number}:a:")
        };
        let gone = [of("p", &one), of("kept", &one)];
        assert_eq!(redis.run::<u32>(cmd("EXISTS").arg(&gone[..])).await.unwrap(), 0);
        let erased: Vec<u8> = redis.run(cmd("GET").arg(of("t", &one))).await.unwrap();
        assert_eq!((erased[0], &erased[1..21], erased.len()), (b'q', &record[1..21], 38));
        assert!(redis.run::<i64>(cmd("TTL").arg(of("t", &one))).await.unwrap() > 0);
        let kept = [of("t", &other), of("p", &other), of("kept", &other)];
        assert_eq!(redis.run::<u32>(cmd("EXISTS").arg(&kept[..])).await.unwrap(), 3);
        let untouched: Vec<u8> = redis.run(cmd("GET").arg(of("t", &other))).await.unwrap();
        assert_eq!(untouched, record);
    }
}
