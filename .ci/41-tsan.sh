#!/usr/bin/env bash
# Proves that real threads make no data race: ThreadSanitizer sees every access of this crate (not the order that
# fences make: that is 30-loom's). tsan.supp has what it cannot know of std.
set -eu
cd "$(dirname "$0")/.."
host=$(rustc -vV | sed -n 's/^host: //p')
# Some tests fork, and their child starts threads.
export TSAN_OPTIONS="suppressions=$PWD/.ci/tsan.supp die_after_fork=0"
export RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer"
# Only tests that join each thread by its handle: the end of a `thread::scope` waits on a counter inside std,
# which is not instrumented, so what follows it would look unordered.
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/tsan cargo test --release --no-fail-fast --target "$host" --lib --test stress
