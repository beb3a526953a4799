#!/usr/bin/env bash
# Proves, on scenes too large for the model checker, that no schedule tried breaks a promise: tests/shuttle.rs, at random
# and by priorities. Orderings are not its business (30-loom), real memory is not either (40-asan, 41-tsan).
set -eu
cd "$(dirname "$0")/.."
export RUSTFLAGS="--cfg shuttle" CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/shuttle
cargo clippy --profile explore --lib --test shuttle -- -D warnings
SHUTTLE_ITERS=${SHUTTLE_ITERS:-1500} cargo test --profile explore --test shuttle
