#!/usr/bin/env bash
# Proves that random sequences of operations give what a naive model gives: tests/model.rs and the library's own
# properties, 10,000 cases each. (A failing case is kept in proptest-regressions/ and is to be committed.)
set -eu
cd "$(dirname "$0")/.."
PROPTEST_CASES=${PROPTEST_CASES:-10000} cargo test --release --lib --test model
