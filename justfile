# Format, lints, tests, documentation: what must hold before a commit
check:
    ./check

# The benchmarks of docs/benchmarks.md
bench:
    cargo run --release -p tests --example embedded_bench
    cargo run --release -p tests --example distributed_bench

# The model of the lease protocol with more faults than `check` has time for
model:
    cargo test --release -p backends lease::model -- --ignored --nocapture --test-threads 1

# A join of 1,000,000 tasks over RabbitMQ and Redis
million:
    cargo test --release --workspace --all-features --test scenarios -- a_join_of_a_million --ignored --nocapture

# 1,000,000 messages that are no tasks, in a queue that a worker serves
junk:
    cargo test --release --workspace --all-features --test distributed -- a_million_junk --ignored --nocapture
