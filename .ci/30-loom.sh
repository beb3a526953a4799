#!/usr/bin/env bash
# Proves the concurrent protocols on small models: every interleaving with up to three preemptions, and every
# value that a relaxed load may return (tests/loom.rs and the library's own models).
set -eu
cd "$(dirname "$0")/.."
export RUSTFLAGS="--cfg loom" LOOM_MAX_PREEMPTIONS=${LOOM_MAX_PREEMPTIONS:-3}
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/loom cargo test --release --lib --test loom
