#!/bin/sh
# The workload of source-tree.u64.zst: an hour's work in a source tree, without the thinking in between.
# Makes a small Rust project around a vendored C library in an empty folder (needs the network once), then
# checks it, commits it, searches it, builds it, changes it and builds it again, under the recorder.
#
#     examples/traces/source-tree.sh OUT.u64.zst
set -eu
recorder=$(cd "$(dirname "$0")/../../scripts" && pwd)/record-trace
out=$(realpath "$1")
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
cd "$tree"
export CARGO_HOME="$tree/.home"
export GIT_AUTHOR_NAME=me GIT_AUTHOR_EMAIL=me@example.org GIT_COMMITTER_NAME=me GIT_COMMITTER_EMAIL=me@example.org

cargo init -q --name tree .
cargo add -q zstd@0.13.3
mkdir .cargo
cargo vendor vendor 2>vendor.log >.cargo/config.toml
printf 'target\n.home\nvendor.log\n' >.gitignore

"$recorder" "$out" -- sh -euc '
    git add -A && git commit -qm "start"
    cargo check -q --offline
    git grep -c ZSTD_ -- vendor >/dev/null
    cargo build -q --offline
    git status --short
    echo "// a change" >>src/main.rs
    cargo build -q --offline
    grep -r ZSTD_compress vendor/zstd-sys >/dev/null
    echo "// another" >>src/main.rs
    cargo build -q --offline --release
    git commit -qam "changes" && git gc -q
    git status --short
'
