#!/usr/bin/env bash
# Proves that threads of C that do everything at once read nothing that is gone, race with nothing and lose no memory:
# bindings/c/tests/stress.c as it is under memcheck, and with C and Rust both under AddressSanitizer (and C under
# UndefinedBehaviorSanitizer), and under ThreadSanitizer. And that the ABI only grows (bindings/c/abi.txt), that the header is
# what src/ffi says and compiles without a warning under gcc and clang, and that the library can be built for programs whose panics abort.
set -eu
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
host=$(rustc -vV | sed -n 's/^host: //p')
system="-pthread -lgcc_s -lutil -lrt -lm -ldl -lc"
out=$target/ci/c-stress
mkdir -p "$out"
.ci/need valgrind

CARGO_TARGET_DIR=$target/header cargo run --quiet --manifest-path bindings/c/header/Cargo.toml -- --check
bindings/c/tests/abi.py
printf '#include <pinyon.h>\n#include <pinyon.h>\n' >"$out/twice.cpp"
.ci/need clang || echo "left out"
for compiler in gcc $(command -v clang); do
    for standard in c99 c11 c17; do
        $compiler -std=$standard -Wall -Wextra -Wpedantic -Werror -Iinclude -fsyntax-only bindings/c/examples/*.c bindings/c/tests/stress.c
    done
    for standard in c++11 c++17 c++20; do
        $compiler -std=$standard -Wall -Wextra -Wpedantic -Werror -Iinclude -fsyntax-only "$out/twice.cpp"
    done
done

# compile PROGRAM LIBRARY FLAG...
compile() {
    local program=$1 library=$2
    shift 2
    # shellcheck disable=SC2086
    gcc -std=c99 -g -O1 -Wall -Wextra -Wpedantic -Werror "$@" -Iinclude bindings/c/tests/stress.c -o "$program" "$library" $system
}

make capi
compile "$out/plain" "$target/capi/libpinyon.a"
"$out/plain" 200000
valgrind --quiet --error-exitcode=1 --leak-check=full --errors-for-leak-kinds=definite,possible "$out/plain" 2000

# sanitized NAME RUST_FLAGS C_FLAG...: in the folder that the tests under this sanitizer use.
sanitized() {
    local name=$1 rust=$2
    shift 2
    RUSTC_BOOTSTRAP=1 RUSTFLAGS=$rust CARGO_TARGET_DIR=$target/$name \
        cargo rustc --lib --profile sanitized --features capi --crate-type staticlib --target "$host"
    compile "$out/$name" "$target/$name/$host/sanitized/libpinyon.a" "$@"
}
sanitized asan -Zsanitizer=address -fsanitize=address,undefined -fno-sanitize-recover=all
"$out/asan" 50000
gcc -O1 -fno-builtin -c bindings/c/tests/tsan.c -o "$out/tsan.o"
system="$out/tsan.o $system"
CARGO_PROFILE_SANITIZED_DEBUG=1 sanitized tsan "-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer" -fsanitize=thread
TSAN_OPTIONS="suppressions=$PWD/bindings/c/tests/tsan.supp halt_on_error=1" "$out/tsan" 20000

system=${system#* }
RUSTFLAGS="-C panic=abort" CARGO_TARGET_DIR=$target/abort cargo rustc --quiet --lib --features capi --crate-type staticlib
compile "$out/abort" "$target/abort/debug/libpinyon.a"
"$out/abort" 20000
