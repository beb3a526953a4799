#!/usr/bin/env bash
# Proves that every input the fuzzer was ever taught by (fuzz/corpus) still passes under AddressSanitizer, and what a
# few seconds of mutation make of them. `make deep` looks for longer, and without the sanitizer.
set -eu
cd "$(dirname "$0")/.."
scripts/fuzz check 3
