#!/usr/bin/env bash
# Proves that no test has a data race: ThreadSanitizer sees every access of this crate (std is not instrumented,
# and fences are unknown to it: the orderings are 30-loom's).
set -eu
cd "$(dirname "$0")/.."
host=$(rustc -vV | sed -n 's/^host: //p')
export TSAN_OPTIONS="suppressions=$PWD/.ci/tsan.supp"
export RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer"
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/tsan cargo test --release --no-fail-fast --target "$host" --lib --tests
