#!/usr/bin/env bash
# Proves that the library needs no newer Rust than Cargo.toml says: compiled by that very release where rustup
# has it, else by clippy's `incompatible_msrv`, which knows the library's functions but not the language's.
set -eu
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
msrv=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
[ -n "$msrv" ] || { echo "Cargo.toml names no rust-version"; exit 1; }

toolchain=$(rustup toolchain list 2>/dev/null | grep -o "^$msrv[0-9.]*-[^ ]*" | head -n 1 || true)
if [ -n "$toolchain" ]; then
    echo "checking with $toolchain"
    CARGO_TARGET_DIR=$target/msrv cargo "+$toolchain" check --all-features
    exit
fi
echo "Rust $msrv itself is not on this machine; clippy's incompatible_msrv is the check"

# A crate with the same rust-version in which the lint must fire (the method is of Rust 1.89).
probe=$target/ci/msrv-probe
rm -rf "$probe" && mkdir -p "$probe/src"
printf '[package]\nname = "probe"\nversion = "0.0.0"\nedition = "2024"\nrust-version = "%s"\n[workspace]\n' "$msrv" >"$probe/Cargo.toml"
echo 'pub fn newer(x: &u8) { let _ = std::ptr::NonNull::from_ref(x); }' >"$probe/src/lib.rs"
fired=$(CARGO_TARGET_DIR=$target/ci/probe cargo clippy --quiet --offline --manifest-path "$probe/Cargo.toml" -- \
    -D clippy::incompatible_msrv 2>&1 || true)
grep -q 'this item is stable since' <<<"$fired" || { echo "the lint did not fire on a newer method:"; echo "$fired"; exit 1; }

cargo clippy --lib --all-features -- -D clippy::incompatible_msrv

# The dependencies' own word on it.
cargo metadata --locked --all-features --format-version 1 --filter-platform "$(rustc -vV | sed -n 's/^host: //p')" >"$target/ci/metadata.json"
cargo tree --locked --all-features -e normal --prefix none --format '{p}' | sort -u | sed 's/ (\*)//' | while read -r name version _; do
    needs=$(grep -o "\"name\":\"$name\",\"version\":\"${version#v}\".*" "$target/ci/metadata.json" |
        grep -o '"rust_version":\("[0-9.]*"\|null\)' | head -n 1 | grep -o '[0-9.]*' || true)
    [ -z "$needs" ] || [ "$(printf '%s\n%s\n' "$needs" "$msrv.99" | sort -V | tail -n 1)" = "$msrv.99" ] ||
        { echo "$name $version needs Rust $needs"; exit 1; }
done
