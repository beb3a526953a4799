#!/usr/bin/env bash
# Proves the concurrent protocols on small models: every interleaving with up to three preemptions, and every
# value that a relaxed load may return (tests/loom.rs and the library's own models). Twice: with the reclaimer as it is,
# its asymmetric barrier a full fence, and with one by hand that frees as early as it may (src/reclaim/eager.rs).
set -eu
cd "$(dirname "$0")/.."
export RUSTFLAGS="--cfg loom" LOOM_MAX_PREEMPTIONS=${LOOM_MAX_PREEMPTIONS:-3} CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/loom
# Of the library only the models: its other tests are 20-model's and those of `make test`.
cargo test --release --lib --features capi -- models
cargo test --release --features capi --test loom
scripts/with-cfg eager cargo test --release --lib --features capi -- models
scripts/with-cfg eager cargo test --release --features capi --test loom
