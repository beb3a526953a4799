#!/usr/bin/env bash
# Proves that every example and benchmark builds and runs to its end, and that `make demo` does what the README shows;
# replay must refuse bad input with exit code 2 and one line, not a panic.
set -eu
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
trace=examples/traces/source-tree.u64.zst

cargo build --all-features --examples
ran=0
for source in examples/*.rs examples/*/main.rs; do
    [ -e "$source" ] || continue
    name=${source#examples/} name=${name%/main.rs} name=${name%.rs}
    [ "$name" = replay ] && continue
    echo "== $name"
    timeout 120 "$target/debug/examples/$name"
    ran=$((ran + 1))
done
echo "$ran examples ran"
[ "$ran" -gt 0 ]

echo "== single operations, each once"
CARGO_TARGET_DIR=$target cargo test --manifest-path benches/single/Cargo.toml --benches

echo "== demo"
chart=$target/ci/replay.svg
mkdir -p "$target/ci" && rm -f "$chart"
make demo CHART="$chart"
grep -q '</svg>' "$chart"

refuses() {
    local code=0
    echo "== replay $*"
    "$target/release/examples/replay" "$@" >"$target/ci/out" 2>"$target/ci/err" || code=$?
    cat "$target/ci/err"
    [ $code -eq 2 ] && [ "$(wc -l <"$target/ci/err")" -eq 1 ] && ! grep -q panicked "$target/ci/err" ||
        { echo "exit code $code, wanted 2 and one line"; exit 1; }
}
head -c 5000 "$trace" >"$target/ci/torn.u64.zst"
echo "not a trace" >"$target/ci/text.u64.zst"
refuses --trace "$target/ci/missing.u64.zst"
refuses --trace "$target/ci/torn.u64.zst"
refuses --trace "$target/ci/text.u64.zst"
refuses --trace "$trace" --capacity 0
refuses --trace "$trace" --capacity many
refuses --unknown
refuses
