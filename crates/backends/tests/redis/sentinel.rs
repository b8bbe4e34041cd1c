//! A master that sentinels name, and its replacement.

use std::time::Duration;

use backends::redis::{Config, Error, Redis, cmd};
use tests::{servers, until};

use crate::making::{add_all, config, eventually};

/// A master, two replicas and three sentinels.
struct Group {
    servers: Vec<servers::Redis>,
    sentinels: Vec<servers::Redis>,
}

impl Group {
    fn start() -> Self {
        let options =
            || servers::Redis::options().with_password("hunter2").line("repl-diskless-sync-delay 0");
        let master = options().start();
        let port = master.address().port();
        let replica = || options().line(&format!("replicaof 127.0.0.1 {port}")).start();
        let servers = vec![replica(), replica(), master];
        for replica in &servers[..2] {
            until("the replica has what its master has", || {
                replica.cli(&["INFO", "replication"]).contains("master_link_status:up").then_some(())
            });
        }
        let watch = format!(
            "sentinel monitor main 127.0.0.1 {port} 2\nsentinel auth-pass main hunter2\n\
             sentinel down-after-milliseconds main 3000\nsentinel failover-timeout main 3000"
        );
        let sentinel = || servers::Redis::options().as_sentinel().line(&watch).start();
        let group = Self { servers, sentinels: vec![sentinel(), sentinel(), sentinel()] };
        for sentinel in &group.sentinels {
            until("all know each other", || {
                let told = sentinel.cli(&["SENTINEL", "MASTER", "main"]);
                let fields: Vec<_> = told.lines().collect();
                let field = |name| fields.iter().position(|field| *field == name).map(|at| fields[at + 1]);
                (field("num-other-sentinels") == Some("2") && field("num-slaves") == Some("2")).then_some(())
            });
        }
        group
    }

    fn config(&self, master: &str) -> Config {
        let hosts: Vec<_> = self.sentinels.iter().map(|sentinel| sentinel.address().to_string()).collect();
        config(&format!("redis+sentinel://:hunter2@{}/{master}", hosts.join(",")))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_follow_the_master() {
    let mut group = Group::start();
    let redis = Redis::connect(group.config("main")).await.unwrap();
    assert_eq!(add_all(&redis, "set", 0..100).await, 100);
    // So that the writes so far are on whoever is next.
    let both = async || (redis.run::<u32>(cmd("WAIT").arg(2).arg(400)).await.ok() == Some(2)).then_some(());
    eventually("both replicas to have them", both).await;
    group.servers.pop().expect("the master is the last").kill();
    assert_eq!(add_all(&redis, "set", 100..200).await, 200);
    // A planned change, of which clients learn by READONLY.
    let url = format!("redis://{}", group.sentinels[0].address());
    let sentinel = Redis::connect(config(&url)).await.unwrap();
    let mut failover = cmd("SENTINEL");
    failover.arg("FAILOVER").arg("main");
    // It refuses as long as it knows of no replica that could take over.
    eventually("a planned failover", async || sentinel.run::<()>(&failover).await.ok()).await;
    for round in 2..20 {
        assert_eq!(add_all(&redis, "set", round * 100..round * 100 + 100).await, round * 100 + 100);
    }
}

#[tokio::test]
async fn sentinels_that_are_gone_or_know_nothing_are_told() {
    let group = Group::start();
    group.sentinels[0].kill();
    group.sentinels[1].freeze();
    Redis::connect(group.config("main")).await.unwrap();
    let unknown = Config { patience: Duration::from_secs(1), ..group.config("other") };
    let error = Redis::connect(unknown).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    assert!(!format!("{error:?} {error}").contains("hunter2"));
}

#[tokio::test]
async fn a_sentinel_that_asks_for_a_password_gets_the_servers() {
    let master = servers::Redis::options().with_password("hunter2").start();
    let port = master.address().port();
    let watch = format!("sentinel monitor main 127.0.0.1 {port} 1\nsentinel auth-pass main hunter2");
    let sentinel = servers::Redis::options().as_sentinel().line(&watch).start();
    sentinel.cli(&["ACL", "SETUSER", "default", "resetpass", ">hunter2"]);
    let url = format!("redis+sentinel://:hunter2@{}/main", sentinel.address());
    let redis = Redis::connect(config(&url)).await.unwrap();
    redis.run::<()>(&cmd("PING")).await.unwrap();
}
