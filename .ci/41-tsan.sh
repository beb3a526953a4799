#!/usr/bin/env bash
# Proves that real threads make no data race: ThreadSanitizer sees every access of this crate (not the order that
# fences make: that is 30-loom's; nor `fetch_max` and `fetch_min`). tsan.supp has what it cannot know of std.
set -eu
cd "$(dirname "$0")/.."
host=$(rustc -vV | sed -n 's/^host: //p')
# Some tests fork, and their child starts threads; others ask for more memory than there is.
export TSAN_OPTIONS="suppressions=$PWD/.ci/tsan.supp die_after_fork=0 allocator_may_return_null=1"
export RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer"
# tsan.supp names functions of std in full, which line tables alone do not.
export CARGO_PROFILE_SANITIZED_DEBUG=1
# std is not instrumented, so a test here may share only what is: atomics, parking_lot's Mutex (not std's, whose
# contended path is hidden), and threads whose end is a handle's join (not the end of a scope). tests/stress.rs
# and tests/history keep to that; the other test files do not.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/tsan PROPTEST_CASES=64
run() { cargo test --profile sanitized --no-fail-fast --target "$host" "$@"; }
run --test stress --test history
# To build these takes longer than to run them; those of policies and arena are of one thread.
run --config profile.sanitized.package.pinyon.opt-level=0 --lib -- --skip policy:: --skip arena::
