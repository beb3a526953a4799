#!/usr/bin/env bash
# Proves that bindings/cpp/pinyon.hpp does what it says: its tests pass in C++17, 20 and 23, without exceptions and RTTI, and
# under the address and undefined behaviour sanitizers, with no warning; its example and the one of its README run; what it
# forbids does not compile.
set -eu
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target/ci"
out=$(mktemp -d "$target/ci/cpp.XXXXXX")
trap 'rm -rf "$out"' EXIT
make --no-print-directory capi

strict="-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -Iinclude -Ibindings/cpp"
library="$target/capi/libpinyon.a -pthread -lgcc_s -lutil -lrt -lm -ldl -lc"
tests="bindings/cpp/tests/cache.cpp bindings/cpp/tests/twice.cpp"

# builds COMPILER NAME SOURCES FLAG...
builds() {
    local compiler=$1 name=$2 sources=$3
    shift 3
    # shellcheck disable=SC2086
    "$compiler" $strict "$@" $sources -o "$out/$name" $library
}
can() { echo 'int main() {}' | "$1" "$2" -x c++ -fsyntax-only - 2>/dev/null; }

# Two at a time; a failure of either ends the script.
ran="17 20-sanitized bare memoise readme"
awk '/^```cpp/ { on = 1; next } /^```/ { on = 0 } on' bindings/cpp/README.md >"$out/readme.cpp"
builds g++ 20-sanitized "$tests" -std=c++20 -g1 -fsanitize=address,undefined -fno-sanitize-recover=all &
builds g++ 17 "$tests" -std=c++17
builds g++ memoise bindings/cpp/examples/memoise.cpp -std=c++17
builds g++ readme "$out/readme.cpp" -std=c++17
wait $!
builds g++ bare "$tests" -std=c++17 -fno-exceptions -fno-rtti &
if can g++ -std=c++23; then
    builds g++ 23 "$tests" -std=c++23
    ran="$ran 23"
fi
wait $!
if .ci/need clang; then
    builds clang++ clang-bare "$tests" -std=c++17 -fno-exceptions -fno-rtti &
    builds clang++ clang-20 "$tests" -std=c++20
    wait $!
    ran="$ran clang-bare clang-20"
fi
for name in $ran; do
    echo "== $name"
    timeout 120 "$out/$name"
done

echo "== what must not compile"
cat >"$out/wrong.cpp" <<'CPP'
#include <pinyon.hpp>
struct padded { char a; int b; };
using pointer = std::shared_ptr<int>;
template class pinyon::cache<padded, int>;                                                 // says: equal keys of this type
template class pinyon::cache<const char*, int>;                                            // says: not what it points at
template class pinyon::cache<pointer, int>;                                                // says: is no key
template class pinyon::cache<int, std::string_view>;                                       // says: owns its values
auto a(pinyon::cache<int, pointer>& c) { return c.reserve(1, 1); }                         // says: is not made of bytes
auto b(pinyon::cache<int, int>& c) { return c.counter_add(1, 1); }                         // says: counters are std::int64_t
auto c(pinyon::cache<int, padded>& c) { return c.compare_and_swap(1, padded(), {}); }      // says: pass a handle
auto d(pinyon::cache<int, long double>& c) { return c.compare_and_swap(1, 1.0L, 2.0L); }   // says: pass a handle
auto e(pinyon::cache<long, int>& c) { return c.get_many(std::vector<int>{1}); }            // says: stay where they are
auto f(pinyon::cache<int, std::vector<int>>& c) { return c.get(1); }                       // says: no codec for this type
CPP
# shellcheck disable=SC2086
g++ -std=c++17 -fsyntax-only $strict "$out/wrong.cpp" 2>"$out/wrong" && { echo "it compiles"; exit 1; }
sed -n 's/.* says: //p' "$out/wrong.cpp" | while read -r text; do
    # As often as there are lines that say so.
    [ "$(grep -c "error: static assertion failed.*$text" "$out/wrong")" -eq "$(grep -c "says: $text" "$out/wrong.cpp")" ] ||
        { cat "$out/wrong"; echo "not each that should says '$text'"; exit 1; }
    echo "$text"
done
