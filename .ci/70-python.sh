#!/usr/bin/env bash
# Proves that the Python package builds with pip and does what it says: its tests, its examples, its types, the public tests
# of what it stands in for; its tests again with debug assertions, by which the core sees what its unsafe face is promised; then that one abi3 wheel does the same on other interpreters, as far as there are any here.
set -eu
cd "$(dirname "$0")/.."
unset PYTHONPATH
target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target/ci/pypackage" && target=$(cd "$target" && pwd)
work=$target/ci/pypackage
export PYTHONPYCACHEPREFIX=$work/pycache MYPY_CACHE_DIR=$work/mypy PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_QUIET=1
export CARGO_TARGET_DIR=$target/python
# What is tried is whether it works, not how fast it is.
export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16
package=bindings/python tests=bindings/python/tests

fail() { echo "$*" >&2; exit 1; }
command -v cargo >/dev/null || fail "cargo is missing: install Rust 1.88 or newer"
command -v python3 >/dev/null || fail "python3 is missing: install Python 3.9 or newer (on Debian: apt-get install python3-venv)"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' || fail "python3 is older than 3.9"
python3 -c 'import ensurepip, venv' || fail "python3 has no venv: install it (on Debian: apt-get install python3-venv)"
minor() { "$1" -c 'import sys; print("%d.%d%s" % (*sys.version_info[:2], getattr(sys, "abiflags", "")))'; }

# environment NAME PYTHON: a virtual environment with what the tests need, made anew when the interpreter is another.
environment() {
    local version
    version=$("$2" -c 'import sys; print(sys.version)')
    [ "$(cat "$work/$1/version" 2>/dev/null)" = "$version" ] || {
        rm -rf "${work:?}/$1"
        "$2" -m venv "$work/$1"
        echo "$version" >"$work/$1/version"
    }
    # Before 21.3 pip builds a copy of the folder, which the Rust crate is not in.
    "$work/$1/bin/python" -m pip install --upgrade 'pip>=23'
    "$work/$1/bin/python" -m pip install -r $tests/requirements.txt
}

# tested NAME FILE...: runs test files against the package that is installed there, each test within two minutes.
tested() {
    local python=$work/$1/bin/python
    shift
    "$python" -c 'import pinyon, sys; print(sys.version.split()[0], pinyon._core.__file__)'
    "$python" -m pytest -q -p no:cacheprovider -o faulthandler_timeout=120 -o faulthandler_exit_on_timeout=true "$@"
}

echo "== Rust"
cargo fmt --manifest-path $package/Cargo.toml --check
PYO3_PYTHON=$(python3 -c 'import sys; print(sys.executable)')
export PYO3_PYTHON
cargo clippy --quiet --manifest-path $package/Cargo.toml --all-targets --locked -- -D warnings
cargo clippy --quiet --manifest-path $package/Cargo.toml --all-targets --locked --features abi3 -- -D warnings
unset PYO3_PYTHON

echo "== the package, built by pip"
environment here python3
python=$work/here/bin/python
"$python" -m pip install -r $tests/requirements-tools.txt
"$python" -m pip install --force-reinstall --no-deps ./$package
tested here $tests --durations=5
"$python" $tests/test_conformance.py
for runner in "$tests"/run_*.py; do
    [ -e "$runner" ] || continue
    echo "-- $(basename "$runner")"
    if [[ $runner == *cachetools* ]] && ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        echo "left out: the tests of cachetools need Python 3.11, and this is $(minor "$python")"
    elif [[ $runner == *cpython* ]] && ! "$python" -c 'import test.test_functools' 2>/dev/null; then
        echo "left out: this interpreter comes without its own tests (on Debian: apt-get install libpython3-testsuite)"
    else
        "$python" "$runner"
    fi
done

echo "== types"
if "$python" -c 'import mypy' 2>/dev/null; then
    "$python" -m mypy --strict $tests/typing/usage.py
    MYPYPATH=$package/python "$python" -m mypy --strict $package/python/pinyon/{,compat/,compat/*/}*.py
    "$python" -m mypy.stubtest pinyon._core
    "$work/here/bin/pyright" --pythonpath "$python" $tests/typing/usage.py $package/python/pinyon/compat
else
    echo "left out: mypy and pyright need Python 3.10, and this is $(minor "$python")"
fi

echo "== with debug assertions: is the caller as alone as it says?"
environment asserting python3
CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS=true "$work/asserting/bin/python" -m pip install --force-reinstall --no-deps ./$package
tested asserting $tests

echo "== one wheel for all interpreters with a lock"
rm -rf "$work/wheels"
"$work/here/bin/maturin" build --quiet --release --locked \
    --manifest-path $package/Cargo.toml --features abi3 --interpreter "$python" --compatibility linux --out "$work/wheels"
wheel=$(find "$work/wheels" -name 'pinyon-*-cp39-abi3-*.whl')
[ -n "$wheel" ] || fail "maturin made no abi3 wheel"
quick="cache cached conformance expiry keys loading reentry"
others=$(for version in 3.{9..19}; do
    for python in $(type -ap "python$version") ~/.pyenv/versions/"$version".*/bin/"python$version"; do
        if "$python" -c 'import ensurepip, venv' 2>/dev/null && [ "$(minor "$python")" != "$(minor python3)" ]; then
            echo "$python"
            break
        fi
    done
done)
# The oldest and the newest.
oldest=$(head -n 1 <<<"$others") newest=$(tail -n 1 <<<"$others")
[ -n "$others" ] || { echo "no other interpreter is here (3.9 and newer): the wheel is tried on $(minor python3) only"; oldest=python3; }
for other in $oldest $([ "$newest" = "$oldest" ] || echo "$newest"); do
    name=abi3-$(minor "$other")
    environment "$name" "$other"
    "$work/$name/bin/python" -m pip install --force-reinstall --no-deps "$wheel"
    # shellcheck disable=SC2046,SC2086
    tested "$name" $(printf "$tests/test_%s.py " $quick)
done

free=''
for python in python3.{14..19}t; do
    if command -v "$python" >/dev/null && "$python" -c 'import ensurepip, venv' 2>/dev/null; then free=$python; fi
done
if [ -n "$free" ]; then
    echo "== without a global lock"
    environment free "$free"
    "$work/free/bin/python" -m pip install --force-reinstall --no-deps ./$package
    tested free $tests
else
    echo "no free-threaded interpreter is here (python3.14t or newer): that build is not tried"
fi
