#!/usr/bin/env bash
# Proves that no test reads or frees memory that is gone, or loses any: AddressSanitizer and LeakSanitizer.
# The runtimes come with stable Rust; RUSTC_BOOTSTRAP lets it take the flag.
set -eu
cd "$(dirname "$0")/.."
host=$(rustc -vV | sed -n 's/^host: //p')
export RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address" ASAN_OPTIONS=detect_leaks=1
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/asan cargo test --release --no-fail-fast --target "$host" --lib --tests
