#!/usr/bin/env bash
# Proves that real threads, in the optimized build, see what the guarantees promise: tests/stress.rs;
# and that the histories of what they saw have a legal order: tests/history.
# The interleavings that threads seldom hit are 30-loom's.
set -eu
cd "$(dirname "$0")/.."
cargo test --release --test stress --test history
