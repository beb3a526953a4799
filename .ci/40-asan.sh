#!/usr/bin/env bash
# Proves that no test reads or frees memory that is gone: AddressSanitizer over all tests; and that the library
# loses none: LeakSanitizer over those that do not tie caches to themselves on purpose.
set -eu
cd "$(dirname "$0")/.."
host=$(rustc -vV | sed -n 's/^host: //p')
# The runtimes come with stable Rust; RUSTC_BOOTSTRAP lets it take the flag.
export RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address" CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/asan
# The many cases are 20-model's: here it is enough that each kind comes.
export PROPTEST_CASES=64
run() { cargo test --profile sanitized --no-fail-fast --target "$host" "$@"; }
# Of this crate, what does not go on for a time, as the first two do: to build it takes longer than to run it.
unoptimised() { run --all-features --config profile.sanitized.package.pinyon.opt-level=0 "$@"; }

# handle_segv: some tests fork a child that must be killed by a forbidden write. allocator_may_return_null: others ask for more
# memory than there is.
export ASAN_OPTIONS=detect_leaks=1:handle_segv=0:allocator_may_return_null=1
sound="stress history model compute user_code"
run --test stress --test history
unoptimised --lib --test model --test compute --test user_code

export ASAN_OPTIONS=detect_leaks=0:handle_segv=0:allocator_may_return_null=1
# Not what only reads the source (layers), or is for the model checkers; and not here, but in `make deep` (ASAN_LATER=), what
# takes long and makes memory come and go in no way that the others do not.
later=${ASAN_LATER-basic bytes capacity refresh replay running}
others=()
for test in tests/*.rs tests/*/main.rs; do
    name=${test#tests/} name=${name%/main.rs} name=${name%.rs}
    case " $sound layers loom shuttle $later " in *" $name "*) ;; *) others+=(--test "$name") ;; esac
done
# Not the one that measures resident memory, of which the sanitizer needs much for itself.
unoptimised "${others[@]}" -- --skip touch_little_memory
