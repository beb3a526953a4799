#!/usr/bin/env bash
# Proves that the documentation builds: every public item has some, and every link in it leads somewhere.
# The private items' pages are built too: most of the reasoning stands there.
set -eu
cd "$(dirname "$0")/.."
export RUSTDOCFLAGS="-D warnings"
cargo doc --all-features --no-deps
RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" \
    CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/doc-private cargo doc --all-features --no-deps --document-private-items
