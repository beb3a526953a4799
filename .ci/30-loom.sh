#!/usr/bin/env bash
# Proves the concurrent protocols on small models: every interleaving with up to three preemptions, and every
# value that a relaxed load may return (tests/loom.rs and the library's own models). Twice: with the reclaimer as it is,
# its asymmetric barrier a full fence, and with one by hand that frees as early as it may (src/reclaim/eager.rs).
set -euo pipefail
cd "$(dirname "$0")/.."
export RUSTFLAGS="--cfg loom" LOOM_MAX_PREEMPTIONS=${LOOM_MAX_PREEMPTIONS:-3} CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/loom
mkdir -p "$CARGO_TARGET_DIR"
out=$(mktemp -d "$CARGO_TARGET_DIR/out.XXXXXX")
running=()
trap '[ ${#running[@]} -eq 0 ] || kill "${running[@]}" 2>/dev/null || true; rm -rf "$out"' EXIT
trap 'exit 130' INT TERM

# programs [ARGUMENT...]: builds the library's models and tests/loom.rs, and prints where they are, in this order.
programs() {
    cargo test --profile explore --lib --test=loom --no-run "$@" 2>&1 | tee >(cat >&2) | sed -n 's/.*Executable.*(\(.*\))$/\1/p'
}

# Were both built, and are they what they are taken for? (A filter that fits nothing would pass.)
are_both() { [[ $# -eq 2 && $1 == */pinyon-* && $2 == */loom-* ]] || { echo "not the library and tests/loom.rs: $*" >&2; exit 1; }; }

# Beside the others, in one thread: the threads of one process wait for each other to get and give back their stacks.
start() {
    "$@" --test-threads=1 >"$out/${#running[@]}" 2>&1 &
    running+=($!)
}

# Of the library only the models: its other tests are 20-model's and those of `make test`.
mapfile -t real < <(programs --features capi)
are_both "${real[@]}"
start "${real[1]}"
start "${real[0]}" models
# The mailbox asks nothing of the reclaimer, nor do the blocks of the C ABI.
export -f programs
mapfile -t eager < <(scripts/with-cfg eager bash -c programs)
are_both "${eager[@]}"
start "${eager[1]}"
start "${eager[0]}" models --skip adapt::

failed=0
for number in "${!running[@]}"; do
    wait "${running[$number]}" || failed=1
    cat "$out/$number"
done
exit $failed
