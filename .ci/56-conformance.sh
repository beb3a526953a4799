#!/usr/bin/env bash
# Proves that the C ABI does what tests/conformance says, from C (also under the address and undefined behaviour sanitizers), and
# from Python with ctypes and with cffi; that no argument makes a function crash or break its word; and that these checks fail
# when a value is another or the header has a function that they do not know.
set -eu
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target/ci/conformance" && target=$(cd "$target" && pwd)
export CARGO_TARGET_DIR=$target
export PYTHONPYCACHEPREFIX=$target/ci/pycache
work=$target/ci/conformance
library=$target/capi/libpinyon.so
python=$target/ci/python/bin/python3
strict="-std=c99 -Wall -Wextra -Wpedantic -Werror -Iinclude"
static="$target/capi/libpinyon.a -lgcc_s -lutil -lrt -lpthread -lm -ldl -lc"

make --no-print-directory capi

for name in conformance arguments; do
    echo "== $name"
    python3 bindings/c/tests/$name.py "$work/$name.c"
    cc $strict "$work/$name.c" -o "$work/$name" -L"$target/capi" -lpinyon -Wl,-rpath,"$target/capi"
    "$work/$name"
    cc $strict -g -fsanitize=address,undefined -fno-sanitize-recover=all "$work/$name.c" $static -o "$work/$name-sanitized"
    "$work/$name-sanitized"
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
python3 bindings/c/tests/conformance.py "$work/wrong.c" "$work/steps"
cc $strict "$work/wrong.c" -o "$work/wrong" -L"$target/capi" -lpinyon -Wl,-rpath,"$target/capi"
fails "$work/wrong"
{ cat include/pinyon.h; echo 'int32_t pinyon_one_more(const pinyon_cache *cache);'; } >"$work/more.h"
fails python3 bindings/python/examples/c_abi_ctypes.py "$library" "$work/more.h"
fails python3 bindings/c/tests/arguments.py "$work/wrong.c" "$work/more.h"
