#!/usr/bin/env bash
# Proves that the C ABI does what tests/conformance says: from C and C++ (also under the address and undefined behaviour
# sanitizers), and from Python with ctypes and with cffi; that a program that was built with the first header works; that no
# argument makes a function crash or break its word; and that these checks fail when a value is another or the header has a
# function that they do not know.
set -eu
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target/ci/conformance" && target=$(cd "$target" && pwd)
export CARGO_TARGET_DIR=$target
export PYTHONPYCACHEPREFIX=$target/ci/pycache
work=$target/ci/conformance
library=$target/capi/libpinyon.so
python=$target/ci/python/bin/python3
strict="-Wall -Wextra -Wpedantic -Werror -Iinclude"
shared="-L$target/capi -lpinyon -Wl,-rpath,$target/capi"
static="$target/capi/libpinyon.a -lgcc_s -lutil -lrt -lpthread -lm -ldl -lc"
sanitized="-g -fsanitize=address,undefined -fno-sanitize-recover=all"

make --no-print-directory capi

# builds PROGRAM SOURCE FLAG...: C99, or C++20; steps.h is beside the program.
builds() {
    local program=$1 source=$2
    local compiler="cc -std=c99"
    shift 2
    [ "${source##*.}" = c ] || compiler="g++ -std=c++20 -Wshadow -Wconversion -Ibindings/cpp"
    # shellcheck disable=SC2086
    $compiler $strict -I"$(dirname "$program")" "$source" -o "$program" "$@"
}

python3 bindings/c/tests/conformance.py "$work/steps.h"
python3 bindings/c/tests/arguments.py "$work/arguments.c"
for source in bindings/c/tests/frozen.c bindings/c/tests/conformance.c bindings/cpp/tests/conformance.cpp "$work/arguments.c"; do
    echo "== $(basename "$source")"
    # shellcheck disable=SC2086
    builds "$work/shared" "$source" $shared
    "$work/shared"
    # shellcheck disable=SC2086
    builds "$work/sanitized" "$source" $sanitized $static
    "$work/sanitized"
done

echo "== Python"
python3 bindings/python/examples/c_abi_ctypes.py "$library"
"$python" -c 'import cffi' 2>/dev/null || {
    python3 -m venv "$target/ci/python"
    "$python" -m pip install --quiet --disable-pip-version-check cffi==2.0.0
}
"$python" bindings/python/examples/c_abi_cffi.py "$library"

fails() {
    if "$@" >"$work/out" 2>&1; then
        echo "wanted a failure: $*"
        exit 1
    fi
    head -n 2 "$work/out"
}
echo "== what must fail"
rm -rf "$work/steps" && mkdir "$work/steps" && cp tests/conformance/*.json "$work/steps"
sed '0,/"gives": "ten thousand seeds"/s//"gives": "none"/' tests/conformance/basic.json >"$work/steps/basic.json"
fails python3 bindings/python/examples/c_abi_ctypes.py "$library" include/pinyon.h "$work/steps"
fails "$python" bindings/python/examples/c_abi_cffi.py "$library" include/pinyon.h "$work/steps"
python3 bindings/c/tests/conformance.py "$work/steps/steps.h" "$work/steps"
for source in bindings/c/tests/conformance.c bindings/cpp/tests/conformance.cpp; do
    # shellcheck disable=SC2086
    builds "$work/steps/wrong" "$source" $shared
    fails "$work/steps/wrong"
done
{ cat include/pinyon.h; echo 'int32_t pinyon_one_more(const pinyon_cache *cache);'; } >"$work/more.h"
fails python3 bindings/python/examples/c_abi_ctypes.py "$library" "$work/more.h"
fails python3 bindings/c/tests/arguments.py "$work/wrong.c" "$work/more.h"
