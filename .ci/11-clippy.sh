#!/usr/bin/env bash
# Proves that no lint fires, in any target, in the ordinary build and in the model checker's.
# What only one file may call (clocks, locks, raw memory, threads) is forbidden in clippy.toml.
set -eu
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}

# A fresh crate with the same configuration in which the lints must fire: a mistyped path would not.
probe=$target/ci/clippy-probe
rm -rf "$probe" && mkdir -p "$probe/src"
cp clippy.toml "$probe/"
printf '[package]\nname = "probe"\nversion = "0.0.0"\nedition = "2024"\n[workspace]\n' >"$probe/Cargo.toml"
cat >"$probe/src/lib.rs" <<'RUST'
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub fn clock() -> std::time::Instant { std::time::Instant::now() }
pub fn lock() -> std::sync::Mutex<u8> { std::sync::Mutex::new(1) }
pub fn thread() { let _ = std::thread::spawn(|| ()); }
pub unsafe fn memory(p: *mut u8) { drop(unsafe { Box::from_raw(p) }); unsafe { core::ptr::drop_in_place(p) } }
RUST
fired=$(CARGO_TARGET_DIR=$target/ci/probe cargo clippy --quiet --offline --manifest-path "$probe/Cargo.toml" 2>&1 || true)
for path in time::Instant::now sync::Mutex thread::spawn Box::from_raw ptr::drop_in_place; do
    grep -q "disallowed .*$path" <<<"$fired" || { echo "clippy.toml does not forbid $path:"; echo "$fired"; exit 1; }
done

cargo clippy --all-targets --all-features -- -D warnings
cargo clippy --lib -- -D warnings
RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=$target/loom cargo clippy --profile explore --features capi --lib --test loom -- -D warnings
RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=$target/loom scripts/with-cfg eager cargo clippy --profile explore --features capi --lib --test loom -- -D warnings
