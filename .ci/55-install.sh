#!/usr/bin/env bash
# Proves that what `make install` installs is whole: C programs find it by pkg-config and by CMake, link the shared and the
# static library, run to their end and lose no memory; that the library has the soname, the symbols, the version and the size
# that it should have; and that the static one links beside another static library that is made in Rust.
set -eu
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target/ci" && target=$(cd "$target" && pwd)
.ci/need valgrind cmake pkg-config zstd
work=$target/ci/install
rm -rf "$work" && mkdir -p "$work"
fail() { echo "$*"; exit 1; }
trap 'echo "failed at line $LINENO"' ERR

export CARGO_TARGET_DIR=$target
make --no-print-directory install PREFIX="$work/first"
# Moved, so that CMake's files must not know where they were installed.
cp -a "$work/first" "$work/moved"
prefix=$work/first lib=$work/first/lib
export PKG_CONFIG_PATH=$lib/pkgconfig LD_LIBRARY_PATH=$lib

echo "== soname, symbols, size, version"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1) abi=${version%.*}
readelf -d "$lib/libpinyon.so" | grep -F "soname: [libpinyon.so.$abi]"
readelf -d "$lib/libpinyon.so" | grep -F NODELETE
for system in Linux FreeBSD SunOS; do make -n capi SYSTEM=$system | grep -qF "soname,libpinyon.so.$abi,-z,nodelete" || fail "no soname on $system"; done
for system in Darwin MINGW64_NT-10.0; do ! make -n capi SYSTEM=$system | grep -F nodelete || fail "flags of ELF on $system"; done
[ "$(readlink "$lib/libpinyon.so")" = "libpinyon.so.$abi" ]
[ "$(readlink "$lib/libpinyon.so.$abi")" = "libpinyon.so.$version" ]
nm -D --defined-only "$lib/libpinyon.so" | awk '{ print $3 }' | LC_ALL=C sort >"$work/exported"
nm -g --defined-only "$lib/libpinyon.a" | awk 'NF == 3 { print $3 }' | LC_ALL=C sort >"$work/static"
cc -E -P -x c include/pinyon.h | grep -o 'pinyon_[a-z_]*(' | tr -d '(' | LC_ALL=C sort -u >"$work/declared"
for list in exported static declared; do
    diff bindings/c/symbols.txt "$work/$list" ||
        fail "the $list functions are not those in bindings/c/symbols.txt: a change of the ABI? then change that list"
done
wc -l <"$work/exported"
strip -o "$work/stripped.so" "$lib/libpinyon.so"
size=$(wc -c <"$work/stripped.so")
echo "$size bytes"
[ "$size" -le 1500000 ] || fail "libpinyon.so is larger than 1.5 MB"
[ "$(pkg-config --modversion pinyon)" = "$version" ]

echo "== what the static library needs is what rustc says"
needs=$(echo | rustc --crate-type staticlib --print native-static-libs -o "$work/empty.a" - 2>&1 | sed -n 's/.*native-static-libs: //p')
echo "$needs"
[ -n "$needs" ]
[ "$(sed -n 's/^Libs.private: //p' "$lib/pkgconfig/pinyon.pc")" = "$needs" ]
grep -qxF "static=\${libdir}/libpinyon.a $needs" "$lib/pkgconfig/pinyon.pc"
grep -qF "\"${needs// /;}\"" "$lib/cmake/pinyon/pinyon-config.cmake"

echo "== refusals"
refuses() {
    local code=0 wanted=$1
    shift
    "$@" >"$work/out" 2>&1 || code=$?
    cat "$work/out"
    [ $code -ne 0 ] && grep -qF "$wanted" "$work/out" || fail "exit code $code, wanted another and: $wanted"
}
mkdir "$work/nothing"
refuses "make capi" bindings/c/install "$work/none" "$work/nothing"
refuses "make capi" bindings/c/install "$work/none" "$work/nowhere"
refuses "absolute" bindings/c/install relative
refuses "usage" bindings/c/install
[ ! -e "$work/none" ]
DESTDIR=$work/stage bindings/c/install /usr >/dev/null
grep -qx 'prefix=/usr' "$work/stage/usr/lib/pkgconfig/pinyon.pc"

echo "== the examples, by pkg-config"
strict="-std=c99 -O2 -Wall -Wextra -Wpedantic -Wconversion -Werror -pthread"
program_of() { awk '/^```c$/ { on = 1; next } /^```/ { on = 0 } on' "$1"; }
program_of bindings/c/README.md >"$work/readme.c"
program_of README.md >"$work/front.c"
zstd -dcq examples/traces/source-tree.u64.zst >"$work/trace.u64"
try() {
    echo "-- $*"
    timeout 60 "$@" <"$work/input" >"$work/out" 2>&1 || { cat "$work/out"; fail "$* failed"; }
    cat "$work/out"
}
memcheck="valgrind -q --leak-check=full --error-exitcode=1 --errors-for-leak-kinds=definite,possible"
for source in bindings/c/examples/*.c "$work/readme.c" "$work/front.c"; do
    name=$(basename "$source" .c)
    cc $strict $(pkg-config --cflags pinyon) "$source" -o "$work/$name" $(pkg-config --libs pinyon)
    cc $strict $(pkg-config --cflags pinyon) "$source" -o "$work/$name-static" $(pkg-config --variable=static pinyon)
    readelf -d "$work/$name" | grep -qF "[libpinyon.so.$abi]"
    ! readelf -d "$work/$name-static" | grep -qF libpinyon.so || fail "$name-static needs the shared library"
    ln -sf trace.u64 "$work/input"
    try "$work/$name"
    try env -u LD_LIBRARY_PATH "$work/$name-static"
    # A part of the trace is enough: each request costs 50 times as much.
    head -c 160000 "$work/trace.u64" >"$work/part.u64"
    ln -sf part.u64 "$work/input"
    try $memcheck "$work/$name"
done
cc -static $strict $(pkg-config --cflags pinyon) "$work/readme.c" -o "$work/alone" $(pkg-config --variable=static pinyon | sed s/-lgcc_s//)
try "$work/alone"
: >"$work/nothing.in" && ln -sf nothing.in "$work/input"

cp -r bindings/c/examples/embed-pkg-config "$work/"
make --no-print-directory -C "$work/embed-pkg-config" CFLAGS="$strict"
for kind in shared static; do
    try $memcheck "$work/embed-pkg-config/with-$kind"
    grep -qx "header $version, library $version" "$work/out"
done

echo "== CMake: found where it was moved to, and built from a checkout"
cmake -S bindings/c/examples/embed-cmake -B "$work/embed-cmake" -DCMAKE_PREFIX_PATH="$work/moved" -DCMAKE_C_FLAGS="$strict" >"$work/log"
cmake --build "$work/embed-cmake" >>"$work/log"
grep -q "^pinyon_DIR:PATH=$work/moved/" "$work/embed-cmake/CMakeCache.txt"
for kind in shared static; do try env -u LD_LIBRARY_PATH "$work/embed-cmake/with-$kind"; done
wanted() { # a version that is asked for, and whether it is to be found
    local found=no
    printf 'cmake_minimum_required(VERSION 3.15)\nproject(ask NONE)\nfind_package(pinyon %s REQUIRED)\n' "$1" >"$work/ask/CMakeLists.txt"
    cmake -S "$work/ask" -B "$work/ask/build" -DCMAKE_PREFIX_PATH="$work/moved" >"$work/log" 2>&1 && found=yes
    echo "$1: $found"
    [ $found = "$2" ] || { cat "$work/log"; fail "find_package(pinyon $1): $found"; }
}
mkdir "$work/ask"
wanted "$abi" yes
wanted "$version EXACT" yes
wanted "$version.1" no
wanted "${version%%.*}.$((${abi#*.} + 1))" no
wanted "$((${version%%.*} + 1)).0" no

mkdir "$work/checkout"
cp bindings/c/examples/embed-cmake/main.c "$work/checkout/"
sed "s|^find_package.*|add_subdirectory($PWD/bindings/c pinyon)|" bindings/c/examples/embed-cmake/CMakeLists.txt >"$work/checkout/CMakeLists.txt"
cmake -S "$work/checkout" -B "$work/checkout/build" -DPINYON_CARGO_TARGET="$target" >"$work/log"
cmake --build "$work/checkout/build" >>"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
for kind in shared static; do try env -u LD_LIBRARY_PATH "$work/checkout/build/with-$kind"; done

echo "== beside another static library that is made in Rust"
cat >"$work/other.rs" <<'RUST'
/// 45 of 10; of 13 it panics inside, and tells 0.
#[unsafe(no_mangle)]
pub extern "C" fn other_sum(n: u64) -> u64 {
    std::panic::set_hook(Box::new(|_| ()));
    std::panic::catch_unwind(|| (0..n).inspect(|_| assert!(n != 13)).sum()).unwrap_or(0)
}
RUST
cat >"$work/two.c" <<'C'
#include <pinyon.h>
#include <stdio.h>
uint64_t other_sum(uint64_t n);
int main(void) {
    pinyon_options options = {.struct_size = sizeof options, .capacity = 100};
    pinyon_cache *cache;
    if (pinyon_create(&options, &cache, NULL, 0) != PINYON_OK) return 1;
    uint64_t sum = other_sum(10), panicked = other_sum(13), read = 0;
    int32_t code = pinyon_set(cache, "sum", 3, &sum, sizeof sum, NULL);
    if (code == PINYON_OK) code = pinyon_get_copy(cache, "sum", 3, &read, sizeof read, NULL);
    pinyon_free(cache);
    printf("%d %d\n", (int)read, (int)panicked);
    return code != PINYON_OK || read != 45 || panicked != 0;
}
C
rustc --edition 2024 --crate-type staticlib -C opt-level=1 -o "$work/libother.a" "$work/other.rs"
two() { cc $strict -I include "$work/two.c" -o "$work/two" "$@" $needs; }
# This one is to fail. If it does not any more, the README and the install script can be simpler.
! two "$target/capi/libpinyon.a" "$work/libother.a" >"$work/log" 2>&1 || fail "two libraries as cargo makes them link: see bindings/c/README.md"
grep -m 1 -o 'multiple definition of .*rust_eh_personality' "$work/log"
for order in "$lib/libpinyon.a $work/libother.a" "$work/libother.a $lib/libpinyon.a" "-L$lib -lpinyon $work/libother.a"; do
    two $order
    try "$work/two"
done
echo "== the same for another library, as the README says"
readme=$PWD/bindings/c/README.md
mkdir "$work/hand"
cp "$work/libother.a" "$work/hand/"
(
    cd "$work/hand"
    echo other_sum >symbols.txt
    awk '/^ld -r/ { on = 1 } /^```/ { on = 0 } on' "$readme" >commands
    [ -s commands ]
    bash -e commands
)
[ "$(nm -g --defined-only "$work/hand/libother.a" | awk 'NF == 3 { print $3 }')" = other_sum ]
two "$target/capi/libpinyon.a" "$work/hand/libother.a"
try "$work/two"
