#!/usr/bin/env bash
# Proves that the source is formatted as rustfmt.toml says.
# Mend with: cargo fmt
set -eu
cd "$(dirname "$0")/.."
cargo fmt --all --check -- --color never
