#!/usr/bin/env bash
# Proves that no test reads or frees memory that is gone: AddressSanitizer over all tests; and that the library
# loses none: LeakSanitizer over those that do not tie caches to themselves on purpose.
set -eu
cd "$(dirname "$0")/.."
host=$(rustc -vV | sed -n 's/^host: //p')
# The runtimes come with stable Rust; RUSTC_BOOTSTRAP lets it take the flag.
export RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address" CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/asan
# handle_segv: some tests fork a child that must be killed by a forbidden write.
export ASAN_OPTIONS=detect_leaks=0:handle_segv=0
# Not the one that measures resident memory, of which the sanitizer needs much for itself.
cargo test --release --no-fail-fast --target "$host" --lib --tests --all-features -- --skip touch_little_memory
export ASAN_OPTIONS=detect_leaks=1
cargo test --release --no-fail-fast --target "$host" --all-features --lib --test stress --test history --test model --test compute --test user_code
