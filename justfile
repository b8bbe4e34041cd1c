# Format, lints, tests, documentation: what must hold before a commit
check:
    ./check

# The embedded benchmark of docs/benchmarks.md
bench:
    cargo run --release -p tests --example embedded_bench
